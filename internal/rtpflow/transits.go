package rtpflow

import "math"

// transits keeps the transit times of packets until they are final. That is at
// once as long as nothing is missing, so one place is enough; a ring for all is
// allocated when a second one has to wait.
type transits struct {
	position int64 // of the last; -1: there is none
	last     int32 // in transitUnit
	ring     *[ringBits]int32
}

const (
	noTransit = math.MinInt32
	// transitUnit is the unit of kept transit times, as a power of two: 16 ns
	// reach 34 s either way, a day of 100 ppm and more.
	transitUnit = 4
)

// forget makes room for a position, of which no transit time is known.
func (t *transits) forget(position int64) {
	if t.ring != nil {
		t.ring[position&(ringBits-1)] = noTransit
	}
}

// keep takes the transit time of a position, in ns over any zero. What lies before
// final is not asked for any more.
func (t *transits) keep(position, over, final int64) {
	if t.position >= final {
		t.spill()
	}
	over >>= transitUnit
	t.position, t.last = position, int32(min(max(over, -math.MaxInt32), math.MaxInt32))
}

// spill moves the last one to the ring.
func (t *transits) spill() {
	if t.ring == nil {
		t.ring = new([ringBits]int32)
		for i := range t.ring {
			t.ring[i] = noTransit
		}
	}
	t.ring[t.position&(ringBits-1)] = t.last
}

// of gives the transit time of a position, if it is known.
func (t *transits) of(position int64) (over int64, known bool) {
	v := int32(noTransit)
	switch {
	case t.position == position:
		v = t.last
	case t.ring != nil:
		v = t.ring[position&(ringBits-1)]
	}
	return int64(v) << transitUnit, v != noTransit
}
