package udp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"

	"github.com/pion/transport/v5"
	"github.com/pion/transport/v5/stdnet"
)

// NetConfig says how a Net makes sockets.
type NetConfig struct {
	// Socket is the configuration of each UDP socket. Relay is set on those
	// that are opened for a TURN server.
	Socket Config

	// Local, if valid, is the only local address that is used: for UDP sockets,
	// for TCP to a TURN server, and in the list of interfaces.
	Local netip.Addr

	// Base does what this package does not: interfaces, names, TCP. nil takes
	// the system's.
	Base transport.Net
}

// Net makes the UDP sockets of an ICE agent, so that host, server reflexive
// and relayed candidates all read through this package. One Net serves one
// call: its Stats are the sum over the sockets of that call.
type Net struct {
	transport.Net
	config NetConfig

	mu    sync.Mutex
	conns []*Conn // all that were opened, since their Stats outlive them
}

var (
	_ transport.Net     = (*Net)(nil)
	_ transport.UDPConn = (*Conn)(nil)
)

// NewNet returns a Net without sockets.
func NewNet(c NetConfig) *Net {
	if c.Base == nil {
		c.Base = system{new(stdnet.Net)}
	}
	c.Local = c.Local.Unmap()
	return &Net{Net: c.Base, config: c}
}

// Conn returns the open socket on a local address, as the base of a candidate
// names it (for a server reflexive one, its related address); nil if there is
// none.
func (n *Net) Conn(local netip.AddrPort) *Conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.conns {
		if !c.inbox.isClosed() && c.local.Port() == local.Port() && (c.local.Addr() == local.Addr() || c.local.Addr().IsUnspecified()) {
			return c
		}
	}
	return nil
}

// Stats sums over all sockets, open and closed.
func (n *Net) Stats() Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	var s Stats
	for i, c := range n.conns {
		s.add(c.Stats(), i == 0)
	}
	return s
}

// add sums; the times of a sum are the kernel's if those of each part are.
func (s *Stats) add(o Stats, first bool) {
	s.Received += o.Received
	s.Consumed += o.Consumed
	s.Sent += o.Sent
	s.Dropped += o.Dropped
	s.Truncated += o.Truncated
	if first || o.Timestamps == User {
		s.Timestamps = o.Timestamps
	}
}

// SetHandler replaces the handler of all sockets, open and to come.
func (n *Net) SetHandler(h func(*Packet) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.config.Socket.Handler = h
	for _, c := range n.conns {
		c.SetHandler(h)
	}
}

// ListenUDP opens a socket of this package. One for multicast is the base's:
// pion's mDNS knows only a *net.UDPConn.
func (n *Net) ListenUDP(network string, local *net.UDPAddr) (transport.UDPConn, error) {
	if local != nil && local.IP.IsMulticast() {
		return n.Net.ListenUDP(network, local)
	}
	var addr netip.AddrPort
	if local != nil {
		addr = local.AddrPort()
	}
	return n.listen(network, addr, false)
}

// ListenPacket opens a socket of this package for a TURN server; a network
// other than UDP is the base's.
func (n *Net) ListenPacket(network, address string) (net.PacketConn, error) {
	if !strings.HasPrefix(network, "udp") {
		return n.Net.ListenPacket(network, address)
	}
	addr, err := n.Net.ResolveUDPAddr(network, address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return n.listen(network, addr.AddrPort(), true)
}

func (n *Net) listen(network string, local netip.AddrPort, relay bool) (*Conn, error) {
	addr := local.Addr().Unmap()
	if !addr.IsValid() {
		addr = netip.IPv4Unspecified()
		if network == "udp6" || n.config.Local.Is6() {
			addr = netip.IPv6Unspecified()
		}
	}
	addr, err := n.restrict(addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %v: %w", local, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.config.Socket
	c.Relay = relay
	conn, err := Listen(netip.AddrPortFrom(addr, local.Port()), c)
	if err != nil {
		return nil, err
	}
	n.conns = append(n.conns, conn)
	return conn, nil
}

// restrict returns the address to bind to in place of addr.
func (n *Net) restrict(addr netip.Addr) (netip.Addr, error) {
	local := n.config.Local
	switch {
	case !local.IsValid() || addr == local:
		return addr, nil
	case addr.IsUnspecified() && addr.Is4() == local.Is4():
		return local, nil
	}
	return addr, fmt.Errorf("only %v may be used", local)
}

// DialTCP connects from the local address, if there is a restriction.
func (n *Net) DialTCP(network string, local, remote *net.TCPAddr) (transport.TCPConn, error) {
	if n.config.Local.IsValid() && local == nil {
		local = net.TCPAddrFromAddrPort(netip.AddrPortFrom(n.config.Local, 0))
	}
	return n.Net.DialTCP(network, local, remote)
}

// DialUDP connects from the local address, if there is a restriction. The
// socket is the base's: its packets (TURN over DTLS) are of no use to a handler.
func (n *Net) DialUDP(network string, local, remote *net.UDPAddr) (transport.UDPConn, error) {
	if n.config.Local.IsValid() && local == nil {
		local = net.UDPAddrFromAddrPort(netip.AddrPortFrom(n.config.Local, 0))
	}
	return n.Net.DialUDP(network, local, remote)
}

// CreateDialer returns one that connects from the local address, if there is a
// restriction.
func (n *Net) CreateDialer(d *net.Dialer) transport.Dialer {
	if n.config.Local.IsValid() && d.LocalAddr == nil {
		bound := *d
		bound.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(n.config.Local, 0))
		d = &bound
	}
	return n.Net.CreateDialer(d)
}

// CreateListenConfig returns one whose packet sockets are of this package.
func (n *Net) CreateListenConfig(c *net.ListenConfig) transport.ListenConfig {
	return listenConfig{n, n.Net.CreateListenConfig(c)}
}

type listenConfig struct {
	net  *Net
	base transport.ListenConfig
}

func (l listenConfig) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	return l.base.Listen(ctx, network, address)
}

func (l listenConfig) ListenPacket(_ context.Context, network, address string) (net.PacketConn, error) {
	return l.net.ListenPacket(network, address)
}
