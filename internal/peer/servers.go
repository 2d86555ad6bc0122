package peer

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/ice/v4"

	"github.com/earshot-voip/earshot/internal/iceserver"
	"github.com/earshot-voip/earshot/internal/mono"
)

// inquiry is one question to one server: each is asked in every family that this
// host has.
type inquiry struct {
	server int // index of the configuration
	turn   bool
	iceserver.Request
	err *iceserver.Error // nil: it gave a candidate, or none is needed
}

// askServers asks all STUN and TURN servers and adds the candidates that they
// give. When it returns, all questions are over.
func (p *Peer) askServers(ctx context.Context, usable bool) {
	inquiries := p.inquiries()
	if len(inquiries) == 0 {
		return
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	capped := sync.OnceFunc(func() { time.AfterFunc(gatherCap, func() { stop(iceserver.ErrStalled) }) })
	if usable {
		capped()
	}
	var asking sync.WaitGroup
	for i := range inquiries {
		asking.Go(func() {
			q := &inquiries[i]
			if err := p.ask(ctx, q); err != nil {
				errors.As(err, &q.err)
				return
			}
			capped()
		})
	}
	asking.Wait()
	p.serverErrors = telling(inquiries)
}

// inquiries lists what is to be asked.
func (p *Peer) inquiries() []inquiry {
	var list []inquiry
	if p.net == nil || len(p.cfg.ICEServers) == 0 {
		return nil
	}
	families := p.families()
	for i, s := range p.cfg.ICEServers {
		location, err := s.Locate()
		if err == nil && (location.TURN && p.cfg.Relay == RelayNever || !location.TURN && p.cfg.Relay == RelayOnly) {
			continue
		}
		for _, family := range families {
			q := inquiry{server: i, turn: location.TURN, Request: iceserver.Request{
				Server: s, Family: family, Dialer: p.cfg.Dialer, Local: p.cfg.LocalAddress, DSCP: p.cfg.DSCP,
				Listen: p.listenFor(location.TURN), Media: p.handleStream, Net: p.net, Logs: p.warnings,
			}}
			list = append(list, q)
			if location.TURN && family == iceserver.IPv6 && len(families) == 1 {
				// Nothing here reaches an IPv4 far end, but a relay can.
				q.Relay = iceserver.IPv4
				list = append(list, q)
			}
		}
	}
	return list
}

// families are those in which this host has an address that leads anywhere.
func (p *Peer) families() []iceserver.Family {
	if local := p.cfg.LocalAddress; local.IsValid() {
		return []iceserver.Family{iceserver.FamilyOf(local)}
	}
	var addresses []net.Addr
	interfaces, _ := p.net.Interfaces()
	for _, ifc := range interfaces {
		if list, err := ifc.Addrs(); err == nil && ifc.Flags&net.FlagUp != 0 {
			addresses = append(addresses, list...)
		}
	}
	return iceserver.Families(addresses, p.offerable)
}

func (p *Peer) listenFor(turn bool) func(string, netip.AddrPort) (net.PacketConn, error) {
	if turn {
		return func(network string, local netip.AddrPort) (net.PacketConn, error) {
			return p.net.ListenPacket(network, local.String()) // which looks into ChannelData
		}
	}
	return func(network string, local netip.AddrPort) (net.PacketConn, error) {
		return p.net.ListenUDP(network, net.UDPAddrFromAddrPort(local))
	}
}

func (p *Peer) ask(ctx context.Context, q *inquiry) error {
	if q.turn {
		relay, err := iceserver.Allocate(ctx, q.Request)
		if err != nil {
			return err
		}
		p.addRelay(relay)
		return nil
	}
	binding, err := iceserver.Bind(ctx, q.Request)
	if err != nil {
		return err
	}
	p.addReflexive(binding)
	return nil
}

func (p *Peer) addRelay(relay *iceserver.Relay) {
	candidate, err := ice.NewCandidateRelay(&ice.CandidateRelayConfig{
		Network: "udp", Component: ice.ComponentRTP,
		Address: relay.Relayed().Addr().String(), Port: int(relay.Relayed().Port()),
		RelAddr: relay.Base().Addr().String(), RelPort: int(relay.Base().Port()),
		RelayProtocol: string(relay.Server().Transport), // the agent prefers UDP to TCP to TLS
	})
	p.serversMu.Lock()
	p.relays = append(p.relays, relay) // before the agent can use it
	p.serversMu.Unlock()
	if err == nil {
		err = p.agent.AddVirtualCandidate(candidate, relay)
	}
	if err != nil {
		p.warnings.keep("relay at " + relay.Server().String() + ": " + err.Error())
		_ = relay.Close()
	}
}

// addReflexive adds a candidate, unless there is no NAT on the way: then the
// server sees what the agent has already.
func (p *Peer) addReflexive(b *iceserver.Binding) {
	if b.Mapped == b.Local {
		_ = b.Conn.Close()
		return
	}
	candidate, err := ice.NewCandidateServerReflexive(&ice.CandidateServerReflexiveConfig{
		Network: "udp", Component: ice.ComponentRTP,
		Address: b.Mapped.Addr().String(), Port: int(b.Mapped.Port()),
		RelAddr: b.Local.Addr().String(), RelPort: int(b.Local.Port()),
	})
	if err == nil {
		err = p.agent.AddVirtualCandidate(candidate, b.Conn)
	}
	if err != nil {
		p.warnings.keep("address " + b.Mapped.String() + " seen by a STUN server: " + err.Error())
		_ = b.Conn.Close()
	}
}

// relayAt returns the relay with a relayed address, nil if there is none.
func (p *Peer) relayAt(relayed netip.AddrPort) *iceserver.Relay {
	p.serversMu.Lock()
	defer p.serversMu.Unlock()
	for _, r := range p.relays {
		if r.Relayed() == relayed {
			return r
		}
	}
	return nil
}

// handleStream takes the media that comes from a TURN server over TCP or TLS.
// Its time is that of the read.
func (p *Peer) handleStream(at time.Duration, packet []byte) bool {
	p.receive(at, mono.Now(), packet)
	return true
}

// telling makes one list of errors of all servers, the most telling first: what a
// family lacks says nothing when the other family has something to say.
func telling(inquiries []inquiry) []*iceserver.Error {
	var list []*iceserver.Error
	for i := 0; i < len(inquiries); {
		var errs []*iceserver.Error
		gave := false
		for server := inquiries[i].server; i < len(inquiries) && inquiries[i].server == server; i++ {
			if err := inquiries[i].err; err != nil {
				errs = append(errs, err)
			} else {
				gave = true
			}
		}
		list = append(list, iceserver.Telling(errs, gave)...)
	}
	return iceserver.Telling(list, false)
}
