package rtpflow

// steady takes the packet that nearly every packet is: the next one of a
// stream without stamps and with nothing outstanding. It does what place and
// inOrder would do, in one piece, since the calls between them cost as much
// as their work; it reports false, and does nothing, where there is more to
// decide. The random streams of the tests go through both.
func (r *Receiver) steady(at int64, h *Header, a *Arrival) bool {
	if h.SequenceNumber != r.highSeq+1 || h.SSRC != r.ssrc || r.final != r.high+1 || !r.timed || !r.plainly || r.rebase || r.frame == 0 {
		return false
	}
	timestamp := r.extend(h.Timestamp)
	media := int64(float64(timestamp-r.origin) * r.perTick)
	transit := at - media + r.shift
	step := transit - r.lastTransit
	if timestamp == r.timestamp || step > int64(timestampStep) || step < -int64(timestampStep) {
		return false
	}
	r.packets++
	r.source.update(h.SequenceNumber)
	r.plain.add(at, media)

	r.high++
	r.highIndex++
	r.highSeq = h.SequenceNumber
	r.lastAt = at
	r.behind = 0
	r.candidate.valid = false
	r.mark(r.high)
	r.timestamp = timestamp
	r.lastTransit = transit
	a.Class = InOrder
	a.Seq = r.high + r.offset
	a.Timestamp = timestamp

	d := transit - r.jitter.transit
	r.jitter.transit = transit
	r.jitter.j = follow(r.jitter.j, d)
	if len(r.edges) == 0 {
		r.window.jitter.add(r.jitter.j)
	} else {
		r.sample(r.high, r.jitter.j)
	}
	r.receive(at, transit)
	return true
}
