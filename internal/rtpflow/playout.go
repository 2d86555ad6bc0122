package rtpflow

import (
	"math"
	"time"
)

const (
	// playoutGain is the weight of a packet in the recent mean and deviation
	// of the delay variation, 1/64, as a power of two.
	playoutGain = 6
	// playoutSpread is how many mean deviations above the mean the buffer
	// plays.
	playoutSpread = 4
	// playoutHorizon is how long a smallest transit time counts at least; at
	// most twice as long.
	playoutHorizon = 10 * time.Second
)

// Playout chooses the modelled de-jitter buffer. A fixed buffer has Least and
// Most equal.
//
// The model, for packets in sequence order. The base is the smallest transit
// time of the present and the previous stretch of 10 s. The delay variation v
// of a packet is its transit time minus the base, this packet included. A
// packet is discarded if v exceeds the depth that stands when it is due. Then
// the packet takes part in the estimate
//
//	m += (v - m) / 64,  s += (|v - m| - s) / 64,  depth = m + 4 s
//
// held between Least and Most (Ramjee, Kurose, Towsley, Schulzrinne, "Adaptive
// playout mechanisms for packetized audio applications in wide-area networks",
// INFOCOM 1994, algorithm 1, with a shorter memory and per packet). The depth
// begins at Least. A packet without a known transit time is played and leaves
// the estimate alone.
type Playout struct {
	// Least and Most bound the depth; both 0: 20 ms and 200 ms.
	Least, Most time.Duration
}

// FixedPlayout is a buffer of constant depth.
func FixedPlayout(depth time.Duration) Playout { return Playout{Least: depth, Most: depth} }

func (p Playout) withDefaults() Playout {
	if p.Least == 0 && p.Most == 0 {
		return Playout{Least: 20 * time.Millisecond, Most: 200 * time.Millisecond}
	}
	p.Most = max(p.Most, p.Least)
	return p
}

// playoutBuffer runs the model, in nanoseconds; mean and deviation are kept
// 64-fold, so that integers do. Integers keep the chain from packet to packet
// short.
type playoutBuffer struct {
	least, most       int64
	depth             int64
	mean, deviation   int64 // 64-fold
	current, previous int64 // smallest transit times of the two stretches
	base              int64 // the smaller of the two
	turn              int64 // when the present stretch ends
	primed            bool
}

func newPlayoutBuffer(p Playout) playoutBuffer {
	return playoutBuffer{least: int64(p.Least), most: int64(p.Most), depth: int64(p.Least), turn: math.MinInt64}
}

// offer plays one packet and reports whether it came too late. at is its time
// on any clock that runs with time.
func (b *playoutBuffer) offer(at, transit int64) (late bool) {
	if at >= b.turn {
		b.turnStretch(at, transit)
	}
	v := b.over(transit)
	late = v > b.depth
	b.learn(v)
	return late
}

// over lowers the base to a transit time, if it is, and gives what it lies over
// it: the delay variation.
func (b *playoutBuffer) over(transit int64) int64 {
	b.current = min(b.current, transit)
	b.base = min(b.base, transit)
	return transit - b.base
}

// learn takes a delay variation into the estimate.
func (b *playoutBuffer) learn(v int64) {
	b.mean += v - b.mean>>playoutGain
	off := v - b.mean>>playoutGain
	b.deviation += max(off, -off) - b.deviation>>playoutGain
	b.depth = min(max((b.mean+playoutSpread*b.deviation)>>playoutGain, b.least), b.most)
}

func (b *playoutBuffer) turnStretch(at, transit int64) {
	b.previous = b.current
	if !b.primed {
		b.primed = true
		b.previous = transit
	}
	b.current = transit
	b.base = min(b.previous, transit)
	b.turn = at + int64(playoutHorizon)
}
