// Package catalog is the list of Earshot's metrics: name, meaning, unit, labels,
// and how each is read from what the probe found out. The exporter, the
// dashboards, the rules and docs/METRICS.md all walk it, and refer to a metric by
// its Go name, so that none can speak of a metric that does not exist.
package catalog

import (
	"slices"
	"time"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/probe"
)

// Prefix begins the name of every metric but those of the one-shot form, which
// have the names that users of Prometheus probes know.
const Prefix = "earshot_"

// Type says how a metric behaves.
type Type string

// The types.
const (
	Counter   Type = "counter"
	Gauge     Type = "gauge"
	Histogram Type = "histogram"
)

// Unit is what a value counts. Base units only.
type Unit string

// The units.
const (
	None      Unit = "" // a state, 0 or 1, or a fact in labels
	Seconds   Unit = "seconds"
	Timestamp Unit = "seconds since 1970"
	Ratio     Unit = "ratio, 0 to 1"
	Bytes     Unit = "bytes"
	Calls     Unit = "calls"
	Windows   Unit = "windows"
	Packets   Unit = "packets"
	Count     Unit = "count"
	MOS       Unit = "MOS, 1 to 5"
	RPoints   Unit = "points of R, 0 to 100"
	DBOV      Unit = "dBov"
)

// Life says how long a series is shown after it was set.
type Life string

// The lives.
const (
	Forever     Life = "as long as the target is in the configuration"
	WhileCalls  Life = "until calls stay away"          // since the last call that ended, or window
	WhileWindow Life = "until scored windows stay away" // since the last window
)

// Put takes a value: counters add it, gauges take it, histograms observe it. The
// label values are those of Metric.Labels, without the target.
type Put func(value float64, labels ...string)

// Metric describes one family of series, and how it is read. Its readers are
// called when there is something to read; most metrics have one, some two.
type Metric struct {
	Name string
	Help string // one sentence, with the unit
	Type Type
	Unit Unit
	// PerTarget metrics have the label "target" before their Labels.
	PerTarget bool
	Labels    []string
	Buckets   []float64 // upper bounds of the classic form of a histogram
	Life      Life      // of gauges per target that come from calls and windows
	Group     string    // heading under which the documentation lists it

	// FromPlan reads the job when it is added or changed. Counters with labels
	// of their own put 0 for each series that is to exist from the start.
	FromPlan func(agent.Job, Put)
	// FromCall reads a finished call, FromWindow a closed window of a running
	// one. When a gauge's reader puts nothing, its series end.
	FromCall   func(*Call, Put)
	FromWindow func(*Window, Put)
	// Spread reads the times of a window's packets, for histograms of packets.
	Spread func(*Window) probe.Histogram
	// Keep leaves a gauge as it is when its reader puts nothing.
	Keep bool
	// Streak makes a gauge the number of times in a row that its reader put 1; a
	// 0 ends the row, and nothing leaves it as it is.
	Streak bool
	// Row is of a gauge that is about a row of failed calls: it is 0 again when a call
	// without pause stands.
	Row bool
	// Recent makes a gauge the number of ones among the last so many values, 63 at
	// most, that its reader put; nothing leaves it as it is.
	Recent int

	// FromJob and FromStatus read the agent's state at the time of the scrape.
	FromJob    func(*agent.JobStatus, Put)
	FromStatus func(*agent.Status, Put)
	// FromProcess reads what is known of the process.
	FromProcess func(*Process, Put)
	// FromReceiver reads what was pushed to a receiver, at the time of the scrape.
	FromReceiver func(*Receiver, Put)
	// FromHistory reads how the history is doing, at the time of the scrape.
	FromHistory func(*History, Put)
	// FromShot reads a one-shot call; only /probe shows such metrics.
	FromShot func(*probe.Result, Put)
}

// Call is a finished call, and the job that asked for it.
type Call struct {
	Job agent.Job
	*probe.Result
	// Failing is the time between the end of the first failed call of the row that
	// this one is in, and the start of this one; 0 for the first.
	Failing time.Duration
}

// Window is a closed window, and the job and call that it is of.
type Window struct {
	Job agent.Job
	ID  string // of the call
	*probe.Window
}

// Limits of the job, with the defaults filled in.
func (w *Window) Limits() probe.Limits { return w.Job.Target.Limits.WithDefaults() }

// Process is what is known of the process.
type Process struct {
	Site                         string
	Version, Revision, GoVersion string
	Reloads                      int64   // of the configuration, tried
	Reloaded                     bool    // the last one worked
	ReloadedAt                   float64 // seconds since 1970, of the last one that worked; 0: none
}

// AllLabels lists the labels of the metric's series, the target first.
func (m *Metric) AllLabels() []string {
	if m.PerTarget {
		return append([]string{"target"}, m.Labels...)
	}
	return slices.Clone(m.Labels)
}

// String is the metric's name.
func (m *Metric) String() string { return m.Name }

// Pair is a metric of each direction. They are families of their own, not a
// label, so that no sum can mix the two.
type Pair struct {
	Uplink   *Metric // probe to echo: what the far end hears
	Downlink *Metric // echo to probe
}

var all []*Metric

// All lists every metric.
func All() []*Metric { return slices.Clone(all) }

func add(m Metric) *Metric {
	all = append(all, &m)
	return &m
}

// Groups are the headings of the documentation, in order.
var Groups = []string{
	groupCalls, groupWindows, groupDirections, groupFacts, groupTargets, groupAgent, groupSelf, groupProcess, groupReceivers, groupHistory, groupShot,
}
