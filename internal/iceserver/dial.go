package iceserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pion/logging"
	"github.com/pion/transport/v5"

	"github.com/earshot-voip/earshot/internal/mono"
)

// Dialer resolves names and opens connections; *signaling.Trace is one. Its
// errors are kept inside an Error of KindUnreachable. network is "udp4", "udp6",
// "tcp4" or "tcp6", address is host:port.
type Dialer interface {
	Lookup(ctx context.Context, network, address string) ([]netip.AddrPort, error)
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
	TLSDialer(protocols ...string) func(ctx context.Context, network, address string) (net.Conn, error)
}

// Request says what is asked of a server, and how.
type Request struct {
	Server Server
	Family Family // in which the server is reached
	Relay  Family // of the relayed address; zero: as Family
	Dialer Dialer
	// Listen opens a UDP socket on a local address.
	Listen func(network string, local netip.AddrPort) (net.PacketConn, error)
	Local  netip.Addr // source of UDP; not valid: as the system routes. The Dialer has its own
	DSCP   int        // mark of TCP and TLS, 0..63; negative leaves the system's. Listen has its own
	// Media is given each media packet that comes over TCP or TLS, with the time
	// of the read, and reports whether it took it. It runs on the goroutine that
	// read. What comes over UDP is for the socket's own handler.
	Media func(at time.Duration, packet []byte) bool
	Net   transport.Net         // nil: the system's, listed anew
	Logs  logging.LoggerFactory // nil: nowhere

	location Location
	source   netip.Addr
}

// prepare reads the URL and checks that it is one of the wanted kind.
func (r *Request) prepare(turn bool) *Error {
	var err error
	if r.location, err = r.Server.Locate(); err != nil {
		return &Error{URL: r.Server.URL, Kind: KindURL, Err: err}
	}
	if r.location.TURN != turn {
		return r.fail(KindURL, errors.New("is not the kind of server that was asked"))
	}
	r.source = r.Local
	if r.Relay == 0 {
		r.Relay = r.Family
	}
	if r.Logs == nil {
		r.Logs = quiet{}
	}
	return nil
}

// base is the socket or connection through which a server is spoken to.
type base struct {
	net.PacketConn
	server net.Addr
	local  netip.AddrPort
}

// reach opens the way to the server.
func (r *Request) reach(ctx context.Context) (base, *Error) {
	switch r.location.Transport {
	case TCP:
		return r.connect(ctx, r.Dialer.DialContext)
	case TLS:
		return r.connect(ctx, r.Dialer.TLSDialer())
	}
	addresses, err := r.Dialer.Lookup(ctx, r.Family.network("udp"), r.location.Address())
	if err != nil {
		return base{}, r.dialFailed(ctx, err)
	}
	server := addresses[0]
	local := r.Local
	if !local.IsValid() {
		if local, err = sourceFor(ctx, server); err != nil {
			return base{}, r.dialFailed(ctx, err)
		}
	}
	conn, err := r.Listen(r.Family.network("udp"), netip.AddrPortFrom(local, 0))
	if err != nil {
		return base{}, r.dialFailed(ctx, err)
	}
	return base{conn, net.UDPAddrFromAddrPort(server), addrPort(conn.LocalAddr())}, nil
}

func (r *Request) connect(ctx context.Context, dial func(ctx context.Context, network, address string) (net.Conn, error)) (base, *Error) {
	conn, err := dial(ctx, r.Family.network("tcp"), r.location.Address())
	if err != nil {
		return base{}, r.dialFailed(ctx, err)
	}
	mark(conn, r.DSCP)
	return base{newStream(conn, r.Media), conn.RemoteAddr(), addrPort(conn.LocalAddr())}, nil
}

// dialFailed keeps the Dialer's typed error, which says more than that time was
// up.
func (r *Request) dialFailed(ctx context.Context, err error) *Error {
	if canceled(ctx) {
		return r.fail(KindCanceled, ctx.Err())
	}
	return r.fail(KindUnreachable, err)
}

// sourceFor returns the local address from which the system would send to an
// address. Nothing is sent.
func sourceFor(ctx context.Context, to netip.AddrPort) (netip.Addr, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "udp", to.String())
	if err != nil {
		return netip.Addr{}, &NoRouteError{to, err}
	}
	defer conn.Close()
	return addrPort(conn.LocalAddr()).Addr(), nil
}

// NoRouteError: this host has no way to send to an address.
type NoRouteError struct {
	To  netip.AddrPort
	Err error
}

func (e *NoRouteError) Error() string {
	var op *net.OpError
	if errors.As(e.Err, &op) {
		return fmt.Sprintf("no route to %v: %v", e.To, op.Err)
	}
	return fmt.Sprintf("no route to %v: %v", e.To, e.Err)
}

// Unwrap returns the cause.
func (e *NoRouteError) Unwrap() error { return e.Err }

// Local returns true: it says nothing about the server.
func (e *NoRouteError) Local() bool { return true }

func addrPort(a net.Addr) netip.AddrPort {
	var p netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		p = a.AddrPort()
	case *net.TCPAddr:
		p = a.AddrPort()
	}
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// interrupted runs f, whose reads from conn end when ctx does.
func interrupted(ctx context.Context, conn net.PacketConn, f func() error) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	err := f()
	if !stop() {
		return errors.Join(err, ctx.Err())
	}
	return err
}

// since is how long ago a time on the process clock was.
func since(start time.Duration) time.Duration { return mono.Now() - start }
