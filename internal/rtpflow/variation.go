package rtpflow

import (
	"math"
	"time"
)

const (
	// A block ends after 5 s, after 128 samples, or at a window's edge.
	blockSpan    = 5 * time.Second
	blockSamples = 128
	// floorHorizon is how long a smallest transit time holds.
	floorHorizon = 30 * time.Second
	floorBlocks  = 32
	// routeStep is the least step of the floor that is a change of route. It
	// must also exceed how far the block's mean lies above its smallest, since
	// strong jitter alone moves the smallest, and routeSamples must have been
	// seen before it.
	routeStep    = 5 * time.Millisecond
	routeSamples = 64
	// driftSamples is the least block that takes part in the drift.
	driftSamples = 16
	// driftSpan and driftBlocks are the least evidence for a clock drift,
	// driftMost (as a ratio) the most that clocks do.
	driftSpan   = 30 * time.Second
	driftBlocks = 6
	driftMost   = 500e-6
)

// variation turns transit times into delay variation: transit minus its
// floor. The floor of a packet is the smallest transit time of the 30 s up to
// the end of the block that the packet lies in, so in a call of 30 s it is the
// smallest so far, and the beginning of a call is not measured against a floor
// that the next packets undercut.
//
// The smallest transit times of blocks also show the drift of the far clock (a
// straight line through them) and changes of route (a step of the floor). A
// known drift is taken out of the floor, else 100 ppm would raise every figure
// of a long call by up to 3 ms.
type variation struct {
	samples [blockSamples]int64
	n       int
	opened  int64 // time of the block's first sample
	latest  int64 // time of its last
	until   int64 // when the block ends

	floors     [floorBlocks]floorBlock
	first, len int
	floor      float64 // of the last block, relative to origin
	floorAt    int64

	drift  drift
	origin int64 // transit times count from here
	routes int
	seen   int // samples since the last change of route
	primed bool
}

type floorBlock struct {
	at  int64
	min float64
}

// begin puts the first sample into a block.
func (v *variation) begin(at, transit int64) {
	v.opened, v.latest, v.until = at, at, at+int64(blockSpan)
	v.samples[0] = transit
	v.n = 1
}

// flush ends the block and counts its delay variation into h.
func (v *variation) flush(h *Histogram) {
	if v.n == 0 {
		return
	}
	if !v.primed {
		v.primed = true
		v.origin = v.samples[0]
	}
	slope := v.drift.slope()
	if slope != 0 {
		v.level(slope)
	}
	lowest, sum := v.samples[0], int64(0)
	for _, s := range v.samples[:v.n] {
		if s < lowest {
			lowest = s
		}
		sum += s - v.origin
	}
	floor := v.follow(slope, float64(lowest-v.origin), float64(sum)/float64(v.n))
	h.addOver(v.samples[:v.n], v.origin+int64(math.Round(floor)))
	v.n = 0
}

// level takes the drift out of the block: every sample becomes what it would
// be at the block's end.
func (v *variation) level(slope float64) {
	step := slope * float64(v.latest-v.opened) / float64(max(v.n-1, 1))
	for i := range v.samples[:v.n] {
		v.samples[i] += int64(step * float64(v.n-1-i))
	}
}

// follow takes a block's smallest and mean transit time and gives the floor.
func (v *variation) follow(slope, lowest, mean float64) float64 {
	at := v.latest
	expected := v.floor + slope*float64(at-v.floorAt)
	for v.len > 0 && at-v.floors[v.first].at > int64(floorHorizon) || v.len == floorBlocks {
		v.first = (v.first + 1) % floorBlocks
		v.len--
	}
	floor := lowest
	for i := range v.len {
		b := &v.floors[(v.first+i)%floorBlocks]
		floor = min(floor, b.min+slope*float64(at-b.at))
	}
	v.floors[(v.first+v.len)%floorBlocks] = floorBlock{at: at, min: lowest}
	v.len++

	limit := max(float64(routeStep), mean-lowest)
	if v.seen >= routeSamples && math.Abs(floor-expected) > limit {
		v.routes++
		v.seen, v.drift = 0, v.drift.afresh()
	}
	v.seen += v.n
	if v.n >= driftSamples && lowest-floor <= limit {
		v.drift.add(at, lowest)
	}
	v.floor, v.floorAt = floor, at
	return floor
}

// drift fits a straight line through the smallest transit times of blocks by
// least squares.
type drift struct {
	t0, last            int64
	n, t, m, tt, tm, mm float64
	held                float64 // slope of the line before
	holds               bool
}

// afresh begins a new line, as after a change of route. The clocks do not
// change with the route, so the old slope holds until the new line has one.
func (d *drift) afresh() drift {
	slope, ok := d.estimate()
	return drift{held: slope, holds: ok}
}

func (d *drift) add(at int64, lowest float64) {
	if d.n == 0 {
		d.t0 = at
	}
	d.last = at
	t := float64(at - d.t0)
	d.n++
	d.t += t
	d.m += lowest
	d.tt += t * t
	d.tm += t * lowest
	d.mm += lowest * lowest
}

// estimate gives the slope as a ratio. ok is false while there is too little
// evidence, or the line fits so badly that no slope at all is as likely.
func (d *drift) estimate() (slope float64, ok bool) {
	if d.n < driftBlocks || d.last-d.t0 < int64(driftSpan) {
		return d.held, d.holds
	}
	stt := d.tt - d.t*d.t/d.n
	stm := d.tm - d.t*d.m/d.n
	smm := d.mm - d.m*d.m/d.n
	if stt <= 0 {
		return 0, false
	}
	slope = stm / stt
	residual := max(smm-slope*stm, 0)
	deviation := math.Sqrt(residual / (d.n - 2) / stt)
	if math.Abs(slope) > driftMost {
		return 0, false
	}
	return slope, deviation < driftMost/50 || math.Abs(slope) > 3*deviation
}

func (d *drift) slope() float64 {
	slope, ok := d.estimate()
	if !ok {
		return 0
	}
	return slope
}
