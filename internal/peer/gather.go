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

	"github.com/earshot-voip/earshot/internal/iceserver"
)

// gatherCap is how long servers may take once there is a candidate to go with.
const gatherCap = 2 * time.Second

// GatherError: no usable candidate.
type GatherError struct {
	RelayOnly bool               // only relays were wanted
	Servers   []*iceserver.Error // what each server did not do, the most telling first
	Details   []string           // what the agent said of interfaces
	Err       error
}

func (e *GatherError) Error() string {
	details := e.Details
	for _, s := range e.Servers {
		details = append(details, s.Error())
	}
	text := "gather candidates: " + e.Err.Error()
	if len(details) > 0 {
		text += " (" + strings.Join(details, "; ") + ")"
	}
	return text
}

func (e *GatherError) Unwrap() error { return e.Err }

// gatheredByAgent is what the agent gathers by itself: servers are asked here,
// since the agent tells only its log what they answered, and knows no
// authorities for turns:.
func (p *Peer) gatheredByAgent() []ice.CandidateType {
	if p.cfg.Relay == RelayOnly {
		return []ice.CandidateType{ice.CandidateTypeRelay} // of no servers: none
	}
	return []ice.CandidateType{ice.CandidateTypeHost}
}

func (p *Peer) relayWait() time.Duration {
	if p.cfg.Relay == RelayOnly {
		return 0
	}
	return relayWait
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

// gather asks this host's interfaces and all servers at once, and waits for
// them, for ctx, or, once there is a candidate to go with, for gatherCap. What
// has not answered by then is named. With at least one candidate in hand the end
// of ctx is no error.
func (p *Peer) gather(ctx context.Context) error {
	fail := func(err error) error {
		return &GatherError{RelayOnly: p.cfg.Relay == RelayOnly, Servers: p.serverErrors, Details: p.warnings.take(), Err: err}
	}
	if err := p.newAgent(); err != nil {
		return fail(err)
	}
	if err := p.agent.GatherCandidates(); err != nil {
		return fail(err)
	}
	select {
	case <-p.gathered:
	case <-ctx.Done():
	}
	p.addLoopback6()
	found, err := p.agent.GetLocalCandidates()
	if err != nil {
		return fail(err)
	}
	p.askServers(ctx, len(found) > 0)
	if found, err = p.agent.GetLocalCandidates(); err != nil {
		return fail(err)
	}
	if len(found) == 0 {
		cause := errors.New("no candidate found")
		if ctx.Err() != nil {
			cause = fmt.Errorf("no candidate found in time: %w", ctx.Err())
		}
		return fail(cause)
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
func (p *Peer) GatherWarnings() []string {
	list := p.warnings.take()
	for _, e := range p.serverErrors {
		list = append(list, e.Error())
	}
	return list
}

// ServerErrors returns what single servers did not do when candidates were
// gathered, and which peers TURN servers refused since.
func (p *Peer) ServerErrors() []*iceserver.Error {
	list := p.serverErrors
	for _, r := range p.relays {
		list = append(list, r.Refusals()...)
	}
	return list
}

// LocalCandidates counts the gathered candidates by type ("host", "srflx",
// "relay").
func (p *Peer) LocalCandidates() map[string]int {
	counts := map[string]int{}
	for _, c := range p.local.candidates {
		counts[c.Type().String()]++
	}
	return counts
}
