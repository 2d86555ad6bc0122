// Package relay puts a network of user space between a caller and an echo: a
// UDP relay that impairs RTP and keeps its own books, and a TCP relay that
// delays. Both are on loopback.
package relay

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/earshot-voip/earshot/bench/internal/stamped"
	"github.com/earshot-voip/earshot/internal/impair"
	"github.com/earshot-voip/earshot/internal/mono"
)

// Direction is which way a packet goes.
type Direction uint8

// The directions.
const (
	Up   Direction = iota // from the caller to the echo
	Down                  // back
)

// UDP is a NAT between callers and the media port of an echo. RTP meets the
// direction's profile; all else takes the profile's delay and nothing more, so
// that a call can be set up and ended whatever its media meets.
type UDP struct {
	outer *stamped.Conn // faces the callers
	lanes [2]*lane
	trace func(Event)

	running sync.WaitGroup
	cancel  context.CancelFunc

	mu     sync.Mutex
	target *net.UDPAddr
	flows  map[netip.AddrPort]*flow
	closed bool
}

// flow is one caller. It knows where its packets go to.
type flow struct {
	number uint32
	caller netip.AddrPort
	inner  *stamped.Conn // faces the echo
}

// lane is one direction of all flows.
type lane struct {
	queue *impair.Queue
	delay time.Duration

	mu    sync.Mutex
	link  *impair.Link
	began time.Duration // of the link; the first packet of media
	media bool          // began is set
	book  []Record
	flows map[uint32]*flow
}

// Record is what happened to one RTP packet: when it came, when it and its
// copies left. Lost packets never left.
type Record struct {
	Flow     uint32
	Sequence uint16
	In       time.Duration   // by the kernel's receive time
	Out      []time.Duration // just before it was handed to the kernel
}

// Event is a packet on its way, as a trace shows it.
type Event struct {
	At        time.Duration
	Direction Direction
	Flow      uint32
	Data      []byte // valid during the call
}

// Config of a relay.
type Config struct {
	Up, Down impair.Schedule // what RTP meets; nil: nothing
	Trace    func(Event)     // sees each packet when it comes; nil: nobody does
}

// NewUDP opens a relay. Nothing passes before it has a target.
func NewUDP(c Config) (*UDP, error) {
	outer, err := listen()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &UDP{
		outer: outer, trace: c.Trace, cancel: cancel, flows: map[netip.AddrPort]*flow{},
		lanes: [2]*lane{newLane(c.Up), newLane(c.Down)},
	}
	for d, l := range r.lanes {
		r.running.Go(func() { l.queue.Run(ctx, r.deliver(Direction(d))) })
	}
	r.running.Go(r.readCallers)
	return r, nil
}

func listen() (*stamped.Conn, error) {
	conn, err := stamped.Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		return nil, fmt.Errorf("open a relay's socket: %w", err)
	}
	// A stall of this host must not lose what the books say was delivered.
	const buffer = 4 << 20
	if err := errors.Join(conn.SetReadBuffer(buffer), conn.SetWriteBuffer(buffer)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func newLane(s impair.Schedule) *lane {
	l := &lane{queue: impair.NewQueue(0), link: s.Link(), flows: map[uint32]*flow{}}
	if len(s) > 0 {
		l.delay = s[0].Profile.Delay
	}
	return l
}

// Addr is where callers send to.
func (r *UDP) Addr() netip.AddrPort { return r.outer.LocalAddr().(*net.UDPAddr).AddrPort() }

// SetTarget says where the echo is.
func (r *UDP) SetTarget(echo netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target = net.UDPAddrFromAddrPort(echo)
}

// Book returns what happened to the RTP packets of a direction, in the order in
// which they came.
func (r *UDP) Book(d Direction) []Record {
	l := r.lanes[d]
	l.mu.Lock()
	defer l.mu.Unlock()
	book := make([]Record, len(l.book))
	for i, record := range l.book {
		record.Out = append([]time.Duration(nil), record.Out...)
		book[i] = record
	}
	return book
}

// Close ends the relay.
func (r *UDP) Close() error {
	r.mu.Lock()
	r.closed = true
	err := r.outer.Close()
	for _, f := range r.flows {
		err = errors.Join(err, f.inner.Close())
	}
	r.mu.Unlock()
	r.cancel()
	r.running.Wait()
	return err
}

const largest = 2048

func (r *UDP) readCallers() {
	buffer := make([]byte, largest)
	for {
		n, from, at, err := r.outer.ReadStamped(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an earlier packet was refused
		}
		if f := r.flow(from); f != nil {
			r.take(Up, f, at, buffer[:n])
		}
	}
}

// flow returns that of a caller, opening it at its first packet; nil if there
// is nowhere to send to.
func (r *UDP) flow(caller netip.AddrPort) *flow {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.flows[caller]; f != nil || r.closed || r.target == nil {
		return f
	}
	inner, err := listen()
	if err != nil {
		return nil
	}
	f := &flow{number: uint32(len(r.flows)), caller: caller, inner: inner}
	r.flows[caller] = f
	for _, l := range r.lanes {
		l.mu.Lock()
		l.flows[f.number] = f
		l.mu.Unlock()
	}
	r.running.Go(func() {
		buffer := make([]byte, largest)
		for {
			n, _, at, err := inner.ReadStamped(buffer)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				r.take(Down, f, at, buffer[:n])
			}
		}
	})
	return f
}

// noRecord is the record of a packet that is not RTP.
const noRecord = 1<<32 - 1

// take decides on a packet. Its tag carries the flow and its record.
func (r *UDP) take(d Direction, f *flow, at time.Duration, data []byte) {
	if r.trace != nil {
		r.trace(Event{at, d, f.number, data})
	}
	l := r.lanes[d]
	if !isRTP(data) {
		l.queue.Push(at+l.delay, data, uint64(f.number)<<32|noRecord)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.media {
		l.media, l.began = true, at
	}
	fate := l.link.Packet(at-l.began, len(data))
	tag := uint64(f.number)<<32 | uint64(len(l.book))
	l.book = append(l.book, Record{Flow: f.number, Sequence: binary.BigEndian.Uint16(data[2:]), In: at})
	if fate.Cause != impair.Delivered {
		return
	}
	l.queue.Push(at+fate.Delay, data, tag)
	if fate.Duplicated {
		l.queue.Push(at+fate.CopyDelay, data, tag)
	}
}

// isRTP tells RTP from STUN, DTLS and RTCP (RFC 7983, 7; RFC 5761, 4).
func isRTP(b []byte) bool {
	return len(b) >= 12 && b[0] >= 128 && b[0] <= 191 && (b[1]&0x7f < 64 || b[1]&0x7f > 95)
}

// deliver sends what is due on one direction and books when it left.
func (r *UDP) deliver(d Direction) impair.Deliver {
	l := r.lanes[d]
	return func(_ time.Duration, data []byte, tag uint64) {
		number, record := uint32(tag>>32), uint32(tag)
		l.mu.Lock()
		f := l.flows[number]
		if record != noRecord {
			b := &l.book[record]
			b.Out = append(b.Out, mono.Now())
		}
		l.mu.Unlock()
		// What cannot be sent shows as a difference between books and report.
		if d == Down {
			_, _ = r.outer.WriteToUDPAddrPort(data, f.caller)
			return
		}
		r.mu.Lock()
		target := r.target.AddrPort()
		r.mu.Unlock()
		_, _ = f.inner.WriteToUDPAddrPort(data, target)
	}
}
