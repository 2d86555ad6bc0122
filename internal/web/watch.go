package web

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/internal/history"
	"github.com/earshot-voip/earshot/probe"
)

// State is how a target is doing, in one word.
type State string

// The states of a target: the verdict of its last call, or of the last window of
// a call that stays up.
const (
	stateGood      State = "good"
	stateDegraded  State = "degraded"
	stateFailed    State = "failed"
	stateUntrusted State = "untrusted"
	stateUnknown   State = "unknown"
)

// severity is the order in which targets are listed, the worst first.
var severity = map[State]int{stateFailed: 0, stateDegraded: 2, stateUntrusted: 3, stateUnknown: 4, stateGood: 5}

const staleSeverity = 1 // after what is broken, before what is poor

// watch is a target as it is shown.
type watch struct {
	Job    agent.Job
	Name   string
	Target string // without secrets
	State  State
	// Stale says that what is shown is older than it may be: calls or windows are
	// missing. It is the difference between "good" and "was good".
	Stale   bool
	Why     string // one sentence
	Layer   probe.Layer
	Code    probe.Code
	Figures history.Figures
	At      time.Time // of the figures: the end of the call or window
	CallID  string    // of the last call that is in the history
	Running []agent.Call
	Next    time.Time
	Skipped int64
	Late    time.Duration
	Spark   plot
}

// newWatch makes one of what the agent says. last is the last call in the
// history; nil: there is none.
func newWatch(s agent.JobStatus, last *history.Entry, now time.Time) watch {
	w := watch{Job: s.Job, Name: s.Job.Name(), Target: withoutSecrets(s.Job.Target.URL), State: stateUnknown,
		Running: s.Calls, Next: s.Next, Skipped: s.Skipped, Late: s.Late, Why: "No call has ended yet."}
	if s.Last != nil {
		e := history.NewEntry(s.Last)
		last = &e
	}
	if last != nil {
		w.CallID = last.ID
		w.State, w.Why, w.Figures, w.Layer, w.Code = State(last.Verdict), last.Summary, last.Figures, last.Layer, last.Code
		w.At = last.Started.Add(time.Duration(last.Elapsed * float64(time.Second)))
	}
	if s.Job.Mode == agent.Continuous {
		w.live(s.Calls)
	}
	if allowed := allowedAge(s.Job); !w.At.IsZero() && now.Sub(w.At) > allowed {
		w.Stale = true
		w.Why = fmt.Sprintf("Nothing has been heard for %s; %s is usual. Before that: %s", span(now.Sub(w.At)), span(usualAge(s.Job)), w.Why)
	}
	return w
}

// live takes the last window of a running call, which is later than any call
// that has ended.
func (w *watch) live(calls []agent.Call) {
	for _, c := range calls {
		if c.Last == nil {
			continue
		}
		at := c.Started.Add(c.Last.Start + c.Last.Length)
		if at.Before(w.At) {
			continue
		}
		p := history.NewWindowPoint(at, c.Last)
		w.At, w.Figures, w.Layer, w.Code = at, p.Figures, "", ""
		w.State, w.Why = windowState(p, w.Job.Target.WithDefaults().Limits)
		w.Why = fmt.Sprintf("Call up since %s: %s", c.Started.UTC().Format("15:04:05"), w.Why)
	}
}

// windowState judges a window by the limits of its target.
func windowState(p history.Point, l probe.Limits) (State, string) {
	over := func(x *float64, limit float64) bool { return x != nil && *x > limit }
	under := func(x *float64) bool { return x != nil && *x < l.BadMOS }
	switch {
	case p.Verdict == probe.Untrusted:
		return stateUntrusted, "this host was too busy to measure the last window."
	case under(p.Uplink.MOS) || under(p.Downlink.MOS):
		return stateDegraded, fmt.Sprintf("the score of the last window is under the limit of %.2f.", l.BadMOS)
	case over(p.Uplink.Loss, l.Loss) || over(p.Downlink.Loss, l.Loss):
		return stateDegraded, fmt.Sprintf("the loss of the last window is over the limit of %s.", percent(l.Loss))
	case over(p.Uplink.Jitter, l.Jitter.Seconds()) || over(p.Downlink.Jitter, l.Jitter.Seconds()):
		return stateDegraded, fmt.Sprintf("the jitter of the last window is over the limit of %s.", seconds(l.Jitter.Seconds()))
	case over(p.RTT, l.RTT.Seconds()):
		return stateDegraded, fmt.Sprintf("the round trip of the last window is over the limit of %s.", seconds(l.RTT.Seconds()))
	case p.Uplink.MOS == nil && p.Downlink.MOS == nil:
		return stateUnknown, "nothing is known of the last window."
	}
	return stateGood, "the last window is within all limits."
}

// usualAge is how old figures get when all goes well.
func usualAge(j agent.Job) time.Duration {
	if j.Mode == agent.Continuous {
		return j.Target.WithDefaults().Window
	}
	return j.Every
}

// allowedAge is how old figures may be: one call or two windows may be missing.
func allowedAge(j agent.Job) time.Duration {
	t := j.Target.WithDefaults()
	if j.Mode == agent.Continuous {
		return 3*t.Window + 5*time.Second
	}
	return 2*j.Every + t.Duration + 10*time.Second
}

// Attention reports whether somebody should look at the target.
func (w watch) Attention() bool { return w.Stale || w.State != stateGood && w.State != stateUnknown }

func (w watch) rank() int {
	if w.Stale && w.State != stateFailed {
		return staleSeverity
	}
	return severity[w.State]
}

// Continuous reports whether the target is watched by a call that stays up.
func (w watch) Continuous() bool { return w.Job.Mode == agent.Continuous }

// Schedule says how the target is watched.
func (w watch) Schedule() string {
	if w.Continuous() {
		return "a call that stays up, renewed every " + spanLabel(w.Job.Renew)
	}
	return "a call every " + spanLabel(w.Job.Every)
}

// watches are all targets, the worst first.
func (s *Server) watches(now time.Time) ([]watch, agent.Status, error) {
	status := s.config.Status()
	list := make([]watch, 0, len(status.Jobs))
	for _, job := range status.Jobs {
		w, err := s.watch(job, now)
		if err != nil {
			return nil, status, err
		}
		list = append(list, w)
	}
	slices.SortStableFunc(list, func(a, b watch) int { return cmp.Compare(a.rank(), b.rank()) })
	return list, status, nil
}

// watch is one target. What the agent has forgotten by a restart is taken from
// the history.
func (s *Server) watch(job agent.JobStatus, now time.Time) (watch, error) {
	var last *history.Entry
	if s.config.History != nil {
		page, err := s.config.History.List(history.Query{Name: job.Job.Name(), Limit: 1})
		if err != nil {
			return watch{}, err
		}
		if len(page.Calls) > 0 {
			last = &page.Calls[0]
		}
	}
	w := newWatch(job, last, now)
	if last != nil {
		w.CallID = last.ID // a call that has just ended may not be written yet
	} else {
		w.CallID = ""
	}
	return w, nil
}

// course is what a target did over a span.
func (s *Server) course(j agent.Job, over time.Duration, now time.Time) (course, error) {
	c := course{span: over, now: now, gap: neighbours(j), limit: j.Target.WithDefaults().Limits.BadMOS}
	if s.config.History == nil {
		return c, nil
	}
	var err error
	c.points, err = s.config.History.Points(j.Name(), now.Add(-over))
	return c, err
}
