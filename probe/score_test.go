package probe

import (
	"math"
	"testing"
	"time"
)

func TestScore(t *testing.T) {
	c, err := newCall(Target{URL: "http://127.0.0.1/echo", Codec: "pcmu"}.WithDefaults())
	if err != nil {
		t.Fatal(err)
	}
	// G.711 with concealment, 2 % lost or discarded, Ta 150 ms: vector NB0140 of
	// mos/testdata/vectors_nb.csv.
	d := Direction{Evidence: EvidenceStamps, Expected: 1000, Received: 990, Lost: 10, Discarded: 10, Burst: Burst{R: 1}, PlayoutDepth: 60 * time.Millisecond}
	c.score(&d, 140*time.Millisecond)
	if s := d.Score; s == nil || s.Scale != "nb" || s.OneWayDelay != 150*time.Millisecond || math.Abs(s.MOS-4.230086) > 1e-6 ||
		math.Abs(s.R-86.031606) > 1e-6 || s.MOSListening <= s.MOS || s.MOSLow >= s.MOS || s.MOSHigh <= s.MOS || s.LossCost < 7 || s.LossCost > 7.02 {
		t.Errorf("got %+v", s)
	}
	for name, d := range map[string]Direction{
		"fewer than 20 expected packets": {Evidence: EvidenceStamps, Expected: 19, Received: 19},
		"no evidence":                    {Evidence: EvidenceNone, Expected: 500, Received: 500},
		"no media at all":                {Evidence: EvidenceStamps, Expected: 500, Lost: 500},
	} {
		if c.score(&d, time.Millisecond); d.Score != nil {
			t.Errorf("%s: got a score: %+v", name, d.Score)
		}
	}
}

func TestTheBestWitnessTellsTheTrip(t *testing.T) {
	c := &call{}
	if _, ok := c.trip(Quantiles{}, witness{}); ok {
		t.Error("a trip is known from nothing: a score would leave out the cost of delay")
	}
	for _, row := range []struct {
		name string
		rtt  Quantiles
		w    witness
		want time.Duration
	}{
		{"only the reports", Quantiles{}, witness{reported: 30 * time.Millisecond}, 30 * time.Millisecond},
		{"packets before reports", Quantiles{Count: 5, P50: 21 * time.Millisecond}, witness{reported: 30 * time.Millisecond}, 21 * time.Millisecond},
		{"nothing new: the last known", Quantiles{}, witness{}, 21 * time.Millisecond},
	} {
		if got, ok := c.trip(row.rtt, row.w); !ok || got != row.want {
			t.Errorf("%s: got %v, %v; want %v", row.name, got, ok, row.want)
		}
	}
}
