package main

import (
	"math"
	"testing"
)

// Each call costs 200 kB and the process 1 MB once: the slope is what a call costs.
func TestSlopeLeavesOutWhatAProcessHasOnce(t *testing.T) {
	var levels []level
	for _, calls := range []int{10, 50, 100, 400} {
		levels = append(levels, level{Calls: calls, RSS: 200_000 + int64(1_000_000/calls)})
	}
	if got := slope(levels, func(l level) int64 { return l.RSS }); math.Abs(got-200_000) > 1 {
		t.Errorf("got %.0f bytes per call, want 200000", got)
	}
}
