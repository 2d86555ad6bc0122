package peer

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/pion/ice/v4"

	"github.com/earshot-voip/earshot/internal/iceserver"
	"github.com/earshot-voip/earshot/internal/udp"
)

// Times of the ICE agent.
const (
	// checkInterval is the pace of connectivity checks while no pair is up:
	// the default Ta of RFC 8445, 14.2.
	checkInterval = 50 * time.Millisecond
	// consentInterval is the pace of consent checks afterwards (RFC 7675 allows
	// 4 to 6 s; a probe wants to know sooner).
	consentInterval = time.Second
	// consentStale is the silence after which ConsentStale turns true. It and
	// consentInterval shrink with a short ConsentTimeout.
	consentStale = 5 * time.Second
	// relayWait is how long a relayed pair waits for a better one where there can
	// be one: a lost check of the direct path must not send the whole call through
	// a server. With nothing but relays there is nothing to wait for.
	relayWait = 200 * time.Millisecond
	// maxChecks keeps a pair alive for as long as the ICE step's deadline lasts;
	// the agent's own default gives up after 7 checks, 0.35 s at this pace.
	maxChecks = 2000
)

// ICEError: no candidate pair came up.
type ICEError struct {
	Local, Remote int    // candidates on each side
	Detail        string // what the checks saw
	Err           error
}

func (e *ICEError) Error() string {
	return fmt.Sprintf("connect ICE: %v (%d local and %d remote candidates%s)", e.Err, e.Local, e.Remote, e.Detail)
}

func (e *ICEError) Unwrap() error { return e.Err }

// Endpoint is one end of a route.
type Endpoint struct {
	Address  netip.AddrPort
	Type     string // host, srflx, prflx or relay
	Protocol string // udp or tcp
}

// Route is the selected candidate pair.
type Route struct {
	Local, Remote Endpoint
	Relayed       bool               // through a TURN server on this side
	Server        iceserver.Location // that server, when Relayed
}

// path is how a packet leaves: straight through a socket or a relay, or, when
// both are nil, through the agent.
type path struct {
	conn  *udp.Conn
	relay *iceserver.Relay
	to    netip.AddrPort
}

func (p *Peer) newAgent() error {
	stale := min(consentStale, p.cfg.ConsentTimeout/2)
	options := []ice.AgentOption{
		ice.WithLoggerFactory(p.warnings),
		ice.WithMulticastDNSMode(ice.MulticastDNSModeDisabled),
		ice.WithNetworkTypes([]ice.NetworkType{ice.NetworkTypeUDP4, ice.NetworkTypeUDP6}),
		ice.WithCandidateTypes(p.gatheredByAgent()),
		ice.WithCheckInterval(checkInterval),
		ice.WithMaxBindingRequests(maxChecks),
		ice.WithKeepaliveInterval(min(consentInterval, stale/4)),
		ice.WithDisconnectedTimeout(stale),
		ice.WithFailedTimeout(p.cfg.ConsentTimeout - stale),
		ice.WithHostAcceptanceMinWait(0),
		ice.WithSrflxAcceptanceMinWait(0),
		ice.WithPrflxAcceptanceMinWait(0),
		ice.WithRelayAcceptanceMinWait(p.relayWait()),
	}
	if p.cfg.Port != nil {
		options = append(options, ice.WithUDPMux(p.cfg.Port.facing(p.cfg.Advertise)), ice.WithIncludeLoopback())
	} else {
		p.net = udp.NewNet(udp.NetConfig{
			Socket: udp.Config{DSCP: p.cfg.DSCP, Handler: p.handlePacket},
			Local:  p.cfg.LocalAddress,
		})
		options = append(options, ice.WithNet(p.net), ice.WithIPFilter(p.offerable))
		if p.cfg.Loopback || p.cfg.LocalAddress.IsLoopback() {
			options = append(options, ice.WithIncludeLoopback())
		}
	}
	agent, err := ice.NewAgentWithOptions(options...)
	if err != nil {
		return fmt.Errorf("make ICE agent: %w", err)
	}
	p.agent = agent
	return p.listen()
}

// listen connects the agent's callbacks to channels.
func (p *Peer) listen() error {
	gathered, connected, failed := false, false, false
	if err := p.agent.OnCandidate(func(c ice.Candidate) {
		if c == nil && !gathered {
			gathered = true
			close(p.gathered)
		}
	}); err != nil {
		return err
	}
	if err := p.agent.OnSelectedCandidatePairChange(func(local, remote ice.Candidate) {
		p.usePair(local, remote)
		if !connected {
			connected = true
			close(p.connected)
		}
	}); err != nil {
		return err
	}
	return p.agent.OnConnectionStateChange(func(s ice.ConnectionState) {
		switch s {
		case ice.ConnectionStateConnected, ice.ConnectionStateCompleted:
			p.routeLost.Store(false)
		case ice.ConnectionStateDisconnected:
			p.routeLost.Store(true)
		case ice.ConnectionStateFailed:
			if !failed {
				failed = true
				close(p.failed)
			}
			if connected {
				p.end(ErrConsentLost)
			}
		}
	})
}

// connect starts the connectivity checks. The offerer controls (RFC 8445,
// 6.1.1); the role is given up only to a far end that insists.
func (p *Peer) connect() error {
	if err := p.agent.SetRemoteICELite(p.remote.lite); err != nil {
		return &ICEError{Err: err}
	}
	var err error
	if p.offerer {
		p.iceConn, err = p.agent.StartDial(p.remote.ufrag, p.remote.pwd)
	} else {
		p.iceConn, err = p.agent.StartAccept(p.remote.ufrag, p.remote.pwd)
	}
	if err != nil {
		return &ICEError{Err: err}
	}
	for _, c := range p.remote.candidates {
		if err := p.agent.AddRemoteCandidate(c); err != nil {
			p.warnings.keep("remote candidate " + c.String() + ": " + err.Error())
		}
	}
	return nil
}

// WaitICE waits until a candidate pair is selected and returns it. The error is
// an *ICEError, or ctx's.
func (p *Peer) WaitICE(ctx context.Context) (Route, error) {
	select {
	case <-p.connected:
		return p.Route(), nil
	case <-p.failed:
		return Route{}, p.iceError(errors.New("all connectivity checks failed"))
	case <-p.done:
		return Route{}, p.iceError(p.endErr)
	case <-ctx.Done():
		return Route{}, p.iceError(ctx.Err())
	}
}

func (p *Peer) iceError(cause error) error {
	e := &ICEError{Local: len(p.local.candidates), Remote: len(p.remote.candidates), Err: cause}
	if p.iceConn == nil {
		return e
	}
	answered := 0
	pairs := p.iceConn.GetCandidatePairsInfo()
	for _, pair := range pairs {
		if pair.State == ice.CandidatePairStateSucceeded {
			answered++
		}
	}
	e.Detail = fmt.Sprintf(", %d of %d pairs answered", answered, len(pairs))
	return e
}

// Route returns the selected pair; it is zero before ICE is connected, and can
// change during a call.
func (p *Peer) Route() Route {
	pair, err := p.agent.GetSelectedCandidatePair()
	if err != nil || pair == nil {
		return Route{}
	}
	r := Route{
		Local:   endpoint(pair.Local),
		Remote:  endpoint(pair.Remote),
		Relayed: pair.Local.Type() == ice.CandidateTypeRelay,
	}
	if relay := p.relayAt(r.Local.Address); relay != nil {
		r.Server = relay.Server()
	}
	return r
}

func endpoint(c ice.Candidate) Endpoint {
	return Endpoint{Address: addrPort(c.Address(), c.Port()), Type: c.Type().String(), Protocol: c.NetworkType().NetworkShort()}
}

func addrPort(address string, port int) netip.AddrPort {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(port))
}

// usePair finds the way of a selected pair, so that media can leave without a
// detour through the agent.
func (p *Peer) usePair(local, remote ice.Candidate) {
	at, to := addrPort(local.Address(), local.Port()), addrPort(remote.Address(), remote.Port())
	base := at
	if related := local.RelatedAddress(); related != nil {
		base = addrPort(related.Address, related.Port)
	}
	way := &path{to: to}
	switch {
	case !to.IsValid():
	case local.Type() == ice.CandidateTypeRelay:
		if way.relay = p.relayAt(at); way.relay != nil {
			p.readers.Go(func() { p.watchRelay(way.relay) })
		}
	case p.cfg.Port != nil:
		way.conn = p.cfg.Port.conn
		p.cfg.Port.route(to, p)
	default:
		way.conn = p.net.Conn(base)
	}
	p.path.Store(way)
}

// watchRelay ends the session when the connection to the TURN server of its
// route breaks: nothing could bring it back, and consent would take long to
// notice.
func (p *Peer) watchRelay(relay *iceserver.Relay) {
	select {
	case <-relay.Done():
		if err := relay.Err(); err != nil && p.path.Load().relay == relay {
			p.end(err)
		}
	case <-p.done:
	}
}
