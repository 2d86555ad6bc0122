package iceserver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/pion/stun/v4"

	"github.com/earshot-voip/earshot/internal/mono"
)

// Binding is what a STUN server said of a socket of ours.
type Binding struct {
	Conn   net.PacketConn // the socket that was asked about; the caller owns it
	Local  netip.AddrPort // its own address
	Mapped netip.AddrPort // as the server saw it
	RTT    time.Duration
}

// Retransmission of a request over UDP (RFC 8489, 6.2.1): doubled each time. A
// probe starts quicker than the 500 ms that the RFC advises for paths it does
// not know.
const (
	firstRetry = 200 * time.Millisecond
	lastRetry  = 1600 * time.Millisecond
)

// Bind opens a socket and asks a STUN server for its address until ctx ends.
// The error is an *Error.
func Bind(ctx context.Context, r Request) (*Binding, error) {
	if err := r.prepare(false); err != nil {
		return nil, err
	}
	base, failed := r.reach(ctx)
	if failed != nil {
		return nil, failed
	}
	r.source = base.local.Addr()
	b := &Binding{Conn: base.PacketConn, Local: base.local}
	if err := r.ask(ctx, base, b); err != nil {
		_ = base.Close()
		return nil, err
	}
	return b, nil
}

// ask sends the request, again and again, and reads until the answer is there.
func (r *Request) ask(ctx context.Context, to base, b *Binding) error {
	start := mono.Now()
	request, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.Fingerprint)
	if err != nil {
		return r.fail(KindMalformed, err)
	}
	send := func() { _, _ = to.WriteTo(request.Raw, to.server) } // a lost one is repeated
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		repeat(done, send)
	}()
	err = interrupted(ctx, to, func() error {
		defer func() { close(done); <-stopped }()
		answer, err := await(to, request.TransactionID)
		if err == nil {
			b.RTT = since(start)
			b.Mapped, err = r.mapped(answer)
		}
		return err
	})
	_ = to.SetReadDeadline(time.Time{})
	var refused *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return refused
	case ctx.Err() != nil:
		return r.silence(ctx, since(start))
	}
	return r.fail(KindUnreachable, err)
}

// repeat calls send at growing intervals, beginning now, until done is closed.
func repeat(done <-chan struct{}, send func()) {
	wait := firstRetry
	for {
		send()
		timer := time.NewTimer(wait)
		select {
		case <-done:
			timer.Stop()
			return
		case <-timer.C:
			wait = min(2*wait, lastRetry)
		}
	}
}

// await reads until the answer to a transaction comes.
func await(conn net.PacketConn, id [stun.TransactionIDSize]byte) (*stun.Message, error) {
	buf := make([]byte, maxFrame)
	for {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			return nil, err
		}
		message := &stun.Message{Raw: append([]byte(nil), buf[:n]...)}
		if stun.IsMessage(buf[:n]) && message.Decode() == nil && message.TransactionID == id {
			return message, nil
		}
	}
}

// mapped reads the address out of an answer; servers of RFC 3489 do not mask it.
func (r *Request) mapped(answer *stun.Message) (netip.AddrPort, error) {
	if answer.Type.Class == stun.ClassErrorResponse {
		var code stun.ErrorCodeAttribute
		if err := code.GetFrom(answer); err != nil {
			return netip.AddrPort{}, r.fail(KindMalformed, err)
		}
		return netip.AddrPort{}, r.refusal(code)
	}
	var masked stun.XORMappedAddress
	if masked.GetFrom(answer) == nil {
		return addrPort(&net.UDPAddr{IP: masked.IP, Port: masked.Port}), nil
	}
	var bare stun.MappedAddress
	if err := bare.GetFrom(answer); err != nil {
		return netip.AddrPort{}, r.fail(KindMalformed, errors.New("its answer holds no address"))
	}
	return addrPort(&net.UDPAddr{IP: bare.IP, Port: bare.Port}), nil
}
