package exporter

import (
	"math/bits"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/earshot-voip/earshot/internal/catalog"
	"github.com/earshot-voip/earshot/probe"
)

// family is a metric of the catalog, ready to be shown.
type family struct {
	*catalog.Metric
	desc  *prometheus.Desc
	names []string // of the labels, in the order of AllLabels
	order []int    // of those, sorted by name, as the wire wants them
	keep  bool     // series go on when a reader puts nothing
}

func newFamily(m *catalog.Metric) *family {
	f := &family{Metric: m, names: m.AllLabels()}
	f.desc = prometheus.NewDesc(m.Name, m.Help, f.names, nil)
	for i := range f.names {
		f.order = append(f.order, i)
	}
	slices.SortFunc(f.order, func(a, b int) int {
		if f.names[a] < f.names[b] {
			return -1
		}
		return 1
	})
	f.keep = m.Type != catalog.Gauge || m.Keep || m.Streak || m.Recent > 0
	return f
}

// pairs makes the labels of a series.
func (f *family) pairs(values []string) []*dto.LabelPair {
	list := make([]*dto.LabelPair, len(f.order))
	for at, i := range f.order {
		list[at] = &dto.LabelPair{Name: proto.String(f.names[i]), Value: proto.String(values[i])}
	}
	return list
}

// exemplar names the call that a value comes from.
type exemplar struct {
	id string
	at time.Time
}

func (x exemplar) of(value float64) *dto.Exemplar {
	if x.id == "" {
		return nil
	}
	return &dto.Exemplar{
		Label:     []*dto.LabelPair{{Name: proto.String("call_id"), Value: proto.String(x.id)}},
		Value:     proto.Float64(value),
		Timestamp: timestamppb.New(x.at),
	}
}

// series is one line of a family. Its label pairs never change, so that scrapes
// may share them.
type series struct {
	values    []string
	pairs     []*dto.LabelPair
	value     float64
	recent    uint64 // the last values, the newest in the lowest bit
	exemplar  *dto.Exemplar
	histogram *histogram
	created   *timestamppb.Timestamp
	touched   bool // by the update that runs
}

// store holds the series of a target or of the process, by the place of their
// family. Its owner guards it.
type store struct {
	lines [][]*series
}

func newStore(families int) store { return store{lines: make([][]*series, families)} }

// at returns the series with these label values, which it makes if need be.
func (s *store) at(f *family, i int, values ...string) *series {
	for _, line := range s.lines[i] {
		if slices.Equal(line.values, values) {
			return line
		}
	}
	line := &series{values: slices.Clone(values), pairs: f.pairs(values), created: timestamppb.Now()}
	if f.Type == catalog.Histogram {
		line.histogram = newHistogram(f.Buckets, line.created)
	}
	s.lines[i] = append(s.lines[i], line)
	return line
}

// update lets a reader put its values. What it does not put of a gauge ends.
func (s *store) update(f *family, i int, target string, x exemplar, read func(catalog.Put)) {
	read(func(value float64, labels ...string) {
		if f.PerTarget {
			labels = append([]string{target}, labels...)
		}
		line := s.at(f, i, labels...)
		line.touched = true
		switch f.Type {
		case catalog.Counter:
			line.value += value
			if value > 0 {
				line.exemplar = x.of(value)
			}
		case catalog.Gauge:
			switch {
			case f.Streak && value > 0:
				line.value++
			case f.Recent > 0:
				line.recent = (line.recent<<1 | uint64(value)) & (1<<f.Recent - 1)
				line.value = float64(bits.OnesCount64(line.recent))
			default:
				line.value = value
			}
		case catalog.Histogram:
			line.histogram.observe(value, x)
		}
	})
	if !f.keep || slices.ContainsFunc(s.lines[i], func(l *series) bool { return l.touched }) && f.Type == catalog.Gauge {
		s.lines[i] = slices.DeleteFunc(s.lines[i], func(l *series) bool { return !l.touched })
	}
	for _, line := range s.lines[i] {
		line.touched = false
	}
}

// merge adds the times of a window's packets.
func (s *store) merge(f *family, i int, target string, x exemplar, h probe.Histogram) {
	if h.Count == 0 {
		return
	}
	var labels []string
	if f.PerTarget {
		labels = []string{target}
	}
	s.at(f, i, labels...).histogram.merge(h, x)
}

// clear ends all series of a family.
func (s *store) clear(i int) { s.lines[i] = nil }

// zero sets all series of a family to nothing.
func (s *store) zero(i int) {
	for _, line := range s.lines[i] {
		line.value = 0
	}
}
