package rtpflow

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// sortedQuantile is the value of rank ceil(p·n) by definition.
func sortedQuantile(all []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[(len(sorted)*percent+99)/100-1]
}

func TestSamplesAreExactWhileTheyFit(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	s := newSamples(callSamples)
	var all []time.Duration
	for range callSamples {
		d := 200*time.Millisecond + time.Duration(random.ExpFloat64()*float64(10*time.Millisecond))
		all = append(all, d)
		s.add(d)
	}
	q := s.quantiles()
	for _, row := range []struct {
		percent int
		got     time.Duration
	}{{50, q.P50}, {95, q.P95}, {99, q.P99}} {
		if want := sortedQuantile(all, row.percent); (row.got - want).Abs() > sampleUnit/2 {
			t.Errorf("p%d: got %v, want %v", row.percent, row.got, want)
		}
	}
	if q.Count != callSamples || q.Min != slices.Min(all) || q.Max != slices.Max(all) {
		t.Errorf("got count %d, min %v, max %v", q.Count, q.Min, q.Max)
	}
	s.reset()
	if q := s.quantiles(); q != (Quantiles{}) {
		t.Errorf("after a reset: got %+v", q)
	}
}

// Hours of samples stay spread over the whole time: a ramp's quantiles are those
// of the ramp.
func TestSamplesThinEvenly(t *testing.T) {
	const n = 720_000 // four hours at 50 a second
	s := newSamples(callSamples)
	for i := range n {
		s.add(time.Duration(i) * time.Microsecond)
	}
	q := s.quantiles()
	tolerance := time.Duration(n/(callSamples/2)) * 2 * time.Microsecond
	for percent, got := range map[int]time.Duration{50: q.P50, 95: q.P95, 99: q.P99} {
		if want := time.Duration(n*percent/100) * time.Microsecond; (got - want).Abs() > tolerance {
			t.Errorf("p%d: got %v, want %v within %v", percent, got, want, tolerance)
		}
	}
	if q.Count != n || q.Max != (n-1)*time.Microsecond || cap(s.values) != callSamples {
		t.Errorf("got count %d, max %v, room for %d", q.Count, q.Max, cap(s.values))
	}
	if allocs := testing.AllocsPerRun(1000, func() { s.add(time.Millisecond) }); allocs != 0 {
		t.Errorf("add allocates %v times", allocs)
	}
}
