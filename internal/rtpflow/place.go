package rtpflow

// media is the place of a timestamp on the sender's media clock, in ns.
func (r *Receiver) media(timestamp uint32) int64 {
	return int64(float64(r.extend(timestamp)-r.origin) * r.perTick)
}

// extend gives the 64-bit timestamp nearest to that of the highest packet.
func (r *Receiver) extend(timestamp uint32) int64 {
	return r.timestamp + int64(int32(timestamp-uint32(r.timestamp)))
}

// place finds where a packet of the locked source stands in its row.
func (r *Receiver) place(at, media int64, h *Header, a *Arrival) {
	step := int64(int16(h.SequenceNumber - r.highSeq))
	if a.Stamp != nil {
		step = r.stampStep(step)
	}
	if !r.anchored {
		r.anchored = true
		r.offset = int64(h.SequenceNumber) - (r.high + step)
		r.highSeq = h.SequenceNumber - uint16(step)
		r.captureBase = r.high + step
	}
	a.Seq = r.high + step + r.offset
	a.Timestamp = r.extend(h.Timestamp)
	switch {
	case step == 1:
		if r.frame == 0 && r.timed && r.has(r.high) {
			r.learnFrame(a.Timestamp - r.timestamp)
		}
		r.inOrder(at, media, h, a)
	case step > 0 && (step < maxDropout || a.Stamp != nil || r.outage(at, step)):
		r.skip(at, step-1)
		r.inOrder(at, media, h, a)
	case step > 0 || step <= -seenBits:
		if !r.confirm(at, h) {
			a.Class = Foreign
			r.foreign++
			return
		}
		r.place(at, r.media(h.Timestamp), h, a)
	default:
		r.misplaced(at, media, step, h, a)
	}
}

// stampStep takes the step from the stamp's index, which does not wrap in a
// call. An index that contradicts the sequence number does not count.
func (r *Receiver) stampStep(step int64) int64 {
	if r.anchored && !r.stampsSeen {
		r.highIndex = r.stamp.Index - uint32(step)
	}
	r.stampsSeen = true
	s := int64(int32(r.stamp.Index - r.highIndex))
	if uint16(s) == uint16(step) || !r.anchored && s > -seenBits {
		return s
	}
	return step
}

// outage reports whether a jump can be loss: the time since the last packet
// holds at least half of what is missing.
func (r *Receiver) outage(at, step int64) bool {
	return at-r.lastAt >= step/2*int64(r.spacing())
}

// inOrder takes the packet at position high+1.
func (r *Receiver) inOrder(at, media int64, h *Header, a *Arrival) {
	a.Class = InOrder
	r.high++
	r.highIndex++
	r.highSeq = h.SequenceNumber
	r.lastAt = at
	r.behind = 0
	r.candidate.valid = false
	r.mark(r.high)
	// Two packets of one timestamp are parts of an event: the second says
	// nothing about time.
	frozen := r.timed && !r.rebase && a.Timestamp == r.timestamp
	r.timestamp = a.Timestamp

	transit, known := r.transit(at, media, h.PayloadType, a.Stamp)
	if known && frozen && a.Stamp == nil {
		known = false
	}
	if known {
		transit = r.straighten(transit, a.Stamp != nil)
		if j, ok := r.jitter.add(transit); ok {
			r.sample(r.high, j)
		}
	}
	if r.final == r.high {
		r.deliver(at, transit, known, h.SequenceNumber, h.Timestamp, a.Stamp)
		return
	}
	r.force(r.high + 1 - r.size)
	r.keep(r.high, at, transit, known, h, a.Stamp)
}

// misplaced takes a packet at or behind the highest position.
func (r *Receiver) misplaced(at, media, step int64, h *Header, a *Arrival) {
	position := r.high + step
	transit, known := r.transit(at, media, h.PayloadType, a.Stamp)
	transit += r.shift
	if step := transit - r.lastTransit; known && a.Stamp == nil && (step > int64(timestampStep) || step < -int64(timestampStep)) {
		// Its timestamp is of another clock, before or after a discontinuity.
		known = false
	}
	if known {
		if j, ok := r.jitter.add(transit); ok {
			r.sample(position, j)
		}
	}
	switch {
	case position < r.base:
		a.Class = Late
		r.at(position).late++
	case r.has(position):
		a.Class = Duplicate
		r.at(position).duplicated++
	case position < r.final:
		a.Class = Late
		r.at(position).late++
		r.mark(position)
	default:
		a.Class = Reordered
		r.at(position).reordered++
		r.mark(position)
		r.keep(position, at, transit, known, h, a.Stamp)
		r.drain(at)
		return
	}
	if r.up != nil && a.Stamp != nil && a.Class == Late {
		r.up.evidence(a.Stamp, false)
	}
	r.fallBehind(step, h, a)
}

// transit gives the transit time of a packet on an arbitrary zero: from the
// moment it left, if its stamp says so, else from its RTP timestamp.
func (r *Receiver) transit(at, media int64, payloadType uint8, s *Stamp) (transit int64, known bool) {
	if s == nil {
		return at - media, !r.config.Events.Has(payloadType)
	}
	departure := int64(s.Arrival + s.Hold)
	if !r.departed {
		r.departed = true
		r.departure = departure
	}
	r.departure += (departure - r.departure) << (64 - clockBits) >> (64 - clockBits)
	return at - r.departure, true
}

// straighten takes steps of the sender's clock out of the transit time of a
// packet in order: those of a restart, and of a timestamp discontinuity.
func (r *Receiver) straighten(transit int64, stamped bool) int64 {
	step := transit + r.shift - r.lastTransit
	jump := !stamped && (step > int64(timestampStep) || step < -int64(timestampStep))
	if r.timed && (r.rebase || jump) {
		if !r.rebase {
			r.at(r.high).discontinuities++
		}
		r.shift = r.lastTransit - transit
		r.jitter.primed = false
	}
	r.timed, r.rebase = true, false
	r.lastTransit = transit + r.shift
	return r.lastTransit
}

// learnFrame takes the spacing of packets from the first two timestamps.
func (r *Receiver) learnFrame(ticks int64) {
	ns := int64(float64(ticks) * r.perTick)
	if ns >= 1e6 && ns <= 200e6 {
		r.frame = nearestFrame(ns)
	}
}

func (r *Receiver) mark(position int64) {
	r.seen[position/64&(seenBits/64-1)] |= 1 << (position & 63)
}

func (r *Receiver) has(position int64) bool {
	return r.seen[position/64&(seenBits/64-1)]>>(position&63)&1 != 0
}
