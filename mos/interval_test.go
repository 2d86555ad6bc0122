package mos

import (
	"math"
	"testing"
	"testing/quick"
	"time"
)

func TestWilsonAgainstPublishedIntervals(t *testing.T) {
	// R. G. Newcombe, Statistics in Medicine 17 (1998) 857, Table I, method 3.
	for _, c := range []struct {
		name      string
		hits, n   uint64
		low, high float64
	}{
		{"81 of 263", 81, 263, 0.2553, 0.3662},
		{"15 of 148", 15, 148, 0.0624, 0.1605},
		{"none of 20", 0, 20, 0, 0.1611},
		{"1 of 29", 1, 29, 0.0061, 0.1718},
	} {
		t.Run(c.name, func(t *testing.T) {
			low, high := Wilson(c.hits, c.n)
			if math.Abs(low-c.low) > 0.5e-4 || math.Abs(high-c.high) > 0.5e-4 {
				t.Errorf("got %.4f..%.4f, want %.4f..%.4f", low, high, c.low, c.high)
			}
		})
	}
}

func TestWilsonBoundsAreWhereTheTestTurns(t *testing.T) {
	// The definition: the bound is the ratio from which the seen one is 1.96
	// standard errors away.
	property := func(a, b uint16) bool {
		n, hits := uint64(max(a, b))+1, uint64(min(a, b))
		low, high := Wilson(hits, n)
		seen := float64(hits) / float64(n)
		away := func(p float64) float64 {
			return math.Abs(seen-p) / math.Sqrt(p*(1-p)/float64(n))
		}
		ok := low >= 0 && high <= 1 && low <= seen && seen <= high
		if hits > 0 {
			ok = ok && math.Abs(away(low)-1.959963985) < 1e-6
		} else {
			ok = ok && low == 0
		}
		return ok && math.Abs(away(high)-1.959963985) < 1e-6
	}
	if err := quick.Check(property, &quick.Config{MaxCount: 20000}); err != nil {
		t.Error(err)
	}
}

func TestWilsonAtTheEnds(t *testing.T) {
	for _, c := range []struct {
		name      string
		hits, n   uint64
		low, high float64
	}{
		{"nothing tried", 0, 0, 0, 1},
		{"hits without trials", 5, 0, 0, 1},
		{"all of 20 mirrors none of 20", 20, 20, 1 - 0.161125, 1},
		{"more hits than trials are all", 25, 20, 1 - 0.161125, 1},
		{"very many", math.MaxUint64, math.MaxUint64, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			low, high := Wilson(c.hits, c.n)
			if math.Abs(low-c.low) > 1e-6 || high != c.high {
				t.Errorf("got %v..%v, want %v..%v", low, high, c.low, c.high)
			}
		})
	}
}

func TestIntervalHoldsTheScoreAndNarrowsWithPackets(t *testing.T) {
	for _, c := range Codecs() {
		p := Path{BurstR: 1.5, Delay: 180 * time.Millisecond}
		width := math.Inf(1)
		for n := uint64(MinExpected); n < 1e6; n *= 5 {
			lost := n / 20
			p.Loss = float64(lost) / float64(n)
			score := Rate(c, p).MOS
			got := Interval(c, p, lost, n)
			if !(got.MOSLow <= score && score <= got.MOSHigh) {
				t.Errorf("%s, %d of %d: %v is not in %+v", c.Name, lost, n, score, got)
			}
			if w := got.MOSHigh - got.MOSLow; w >= width || w <= 0 {
				t.Errorf("%s, %d of %d: width %v after %v", c.Name, lost, n, w, width)
			} else {
				width = w
			}
		}
	}
}

func TestIntervalOfAKnownWindow(t *testing.T) {
	// 1 of 29 lost is 0.61 % to 17.18 %: the scores of these two ratios, and
	// the path's own loss is not looked at.
	c := codec(t, "g711")
	got := Interval(c, Path{Loss: 0.9, BurstR: 2}, 1, 29)
	low, high := Rate(c, Path{Loss: 0.1718, BurstR: 2}).MOS, Rate(c, Path{Loss: 0.0061, BurstR: 2}).MOS
	if math.Abs(got.MOSLow-low) > 1e-3 || math.Abs(got.MOSHigh-high) > 1e-3 {
		t.Errorf("got %+v, want about %.3f..%.3f", got, low, high)
	}
	if math.Abs(got.LossLow-0.0061) > 1e-4 || math.Abs(got.LossHigh-0.1718) > 1e-4 {
		t.Errorf("got %+v", got)
	}
}

func TestIntervalWithNothingExpectedIsTheWholeScale(t *testing.T) {
	c := codec(t, "g711")
	got := Interval(c, Path{}, 0, 0)
	want := Range{LossLow: 0, LossHigh: 1, MOSLow: Rate(c, Path{Loss: 1}).MOS, MOSHigh: Rate(c, Path{}).MOS}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
