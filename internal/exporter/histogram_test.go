package exporter

import (
	"maps"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/earshot-voip/earshot/internal/rtpflow"
	"github.com/earshot-voip/earshot/probe"
)

// ofClient is what client_golang's own histogram makes of the same values.
func ofClient(t *testing.T, bounds, values []float64) *dto.Histogram {
	t.Helper()
	h := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "h", Help: "h", Buckets: bounds,
		NativeHistogramBucketFactor: math.Exp2(1.0 / 8), NativeHistogramZeroThreshold: 1.0 / (1 << 20),
	})
	for _, v := range values {
		h.Observe(v)
	}
	var m dto.Metric
	if err := h.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.Histogram
}

// counts is all that a histogram counted: by classic bound, cumulative, and by
// native index.
type counts struct {
	schema  int32
	total   uint64
	zero    uint64
	classic map[float64]uint64
	native  map[int32]int64
}

func countsOf(h *dto.Histogram) counts {
	c := counts{h.GetSchema(), h.GetSampleCount(), h.GetZeroCount(), map[float64]uint64{}, map[int32]int64{}}
	for _, b := range h.Bucket {
		if !math.IsInf(b.GetUpperBound(), 1) { // that one is only there for its exemplar
			c.classic[b.GetUpperBound()] = b.GetCumulativeCount()
		}
	}
	index, delta, n := int32(0), 0, int64(0)
	for _, span := range h.PositiveSpan {
		index += span.GetOffset()
		for range span.GetLength() {
			n += h.PositiveDelta[delta]
			if n != 0 {
				c.native[index] = n
			}
			delta++
			index++
		}
	}
	return c
}

// same compares all but times, exemplars, the rounding of the sum, and how the
// native buckets are cut into spans.
func same(t *testing.T, what string, got, want *dto.Histogram) {
	t.Helper()
	if g, w := got.GetSampleSum(), want.GetSampleSum(); math.Abs(g-w) > 1e-9*math.Abs(w)+1e-12 {
		t.Errorf("%s: got sum %v want %v", what, g, w)
	}
	if got.GetZeroThreshold() != want.GetZeroThreshold() {
		t.Errorf("%s: got threshold %v want %v", what, got.GetZeroThreshold(), want.GetZeroThreshold())
	}
	g, w := countsOf(got), countsOf(want)
	if g.schema != w.schema || g.total != w.total || g.zero != w.zero || !maps.Equal(g.classic, w.classic) {
		t.Errorf("%s: got schema %d, %d values, %d of zero, classic %v; want %d, %d, %d, %v",
			what, g.schema, g.total, g.zero, g.classic, w.schema, w.total, w.zero, w.classic)
	}
	for i := int32(-300); i < 300; i++ {
		if g.native[i] != w.native[i] {
			t.Errorf("%s: bucket %d: got %d want %d", what, i, g.native[i], w.native[i])
		}
	}
}

func TestHistogramAgainstTheClientLibrary(t *testing.T) {
	bounds := []float64{0.005, 0.02, 0.1, 0.5, 1}
	random := rand.New(rand.NewPCG(4, 2))
	for _, n := range []int{0, 1, 3, 500} {
		var values []float64
		h := newHistogram(bounds, timestamppb.Now())
		for range n {
			v := math.Exp(random.NormFloat64()*3 - 4)
			switch random.IntN(10) {
			case 0:
				v = bounds[random.IntN(len(bounds))]
			case 1:
				v = 0
			}
			values = append(values, v)
			h.observe(v, exemplar{"id", time.Now()})
		}
		same(t, "observed one by one", h.show(), ofClient(t, bounds, values))
	}
}

// A window's counts make the histogram that its packets would, one by one.
func TestMergedWindowsAgainstTheClientLibrary(t *testing.T) {
	bounds := []float64{0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 1, 2}
	random := rand.New(rand.NewPCG(4, 3))
	h := newHistogram(bounds, timestamppb.Now())
	var values []float64
	for range 20 {
		var b rtpflow.Buckets
		for range 250 {
			d := time.Duration(math.Exp(random.NormFloat64()*2-3) * 1e9)
			if random.IntN(20) == 0 {
				d = time.Duration(bounds[random.IntN(len(bounds))] * 1e9)
			}
			b.Add(d)
			values = append(values, float64(d)/1e9)
		}
		window := probe.Histogram{Count: b.Count(), Sum: b.Sum()}
		for _, f := range b.Filled() {
			window.Buckets = append(window.Buckets, probe.Bucket(f))
		}
		h.merge(window, exemplar{"id", time.Now()})
		same(t, "merged window by window", h.show(), ofClient(t, bounds, values))
	}
}

func TestWhatWasShownDoesNotChange(t *testing.T) {
	h := newHistogram([]float64{1}, timestamppb.Now())
	h.observe(0.5, exemplar{"first", time.Now()})
	shown := h.show()
	copied := proto.CloneOf(shown)
	if h.show() != shown {
		t.Error("an unchanged histogram is written anew")
	}
	h.observe(0.5, exemplar{"second", time.Now()})
	if !proto.Equal(shown, copied) {
		t.Errorf("got %v want %v", shown, copied)
	}
	if got := h.show().GetSampleCount(); got != 2 {
		t.Errorf("got %d values, want 2", got)
	}
}
