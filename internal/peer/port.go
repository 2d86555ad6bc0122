package peer

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/pion/ice/v4"

	"github.com/earshot-voip/earshot/internal/udp"
)

// Port is one UDP port that serves many answering peers. Connectivity checks
// find their peer by the ICE user fragment, media by the address that ICE
// selected: nothing is handed to a peer from an address that has not proved
// itself.
type Port struct {
	conn *udp.Conn
	mux  *ice.UDPMuxDefault

	noDTLS atomic.Bool

	mu     sync.RWMutex
	routes map[netip.AddrPort]*Peer
}

// ListenPort opens the port.
func ListenPort(local netip.AddrPort, config udp.Config) (*Port, error) {
	port := &Port{routes: map[netip.AddrPort]*Peer{}}
	config.Handler = port.handlePacket
	conn, err := udp.Listen(local, config)
	if err != nil {
		return nil, err
	}
	port.conn = conn
	port.mux = ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: conn, Logger: scopedLogger{&warnings{log: discard}, "mux"}})
	return port, nil
}

// Addr returns the address that the port listens on.
func (port *Port) Addr() netip.AddrPort { return port.conn.LocalAddrPort() }

// Stats returns the socket's counts.
func (port *Port) Stats() udp.Stats { return port.conn.Stats() }

// Close closes the port. Its peers must be closed before.
func (port *Port) Close() error { return port.mux.Close() }

// facing is the port as one call's agent sees it: a single host candidate on the
// address that this caller can reach, whatever the socket is bound to.
type facing struct {
	*ice.UDPMuxDefault
	candidate netip.AddrPort
}

func (port *Port) facing(advertise netip.Addr) *facing {
	addr := port.Addr()
	if advertise.IsValid() {
		addr = netip.AddrPortFrom(advertise, addr.Port())
	}
	return &facing{port.mux, addr}
}

// GetListenAddresses implements ice.UDPMux.
func (f *facing) GetListenAddresses() []net.Addr {
	return []net.Addr{net.UDPAddrFromAddrPort(f.candidate)}
}

// GetConn implements ice.UDPMux.
func (f *facing) GetConn(ufrag string, _ net.Addr) (net.PacketConn, error) {
	return f.UDPMuxDefault.GetConn(ufrag, f.LocalAddr())
}

// BlockDTLS drops all DTLS that arrives, or stops to: a middlebox that lets
// connectivity checks and media pass, as a drill needs one. Sessions that stand
// go on.
func (port *Port) BlockDTLS(block bool) { port.noDTLS.Store(block) }

// isDTLS tells DTLS from what else uses the port (RFC 7983, 7).
func isDTLS(first byte) bool { return first >= 20 && first <= 63 }

func (port *Port) handlePacket(packet *udp.Packet) bool {
	if len(packet.Data) > 0 && isDTLS(packet.Data[0]) {
		return port.noDTLS.Load()
	}
	if len(packet.Data) < 2 || !isMedia(packet.Data[0]) {
		return false
	}
	port.mu.RLock()
	p := port.routes[packet.From]
	port.mu.RUnlock()
	if p != nil {
		p.receivePacket(packet)
	}
	return true
}

func (port *Port) route(from netip.AddrPort, p *Peer) {
	port.mu.Lock()
	defer port.mu.Unlock()
	port.routes[from] = p
}

func (port *Port) forget(p *Peer) {
	port.mu.Lock()
	defer port.mu.Unlock()
	for from, owner := range port.routes {
		if owner == p {
			delete(port.routes, from)
		}
	}
}
