package exporter

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/internal/catalog"
	"github.com/earshot-voip/earshot/probe"
)

// Shot shows one finished call, as /probe answers: probe_success,
// probe_duration_seconds and what an agent would show of the target after this
// call alone. The target is that of the call, for its name and limits.
func Shot(t probe.Target, r *probe.Result) prometheus.Gatherer {
	job := agent.Job{Target: t, Mode: agent.Periodic, Every: time.Hour}
	job.Target.Name = r.Name
	e := New(Config{})
	e.Added(job)
	e.forget(job, catalog.TargetInfo, catalog.TargetInterval) // there is no schedule
	for _, w := range r.Windows {
		e.Window(job, r.ID, w)
	}
	e.Ended(job, r)
	registry := prometheus.NewRegistry()
	registry.MustRegister(&shot{e: e, result: r})
	return registry
}

// forget ends the series of some families of a target.
func (e *Exporter) forget(job agent.Job, metrics ...*catalog.Metric) {
	for i, f := range e.families {
		if slices.Contains(metrics, f.Metric) {
			e.targets[job.Name()].series.clear(i)
		}
	}
}

// shot collects what belongs to one call of a target.
type shot struct {
	e      *Exporter
	result *probe.Result
}

// Describe gives no descriptions: what there is to say depends on the call.
func (*shot) Describe(chan<- *prometheus.Desc) {}

// Collect gives the series of the call's target, and the one-shot metrics.
func (s *shot) Collect(ch chan<- prometheus.Metric) {
	for _, t := range s.e.targets {
		emit(ch, s.e.ofTarget(t, time.Now()))
	}
	for _, m := range catalog.All() {
		if m.FromShot == nil {
			continue
		}
		f := newFamily(m)
		m.FromShot(s.result, func(value float64, labels ...string) {
			ch <- &sample{desc: f.desc, kind: f.Type, pairs: f.pairs(labels), value: value}
		})
	}
}
