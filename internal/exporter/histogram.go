package exporter

import (
	"math"
	"slices"
	"sort"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/earshot-voip/earshot/probe"
)

const (
	// schema is the resolution of the native form: bounds 2^(k/8).
	schema = 3
	// zeroThreshold ends the native form's bucket of zero: the least bound of a
	// probe.Histogram, 0.95 µs.
	zeroThreshold = 1.0 / (1 << 20)
)

// octave holds the bounds of the native form between 1/2 and 1; they end their
// buckets, inclusive.
var octave = func() (bounds []float64) {
	for k := range 1 << schema {
		bounds = append(bounds, math.Exp2(float64(k)/(1<<schema))/2)
	}
	return bounds
}()

// histogram counts values in the classic and the native form. client_golang's
// histogram takes one value at a time, and keeps two copies of all counts with a
// map for each; this one takes the counts of a whole window, and is small enough
// for hundreds of targets.
type histogram struct {
	bounds  []float64
	classic []uint64 // by bound, the last beyond all; not cumulative
	zero    uint64
	native  []nativeBucket // sorted by index
	count   uint64
	sum     float64

	exemplars []*dto.Exemplar // by classic bucket
	created   *timestamppb.Timestamp
	shown     *dto.Histogram // as of the last scrape; nil: changed since
}

type nativeBucket struct {
	index int
	count uint64
}

func newHistogram(bounds []float64, created *timestamppb.Timestamp) *histogram {
	return &histogram{
		bounds:    bounds,
		classic:   make([]uint64, len(bounds)+1),
		exemplars: make([]*dto.Exemplar, len(bounds)+1),
		created:   created,
	}
}

// observe counts one value.
func (h *histogram) observe(v float64, x exemplar) {
	h.add(v, 1)
	h.sum += v
	h.exemplars[sort.SearchFloat64s(h.bounds, v)] = x.of(v)
}

// merge counts the packets of a window. The buckets' bounds are among those of
// both forms, so no packet is counted in a wrong one.
func (h *histogram) merge(p probe.Histogram, x exemplar) {
	for _, b := range p.Buckets {
		h.add(b.Upper, uint64(b.Count))
	}
	h.sum += p.Sum.Seconds()
	if n := len(p.Buckets); n > 0 && !math.IsInf(p.Buckets[n-1].Upper, 1) {
		longest := p.Buckets[n-1].Upper
		h.exemplars[sort.SearchFloat64s(h.bounds, longest)] = x.of(longest)
	}
}

func (h *histogram) add(v float64, n uint64) {
	h.shown = nil
	h.count += n
	h.classic[sort.SearchFloat64s(h.bounds, v)] += n
	if v <= zeroThreshold {
		h.zero += n
		return
	}
	index := indexOf(v)
	at, found := slices.BinarySearchFunc(h.native, index, func(b nativeBucket, i int) int { return b.index - i })
	if !found {
		h.native = slices.Insert(h.native, at, nativeBucket{index: index})
	}
	h.native[at].count += n
}

// indexOf is the native bucket of a positive value: 2^((i-1)/8) < v <= 2^(i/8).
func indexOf(v float64) int {
	if math.IsInf(v, 1) {
		// As client_golang has it: in the bucket behind that of the largest number.
		return indexOf(math.MaxFloat64) + 1
	}
	fraction, exponent := math.Frexp(v)
	return sort.SearchFloat64s(octave, fraction) + (exponent-1)<<schema
}

// show gives the histogram as the wire has it. What it returns never changes.
func (h *histogram) show() *dto.Histogram {
	if h.shown != nil {
		return h.shown
	}
	d := &dto.Histogram{
		SampleCount:      proto.Uint64(h.count),
		SampleSum:        proto.Float64(h.sum),
		CreatedTimestamp: h.created,
		Schema:           proto.Int32(schema),
		ZeroThreshold:    proto.Float64(zeroThreshold),
		ZeroCount:        proto.Uint64(h.zero),
	}
	buckets := make([]dto.Bucket, len(h.bounds))
	cumulative := make([]uint64, len(h.bounds))
	d.Bucket = make([]*dto.Bucket, len(h.bounds), len(h.bounds)+1)
	var sum uint64
	for i := range h.bounds {
		sum += h.classic[i]
		cumulative[i] = sum
		b := &buckets[i]
		b.UpperBound, b.CumulativeCount, b.Exemplar = &h.bounds[i], &cumulative[i], h.exemplars[i]
		d.Bucket[i] = b
	}
	if last := h.exemplars[len(h.bounds)]; last != nil {
		d.Bucket = append(d.Bucket, &dto.Bucket{
			UpperBound: proto.Float64(math.Inf(1)), CumulativeCount: proto.Uint64(h.count), Exemplar: last,
		})
	}
	h.showNative(d)
	h.shown = d
	return d
}

// showNative writes the native buckets as spans of neighbours and the differences
// of their counts.
func (h *histogram) showNative(d *dto.Histogram) {
	next, before := 0, int64(0)
	for i, b := range h.native {
		if i == 0 || b.index != next {
			d.PositiveSpan = append(d.PositiveSpan, &dto.BucketSpan{Offset: proto.Int32(int32(b.index - next)), Length: proto.Uint32(0)})
		}
		*d.PositiveSpan[len(d.PositiveSpan)-1].Length++
		d.PositiveDelta = append(d.PositiveDelta, int64(b.count)-before)
		next, before = b.index+1, int64(b.count)
	}
	if len(h.native) == 0 && h.zero == 0 {
		// What tells an empty native histogram from a classic one.
		d.PositiveSpan = []*dto.BucketSpan{{Offset: proto.Int32(0), Length: proto.Uint32(0)}}
	}
}
