package rtpflow

// candidate is a packet that may be the first of a restarted source.
type candidate struct {
	at        int64
	ssrc      uint32
	timestamp uint32
	seq       uint16
	valid     bool
}

// admit decides whether a packet that is not of the locked source belongs to
// the stream: as its first packet, or as the second of a new source.
func (r *Receiver) admit(at int64, h *Header) bool {
	if r.accepting && !r.config.Accept.Has(h.PayloadType) {
		return false
	}
	if r.config.SSRC != 0 && h.SSRC != r.config.SSRC {
		return false
	}
	if r.locked {
		return r.confirm(at, h)
	}
	r.locked = true
	r.ssrc = h.SSRC
	r.highSeq = h.SequenceNumber - 1
	r.timestamp = int64(h.Timestamp)
	r.origin = r.timestamp
	r.source.begin(h.SequenceNumber)
	return true
}

// confirm reports whether the packet follows the candidate, and restarts the
// stream with the candidate if so. Else the packet is the candidate.
func (r *Receiver) confirm(at int64, h *Header) bool {
	c := r.candidate
	if c.valid && c.ssrc == h.SSRC && h.SequenceNumber == c.seq+1 {
		r.foreign--
		r.restart(&c)
		r.adopt(&c)
		return true
	}
	r.candidate = candidate{at: at, ssrc: h.SSRC, timestamp: h.Timestamp, seq: h.SequenceNumber, valid: true}
	return false
}

// restart makes c the next packet of the row, without a gap.
func (r *Receiver) restart(c *candidate) {
	next := r.high + 1
	r.at(next).restarts++
	ahead := int64(c.seq - r.highSeq)
	r.offset += ahead - 1
	if c.ssrc != r.ssrc {
		r.ssrc = c.ssrc
		r.timestamp = int64(c.timestamp)
		r.origin = r.timestamp
		r.plain.reset()
		r.plain.add(c.at, 0)
		r.source.begin(c.seq)
		r.source.update(c.seq)
		r.packets, r.skipped, r.captureBase = 1, 0, next
	} else {
		r.skipped += ahead - 1
	}
	r.base = next
	r.highSeq = c.seq - 1
	r.rebase = true
	r.stampsSeen = false
	r.behind = 0
}

// adopt takes the candidate as the first packet of the restarted row. Its
// stamp was not kept, so in a stamped stream it has no transit time.
func (r *Receiver) adopt(c *candidate) {
	h := Header{SequenceNumber: c.seq, Timestamp: c.timestamp}
	a := Arrival{Timestamp: r.extend(c.timestamp)}
	if !r.departed {
		r.inOrder(c.at, r.media(c.timestamp), &h, &a)
		return
	}
	r.high++
	r.highIndex++
	r.highSeq = c.seq
	r.lastAt = c.at
	r.mark(r.high)
	r.timestamp = a.Timestamp
	r.force(r.high + 1 - r.size)
	r.keep(r.high, c.at, 0, false, &h, nil)
	r.drain(c.at)
}

// fallBehind watches packets behind the highest whose timestamps contradict
// their place: a source that restarted a little way back.
func (r *Receiver) fallBehind(step int64, h *Header, a *Arrival) {
	ticks := float64(a.Timestamp-r.timestamp) * r.perTick
	contradicts := ticks > 0 || -ticks > float64(-step*int64(r.spacing())+int64(timestampStep))
	if !contradicts {
		r.behind = 0
		return
	}
	if r.behind > 0 && h.SequenceNumber == r.behindSeq+1 {
		r.behind++
	} else {
		r.behind = 1
	}
	r.behindSeq = h.SequenceNumber
	if r.behind == behindLimit {
		r.restart(&candidate{ssrc: r.ssrc, seq: h.SequenceNumber + 1})
	}
}
