package main

import (
	"context"
	"errors"
	"math"
	"slices"
	"sort"
	"sync"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// store keeps samples in plain arrays, for as long as a rule can look back for
// them. The rules are evaluated some 20 million times in a month, and Prometheus'
// own database spends twice as long to decode chunks as the rules take; a test
// compares the two.
type store struct {
	horizon func(metric string) int64 // milliseconds

	mu     sync.RWMutex
	all    []*memory
	counts map[string]*uint64   // of each metric, how often a value changed
	named  map[string][]*memory // by metric, in the order of their labels
	hashed map[uint64][]*memory
}

// memory is a series: times, and values beside them.
type memory struct {
	ref    storage.SeriesRef
	labels labels.Labels
	keep   int64
	count  *uint64
	t      []int64
	v      []float64
}

func newStore(horizon func(metric string) int64) *store {
	return &store{horizon: horizon, named: map[string][]*memory{}, counts: map[string]*uint64{}, hashed: map[uint64][]*memory{}}
}

// find returns a series and its number; it is made if there is none.
func (s *store) find(l labels.Labels) (storage.SeriesRef, *memory) {
	hash := l.Hash()
	for _, m := range s.hashed[hash] {
		if labels.Equal(m.labels, l) {
			return m.ref, m
		}
	}
	name := l.Get(labels.MetricName)
	m := &memory{ref: storage.SeriesRef(len(s.all) + 1), labels: l.Copy(), keep: s.horizon(name), count: s.count(name)}
	s.all = append(s.all, m)
	s.hashed[hash] = append(s.hashed[hash], m)
	at := sort.Search(len(s.named[name]), func(i int) bool { return labels.Compare(s.named[name][i].labels, l) >= 0 })
	s.named[name] = slices.Insert(slices.Clone(s.named[name]), at, m) // readers may have the old one
	return m.ref, m
}

// add appends a sample, as Prometheus' database does without its window for late
// samples.
func (m *memory) add(t int64, v float64) error {
	if n := len(m.t); n > 0 {
		switch last := m.t[n-1]; {
		case t < last:
			return storage.ErrOutOfOrderSample
		case t == last && math.Float64bits(v) != math.Float64bits(m.v[n-1]):
			return storage.ErrDuplicateSampleForTimestamp
		case t == last:
			return nil
		}
		if len(m.t) == cap(m.t) {
			// What is too old goes when there is no room; readers keep the old arrays.
			first, _ := slices.BinarySearch(m.t, t-m.keep)
			room := 2*(n-first) + 64
			m.t = append(make([]int64, 0, room), m.t[first:]...)
			m.v = append(make([]float64, 0, room), m.v[first:]...)
		}
	}
	if n := len(m.t); n == 0 || math.Float64bits(v) != math.Float64bits(m.v[n-1]) {
		*m.count++
	}
	m.t, m.v = append(m.t, t), append(m.v, v)
	return nil
}

func (s *store) count(metric string) *uint64 {
	if s.counts[metric] == nil {
		s.counts[metric] = new(uint64)
	}
	return s.counts[metric]
}

// changes is how often a value of any of the metrics has changed.
func (s *store) changes(metrics []string) (sum uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range metrics {
		sum += *s.count(m)
	}
	return sum
}

// Appender returns one. What it appends is there at once.
func (s *store) Appender(context.Context) storage.Appender { return appender{s} }

type appender struct{ *store }

var errFloatsOnly = errors.New("only floats are stored")

func (a appender) Append(ref storage.SeriesRef, l labels.Labels, t int64, v float64) (storage.SeriesRef, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ref == 0 {
		var m *memory
		ref, m = a.find(l)
		return ref, m.add(t, v)
	}
	return ref, a.all[ref-1].add(t, v)
}

func (appender) Commit() error   { return nil }
func (appender) Rollback() error { return nil }

func (appender) AppendExemplar(storage.SeriesRef, labels.Labels, exemplar.Exemplar) (storage.SeriesRef, error) {
	return 0, errFloatsOnly
}

func (appender) AppendHistogram(storage.SeriesRef, labels.Labels, int64, *histogram.Histogram, *histogram.FloatHistogram) (storage.SeriesRef, error) {
	return 0, errFloatsOnly
}

func (appender) UpdateMetadata(storage.SeriesRef, labels.Labels, metadata.Metadata) (storage.SeriesRef, error) {
	return 0, errFloatsOnly
}

// Querier returns one for a stretch of time, in milliseconds.
func (s *store) Querier(_ context.Context, from, to int64) (storage.Querier, error) {
	return querier{s, from, to}, nil
}

type querier struct {
	*store
	from, to int64
}

func (querier) Close() error { return nil }

func (querier) LabelValues(string, ...*labels.Matcher) ([]string, storage.Warnings, error) {
	return nil, nil, errors.New("no rule asks for values of labels")
}

func (querier) LabelNames(...*labels.Matcher) ([]string, storage.Warnings, error) {
	return nil, nil, errors.New("no rule asks for names of labels")
}

// Select finds series by the name of their metric, which every rule names.
func (q querier) Select(_ bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	from, to := q.from, q.to
	if hints != nil {
		from, to = hints.Start, hints.End
	}
	q.mu.RLock()
	defer q.mu.RUnlock()
	set := &found{at: -1}
	for _, name := range matchers {
		if name.Name != labels.MetricName || name.Type != labels.MatchEqual {
			continue
		}
		for _, m := range q.named[name.Value] {
			if !m.matches(matchers) {
				continue
			}
			n := len(m.t)
			first := sort.Search(n, func(i int) bool { return m.t[i] >= from })
			last := n
			for last > first && m.t[last-1] > to { // there are few, if any
				last--
			}
			if first < last {
				set.series = append(set.series, stretch{m.labels, m.t[first:last], m.v[first:last]})
			}
		}
		return set
	}
	return storage.ErrSeriesSet(errors.New("a rule asks for series without the name of a metric"))
}

func (m *memory) matches(matchers []*labels.Matcher) bool {
	for _, one := range matchers {
		if one.Name != labels.MetricName && !one.Matches(m.labels.Get(one.Name)) {
			return false
		}
	}
	return true
}

// found is a set of series, in the order of their labels.
type found struct {
	series []stretch
	at     int
}

func (f *found) Next() bool               { f.at++; return f.at < len(f.series) }
func (f *found) At() storage.Series       { return &f.series[f.at] }
func (*found) Err() error                 { return nil }
func (*found) Warnings() storage.Warnings { return nil }

// stretch is what is asked for of a series.
type stretch struct {
	labels labels.Labels
	t      []int64
	v      []float64
}

func (s *stretch) Labels() labels.Labels { return s.labels }

func (s *stretch) Iterator(old chunkenc.Iterator) chunkenc.Iterator {
	i, is := old.(*iterator)
	if !is {
		i = &iterator{}
	}
	*i = iterator{t: s.t, v: s.v, at: -1}
	return i
}

type iterator struct {
	t  []int64
	v  []float64
	at int
}

func (i *iterator) value() chunkenc.ValueType {
	if i.at >= len(i.t) {
		return chunkenc.ValNone
	}
	return chunkenc.ValFloat
}

func (i *iterator) Next() chunkenc.ValueType {
	if i.at < len(i.t) {
		i.at++
	}
	return i.value()
}

func (i *iterator) Seek(t int64) chunkenc.ValueType {
	i.at = max(i.at, 0)
	if i.at < len(i.t) && i.t[i.at] < t {
		i.at += sort.Search(len(i.t)-i.at, func(n int) bool { return i.t[i.at+n] >= t })
	}
	return i.value()
}

func (i *iterator) At() (int64, float64) { return i.t[i.at], i.v[i.at] }
func (i *iterator) AtT() int64           { return i.t[i.at] }
func (*iterator) Err() error             { return nil }

func (*iterator) AtHistogram() (int64, *histogram.Histogram) { panic("only floats are stored") }
func (*iterator) AtFloatHistogram() (int64, *histogram.FloatHistogram) {
	panic("only floats are stored")
}
