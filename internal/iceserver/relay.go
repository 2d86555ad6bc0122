package iceserver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/logging"
	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"

	"github.com/earshot-voip/earshot/internal/mono"
)

// Relay is an allocation at a TURN server (RFC 8656), refreshed until Close: a
// net.PacketConn whose address is the relayed one. It is safe for concurrent
// use. Nothing it does waits for the server, except closing, briefly.
type Relay struct {
	request Request
	base    base
	client  *turn.Client
	conn    relayedConn
	relayed netip.AddrPort
	took    time.Duration

	refused   atomic.Pointer[stun.ErrorCodeAttribute] // last error response seen
	channelTo atomic.Pointer[channel]                 // last one that WriteMedia used

	mu     sync.Mutex
	peers  map[netip.Addr]*peerState
	lost   error // *Error
	closed bool

	done    chan struct{} // closed when the connection to the server is over
	working sync.WaitGroup
	once    sync.Once
}

// relayedConn is what pion/turn's allocation can do.
type relayedConn interface {
	net.PacketConn
	FindChannelNumberByAddr(net.Addr) (uint16, bool)
	IsChannelActive(uint16) bool
	CreatePermissions(...net.Addr) error
}

// peerState is how far the server lets us send to an address.
type peerState struct {
	open bool
	err  *Error // refused
}

// channel is the number that stands for a peer in ChannelData.
type channel struct {
	peer   netip.AddrPort
	number uint16
}

// Allocate reaches a TURN server and has it relay. It gives up when ctx ends.
// The error is an *Error.
func Allocate(ctx context.Context, r Request) (*Relay, error) {
	start := mono.Now()
	if err := r.prepare(true); err != nil {
		return nil, err
	}
	base, failed := r.reach(ctx)
	if failed != nil {
		return nil, failed
	}
	r.source = base.local.Addr()
	relay := &Relay{request: r, base: base, peers: map[netip.Addr]*peerState{}, done: make(chan struct{})}
	if err := relay.allocate(ctx); err != nil {
		relay.hangUp()
		return nil, err
	}
	relay.took = since(start)
	return relay, nil
}

func (r *Relay) allocate(ctx context.Context) error {
	client, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: r.base.server.String(),
		Username:       r.request.Server.Username,
		Password:       r.request.Server.Password,
		Conn:           r.base.PacketConn,
		Net:            r.request.Net,
		LoggerFactory:  r.request.Logs,

		RequestedAddressFamily: turnFamily[r.request.Relay],
	})
	if err != nil {
		return r.request.fail(KindURL, err)
	}
	r.client = client
	r.working.Go(r.read)
	start := mono.Now()
	asking, stop := context.WithCancel(ctx)
	defer stop()
	r.working.Go(func() {
		select {
		case <-r.done: // pion/turn would wait for an answer all the same
			stop()
		case <-asking.Done():
		}
	})
	conn, err := client.AllocateWithContext(asking)
	if err != nil {
		return r.explain(ctx, start, err)
	}
	r.conn = conn.(relayedConn)
	r.relayed = addrPort(conn.LocalAddr())
	return nil
}

var turnFamily = map[Family]turn.RequestedAddressFamily{
	IPv4: turn.RequestedAddressFamilyIPv4, IPv6: turn.RequestedAddressFamilyIPv6,
}

// explain says why there was no allocation. pion/turn tells of an error response
// only when it comes to the second request, the one with credentials.
func (r *Relay) explain(ctx context.Context, start time.Duration, err error) error {
	var refused *stun.TurnError
	last := r.refused.Load()
	switch {
	case errors.As(err, &refused):
		return r.request.refusal(refused.ErrorCodeAttr)
	case last != nil && last.Code != stun.CodeUnauthorized:
		return r.request.refusal(*last)
	}
	var lost *Error
	if errors.As(r.Err(), &lost) {
		return r.request.fail(KindMalformed, fmt.Errorf("the connection broke: %w", lost.Err))
	}
	if ctx.Err() != nil || errors.Is(err, net.ErrClosed) || last == nil {
		return r.request.silence(ctx, since(start))
	}
	return r.request.fail(KindMalformed, err)
}

// read hands everything from the server to pion/turn, whatever it says: one odd
// message must not end a call.
func (r *Relay) read() {
	defer close(r.done)
	buf := make([]byte, maxFrame)
	for {
		n, from, err := r.base.ReadFrom(buf)
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				r.broke(err)
			}
			return
		}
		r.note(buf[:n])
		_, _ = r.client.HandleInbound(buf[:n], from)
	}
}

func (r *Relay) broke(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.lost = r.request.fail(KindLost, broken(err))
	}
}

// note keeps the code of an error response.
func (r *Relay) note(b []byte) {
	const errorResponse = 0x0110 // the class bits of a message type (RFC 8489, 5)
	if !stun.IsMessage(b) || binary.BigEndian.Uint16(b)&errorResponse != errorResponse {
		return
	}
	message := &stun.Message{Raw: append([]byte(nil), b...)}
	var code stun.ErrorCodeAttribute
	if message.Decode() == nil && code.GetFrom(message) == nil {
		r.refused.Store(&code)
	}
}

// Server returns where the allocation is.
func (r *Relay) Server() Location { return r.request.location }

// Relayed returns the address that the far end sees.
func (r *Relay) Relayed() netip.AddrPort { return r.relayed }

// Base returns this host's own address towards the server.
func (r *Relay) Base() netip.AddrPort { return r.base.local }

// Took is how long it took to get, from the name's look-up on.
func (r *Relay) Took() time.Duration { return r.took }

// Done is closed when the connection to the server is over. Over UDP there is
// none, and only Close ends it.
func (r *Relay) Done() <-chan struct{} { return r.done }

// Err says why the connection broke, after Done; nil when Close ended it.
func (r *Relay) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lost
}

// Congestion counts what the connection to the server did not take in time.
func (r *Relay) Congestion() uint64 {
	if s, ok := r.base.PacketConn.(*stream); ok {
		return s.lost.Load()
	}
	return 0
}

// Close frees the relay at the server and closes the way to it.
func (r *Relay) Close() error {
	err := net.ErrClosed
	r.once.Do(func() {
		err = nil
		r.mu.Lock()
		r.closed = true
		r.mu.Unlock()
		if r.conn != nil {
			_ = r.conn.Close() // asks the server to free it, and does not wait
		}
		r.hangUp()
	})
	return err
}

// hangUp ends everything on this side.
func (r *Relay) hangUp() {
	if r.client != nil {
		r.client.Close()
	}
	_ = r.base.Close()
	r.working.Wait()
}

// quiet is a logger for pion/turn that says nothing.
type quiet struct{}

func (quiet) NewLogger(string) logging.LeveledLogger { return silent }

var silent = logging.NewDefaultLeveledLoggerForScope("", logging.LogLevelDisabled, io.Discard)
