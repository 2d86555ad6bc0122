package remotewrite

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
	dto "github.com/prometheus/client_model/go"
)

// series is one sample of one time series, with all that is said about it.
type series struct {
	labels    []string // name, value, name, value, …; sorted by name
	at        int64    // milliseconds since 1970
	value     float64
	native    *writev2.Histogram // instead of value
	exemplars []*dto.Exemplar
	created   int64             // start of a counter, milliseconds since 1970; 0: not known
	family    *dto.MetricFamily // type, help and unit
}

// flattening turns what a Gatherer gives into series, as a scrape of the
// OpenMetrics text would: a histogram becomes its buckets, sum and count.
type flattening struct {
	external  []string // labels that every series gets unless it has them: name, value, …
	native    bool     // native histograms beside the classic ones
	exemplars bool
	since     time.Time // exemplars up to here have been sent before
	at        int64     // milliseconds since 1970

	out    []series
	family *dto.MetricFamily
}

// add appends the series of one family.
func (f *flattening) add(family *dto.MetricFamily) {
	f.family = family
	for _, m := range family.GetMetric() {
		switch family.GetType() {
		case dto.MetricType_COUNTER:
			f.counter(m)
		case dto.MetricType_SUMMARY:
			f.summary(m)
		case dto.MetricType_HISTOGRAM, dto.MetricType_GAUGE_HISTOGRAM:
			f.histogram(m)
		case dto.MetricType_GAUGE:
			f.append(m, "", m.GetGauge().GetValue())
		default:
			f.append(m, "", m.GetUntyped().GetValue())
		}
	}
}

// append adds a series of the family's name with a suffix and further labels,
// and returns it.
func (f *flattening) append(m *dto.Metric, suffix string, value float64, more ...string) *series {
	at := f.at
	if m.TimestampMs != nil {
		at = m.GetTimestampMs()
	}
	f.out = append(f.out, series{labels: f.labels(m, suffix, more), at: at, value: value, family: f.family})
	return &f.out[len(f.out)-1]
}

func (f *flattening) counter(m *dto.Metric) {
	c := m.GetCounter()
	s := f.append(m, "", c.GetValue())
	s.created = created(c.GetCreatedTimestamp())
	s.exemplars = f.fresh(c.GetExemplar())
}

func (f *flattening) summary(m *dto.Metric) {
	sum := m.GetSummary()
	start := created(sum.GetCreatedTimestamp())
	for _, q := range sum.GetQuantile() {
		f.append(m, "", q.GetValue(), "quantile", openMetricsFloat(q.GetQuantile()))
	}
	f.append(m, "_sum", sum.GetSampleSum()).created = start
	f.append(m, "_count", float64(sum.GetSampleCount())).created = start
}

func (f *flattening) histogram(m *dto.Metric) {
	h := m.GetHistogram()
	start := created(h.GetCreatedTimestamp())
	count := either(h.GetSampleCountFloat(), h.GetSampleCount())
	bucket := func(bound, cumulative float64, e *dto.Exemplar) {
		s := f.append(m, "_bucket", cumulative, "le", openMetricsFloat(bound))
		s.created, s.exemplars = start, f.fresh(e)
	}
	infinite := false
	for _, b := range h.GetBucket() {
		bucket(b.GetUpperBound(), either(b.GetCumulativeCountFloat(), b.GetCumulativeCount()), b.GetExemplar())
		infinite = infinite || math.IsInf(b.GetUpperBound(), 1)
	}
	if !infinite {
		bucket(math.Inf(1), count, nil)
	}
	f.append(m, "_sum", h.GetSampleSum()).created = start
	f.append(m, "_count", count).created = start

	if !f.native || h.Schema == nil {
		return
	}
	s := f.append(m, "", 0)
	s.native = nativeHistogram(h)
	s.native.Timestamp = s.at
	s.created, s.exemplars = start, f.fresh(h.GetExemplars()...)
}

// labels returns the labels of a series as receivers demand them: sorted by
// name, none of them empty.
func (f *flattening) labels(m *dto.Metric, suffix string, more []string) []string {
	pairs := make([]string, 0, 2+2*len(m.GetLabel())+len(more)+len(f.external))
	pairs = append(pairs, "__name__", f.family.GetName()+suffix)
	for _, l := range m.GetLabel() {
		if l.GetValue() != "" {
			pairs = append(pairs, l.GetName(), l.GetValue())
		}
	}
	pairs = append(pairs, more...)
	own := len(pairs)
	for i := 0; i < len(f.external); i += 2 {
		if !hasLabel(pairs[:own], f.external[i]) {
			pairs = append(pairs, f.external[i], f.external[i+1])
		}
	}
	sortPairs(pairs)
	return pairs
}

// fresh returns the exemplars that have not been sent with an earlier sample.
func (f *flattening) fresh(all ...*dto.Exemplar) []*dto.Exemplar {
	if !f.exemplars {
		return nil
	}
	return slices.DeleteFunc(all, func(e *dto.Exemplar) bool {
		return e == nil || e.Timestamp == nil || !e.GetTimestamp().AsTime().After(f.since)
	})
}

func hasLabel(pairs []string, name string) bool {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i] == name {
			return true
		}
	}
	return false
}

// sortPairs sorts name, value, name, value, … by name. The lists are short and
// nearly sorted.
func sortPairs(pairs []string) {
	for i := 2; i < len(pairs); i += 2 {
		for j := i; j > 0 && pairs[j] < pairs[j-2]; j -= 2 {
			pairs[j], pairs[j-2] = pairs[j-2], pairs[j]
			pairs[j+1], pairs[j-1] = pairs[j-1], pairs[j+1]
		}
	}
}

// openMetricsFloat writes a bound as OpenMetrics does ("1.0", not "1"), which is
// how a scraped series has it.
func openMetricsFloat(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	}
	text := strconv.FormatFloat(v, 'g', -1, 64)
	if strings.ContainsAny(text, ".eN") {
		return text
	}
	return text + ".0"
}

// either is the float count of a float histogram, else the integer count.
func either(float float64, integer uint64) float64 {
	if float > 0 {
		return float
	}
	return float64(integer)
}

// nativeHistogram carries a native histogram over into the form of the protocol.
func nativeHistogram(h *dto.Histogram) *writev2.Histogram {
	out := &writev2.Histogram{
		Sum:            h.GetSampleSum(),
		Schema:         h.GetSchema(),
		ZeroThreshold:  h.GetZeroThreshold(),
		NegativeSpans:  spans(h.GetNegativeSpan()),
		NegativeDeltas: h.GetNegativeDelta(),
		NegativeCounts: h.GetNegativeCount(),
		PositiveSpans:  spans(h.GetPositiveSpan()),
		PositiveDeltas: h.GetPositiveDelta(),
		PositiveCounts: h.GetPositiveCount(),
	}
	if h.GetSampleCountFloat() > 0 {
		out.Count = &writev2.Histogram_CountFloat{CountFloat: h.GetSampleCountFloat()}
		out.ZeroCount = &writev2.Histogram_ZeroCountFloat{ZeroCountFloat: h.GetZeroCountFloat()}
	} else {
		out.Count = &writev2.Histogram_CountInt{CountInt: h.GetSampleCount()}
		out.ZeroCount = &writev2.Histogram_ZeroCountInt{ZeroCountInt: h.GetZeroCount()}
	}
	return out
}

func spans(in []*dto.BucketSpan) []*writev2.BucketSpan {
	var out []*writev2.BucketSpan
	for _, s := range in {
		if s.GetLength() > 0 { // an empty span only says that the histogram is native
			out = append(out, &writev2.BucketSpan{Offset: s.GetOffset(), Length: s.GetLength()})
		}
	}
	return out
}

// created is the start of a counter in milliseconds since 1970.
func created(t interface{ AsTime() time.Time }) int64 {
	if at := t.AsTime(); at.Unix() > 0 { // nil reads as 1970
		return at.UnixMilli()
	}
	return 0
}
