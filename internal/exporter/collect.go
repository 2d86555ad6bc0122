package exporter

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/internal/catalog"
)

// sample is one line as it stood at the scrape.
type sample struct {
	desc      *prometheus.Desc
	kind      catalog.Type
	pairs     []*dto.LabelPair
	value     float64
	exemplar  *dto.Exemplar // of a counter
	created   *timestamppb.Timestamp
	histogram *dto.Histogram
}

// Desc is that of the family.
func (s *sample) Desc() *prometheus.Desc { return s.desc }

// Write gives the line as the wire has it.
func (s *sample) Write(out *dto.Metric) error {
	out.Label = s.pairs
	switch s.kind {
	case catalog.Counter:
		out.Counter = &dto.Counter{Value: &s.value, Exemplar: s.exemplar, CreatedTimestamp: s.created}
	case catalog.Gauge:
		out.Gauge = &dto.Gauge{Value: &s.value}
	case catalog.Histogram:
		out.Histogram = s.histogram
	}
	return nil
}

// Collect gives every series as it stands. No lock is held while the scraper
// takes them.
func (e *Exporter) Collect(ch chan<- prometheus.Metric) {
	now := time.Now()
	e.mu.RLock()
	targets := make([]*target, 0, len(e.targets))
	for _, t := range e.targets {
		targets = append(targets, t)
	}
	e.mu.RUnlock()
	for _, t := range targets {
		emit(ch, e.ofTarget(t, now))
	}
	emit(ch, e.ofProcess())
	if e.status != nil {
		status := e.status()
		emit(ch, e.ofStatus(&status))
	}
	if e.receivers != nil {
		emit(ch, e.ofReceivers(e.receivers()))
	}
	if e.history != nil {
		h := e.history()
		emit(ch, e.ofHistory(&h))
	}
}

func emit(ch chan<- prometheus.Metric, samples []sample) {
	for i := range samples {
		ch <- &samples[i]
	}
}

func (e *Exporter) ofTarget(t *target, now time.Time) []sample {
	t.mu.Lock()
	defer t.mu.Unlock()
	ended := func(f *family) bool {
		switch f.Life {
		case catalog.WhileCalls:
			return now.Sub(t.lastCall) > staleAfter(t.job, f.Life)
		case catalog.WhileWindow:
			return now.Sub(t.lastWindow) > staleAfter(t.job, f.Life)
		}
		return false
	}
	return e.snapshot(&t.series, ended)
}

func (e *Exporter) ofProcess() []sample {
	e.processMu.Lock()
	defer e.processMu.Unlock()
	for i, f := range e.families {
		if f.FromProcess != nil {
			e.process.update(f, i, "", exemplar{}, func(put catalog.Put) { f.FromProcess(&e.facts, put) })
		}
	}
	return e.snapshot(&e.process, func(*family) bool { return false })
}

// ofStatus shows what the agent is doing, which nothing is kept of.
func (e *Exporter) ofStatus(s *agent.Status) []sample {
	var list []sample
	for _, f := range e.families {
		switch {
		case f.FromStatus != nil:
			f.FromStatus(s, f.appendTo(&list, ""))
		case f.FromJob != nil:
			for i := range s.Jobs {
				f.FromJob(&s.Jobs[i], f.appendTo(&list, s.Jobs[i].Job.Name()))
			}
		}
	}
	return list
}

// ofReceivers shows what became of what is pushed.
func (e *Exporter) ofReceivers(all []catalog.Receiver) []sample {
	var list []sample
	for _, f := range e.families {
		if f.FromReceiver == nil {
			continue
		}
		for i := range all {
			f.FromReceiver(&all[i], f.appendTo(&list, ""))
		}
	}
	return list
}

// ofHistory shows how the history is doing.
func (e *Exporter) ofHistory(h *catalog.History) []sample {
	var list []sample
	for _, f := range e.families {
		if f.FromHistory != nil {
			f.FromHistory(h, f.appendTo(&list, ""))
		}
	}
	return list
}

// appendTo appends what is put to a list.
func (f *family) appendTo(list *[]sample, target string) catalog.Put {
	return func(value float64, labels ...string) {
		if f.PerTarget {
			labels = append([]string{target}, labels...)
		}
		*list = append(*list, sample{desc: f.desc, kind: f.Type, pairs: f.pairs(labels), value: value})
	}
}

// snapshot copies a store, without what has gone stale.
func (e *Exporter) snapshot(s *store, ended func(*family) bool) []sample {
	n := 0
	for _, lines := range s.lines {
		n += len(lines)
	}
	list := make([]sample, 0, n)
	for i, f := range e.families {
		if len(s.lines[i]) == 0 || ended(f) {
			continue
		}
		for _, line := range s.lines[i] {
			out := sample{desc: f.desc, kind: f.Type, pairs: line.pairs, value: line.value, exemplar: line.exemplar, created: line.created}
			if f.Type == catalog.Histogram {
				out.histogram = line.histogram.show()
			}
			list = append(list, out)
		}
	}
	return list
}
