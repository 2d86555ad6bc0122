package capture

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/earshot-voip/earshot/internal/rtpflow"
)

// Where a clock rate is known from.
type clockSource string

const (
	clockUnknown clockSource = ""
	clockStatic  clockSource = "static"  // the payload type (RFC 3551)
	clockGiven   clockSource = "given"   // by the caller
	clockGuessed clockSource = "guessed" // from the timestamps
)

// mostTypes bounds the payload types that are counted apart in a stream.
const mostTypes = 16

// typeCount is the packets of one payload type.
type typeCount struct {
	payloadType uint8
	packets     int64
	bytes       int64 // of payload
}

// stream is one SSRC between two ports while it is being read.
type stream struct {
	identity
	options  *Options
	receiver *rtpflow.Receiver
	held     []record // until the clock rate is known
	header   [rtpHeader]byte

	main        uint8 // payload type that the clock rate is of
	clock       uint32
	clockSource clockSource

	first, latest int64 // times of arrival
	before        record
	frames        spacing
	types         []typeCount
	typeOverflow  bool
	packets       int64
	untimed       bool // of some packet the time is not known

	highest, ended int64 // extended sequence numbers: the highest, and of the last packet
	placed         bool
}

func newStream(id identity, o *Options) *stream {
	s := &stream{identity: id, options: o}
	s.header[0] = 0x80
	binary.BigEndian.PutUint32(s.header[8:], id.ssrc)
	return s
}

// add takes the next packet in the order of the capture.
func (s *stream) add(r *record) {
	if s.packets == 0 {
		s.first, s.latest = r.at, r.at
	} else {
		s.frames.add(&s.before, r)
		s.latest = max(s.latest, r.at)
	}
	s.packets++
	s.before = *r
	s.untimed = s.untimed || r.untimed
	s.count(r)
	if s.receiver != nil {
		s.measure(r)
		return
	}
	s.held = append(s.held, *r)
	if len(s.held) >= learnPackets || r.at-s.first >= learnSpan || s.told() {
		s.settle()
	}
}

func (s *stream) count(r *record) {
	for i := range s.types {
		if t := &s.types[i]; t.payloadType == r.kind {
			t.packets++
			t.bytes += int64(r.size)
			return
		}
	}
	if len(s.types) == mostTypes {
		s.typeOverflow = true
		return
	}
	s.types = append(s.types, typeCount{payloadType: r.kind, packets: 1, bytes: int64(r.size)})
}

// told reports whether there is nothing to learn: the clock rate of what came
// so far is known, and a frame was seen.
func (s *stream) told() bool {
	_, source := s.options.clockOf(s.mainType())
	return source != clockUnknown && len(s.held) >= succession
}

// mainType is the type of most packets, those aside that come beside a codec.
func (s *stream) mainType() uint8 {
	best := typeCount{payloadType: s.types[0].payloadType}
	for _, t := range s.types {
		if s.beside(t) {
			continue
		}
		if t.packets > best.packets {
			best = t
		}
	}
	return best.payloadType
}

// beside reports whether a payload type is comfort noise or events.
func (s *stream) beside(t typeCount) bool {
	if c, ok := s.options.PayloadTypes[t.payloadType]; ok {
		return c.Name == telephoneEvent || c.Name == "CN"
	}
	return t.payloadType == comfortNoise || t.payloadType == eventType && !s.carriesMedia(t)
}

// carriesMedia reports whether packets are too large to be events: 4 bytes, of
// which redundancy may repeat some, and up to 16 of authentication tag.
func (s *stream) carriesMedia(t typeCount) bool { return t.bytes > 40*t.packets }

// events lists the payload types whose timestamps stand still.
func (s *stream) events() rtpflow.PayloadSet {
	var types []uint8
	for payloadType, c := range s.options.PayloadTypes {
		if c.Name == telephoneEvent {
			types = append(types, payloadType)
		}
	}
	_, named := s.options.PayloadTypes[eventType]
	if !named && s.main != eventType {
		types = append(types, eventType)
	}
	return rtpflow.PayloadTypes(types...)
}

// settle decides on the clock rate and hands what was held to the core.
func (s *stream) settle() {
	s.main = s.mainType()
	s.clock, s.clockSource = s.options.clockOf(s.main)
	if s.clockSource == clockUnknown {
		if s.clock = guessClock(s.held, s.main); s.clock != 0 {
			s.clockSource = clockGuessed
		}
	}
	s.receiver = rtpflow.NewReceiver(rtpflow.Config{
		ClockRate: s.clock, SSRC: s.ssrc, Frame: s.frame(), Events: s.events(),
	})
	for i := range s.held {
		s.measure(&s.held[i])
	}
	s.held = nil
}

// measure gives the core a header without the parts that do not matter to it:
// the capture may have cut them off.
func (s *stream) measure(r *record) {
	s.header[1] = r.kind
	binary.BigEndian.PutUint16(s.header[2:], r.sequence)
	binary.BigEndian.PutUint32(s.header[4:], r.timestamp)
	a := s.receiver.Packet(time.Duration(r.at), s.header[:])
	if a.Class == rtpflow.Foreign {
		return
	}
	if !s.placed || a.Seq > s.highest {
		s.highest, s.placed = a.Seq, true
	}
	s.ended = a.Seq
}

// lost counts as tshark does: the span of sequence numbers minus the packets,
// where the span ends with the last packet that came, be it the highest or not.
func (s *stream) lost(counts *rtpflow.Capture) int64 { return counts.Lost - (s.highest - s.ended) }

// frame is the audio in a packet, by what most timestamps say; 0: unknown.
func (s *stream) frame() time.Duration {
	if s.clock == 0 {
		return 0
	}
	return time.Duration(float64(s.frames.most()) * 1e9 / float64(s.clock))
}

// timed reports whether times of arrival and the clock rate are both known.
func (s *stream) timed() bool { return !s.untimed && s.clockSource != clockUnknown }

func (s *stream) finish() {
	if s.receiver == nil {
		s.settle()
	}
	s.receiver.Finish(time.Duration(s.latest) + rtpflow.LeastGrace)
	slices.SortStableFunc(s.types, func(a, b typeCount) int {
		switch {
		case a.packets > b.packets:
			return -1
		case a.packets < b.packets:
			return 1
		}
		return 0
	})
}

// clockOf gives the clock rate of a payload type as far as it is known without
// looking at the stream.
func (o *Options) clockOf(payloadType uint8) (uint32, clockSource) {
	if c, ok := o.PayloadTypes[payloadType]; ok {
		return c.ClockRate, clockGiven
	}
	if c, ok := staticTypes[payloadType]; ok {
		return c.ClockRate, clockStatic
	}
	if o.ClockRate != 0 {
		return o.ClockRate, clockGiven
	}
	return 0, clockUnknown
}

// codecOf names a payload type of the stream; "" if only a session description
// could.
func (s *stream) codecOf(payloadType uint8) string {
	if c, ok := s.options.PayloadTypes[payloadType]; ok {
		return c.Name
	}
	if s.events().Has(payloadType) {
		return telephoneEvent
	}
	return staticTypes[payloadType].Name
}
