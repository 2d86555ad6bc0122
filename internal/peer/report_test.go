package peer

import (
	"testing"
	"time"
)

// The bounds and the mean are those of RFC 3550, 6.3.1, for an interval of a second.
func TestReportsDoNotFallIntoStep(t *testing.T) {
	for name, row := range map[string]struct {
		first       bool
		least, most time.Duration
	}{
		"the first":  {true, 250 * time.Millisecond, 750 * time.Millisecond},
		"the others": {false, 500 * time.Millisecond, 1500 * time.Millisecond},
	} {
		const draws = 20000
		least, most, sum := time.Hour, time.Duration(0), time.Duration(0)
		for range draws {
			d := ReportInterval(row.first)
			least, most, sum = min(least, d), max(most, d), sum+d
		}
		width := row.most - row.least
		if least < row.least || most > row.most || least > row.least+width/100 || most < row.most-width/100 {
			t.Errorf("%s: got intervals of %v to %v, want %v to %v", name, least, most, row.least, row.most)
		}
		// The mean of so many draws is within 1 % of the width but for one in 10^5 runs.
		if mean, want := sum/draws, (row.least+row.most)/2; mean < want-width/100 || mean > want+width/100 {
			t.Errorf("%s: got a mean of %v, want %v", name, mean, want)
		}
	}
}
