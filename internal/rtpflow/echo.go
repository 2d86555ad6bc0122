package rtpflow

import (
	"time"

	"github.com/pion/rtcp"
)

// Echo measures both directions of one echoed call on the caller's side. Its
// owner calls it from one goroutine or under one mutex.
//
// Where the far end stamps (Config.StampID), both directions are exact. Else
// the uplink is known by the far end's reception reports or not at all, and
// the downlink by its sequence numbers. A reflector returns gaps of the uplink
// as gaps, so there the downlink's loss is what is missing minus the uplink's
// loss by the reports, and unknown without reports.
type Echo struct {
	down *Receiver
	up   *uplink
	own  uint32
	self selfTally

	marks    []mark  // one for each window that is not handed out
	marked   mark    // before marks[0]
	content  Content // as told
	stamping bool
	summary  summary // the echo's, while it waits
	later    summary // the latest that came meanwhile
}

// NewEcho returns the Echo of a call.
func NewEcho(c Config) *Echo {
	c = c.withDefaults()
	e := &Echo{
		down:     NewReceiver(c),
		up:       newUplink(c),
		own:      c.OwnSSRC,
		stamping: c.StampID != 0,
		marked:   mark{highest: -1},
		marks:    make([]mark, 0, 4),
	}
	e.down.up = e.up
	e.down.plainly = false
	e.down.trip = &e.up.journeys
	return e
}

// Sent accounts for one packet that is about to leave: its sequence number and
// RTP timestamp, the slot it should leave in, and the clock just before the
// system call that sends it, since it can be back before that call returns.
// Sequence numbers must follow one another. It must not allocate.
func (e *Echo) Sent(seq uint16, timestamp uint32, slot, at time.Duration) {
	if e.self.sent == 0 {
		e.begin(slot)
	}
	e.self.sent++
	e.up.send(seq, timestamp, int64(at))
}

// Left accounts for how the packet of the last Sent left: at some time between
// from, which Sent was told, and to, the clock after the system call. Its
// lateness is the worst of that. Where the two are so far apart that this host
// stood still in between (SendStall), nobody knows how much of it the packet
// waited: it gives no sample of transit or round-trip time, since that would be
// this host's and look like the network's. It must not allocate.
func (e *Echo) Left(slot, from, to time.Duration) {
	e.self.late.Add(to - slot)
	e.up.leaving = false
	if to-from > SendStall {
		e.self.stalls++
		e.up.unsure.set(e.up.count - 1)
	}
}

// Missed accounts for n slots in which nothing was sent though it should have.
func (e *Echo) Missed(n int) { e.self.missed += int64(n) }

// Packet accounts for one returned datagram: when the kernel received it and
// when it was read. It must not allocate.
func (e *Echo) Packet(at, read time.Duration, raw []byte) Arrival {
	e.self.wake.Add(read - at)
	return e.down.Packet(at, raw)
}

// Content is what comparing returned audio with what was sent has shown.
type Content struct {
	Checked  int64 // frames
	Intact   int64 // of these, ours bit for bit or sample for sample
	Reshaped int64 // ours by ear, decoded and encoded again
}

// Content tells what has been heard so far.
func (e *Echo) Content(c Content) { e.content = c }

// Departed tells when one of the packets sent left: the last one, or the one so
// many before it. ok is false beyond the memory of 1024 packets.
func (e *Echo) Departed(before int64) (at time.Duration, ok bool) {
	u := e.up
	if before < 0 || before >= min(u.count, ringBits) {
		return 0, false
	}
	return time.Duration(u.sent[(u.count-1-before)&(ringBits-1)]), true
}

// Answered tells that a returned packet without a stamp carries, bit for bit, the
// audio of the packet that was sent at a position, counted from 0. It must not
// allocate.
func (e *Echo) Answered(position int64, a *Arrival) {
	e.up.answered(position, numbers{uint16(a.Seq), uint32(a.Timestamp)})
}

// kindEvidence is the least number of packets that show a kind.
const kindEvidence = 8

// Kind says how the far end returns media, as far as is known.
func (e *Echo) Kind() Kind {
	switch u := e.up; {
	case u.stampsIn > 0:
		return KindStamping
	case u.checked >= kindEvidence && u.matched*10 >= u.checked*9:
		return KindReflector
	case e.content.Checked < kindEvidence:
		return KindUnknown
	case e.content.Intact*2 >= e.content.Checked:
		return KindRebuilder
	case (e.content.Intact+e.content.Reshaped)*2 >= e.content.Checked:
		return KindTranscoder
	default:
		return KindUnknown // what comes back is not ours
	}
}

// RTCP takes in the far end's reports, which came at the given time: report
// blocks about our stream, the packet count of its own, the round trip by LSR
// and DLSR, and a stamping echo's summary.
func (e *Echo) RTCP(at time.Duration, packets []rtcp.Packet) {
	e.down.Tick(at)
	for _, p := range packets {
		switch p := p.(type) {
		case *rtcp.SenderReport:
			e.senderReport(at, p)
			e.blocks(at, p.Reports)
		case *rtcp.ReceiverReport:
			e.blocks(at, p.Reports)
		case *rtcp.ApplicationDefined:
			e.keepSummary(at, p)
		}
	}
}

func (e *Echo) senderReport(at time.Duration, sr *rtcp.SenderReport) {
	e.down.SenderReport(at, sr)
	switch {
	case !e.stamping || e.down.locked && sr.SSRC != e.down.ssrc:
	case sr.PacketCount == 0:
		// It returns what arrives, so nothing has.
		e.up.silent(-1, int64(at), e.roundTrip())
	case int64(sr.PacketCount) <= 2*e.up.count+kindEvidence:
		// More than we sent, but for duplicates, cannot have come back.
		e.down.expect(int64(at), sr.PacketCount)
	}
}

func (e *Echo) blocks(at time.Duration, blocks []rtcp.ReceptionReport) {
	for i := range blocks {
		b := &blocks[i]
		if e.own != 0 && b.SSRC != e.own || e.up.count == 0 {
			continue
		}
		highest := e.up.position(uint16(b.LastSequenceNumber))
		if highest >= e.up.count || highest < -1 {
			continue
		}
		e.up.reports.take(at, b, highest, e.down.perTick)
		if e.stamping {
			e.up.silent(highest, int64(at), e.roundTrip())
		}
	}
}

// roundTrip is the longest seen; the grace, if none was.
func (e *Echo) roundTrip() int64 {
	longest := max(e.up.journeys.call.max, e.up.reports.trip)
	if longest == 0 {
		return e.up.grace
	}
	return int64(longest)
}

// ReportRTT is the round-trip time by LSR and DLSR of the far end's last reception
// report (RFC 3550, 6.4.1); 0: none.
func (e *Echo) ReportRTT() time.Duration { return e.up.reports.trip }

// SentReport remembers that a sender report of ours with the given NTP time
// left, so that reception reports that name it give a round-trip time.
func (e *Echo) SentReport(at time.Duration, ntp uint64) { e.up.reports.sent(at, ntp) }

// ReceptionReport is that of the returned stream, see Receiver.
func (e *Echo) ReceptionReport(at time.Duration) (rtcp.ReceptionReport, bool) {
	return e.down.ReceptionReport(at)
}

// VoIPMetrics is that of the returned stream, see Receiver, with the last
// round-trip time (RFC 3611, 4.7.3).
func (e *Echo) VoIPMetrics() rtcp.VoIPMetricsReportBlock {
	b := e.down.VoIPMetrics()
	b.RoundTripDelay = milliseconds(e.up.journeys.call.last)
	return b
}

// Tick makes final what is past its grace at the given time.
func (e *Echo) Tick(at time.Duration) {
	e.down.Tick(at)
	e.useSummary()
}

// LastWord reports whether a stamping echo has answered a sender report of ours
// that left at the given time or later: then it has told of every copy that it had
// got by then, though what it sent back for one may be lost. Who does not stamp has
// no more to say.
func (e *Echo) LastWord(since time.Duration) bool {
	return e.up.stampsIn == 0 || e.up.reports.answered >= since && e.summary.at == 0
}

// Settled reports whether the fate of every packet sent so far is known in
// both directions, so that waiting longer could not change the figures, but for
// copies that are not known of yet (LastWord). Of a
// far end that neither stamps nor reflects it is true when as many packets
// came back as were sent.
func (e *Echo) Settled() bool {
	d, u := e.down, e.up
	switch {
	case u.count == 0:
		return true
	case d.final <= d.high || d.told > d.high:
		return false
	case e.stamping:
		return u.final == u.count
	case e.Kind() == KindReflector:
		return u.base.undo(numbers{seq: d.highSeq}).seq == u.lastSeq
	default:
		return d.window.received+d.call.received >= u.count
	}
}
