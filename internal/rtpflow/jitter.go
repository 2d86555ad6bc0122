package rtpflow

import "time"

// jitterScale is the fraction in which jitter is kept: sixteenths of a
// nanosecond, so that its integer steps lose nothing that matters. Integers
// keep the chain from packet to packet short.
const jitterScale = 16

// follow gives J after the next difference of transit times |D|, by RFC 3550,
// A.8, in its integer form: J += |D| - (J + 8) / 16, with J scaled by 16.
// Times are in nanoseconds and not in ticks, since a tick of 125 µs would
// hide what a clean network does.
func follow(j, d int64) int64 {
	return j + d - (j+jitterScale/2)>>4
}

// jitter is the interarrival jitter over transit times.
type jitter struct {
	transit int64
	j       int64 // scaled
	primed  bool
}

// add takes the transit time of the next packet in order of arrival. ok is
// false for the first, which gives no difference.
func (v *jitter) add(transit int64) (j int64, ok bool) {
	d := transit - v.transit
	v.transit = transit
	if !v.primed {
		v.primed = true
		return 0, false
	}
	v.j = follow(v.j, max(d, -d))
	return v.j, true
}

// jitterTally is the course of the jitter over a window or a call, scaled;
// sum is in nanoseconds.
type jitterTally struct {
	last, max, sum int64
	n              int64
}

func (t *jitterTally) add(j int64) {
	t.last = j
	if j > t.max {
		t.max = j
	}
	t.sum += j >> 4
	t.n++
}

func (t *jitterTally) merge(later *jitterTally) {
	if later.n == 0 {
		return
	}
	t.last = later.last
	t.max = max(t.max, later.max)
	t.sum += later.sum
	t.n += later.n
}

func (t *jitterTally) figures() Jitter {
	if t.n == 0 {
		return Jitter{}
	}
	return Jitter{
		Last:    time.Duration(t.last / jitterScale),
		Max:     time.Duration(t.max / jitterScale),
		Mean:    time.Duration(t.sum / t.n),
		Samples: t.n,
	}
}
