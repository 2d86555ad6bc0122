package probe

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/pion/rtcp"

	"github.com/earshot-voip/earshot/internal/audio"
	"github.com/earshot-voip/earshot/internal/media"
	"github.com/earshot-voip/earshot/internal/mono"
	"github.com/earshot-voip/earshot/internal/pace"
	"github.com/earshot-voip/earshot/internal/peer"
	"github.com/earshot-voip/earshot/internal/rtpflow"
)

// rtpHeaderSize is the fixed header that every sent packet has (RFC 3550, 5.1).
const rtpHeaderSize = 12

// wire is how media leaves: a *peer.Peer, but for tests.
type wire interface {
	Codec() media.Codec
	SSRC() uint32
	StampID() uint8
	Incoming() (codec, events rtpflow.PayloadSet)
	WriteRTP(packet []byte) error
	WriteReport(r peer.Report) error
}

// exchange is the media of a call: a clip that goes out frame by frame, and the
// measuring of what comes back. The send clock, the socket's reader and the
// call's own goroutine share it under mu, which none holds for longer than a
// packet takes to account for.
type exchange struct {
	clip *media.Clip // of the codec that was agreed on; nil before media begins
	peer wire

	// Of the send clock alone.
	packet  []byte
	header  rtpflow.Header
	frame   time.Duration
	ticks   uint32 // RTP timestamp per slot
	slots   int64  // gone by, missed ones included
	firstTS uint32
	firstSN uint16

	mu         sync.Mutex
	flow       *rtpflow.Echo // nil before media begins
	over       bool          // what still comes is not measured
	sent       int64         // packets, and so clip frames
	firstBack  time.Duration // arrival of the first returned packet; 0: none yet
	lastBack   time.Duration
	lastSent   time.Duration
	lastTS     uint32
	octets     int64 // of payload sent
	sendErrors int64
	bye        bool        // the far end said RTCP BYE
	reported   bool        // the far end sent a sender or receiver report
	window     windowNoise // of the running window
	recorder   *audio.Recorder
	audible    rtpflow.PayloadSet // payload types of the codec
	unasked    uint8              // the last payload type that came and was not agreed on

	ticker  *pace.Ticker // of the call's goroutine
	crashed chan error   // a panic in send or received
}

func newExchange(trust Trust) *exchange {
	var random [6]byte
	_, _ = rand.Read(random[:])
	return &exchange{
		packet:  make([]byte, 0, rtpHeaderSize+160), // G.711; grows with what is larger
		firstTS: binary.BigEndian.Uint32(random[:4]),
		firstSN: binary.BigEndian.Uint16(random[4:]),
		crashed: make(chan error, 1),
		window:  windowNoise{limit: trust.SendLate},
	}
}

// begin starts sending and measuring.
func (x *exchange) begin(p wire) {
	x.prepare(p)
	x.ticker = pace.Default().Start(x.frame, x.send)
}

func (x *exchange) prepare(p wire) {
	codec := p.Codec()
	own, events := p.Incoming()
	x.peer, x.clip = p, codec.Clip()
	x.frame, x.ticks = codec.Frame, codec.TicksPerFrame
	x.header = rtpflow.Header{SSRC: p.SSRC(), PayloadType: codec.PayloadType, Marker: true}
	x.mu.Lock()
	x.audible = own
	x.recorder = audio.NewRecorder(x.clip, x.departed)
	x.flow = rtpflow.NewEcho(rtpflow.Config{
		ClockRate: codec.ClockRate,
		Frame:     codec.Frame,
		Accept:    accepted(codec, own, events),
		Events:    events,
		OwnSSRC:   p.SSRC(),
		StampID:   p.StampID(),
	})
	x.mu.Unlock()
}

// stop ends sending. No packet leaves after it returned.
func (x *exchange) stop() {
	if x.ticker != nil {
		x.ticker.Stop()
		x.ticker = nil
	}
}

// send puts one frame on the wire. It runs on the send clock.
func (x *exchange) send(slot pace.Slot) {
	defer x.survive()
	from := x.next(slot)
	x.header.Marker = false
	err := x.peer.WriteRTP(x.packet)
	x.left(slot, from, mono.Now(), err)
}

// next makes the packet of a slot and accounts for it as sent at the time that
// it returns.
func (x *exchange) next(slot pace.Slot) (now time.Duration) {
	x.slots += slot.Missed
	// A missed slot advances the timestamp but not the sequence number: bursting
	// to catch up would look like network jitter, a skipped number like loss.
	x.header.Timestamp = x.firstTS + uint32(x.slots)*x.ticks
	x.slots++

	x.mu.Lock()
	defer x.mu.Unlock()
	x.header.SequenceNumber = x.firstSN + uint16(x.sent)
	x.packet = append(x.header.AppendTo(x.packet[:0]), x.clip.Frame(x.sent)...)
	x.sent++
	if slot.Missed > 0 {
		x.recorder.Missed(x.sent-1, slot.Missed)
		x.flow.Missed(int(slot.Missed))
	}
	// On loopback a packet can be back before the call that sends it returns, so
	// it is accounted for first, by the clock just before it leaves.
	now = mono.Now()
	x.flow.Sent(x.header.SequenceNumber, x.header.Timestamp, slot.Due, now)
	x.lastSent, x.lastTS = now, x.header.Timestamp
	x.octets += int64(len(x.packet) - rtpHeaderSize)
	return now
}

// left accounts for how the packet of a slot left: between from and to. The host
// may have stood still in between, which only the second look at the clock shows.
func (x *exchange) left(slot pace.Slot, from, to time.Duration, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.flow.Left(slot.Due, from, to)
	x.window.add(to-slot.Due, slot.Missed)
	if err != nil {
		x.sendErrors++
	}
}

// received measures one returned packet. It runs on the socket's reader.
func (x *exchange) received(at, read time.Duration, raw []byte) {
	defer x.survive()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.flow == nil || x.over {
		return
	}
	x.window.wake.Add(read - at)
	arrival := x.flow.Packet(at, read, raw)
	if !arrival.Class.Heard() {
		if arrival.Class == rtpflow.Foreign {
			x.unasked = arrival.PayloadType
		}
		return
	}
	if x.firstBack == 0 {
		x.firstBack = at
	}
	x.lastBack = at
	x.listen(at, &arrival)
}

// accepted are the payload types that belong to the stream: the codec's,
// telephone events, which count in its sequence numbers, and comfort noise, which is
// static at 8 kHz and needs no announcement (RFC 3389).
func accepted(codec media.Codec, own, events rtpflow.PayloadSet) rtpflow.PayloadSet {
	all := own.Union(events)
	if codec.ClockRate == 8000 {
		all = all.Union(rtpflow.PayloadTypes(audio.NoisePayload))
	}
	return all
}

// listen hands a returned packet to the recorder, with the frame that it answers
// where a stamp says so.
func (x *exchange) listen(at time.Duration, a *rtpflow.Arrival) {
	p := audio.Packet{
		At: at, Seq: a.Seq, Timestamp: a.Timestamp,
		Payload: a.Payload, PayloadType: a.PayloadType,
		Position: -1, Sent: x.sent,
	}
	if x.audible.Has(a.PayloadType) {
		p.PayloadType = x.clip.Codec().PayloadType // the recorder's name for it
	}
	if a.Stamp != nil {
		p.Position = x.sentIndex(a.Stamp.Sequence)
	}
	if position, ours := x.recorder.Take(&p); ours && a.Stamp == nil {
		x.flow.Answered(position, a)
	}
}

// departed tells when a frame of the clip left, of the last ones. The caller
// holds mu.
func (x *exchange) departed(position int64) (time.Duration, bool) {
	if position < 0 || position >= x.sent {
		return 0, false
	}
	return x.flow.Departed(x.sent - 1 - position)
}

// whenDeparted is departed for who does not hold mu.
func (x *exchange) whenDeparted(position int64) (time.Duration, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.departed(position)
}

// sentIndex counts packets from the start of the call by their sequence number:
// the clip repeats long before a call ends, and sequence numbers wrap.
func (x *exchange) sentIndex(seq uint16) int64 {
	last := x.sent - 1
	return max(last+int64(int16(seq-(x.firstSN+uint16(last)))), 0)
}

// receivedRTCP takes the far end's reports.
func (x *exchange) receivedRTCP(at time.Duration, raw []byte) {
	defer x.survive()
	packets, err := rtcp.Unmarshal(raw)
	if err != nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.flow == nil || x.over {
		return
	}
	x.flow.RTCP(at, packets)
	for _, p := range packets {
		switch p.(type) {
		case *rtcp.Goodbye:
			x.bye = true
		case *rtcp.SenderReport, *rtcp.ReceiverReport:
			x.reported = true
		}
	}
}

// heard reports whether anything came back, and whether the far end said BYE.
func (x *exchange) heard() (media, bye bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.firstBack != 0, x.bye
}

// cut ends the running window.
func (x *exchange) cut(now time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.flow.Cut(now)
	x.window.cut()
}

// closed returns the next window whose packets are all final, the noise in it,
// and what kind of echo the far end has shown itself to be.
func (x *exchange) closed(now time.Duration) (w *rtpflow.Window, n noise, kind rtpflow.Kind, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.flow.Tick(now)
	if w, ok = x.flow.Closed(); ok {
		n = x.window.next()
	}
	return w, n, x.flow.Kind(), ok
}

// settled reports whether the fate of every packet is known, and whether the echo
// has nothing more to tell of copies since it was asked.
func (x *exchange) settled(now, asked time.Duration) (fates, copies bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.flow.Tick(now)
	return x.flow.Settled(), x.flow.LastWord(asked)
}

// finish makes everything final by the evidence at hand; the last window ends at
// the given time.
func (x *exchange) finish(at time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.over = true
	x.flow.Finish(at)
	x.window.cut()
}

// tape takes what came back since the last one.
func (x *exchange) tape() audio.Tape {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.recorder.Cut(x.sent)
}

// content tells the flow what was heard, which shows the kind of echo.
func (x *exchange) content(c rtpflow.Content) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.flow.Content(c)
}

// gaps are what never came back bit for bit, of an echo with such a delay.
func (x *exchange) gaps(delay time.Duration) audio.Gaps {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.recorder.Gaps(x.sent, delay)
}

func (x *exchange) total() rtpflow.Summary {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.flow.Total()
}

// progress counts packets that were sent, and those that came back.
func (x *exchange) progress() (sent, back int64) {
	trip := x.total().RoundTrip
	return trip.Sent, trip.Returned
}

// silence says what is known about why nothing came back.
func (x *exchange) silence() error {
	total := x.total()
	up := &total.Up
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case total.Down.Foreign > 0:
		return &mediaError{CodeOtherCodec, fmt.Sprintf("%d packets came back under payload type %d, none under that of %s, which was agreed on",
			total.Down.Foreign, x.unasked, x.clip.Codec().Name)}
	case up.Evidence != rtpflow.EvidenceNone && up.Received > 0:
		return &mediaError{CodeOneWay, fmt.Sprintf(
			"nothing came back, though the far end reports that it gets our media: the downlink is silent (%d packets sent)", x.sent)}
	case x.reported:
		return &mediaError{CodeNoMedia, fmt.Sprintf(
			"nothing came back, and the far end reports that it gets no media: the uplink is silent (%d packets sent)", x.sent)}
	}
	return &mediaError{CodeNoMedia, fmt.Sprintf(
		"nothing came back, and the far end reports nothing: direction unknown (%d packets sent)", x.sent)}
}

// stoppedEarly reports media that never came back, in a call shorter than the
// deadline for the first packet, or that fell silent before sending ended.
func (x *exchange) stoppedEarly() error {
	if heard, _ := x.heard(); !heard {
		return x.silence()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	silent := x.lastSent - x.lastBack
	if silent < stoppedAfter {
		return nil
	}
	return &mediaError{CodeMediaStopped, fmt.Sprintf("nothing came back in the last %v of the call", silent.Round(10*time.Millisecond))}
}

// reportedTrip is the round trip that the far end's last report tells; 0: none.
func (x *exchange) reportedTrip() time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.flow.ReportRTT()
}

// first is the arrival of the first returned packet, 0 if none came.
func (x *exchange) first() time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.firstBack
}

func (x *exchange) failedSends() int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.sendErrors
}
