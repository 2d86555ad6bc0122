package main

import (
	"math"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/impair"
	"github.com/earshot-voip/earshot/mos"
)

// Two implementations that share no code agree.
func TestTheTruthIsTheEModel(t *testing.T) {
	g711, err := mos.Lookup("pcmu")
	if err != nil {
		t.Fatal(err)
	}
	opus, err := mos.Opus(mos.FB, mos.VBR, 32)
	if err != nil {
		t.Fatal(err)
	}
	for name, codec := range map[string]mos.Codec{"pcmu": g711, "opus": opus} {
		for _, missing := range []float64{0, 0.01, 0.033, 0.08, 0.2} {
			for _, delay := range []time.Duration{0, 99 * time.Millisecond, 150 * time.Millisecond, 300 * time.Millisecond, time.Second} {
				got := codecs[name].rate(missing, delay)
				want := mos.Rate(codec, mos.Path{Loss: missing, BurstR: 1, Delay: delay}).MOS
				if math.Abs(got-want) > 0.005 {
					t.Errorf("%s, %v missing, %v: got %.4f, package mos says %.4f", name, missing, delay, got, want)
				}
			}
		}
	}
}

// Numbers that were printed elsewhere: G.107 (2015) gives R 93.2 and MOS 4.41 for
// its defaults; Annex B 4.03 for R 80 and 3.60 for R 70. With G.113's values of
// G.711 the latter is at a loss of 25.1 * 23.2 / (95 - 23.2) = 8.1 %.
func TestTheTruthAgreesWithWhatIsPrinted(t *testing.T) {
	c := codecs["pcmu"]
	for _, row := range []struct {
		name    string
		missing float64
		want    float64
	}{
		{"a perfect path", 0, 4.41},
		{"R 80", 0.251 * 13.2 / (95 - 13.2), 4.03},
		{"R 70", 0.251 * 23.2 / (95 - 23.2), 3.60},
	} {
		if got := c.rate(row.missing, 0); math.Abs(got-row.want) > 0.01 {
			t.Errorf("%s: got MOS %.3f, want %.2f", row.name, got, row.want)
		}
	}
}

func TestTheBestBufferTradesDelayForLoss(t *testing.T) {
	c := codecs["pcmu"]
	still := c.heardThrough(impair.Profile{Delay: 130 * time.Millisecond})
	if want := c.rate(0, 170*time.Millisecond); math.Abs(still-want) > 1e-9 {
		t.Errorf("without jitter: got %.4f, want that of a frame and the least buffer, %.4f", still, want)
	}
	lossy := c.heardThrough(impair.Profile{Loss: 0.05})
	if want := c.rate(0.05, 40*time.Millisecond); math.Abs(lossy-want) > 1e-9 {
		t.Errorf("with loss alone: got %.4f, want %.4f", lossy, want)
	}
	if got := count([]time.Duration{1, 2, 2, 3}, 2); got != 3 {
		t.Errorf("of 1, 2, 2 and 3, %d are at most 2", got)
	}
	last := math.Inf(1)
	for _, jitter := range []time.Duration{0, 20, 40, 80, 160} {
		p := impair.Profile{Jitter: jitter * time.Millisecond}
		got := c.heardThrough(p)
		if got > last {
			t.Errorf("jitter %v: MOS %.3f is better than with less, %.3f", p.Jitter, got, last)
		}
		last = got
		// It is at least as good as one that waits for every packet, and as one
		// that waits for nine in ten.
		transit := transits(p)
		for _, played := range []int{len(transit), len(transit) * 9 / 10} {
			depth := max(transit[played-1], transit[0]+leastBuffer)
			if other := c.rate(1-float64(count(transit, depth))/float64(len(transit)), c.late+depth); other > got+1e-9 {
				t.Errorf("jitter %v: MOS %.4f, and a buffer that plays %d of %d has %.4f", p.Jitter, got, played, len(transit), other)
			}
		}
	}
}
