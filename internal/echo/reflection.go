package echo

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"

	"github.com/earshot-voip/earshot/internal/impair"
	"github.com/earshot-voip/earshot/internal/mono"
	"github.com/earshot-voip/earshot/internal/peer"
	"github.com/earshot-voip/earshot/internal/rtpflow"
)

// holdAt is where a stamp's hold time lies in a stamped packet (the layout is
// drawn in internal/rtpflow): after the fixed header, the extension's head of 4
// bytes, the element's id and length, and 16 bytes of the stamp.
const holdAt = 12 + 4 + 2 + 16

// reflection sends back the media of one call. A packet goes
//
//	socket -> received -> uplink leg -> reflect -> downlink leg -> send -> socket
//
// on the goroutine that read it while both legs are clean, and from the legs'
// own goroutines when they hold packets up. A packet's arrival is the kernel's
// receive time, moved by what the uplink leg added; its departure is the time
// of sending, less what the downlink leg added: what the legs do looks like the
// network, and what this host does goes into the stamp's hold time.
type reflection struct {
	up, down *leg
	peer     *peer.Peer
	stampID  uint8
	codec    uint8  // payload type
	silence  []byte // a frame of it
	running  bool

	silent atomic.Bool // returns silence; see Fault

	mu     sync.Mutex
	uplink *rtpflow.Receiver // what this side reports of the caller's stream
	mirror *rtpflow.Mirror
	packet []byte
	header rtpflow.Header
	first  uint16 // our first sequence number
	sent   uint32
	octets uint32
	lastAt time.Duration
	ticks  uint32 // RTP timestamp per frame
	frame  time.Duration
}

func newReflection(c *Config) *reflection {
	up, down := c.Up, c.Down
	if c.Drill { // no two calls lose the same packets
		up, down = impair.Schedule{{Profile: impair.Profile{Seed: rand.Uint64()}}}, impair.Schedule{{Profile: impair.Profile{Seed: rand.Uint64()}}}
	}
	return &reflection{
		up:     newLeg(up, c.Recorded, c.Drill),
		down:   newLeg(down, c.Recorded, c.Drill),
		packet: make([]byte, 0, 1500),
		first:  uint16(rand.Uint32()),
	}
}

// attach tells the reflection what was agreed on. It comes before the first
// packet, which needs DTLS.
func (x *reflection) attach(p *peer.Peer) {
	codec := p.Codec()
	now := mono.Now()
	x.peer = p
	x.stampID = p.StampID()
	x.codec = codec.PayloadType
	x.silence = codec.Silence()
	x.frame, x.ticks = codec.Frame, codec.TicksPerFrame
	x.mirror = rtpflow.NewMirror(now)
	x.uplink = rtpflow.NewReceiver(rtpflow.Config{
		ClockRate: codec.ClockRate,
		Frame:     codec.Frame,
		Accept:    rtpflow.PayloadTypes(codec.PayloadType),
	})
}

// meet changes the conditions from the next packet on.
func (x *reflection) meet(c Conditions) {
	x.up.line.SetProfile(c.Up)
	x.down.line.SetProfile(c.Down)
	x.silent.Store(c.Fault == Silent)
}

// start lets the legs deliver until ctx ends.
func (x *reflection) start(ctx context.Context) {
	x.running = true
	x.up.run(ctx, func(due time.Duration, data []byte, _ uint64) { x.reflect(due, data) })
	x.down.run(ctx, x.sendLate)
}

// wait returns when the legs deliver nothing any more.
func (x *reflection) wait() {
	if x.running {
		x.up.wait()
		x.down.wait()
	}
}

// received takes a packet off the socket.
func (x *reflection) received(at, _ time.Duration, raw []byte) {
	if len(raw) < 12 || raw[1]&0x7f != x.codec {
		return
	}
	x.up.offer(at, raw, uint64(binary.BigEndian.Uint16(raw[2:])))
	if x.up.clean() {
		x.reflect(at, raw)
	}
}

// reflect accounts for a packet that came through the uplink and sends it back.
func (x *reflection) reflect(at time.Duration, raw []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	arrival := x.uplink.Packet(at, raw)
	switch arrival.Class {
	case rtpflow.Malformed, rtpflow.Foreign:
		return
	}
	if x.silent.Load() {
		arrival.Payload = x.silence
	}
	now := mono.Now()
	x.compose(&arrival, at, now)
	x.sent++
	x.octets += uint32(len(arrival.Payload))
	x.lastAt = now
	x.down.offer(now, x.packet, uint64(x.header.SequenceNumber))
	if x.down.clean() {
		_ = x.peer.WriteRTP(x.packet) // what cannot be sent is lost, as on any network
	}
}

// compose builds the returned packet: stamped under our own sequence numbers,
// or, for a caller that knows no stamps, under the caller's own.
func (x *reflection) compose(a *rtpflow.Arrival, at, now time.Duration) {
	x.header = rtpflow.Header{
		SSRC:           x.peer.SSRC(),
		SequenceNumber: uint16(a.Seq),
		Timestamp:      uint32(a.Timestamp),
		PayloadType:    a.PayloadType,
		Marker:         a.Marker,
	}
	if x.stampID == 0 {
		x.packet = append(x.header.AppendTo(x.packet[:0]), a.Payload...)
		return
	}
	stamp := x.mirror.Reflect(uint16(a.Seq), at, now)
	x.header.SequenceNumber = x.first + uint16(stamp.Index)
	x.packet = append(x.header.AppendStamped(x.packet[:0], x.stampID, &stamp), a.Payload...)
}

// sendLate sends what the downlink leg had held up. The leg's delay is the
// network's; how much later than due this runs is this host's, and goes into
// the stamp.
func (x *reflection) sendLate(due time.Duration, data []byte, _ uint64) {
	if x.stampID != 0 {
		hold := time.Duration(binary.BigEndian.Uint32(data[holdAt:])) + mono.Now() - due
		binary.BigEndian.PutUint32(data[holdAt:], uint32(min(hold, 1<<32-1)))
	}
	_ = x.peer.WriteRTP(data)
}

// receivedRTCP takes the caller's reports.
func (x *reflection) receivedRTCP(at time.Duration, packets []rtcp.Packet) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range packets {
		if sr, ok := p.(*rtcp.SenderReport); ok {
			x.uplink.SenderReport(at, sr)
		}
	}
}

// report says what was sent back and what came of the caller's stream.
func (x *reflection) report(now time.Duration) peer.Report {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := peer.Report{NTP: peer.NTP(time.Now()), Packets: x.sent, Octets: x.octets}
	if x.sent > 0 {
		r.RTPTime = x.header.Timestamp + uint32(int64(now-x.lastAt)*int64(x.ticks)/int64(x.frame))
	}
	x.uplink.Tick(now)
	if reception, ok := x.uplink.ReceptionReport(now); ok {
		metrics := x.uplink.VoIPMetrics()
		r.Reception = []rtcp.ReceptionReport{reception}
		r.Extended = []rtcp.ReportBlock{&metrics}
	}
	if x.stampID != 0 {
		r.Summary = x.mirror.Summary(x.peer.SSRC())
	}
	return r
}

// ledgers returns what the legs did, once nothing is delivered any more.
func (x *reflection) ledgers() (up, down impair.Ledger) {
	return x.up.ledger(), x.down.ledger()
}
