// Package exporter shows what an agent finds out as Prometheus metrics: it is an
// agent.Observer on one side and a prometheus.Collector on the other, and walks
// the catalog in between.
//
//	e := exporter.New(exporter.Config{Site: "paris"})
//	registry.MustRegister(e)
//
// Counters are there at 0 from the moment a target is. Series of a target that is
// gone from the configuration vanish at once; gauges of its calls vanish when no
// call has refreshed them for a few runs.
package exporter

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/internal/catalog"
	"github.com/earshot-voip/earshot/probe"
)

// Config is what an exporter says of the process.
type Config struct {
	Site                         string
	Version, Revision, GoVersion string
	// Status, when not nil, is asked at each scrape what the agent is doing.
	Status func() agent.Status
	// Receivers, when not nil, is asked at each scrape what became of what is
	// pushed.
	Receivers func() []catalog.Receiver
	// History, when not nil, is asked at each scrape how the history is doing.
	History func() catalog.History
}

// Exporter keeps the series of an agent. All of its methods may be called at the
// same time; those of the observer do not wait for a scrape.
type Exporter struct {
	families  []*family
	status    func() agent.Status
	receivers func() []catalog.Receiver
	history   func() catalog.History

	mu      sync.RWMutex
	targets map[string]*target

	processMu sync.Mutex
	process   store
	facts     catalog.Process
}

// New returns an exporter without targets.
func New(c Config) *Exporter {
	e := &Exporter{
		status: c.Status, receivers: c.Receivers, history: c.History,
		targets: map[string]*target{},
		facts:   catalog.Process{Site: c.Site, Version: c.Version, Revision: c.Revision, GoVersion: c.GoVersion},
	}
	for _, m := range catalog.All() {
		if m.FromShot == nil {
			e.families = append(e.families, newFamily(m))
		}
	}
	e.process = newStore(len(e.families))
	for i, f := range e.families {
		if !f.PerTarget && startsAtZero(f) {
			e.process.at(f, i)
		}
	}
	return e
}

// startsAtZero reports whether a family has one series from the start.
func startsAtZero(f *family) bool {
	return f.Type != catalog.Gauge && len(f.Labels) == 0 && (f.FromCall != nil || f.FromWindow != nil || f.Spread != nil)
}

// Added makes the target's counters exist. Those of a job that changed go on.
func (e *Exporter) Added(job agent.Job) {
	e.mu.Lock()
	t := e.targets[job.Name()]
	if t == nil {
		t = &target{series: newStore(len(e.families)), up: map[string]bool{}}
		e.targets[job.Name()] = t
	}
	e.mu.Unlock()

	t.mu.Lock()
	defer t.mu.Unlock()
	t.job = job
	for i, f := range e.families {
		if !f.PerTarget {
			continue
		}
		if startsAtZero(f) {
			t.series.at(f, i, job.Name())
		}
		if f.FromPlan != nil {
			t.series.update(f, i, job.Name(), exemplar{}, func(put catalog.Put) { f.FromPlan(job, put) })
		}
	}
}

// Removed forgets a target at once.
func (e *Exporter) Removed(job agent.Job) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.targets, job.Name())
}

// Started notes which call of a target is the last one.
func (e *Exporter) Started(job agent.Job, id string, _ time.Time) {
	e.with(job, func(t *target) { t.placed, t.placedAt = id, time.Now() })
}

// Dropped counts nowhere.
func (e *Exporter) Dropped(job agent.Job, id string) {
	e.with(job, func(t *target) { delete(t.up, id) })
}

// with does something with a target, if it is still there.
func (e *Exporter) with(job agent.Job, do func(*target)) {
	e.mu.RLock()
	t := e.targets[job.Name()]
	e.mu.RUnlock()
	if t != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		do(t)
	}
}

// Window takes the figures of a closed window. A call that stands ends a row of
// failed ones: it may be an hour before it is finished.
func (e *Exporter) Window(job agent.Job, id string, w probe.Window) {
	now := time.Now()
	window := &catalog.Window{Job: job, ID: id, Window: &w}
	stands, twice := false, false
	e.each(job, now, func(f *family, i int, s *store, name string) {
		switch {
		case twice && f.Recent > 0:
		case twice && f.Streak && f.FromWindow != nil: // it may end a row, and makes none longer
			s.update(f, i, name, exemplar{id, now}, func(put catalog.Put) {
				f.FromWindow(window, func(value float64, labels ...string) {
					if value == 0 {
						put(value, labels...)
					}
				})
			})
		case f.FromWindow != nil:
			s.update(f, i, name, exemplar{id, now}, func(put catalog.Put) { f.FromWindow(window, put) })
		case f.Spread != nil:
			s.merge(f, i, name, exemplar{id, now}, f.Spread(window))
		case stands && f.Row:
			s.zero(i)
		}
	}, func(t *target) {
		t.lastWindow, t.lastCall = now, now
		t.up[id] = true
		stands, twice = t.stands(id, now, &w), t.overlaps(id, now, &w)
		if stands {
			t.failing = time.Time{}
		}
	})
}

// Ended takes the figures of a finished call. If a layer broke, no score of its
// windows is shown any longer, unless another call to the target goes on.
func (e *Exporter) Ended(job agent.Job, r *probe.Result) {
	now := time.Now()
	call := &catalog.Call{Job: job, Result: r}
	alone := true
	e.each(job, now, func(f *family, i int, s *store, name string) {
		switch {
		case f.FromCall != nil:
			s.update(f, i, name, exemplar{r.ID, now}, func(put catalog.Put) { f.FromCall(call, put) })
		case f.Life == catalog.WhileWindow && r.Verdict == probe.Failed && alone:
			s.clear(i)
		}
	}, func(t *target) {
		t.lastCall = now
		delete(t.up, r.ID)
		alone = len(t.up) == 0
		call.Failing = t.fail(now, r)
	})
}

// each walks the families of a target, then those of the process.
func (e *Exporter) each(job agent.Job, now time.Time, do func(f *family, i int, s *store, name string), refresh func(*target)) {
	e.with(job, func(t *target) {
		refresh(t)
		for i, f := range e.families {
			if f.PerTarget {
				do(f, i, &t.series, job.Name())
			}
		}
	})
	e.processMu.Lock()
	defer e.processMu.Unlock()
	for i, f := range e.families {
		if !f.PerTarget {
			do(f, i, &e.process, "")
		}
	}
}

// Reloaded takes whether the configuration could be loaded.
func (e *Exporter) Reloaded(ok bool) {
	e.processMu.Lock()
	defer e.processMu.Unlock()
	e.facts.Reloads++
	e.facts.Reloaded = ok
	if ok {
		e.facts.ReloadedAt = float64(time.Now().UnixMilli()) / 1000
	}
}

// staleAfter is how long the gauges of a target's calls, or windows, are shown
// without being refreshed: three runs that were missed.
func staleAfter(j agent.Job, life catalog.Life) time.Duration {
	window, duration := j.Target.Window, j.Target.Duration
	if window == 0 {
		window = 5 * time.Second
	}
	if duration == 0 {
		duration = 10 * time.Second
	}
	switch {
	case j.Mode != agent.Continuous:
		return 3*j.Every + duration + 30*time.Second
	case life == catalog.WhileWindow:
		return 3*window + 15*time.Second
	default:
		return 3*window + 5*time.Minute
	}
}

// Describe gives the descriptions of all families.
func (e *Exporter) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range e.families {
		ch <- f.desc
	}
}
