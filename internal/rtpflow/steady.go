package rtpflow

import (
	"encoding/binary"
	"math"
)

// run is a row of packets that steady took and that are not in the counters yet.
type run struct {
	n        int64
	max, sum int64 // of the jitter, as in a jitterTally
	// apart: the plain jitter is not the other one any more, since a jump of the
	// timestamps or an event; else it need not be followed on its own.
	apart bool
}

// look finds out whether a stream without stamps is even: with nothing outstanding
// and nothing special about it.
func (r *Receiver) look() {
	p := &r.plain
	r.even = r.timed && !r.rebase && r.frame != 0 &&
		r.final == r.high+1 && r.deadline == math.MaxInt64 &&
		r.behind == 0 && !r.candidate.valid && r.source.probation == 0 && r.source.max == r.highSeq &&
		r.jitter.primed && r.jitter.transit == r.lastTransit && p.primed && p.at-p.media+r.shift == r.lastTransit
	r.run.apart = p.j != r.jitter.j
}

// steady takes the packet that nearly every packet is: the next one of an even
// stream. It does what take would do, but most counters go up by one with each
// such packet, and so wait for catchUp. It reports false, and does nothing, where
// there is more to decide: also what comes once in a hundred packets, as the end
// of a block of the delay variation. The random streams of the tests go through
// both.
func (r *Receiver) steady(at int64, head *[headerSize]byte) bool {
	seq := binary.BigEndian.Uint16(head[2:])
	if head[0] != 0x80 || seq != r.highSeq+1 || seq == 0 || binary.BigEndian.Uint32(head[8:]) != r.ssrc {
		return false
	}
	timestamp := r.extend(binary.BigEndian.Uint32(head[4:]))
	transit := at - int64(float64(timestamp-r.origin)*r.perTick) + r.shift
	d := transit - r.jitter.transit
	d = max(d, -d)
	v, b := &r.variation, &r.playout
	if timestamp == r.timestamp || d > int64(timestampStep) || transit-b.base > b.depth || at >= b.turn ||
		at >= v.until || uint(v.n-1) >= blockSamples-1 || r.config.Events.Has(head[1]&0x7f) {
		return false
	}
	r.run.n++
	r.high++
	r.highSeq = seq
	r.lastAt = at
	r.timestamp = timestamp

	r.jitter.transit = transit
	j := follow(r.jitter.j, d)
	r.jitter.j = j
	r.run.max = max(r.run.max, j)
	r.run.sum += j >> 4
	if r.run.apart {
		r.plain.j = follow(r.plain.j, d)
		r.plain.tally.add(r.plain.j)
	}
	r.plain.units = follow(r.plain.units, int64(float64(d)*r.plain.perNS+0.5))

	r.window.depth += b.depth
	r.window.deepest = max(r.window.deepest, b.depth)
	b.learn(b.over(transit))
	v.latest = at
	v.samples[v.n] = transit
	v.n++
	return true
}

// catchUp brings the counters up to what steady has taken.
func (r *Receiver) catchUp() {
	if r.run.n > 0 {
		r.endRun()
	}
}

func (r *Receiver) endRun() {
	n := r.run.n
	tally := jitterTally{last: r.jitter.j, max: r.run.max, sum: r.run.sum, n: n}
	if !r.run.apart {
		r.plain.tally.merge(&tally)
		r.plain.j = r.jitter.j
	}
	r.run = run{apart: r.run.apart}
	r.markRow(r.high-n+1, n)
	r.final += n
	r.highIndex += uint32(n)
	r.packets += n
	r.source.max = r.highSeq
	r.source.received += uint32(n)
	r.lastTransit = r.jitter.transit
	r.window.received += n
	r.window.jitter.merge(&tally)
	r.plain.at, r.plain.media = r.lastAt, r.media(uint32(r.timestamp))
}

// markRow marks the n positions from first on.
func (r *Receiver) markRow(first, n int64) {
	for n > 0 {
		bit := first & 63
		some := min(n, 64-bit)
		r.seen[first/64&(seenBits/64-1)] |= math.MaxUint64 >> (64 - some) << bit
		first += some
		n -= some
	}
}
