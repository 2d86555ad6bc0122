package rtpflow

import (
	"math"
	"time"
)

// deliver makes a received packet at position final; it must be the next.
func (r *Receiver) deliver(at, transit int64, known bool, seq uint16, timestamp uint32, s *Stamp) {
	if r.up != nil {
		r.up.returned(at, seq, timestamp, s)
	}
	if known {
		r.receive(at, transit)
	} else {
		r.receiveBlind()
	}
}

// room makes the memory of what is not final, when the first packet is missing:
// most calls need none.
func (r *Receiver) room() {
	if r.ring != nil {
		return
	}
	r.ring = make([]pending, r.size)
	if r.config.StampID != 0 {
		r.stamps = make([]Stamp, r.size)
	}
}

// keep stores a packet that came before its turn.
func (r *Receiver) keep(position, at, transit int64, known bool, h *Header, s *Stamp) {
	r.room()
	i := position & (r.size - 1)
	p := pending{at: at, transit: transit, timestamp: h.Timestamp, seq: h.SequenceNumber, state: stateBlind}
	if known {
		p.state = stateTimed
	}
	if s != nil {
		p.stamped = true
		r.stamps[i] = *s
	}
	r.ring[i] = p
}

// skip makes the n positions behind the highest missing since at.
func (r *Receiver) skip(at, n int64) {
	if n <= 0 {
		return
	}
	r.room()
	if lowest := r.high + n + 1 - r.size; lowest > r.final {
		r.force(min(lowest, r.high+1))
		if beyond := lowest - (r.high + 1); beyond > 0 {
			r.abandon(beyond)
			n -= beyond
		}
	}
	r.forget(n)
	for position := r.high + 1; position <= r.high+n; position++ {
		r.ring[position&(r.size-1)] = pending{at: at}
	}
	r.deadline = min(r.deadline, at+r.grace)
	r.move(n)
}

// move moves the highest position on by n that did not come.
func (r *Receiver) move(n int64) {
	r.high += n
	r.highSeq += uint16(n)
	r.highIndex += uint32(n)
}

// abandon loses the n positions behind the highest at once; all before them
// is final.
func (r *Receiver) abandon(n int64) {
	r.forget(n)
	r.lose(n)
	r.move(n)
}

// forget clears the memory of the n positions behind the highest.
func (r *Receiver) forget(n int64) {
	if n >= seenBits {
		clear(r.seen[:])
		return
	}
	for position := r.high + 1; position <= r.high+n; position++ {
		r.seen[position/64&(seenBits/64-1)] &^= 1 << (position & 63)
	}
}

// force makes everything before a position final.
func (r *Receiver) force(position int64) {
	for r.final < position {
		r.finish(r.final)
	}
}

// finish makes the next position final by what is known of it.
func (r *Receiver) finish(position int64) {
	i := position & (r.size - 1)
	p := &r.ring[i]
	if p.state == stateMissing {
		r.lose(1)
		return
	}
	var s *Stamp
	if p.stamped {
		s = &r.stamps[i]
	}
	r.deliver(p.at, p.transit, p.state == stateTimed, p.seq, p.timestamp, s)
}

// drain makes final what does not wait for a missing packet within its grace.
func (r *Receiver) drain(at int64) {
	for r.final <= r.high {
		p := &r.ring[r.final&(r.size-1)]
		if p.state == stateMissing && at-p.at < r.grace {
			r.deadline = p.at + r.grace
			return
		}
		r.finish(r.final)
	}
	r.deadline = math.MaxInt64
	if r.told > r.high {
		r.deadline = r.toldAt + r.grace
	}
}

// expire makes final what is past its grace, and then what the far end says
// it sent and did not come.
func (r *Receiver) expire(at int64) {
	r.drain(at)
	if r.final > r.high && r.told > r.high && at >= r.deadline {
		r.abandon(r.told - r.high)
		r.deadline = math.MaxInt64
	}
}

// expect tells that the far end had sent count packets by a report that came
// at the given time. Only a stamping far end counts as we do.
func (r *Receiver) expect(at int64, count uint32) {
	highest := r.high + int64(int32(count-1-r.highIndex))
	if r.told > r.high || highest <= r.high {
		return
	}
	r.told, r.toldAt = highest, at
	if r.final > r.high {
		r.deadline = at + r.grace
	}
}

// nearestFrame rounds to a tenth of a millisecond, since ticks of 44.1 kHz do
// not divide a frame.
func nearestFrame(ns int64) time.Duration {
	return time.Duration(ns).Round(100 * time.Microsecond)
}
