package netcheck

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/earshot-voip/earshot/internal/iceserver"
	"github.com/earshot-voip/earshot/internal/mono"
	"github.com/earshot-voip/earshot/internal/signaling"
)

func newServer(l iceserver.Location) Server {
	return Server{
		Location: l,
		Resolves: NotChecked, Connects: NotChecked, Secure: NotChecked,
		Answers: NotChecked, Allocates: NotChecked, Permits: NotChecked,
	}
}

// askOver asks a server in one family.
func (c *Config) askOver(ctx context.Context, s iceserver.Server, l iceserver.Location, family iceserver.Family) Server {
	ctx, cancel := context.WithTimeout(ctx, c.Deadline)
	defer cancel()
	trace := &signaling.Trace{
		Resolver: c.Resolver, RootCAs: c.RootCAs, LocalAddress: c.LocalAddress,
		Deadlines: signaling.Deadlines{Resolve: c.Deadline, Connect: c.Deadline, TLS: c.Deadline},
	}
	request := iceserver.Request{
		Server: s, Family: family, Dialer: trace, Local: c.LocalAddress, DSCP: -1,
		Listen: func(network string, local netip.AddrPort) (net.PacketConn, error) {
			return net.ListenUDP(network, net.UDPAddrFromAddrPort(local))
		},
	}
	one := newServer(l)
	start := mono.Now()
	var err error
	if l.TURN {
		err = c.askTURN(ctx, request, &one)
	} else {
		err = askSTUN(ctx, request, &one)
	}
	one.Took = mono.Now() - start
	errors.As(err, &one.Err)
	one.judge(trace)
	return one
}

func askSTUN(ctx context.Context, r iceserver.Request, one *Server) error {
	binding, err := iceserver.Bind(ctx, r)
	if err != nil {
		return err
	}
	defer binding.Conn.Close()
	one.Mapped = binding.Mapped
	return nil
}

func (c *Config) askTURN(ctx context.Context, r iceserver.Request, one *Server) error {
	relay, err := iceserver.Allocate(ctx, r)
	if err != nil {
		return err
	}
	defer relay.Close()
	one.Relayed = relay.Relayed()
	for _, peer := range c.Peers {
		if iceserver.FamilyOf(peer) != iceserver.FamilyOf(relay.Relayed().Addr()) {
			continue // a relay sends in its own family alone
		}
		if err := relay.Permit(ctx, peer); err != nil {
			return err
		}
		one.Permits = Yes
	}
	return nil
}

// judge turns what happened into facts.
func (s *Server) judge(trace *signaling.Trace) {
	s.Resolves, s.Answers = Yes, Yes
	if s.Location.Transport != iceserver.UDP {
		s.Connects = Yes
	}
	if s.Location.Transport == iceserver.TLS {
		s.Secure = Yes
	}
	if s.Location.TURN {
		s.Allocates = Yes
	}
	for _, hop := range trace.Hops() {
		s.NotAfter, s.Chain = hop.NotAfter, hop.Chain
	}
	if s.Err == nil {
		return
	}
	switch s.Err.Kind {
	case iceserver.KindPeerRefused:
		s.Permits = No
		return
	case iceserver.KindNoResponse, iceserver.KindMalformed, iceserver.KindLost:
		s.Answers = No
	case iceserver.KindUnreachable:
		s.Answers = NotChecked
		s.blameDial()
	}
	if s.Location.TURN {
		s.Allocates = No
		if s.Answers != Yes {
			s.Allocates = NotChecked
		}
	}
}

// blameDial finds the step at which reaching the server ended.
func (s *Server) blameDial() {
	var (
		resolve *signaling.ResolveError
		tls     *signaling.TLSError
	)
	dropTo := func(f *Fact, to Fact) {
		if *f == Yes {
			*f = to
		}
	}
	switch {
	case errors.As(s.Err, &resolve):
		s.Resolves = No
		dropTo(&s.Connects, NotChecked)
		dropTo(&s.Secure, NotChecked)
	case errors.As(s.Err, &tls):
		s.Secure = No
	default:
		dropTo(&s.Connects, No)
		dropTo(&s.Secure, NotChecked)
	}
}
