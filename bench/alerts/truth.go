package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/earshot-voip/earshot/internal/impair"
)

// The truth about a ramp comes from what was injected, by arithmetic of its own:
// nothing here knows the probe, and neither package mos nor rtpflow.

// limit is the MOS under which a call counts as bad, the default of every target.
const limit = 3.6

// coded is what the E-model knows of a codec, and how late it is by itself.
type coded struct {
	best, most, stretch float64       // R without impairments, Ie,eff of total loss, R over the narrowband's
	ie, bpl             float64       // of the codec
	late                time.Duration // a frame, and what the encoder looks ahead
}

var codecs = map[string]coded{
	// G.107 and G.113 Appendix I: G.711 with concealment, random loss.
	"pcmu": {best: 93.2, most: 95, stretch: 1, bpl: 25.1, late: 20 * time.Millisecond},
	// G.107.2, and Alahmadi, Pocta, Melvin, ACM TOMM 17(4) 133, 2021: super-
	// wideband, 32 kbit/s, variable rate.
	"opus": {best: 148, most: 132, stretch: 1.48, ie: 16.14, bpl: 10.33, late: 26500 * time.Microsecond},
}

// rate is the MOS of a conversation by the E-model with its defaults, for a ratio
// of packets that are missing at random, 0..1, and the delay from mouth to ear.
func (c coded) rate(missing float64, delay time.Duration) float64 {
	r := c.best - c.ie - (c.most-c.ie)*100*missing/(100*missing+c.bpl)
	if ms := delay.Seconds() * 1000; ms > 100 { // Idd of G.107, 7.4
		x := math.Log2(ms / 100)
		r -= c.stretch * 25 * (math.Pow(1+math.Pow(x, 6), 1.0/6) - 3*math.Pow(1+math.Pow(x/3, 6), 1.0/6) + 2)
	}
	r = min(max(r/c.stretch, 0), 100)
	return 1 + 0.035*r + r*(r-60)*(100-r)*7e-6
}

// leastBuffer is what any de-jitter buffer holds.
const leastBuffer = 20 * time.Millisecond

// heardThrough is the MOS behind a network with such a profile, through the best
// de-jitter buffer of a fixed depth that there could be: deeper costs delay, less
// deep discards. No buffer knows the network that well, so the truth of a buffer
// that has to learn is below.
func (c coded) heardThrough(p impair.Profile) float64 {
	transit := transits(p)
	best := 0.0
	for played := len(transit); played > len(transit)/2; played -= len(transit) / 200 {
		depth := max(transit[played-1], transit[0]+leastBuffer)
		discarded := 1 - float64(count(transit, depth))/float64(len(transit))
		best = max(best, c.rate(p.Loss+(1-p.Loss)*discarded, c.late+depth))
	}
	return best
}

// transits are the transit times of a minute of packets, one in 20 ms, through a
// network that keeps their order and adds to Delay what is exponential with mean
// Jitter; sorted.
func transits(p impair.Profile) []time.Duration {
	random := rand.New(rand.NewPCG(1, 2))
	list := make([]time.Duration, 3000)
	last := time.Duration(math.MinInt64)
	for i := range list {
		sent := time.Duration(i) * 20 * time.Millisecond
		last = max(last, sent+p.Delay+time.Duration(random.ExpFloat64()*float64(p.Jitter)))
		list[i] = last - sent
	}
	slices.Sort(list)
	return list
}

// count is how many of a sorted list are within a bound.
func count(sorted []time.Duration, most time.Duration) int {
	n, _ := slices.BinarySearch(sorted, most+1)
	return n
}
