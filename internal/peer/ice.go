package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/stun/v4"

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
	// gatherCap is how long a STUN server may take.
	gatherCap = 2 * time.Second
	// maxChecks keeps a pair alive for as long as the ICE step's deadline lasts;
	// the agent's own default gives up after 7 checks, 0.35 s at this pace.
	maxChecks = 2000
)

// GatherError: no usable candidate. Details are what the agent said of
// interfaces and servers.
type GatherError struct {
	RelayOnly bool // only relays were wanted
	Details   []string
	Err       error
}

func (e *GatherError) Error() string {
	text := "gather candidates: " + e.Err.Error()
	if len(e.Details) > 0 {
		text += " (" + strings.Join(e.Details, "; ") + ")"
	}
	return text
}

func (e *GatherError) Unwrap() error { return e.Err }

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
	Relayed       bool // through a TURN server on this side
}

// path is how a packet leaves: straight through a socket, or, when nil, through
// the agent (which knows how to wrap it for a TURN server).
type path struct {
	conn *udp.Conn
	to   netip.AddrPort
}

func (p *Peer) newAgent() error {
	stale := min(consentStale, p.cfg.ConsentTimeout/2)
	options := []ice.AgentOption{
		ice.WithLoggerFactory(p.warnings),
		ice.WithMulticastDNSMode(ice.MulticastDNSModeDisabled),
		ice.WithNetworkTypes([]ice.NetworkType{ice.NetworkTypeUDP4, ice.NetworkTypeUDP6}),
		ice.WithCandidateTypes(p.candidateTypes()),
		ice.WithCheckInterval(checkInterval),
		ice.WithMaxBindingRequests(maxChecks),
		ice.WithKeepaliveInterval(min(consentInterval, stale/4)),
		ice.WithDisconnectedTimeout(stale),
		ice.WithFailedTimeout(p.cfg.ConsentTimeout - stale),
		ice.WithSTUNGatherTimeout(gatherCap),
		ice.WithHostAcceptanceMinWait(0),
		ice.WithSrflxAcceptanceMinWait(0),
		ice.WithPrflxAcceptanceMinWait(0),
		ice.WithRelayAcceptanceMinWait(0),
	}
	if p.cfg.Port != nil {
		options = append(options, ice.WithUDPMux(p.cfg.Port.facing(p.cfg.Advertise)), ice.WithIncludeLoopback())
	} else {
		n, err := udp.NewNet(udp.NetConfig{
			Socket: udp.Config{DSCP: p.cfg.DSCP, Handler: p.handlePacket},
			Local:  p.cfg.LocalAddress,
		})
		if err != nil {
			return fmt.Errorf("open network: %w", err)
		}
		p.net = n
		options = append(options, ice.WithNet(n), ice.WithIPFilter(p.offerable))
		if p.cfg.Loopback || p.cfg.LocalAddress.IsLoopback() {
			options = append(options, ice.WithIncludeLoopback())
		}
	}
	urls, err := parseServers(p.cfg.ICEServers)
	if err != nil {
		return err
	}
	if len(urls) > 0 {
		options = append(options, ice.WithUrls(urls))
	}
	agent, err := ice.NewAgentWithOptions(options...)
	if err != nil {
		return fmt.Errorf("make ICE agent: %w", err)
	}
	p.agent = agent
	return p.listen()
}

// offerable keeps to the configured address, and never offers loopback beside
// others: some endpoints then send part of the media into the void.
func (p *Peer) offerable(ip net.IP) bool {
	address, ok := netip.AddrFromSlice(ip)
	if !ok {
		return false
	}
	address = address.Unmap()
	switch {
	case p.cfg.LocalAddress.IsValid():
		return address.WithZone("") == p.cfg.LocalAddress.WithZone("")
	default:
		return address.IsLoopback() == p.cfg.Loopback
	}
}

func (p *Peer) candidateTypes() []ice.CandidateType {
	switch {
	case p.cfg.Relay == RelayOnly:
		return []ice.CandidateType{ice.CandidateTypeRelay}
	case len(p.cfg.ICEServers) == 0:
		return []ice.CandidateType{ice.CandidateTypeHost}
	case p.cfg.Relay == RelayNever:
		return []ice.CandidateType{ice.CandidateTypeHost, ice.CandidateTypeServerReflexive}
	}
	return []ice.CandidateType{ice.CandidateTypeHost, ice.CandidateTypeServerReflexive, ice.CandidateTypeRelay}
}

func parseServers(servers []ICEServer) ([]*stun.URI, error) {
	var urls []*stun.URI
	for _, s := range servers {
		u, err := stun.ParseURI(s.URL)
		if err != nil {
			return nil, fmt.Errorf("ICE server %q: %w", s.URL, err)
		}
		u.Username, u.Password = s.Username, s.Password
		urls = append(urls, u)
	}
	return urls, nil
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

// gather waits for all candidates, or for ctx; with at least one candidate in
// hand the end of ctx is no error.
func (p *Peer) gather(ctx context.Context) error {
	if err := p.newAgent(); err != nil {
		return &GatherError{RelayOnly: p.cfg.Relay == RelayOnly, Err: err}
	}
	if err := p.agent.GatherCandidates(); err != nil {
		return &GatherError{RelayOnly: p.cfg.Relay == RelayOnly, Err: err}
	}
	select {
	case <-p.gathered:
	case <-ctx.Done():
	}
	p.addLoopback6()
	found, err := p.agent.GetLocalCandidates()
	if err != nil {
		return &GatherError{RelayOnly: p.cfg.Relay == RelayOnly, Details: p.warnings.take(), Err: err}
	}
	if len(found) == 0 {
		cause := errors.New("no candidate found")
		if ctx.Err() != nil {
			cause = fmt.Errorf("no candidate found in time: %w", ctx.Err())
		}
		return &GatherError{RelayOnly: p.cfg.Relay == RelayOnly, Details: p.warnings.take(), Err: cause}
	}
	slices.SortStableFunc(found, byPriority)
	p.local.candidates = found
	p.local.ufrag, p.local.pwd, err = p.agent.GetLocalUserCredentials()
	return err
}

// addLoopback6 adds the candidate on ::1, which the agent takes for an
// IPv4-compatible address and leaves out. A host without IPv6 has none.
func (p *Peer) addLoopback6() {
	one := netip.IPv6Loopback()
	if p.net == nil || p.cfg.Relay == RelayOnly || !p.offerable(one.AsSlice()) {
		return
	}
	conn, err := p.net.ListenUDP("udp6", net.UDPAddrFromAddrPort(netip.AddrPortFrom(one, 0)))
	if err != nil {
		return
	}
	port := conn.LocalAddr().(*net.UDPAddr).Port
	candidate, err := ice.NewCandidateHost(&ice.CandidateHostConfig{
		Network: "udp", Address: one.String(), Port: port, Component: ice.ComponentRTP,
	})
	if err == nil {
		err = p.agent.AddVirtualCandidate(candidate, conn)
	}
	if err != nil {
		p.warnings.keep("candidate on ::1: " + err.Error())
		_ = conn.Close()
	}
}

// GatherWarnings returns what went wrong with single interfaces or servers in a
// gathering that succeeded all the same, and forgets it.
func (p *Peer) GatherWarnings() []string { return p.warnings.take() }

// LocalCandidates counts the gathered candidates by type ("host", "srflx",
// "relay").
func (p *Peer) LocalCandidates() map[string]int {
	counts := map[string]int{}
	for _, c := range p.local.candidates {
		counts[c.Type().String()]++
	}
	return counts
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
	return Route{
		Local:   endpoint(pair.Local),
		Remote:  endpoint(pair.Remote),
		Relayed: pair.Local.Type() == ice.CandidateTypeRelay,
	}
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

// usePair finds the socket of a selected pair, so that media can leave without
// a detour through the agent.
func (p *Peer) usePair(local, remote ice.Candidate) {
	to := addrPort(remote.Address(), remote.Port())
	base := addrPort(local.Address(), local.Port())
	if related := local.RelatedAddress(); related != nil {
		base = addrPort(related.Address, related.Port)
	}
	var conn *udp.Conn
	switch {
	case local.Type() == ice.CandidateTypeRelay || !to.IsValid():
	case p.cfg.Port != nil:
		conn = p.cfg.Port.conn
		p.cfg.Port.route(to, p)
	default:
		conn = p.net.Conn(base)
	}
	if conn == nil {
		p.path.Store(nil)
		return
	}
	p.path.Store(&path{conn, to})
}
