package rtpflow

import (
	"math"
	"time"
)

const (
	// seenBits is how many sequence numbers a receiver remembers, to tell a
	// duplicate from a late packet.
	seenBits = 4096
	// behindLimit is how many packets behind the highest, with timestamps that
	// say otherwise and none in order between them, are a restarted source.
	behindLimit = 3
	// timestampStep is how far the timestamp may step against time before it
	// is a discontinuity.
	timestampStep = 5 * time.Second

	leastRing, mostRing = 64, 4096
)

// Receiver measures one incoming stream. It belongs to one goroutine. Its
// methods do not lock, log or read a clock, and Packet does not allocate.
//
// The count begins with the first packet, or with index 0 where packets are
// stamped. Every payload type of the locked source is part of the stream,
// since all share one row of sequence numbers.
//
// A forward jump of 3000 or more sequence numbers is loss if the time since
// the last packet could hold half of them, or if stamps say so; else the source has
// restarted, as it has with a new SSRC or a jump back by 4096 or more. A
// restart must be confirmed by a second packet that follows the first; until
// then a packet is Foreign. It begins a row without a gap: what lies between
// is not loss. Three packets behind the highest that follow one another, with
// timestamps that do not lie behind, are a restart too.
type Receiver struct {
	flow
	config    Config
	perTick   float64 // ns in a tick of the RTP clock
	grace     int64
	up        *uplink // nil: nobody returns anything
	accepting bool    // Config.Accept is not empty
	plainly   bool    // no stamps, and nobody returns anything
	even      bool    // the next packet in order may be one for steady
	run       run     // what steady took

	locked    bool
	ssrc      uint32
	high      int64  // highest position that came
	highSeq   uint16 // its sequence number
	highIndex uint32 // its stamp's index
	offset    int64  // Arrival.Seq minus position
	lastAt    int64  // arrival of the highest

	timestamp   int64 // extended, of the highest
	origin      int64 // timestamps count from here
	shift       int64 // ns added to transit times, so that a restart is no step
	rebase      bool  // the next packet in order sets shift
	departure   int64 // far end's clock, unwrapped, of the last stamp
	departed    bool
	jitter      jitter
	stamp       Stamp
	seen        [seenBits / 64]uint64
	size        int64     // of ring, a power of two
	ring        []pending // what is not final, by position; nil until it is needed
	stamps      []Stamp   // beside ring, if packets are stamped
	deadline    int64     // when the oldest missing packet is lost
	told        int64     // highest position that the far end says it sent
	toldAt      int64     // when; meaningful while told > high
	candidate   candidate
	behind      int
	behindSeq   uint16
	base        int64 // position of the first packet since the last restart
	lastTransit int64 // of the last packet in order, shift included
	timed       bool  // lastTransit is set
	anchored    bool  // a packet has been placed
	captureBase int64 // position of the first packet of the locked SSRC
	source      sourceState
	plain       plainJitter
	packets     int64 // of the locked SSRC
	skipped     int64 // sequence numbers that restarts jumped over
	foreign     int64
	malformed   int64
	report      lastReport
	begun       bool
	stampsSeen  bool
}

// pending is a packet that came before its turn, or one that is missing.
type pending struct {
	at        int64 // arrival; of a missing packet: when it was missed
	transit   int64
	timestamp uint32
	seq       uint16
	state     uint8
	stamped   bool
}

const (
	stateMissing uint8 = iota
	stateBlind         // received, no transit time
	stateTimed
)

// Arrival is what Packet found. Payload and Stamp are valid until the next
// call; Payload is a part of the datagram.
type Arrival struct {
	Payload []byte
	Stamp   *Stamp // nil: none
	// Seq and Timestamp are extended to 64 bits; their low 16 and 32 bits are
	// those on the wire. They mean nothing for Foreign and Malformed.
	Seq, Timestamp int64
	SSRC           uint32
	Class          Class
	PayloadType    uint8
	Marker         bool
}

// NewReceiver returns a Receiver for the stream that the Config describes.
func NewReceiver(c Config) *Receiver {
	c = c.withDefaults()
	frame := c.Frame
	if frame <= 0 {
		frame = DefaultFrame / 2
	}
	size := int64(leastRing)
	for size < mostRing && time.Duration(size)*frame < 2*c.Grace {
		size *= 2
	}
	r := &Receiver{
		config:    c,
		perTick:   1e9 / float64(c.ClockRate),
		grace:     int64(c.Grace),
		accepting: !c.Accept.Empty(),
		plainly:   c.StampID == 0,
		high:      -1,
		highIndex: math.MaxUint32,
		told:      -1,
		size:      size,
		deadline:  math.MaxInt64,
	}
	r.open(c)
	r.plain.perNS = float64(c.ClockRate) / 1e9
	return r
}

// Packet accounts for one datagram that arrived at the given time. at may go
// back by the scheduler's noise, never by a clock step. It must not allocate, but
// once, when the first packet is missing or overtaken (room), where it closes a
// window, and a few times at the start, when a histogram meets a new magnitude or
// the round-trip times of an Echo need more room.
func (r *Receiver) Packet(at time.Duration, raw []byte) (a Arrival) {
	if r.even && len(raw) >= headerSize {
		head := (*[headerSize]byte)(raw)
		if r.steady(int64(at), head) {
			a.Payload, a.SSRC = raw[headerSize:], r.ssrc
			a.Seq, a.Timestamp = r.high+r.offset, r.timestamp
			a.PayloadType, a.Marker = head[1]&0x7f, head[1]&0x80 != 0
			return a
		}
	}
	r.catchUp()
	r.take(at, raw, &a)
	if r.plainly {
		r.look()
	}
	return a
}

// take accounts for a datagram of which anything may be so.
func (r *Receiver) take(at time.Duration, raw []byte, a *Arrival) {
	var h Header
	payload, extension, ok := h.Parse(raw)
	if !ok {
		r.malformed++
		a.Class = Malformed
		return
	}
	a.Payload, a.SSRC, a.PayloadType, a.Marker = payload, h.SSRC, h.PayloadType, h.Marker
	if int64(at) >= r.deadline {
		r.expire(int64(at))
	}
	if !r.locked || h.SSRC != r.ssrc {
		r.begin(at)
		if !r.admit(int64(at), &h) {
			r.foreign++
			a.Class = Foreign
			return
		}
	}
	if extension != nil && r.config.StampID != 0 {
		if s := FindExtension(extension, r.config.StampID); s != nil && r.stamp.Unmarshal(s) {
			a.Stamp = &r.stamp
		}
	}
	r.packets++
	r.source.update(h.SequenceNumber)
	media := r.media(h.Timestamp)
	if r.config.Events.Has(h.PayloadType) {
		r.plain.event(int64(at))
	} else {
		r.plain.add(int64(at), media)
	}
	r.place(int64(at), media, &h, a)
}

// Tick makes final what is past its grace at the given time. Packet does so
// too; Tick is for streams that have fallen silent.
func (r *Receiver) Tick(at time.Duration) {
	if int64(at) >= r.deadline {
		r.expire(int64(at))
	}
}

// Cut ends the running window: packets expected so far belong to it.
func (r *Receiver) Cut(at time.Duration) {
	r.catchUp()
	r.Tick(at)
	r.begin(at)
	r.cut(r.high+1, at)
}

// Closed returns the next window whose packets are all final, in order. Ask
// after each Packet, Tick or Cut, or at leisure: windows wait.
func (r *Receiver) Closed() (Span, bool) {
	if len(r.closed) == 0 {
		return Span{}, false
	}
	span := r.next()
	r.attest(&span.Figures)
	return span.Span, true
}

// Finish ends the stream: missing packets are lost, and the running window
// closes at the given time.
func (r *Receiver) Finish(at time.Duration) {
	r.catchUp()
	r.even = false
	r.begin(at)
	r.force(r.high + 1)
	if r.told > r.high {
		r.abandon(r.told - r.high)
	}
	r.deadline = math.MaxInt64
	r.cut(r.high+1, at)
}

// Total gives the figures since the beginning, as far as they are final.
func (r *Receiver) Total() Figures {
	r.catchUp()
	t := r.total()
	t.Foreign, t.Malformed = r.foreign, r.malformed
	r.attest(&t)
	return t
}

func (r *Receiver) attest(f *Figures) {
	switch {
	case r.stampsSeen || r.up != nil && r.told >= 0:
		f.Evidence = EvidenceStamps
	case r.locked:
		f.Evidence = EvidenceSequence
	}
}

// Capture gives the counts as a capture analyser takes them.
func (r *Receiver) Capture() Capture {
	r.catchUp()
	j := r.plain.tally.figures()
	c := Capture{Packets: r.packets, JitterMax: j.Max, JitterMean: j.Mean}
	if r.locked {
		c.Lost = r.high + 1 - r.captureBase + r.skipped - r.packets
	}
	return c
}

// begin sets the start of the first window.
func (r *Receiver) begin(at time.Duration) {
	if !r.begun {
		r.begun = true
		r.start = at
	}
}
