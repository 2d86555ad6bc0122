// Package netcheck asks STUN and TURN servers, outside of any call, what a call
// would ask of them: does the name exist, does the port answer, is the
// certificate good and until when, is there an address, is there a relay, and
// may it send to the far end?
//
// [Check] returns one flat report: facts are yes, no or not checked. A server
// that does not answer over the transport it is configured for is tried over
// another one on the same port, so that a blocked protocol can be told from a
// dead server.
package netcheck

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/earshot-voip/earshot/internal/iceserver"
	"github.com/earshot-voip/earshot/internal/signaling"
)

// Config says what is checked, and how. The zero value of all but Servers is
// ready to use.
type Config struct {
	Servers []iceserver.Server
	// Peers are addresses that a relay has to reach: the far end's.
	Peers        []netip.Addr
	RootCAs      *x509.CertPool // nil: the system's
	Resolver     *net.Resolver  // nil: the system's
	LocalAddress netip.Addr     // when valid, the only one used
	Deadline     time.Duration  // for each question to each server; default 3 s
}

// Fact is what is known of a question.
type Fact string

// The facts.
const (
	Yes        Fact = "yes"
	No         Fact = "no"
	NotChecked Fact = "not_checked" // not asked, since something before it failed, or it does not apply
)

// Server is what was found out about one server, reached in one way.
type Server struct {
	Location iceserver.Location
	// Instead is set for a transport that is not configured, tried because the
	// configured one failed.
	Instead bool

	Resolves  Fact // its name has an address
	Connects  Fact // TCP and TLS: the port accepts connections
	Secure    Fact // TLS: the certificate is good
	Answers   Fact // it speaks STUN
	Allocates Fact // TURN: it gives a relay
	Permits   Fact // TURN: the relay may send to all peers

	Mapped   netip.AddrPort // STUN: this host's address as the server saw it
	Relayed  netip.AddrPort // TURN: the relay's
	Took     time.Duration  // from the look-up to the answer or the relay
	NotAfter time.Time      // TLS: when the certificate chain ends; zero: none was seen
	Chain    []signaling.Certificate

	Err *iceserver.Error // the first thing that went wrong; nil: nothing
}

// Works reports whether the server does all that a call needs of it.
func (s *Server) Works() bool { return s.Err == nil }

// Report is what was found out, in the order of the configuration; what was
// tried instead of a server follows it.
type Report struct {
	Servers []Server
}

// Check asks all servers at once. It returns when all have answered or their
// deadlines are over, or soon after ctx ends.
func Check(ctx context.Context, c Config) Report {
	if c.Deadline == 0 {
		c.Deadline = 3 * time.Second
	}
	found := make([][]Server, len(c.Servers))
	var checking sync.WaitGroup
	for i, s := range c.Servers {
		checking.Go(func() { found[i] = c.check(ctx, s) })
	}
	checking.Wait()
	return Report{slices.Concat(found...)}
}

// check asks one server, and what could stand in for it.
func (c *Config) check(ctx context.Context, s iceserver.Server) []Server {
	location, err := s.Locate()
	if err != nil {
		one := newServer(location)
		one.Err = &iceserver.Error{URL: s.URL, Kind: iceserver.KindURL, Err: err}
		return []Server{one}
	}
	list := []Server{c.ask(ctx, s, location)}
	other := location.Over(iceserver.TCP)
	if location.Transport != iceserver.UDP {
		other = location.Over(iceserver.UDP)
	}
	if !location.TURN || !unreached(list[0].Err) || c.has(other) {
		return list
	}
	s.URL = other.String()
	instead := c.ask(ctx, s, other)
	instead.Instead = true
	return append(list, instead)
}

// unreached reports whether an error leaves open whether the server lives, so
// that the same port over another protocol can tell.
func unreached(e *iceserver.Error) bool {
	var (
		connect *signaling.ConnectError
		secure  *signaling.TLSError
	)
	switch {
	case e == nil || e.Local():
		return false
	case errors.As(e, &secure):
		return secure.Kind == signaling.KindTimeout || secure.Kind == signaling.KindRefused
	case errors.As(e, &connect):
		return true
	}
	return e.Kind == iceserver.KindNoResponse
}

// has reports whether a location is configured.
func (c *Config) has(l iceserver.Location) bool {
	return slices.ContainsFunc(c.Servers, func(s iceserver.Server) bool {
		location, err := s.Locate()
		return err == nil && location == l
	})
}

// ask tries a server in every family that this host has and keeps what says
// most: a success before a refusal before silence.
func (c *Config) ask(ctx context.Context, s iceserver.Server, l iceserver.Location) Server {
	families := c.families(l)
	found := make([]Server, len(families))
	var asking sync.WaitGroup
	for i, family := range families {
		asking.Go(func() { found[i] = c.askOver(ctx, s, l, family) })
	}
	asking.Wait()
	var errs []*iceserver.Error
	for i := range found {
		if found[i].Works() {
			return found[i]
		}
		errs = append(errs, found[i].Err)
	}
	if len(errs) == 0 {
		one := newServer(l)
		one.Err = &iceserver.Error{Server: l, Kind: iceserver.KindUnreachable, Err: errNoNetwork}
		return one
	}
	worst := iceserver.Telling(errs, false)[0]
	return found[slices.Index(errs, worst)]
}

var errNoNetwork = errors.New("this host has no address to ask from")

func (c *Config) families(l iceserver.Location) []iceserver.Family {
	if c.LocalAddress.IsValid() {
		return []iceserver.Family{iceserver.FamilyOf(c.LocalAddress)}
	}
	if literal, err := netip.ParseAddr(l.Host); err == nil {
		return []iceserver.Family{iceserver.FamilyOf(literal)}
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	return iceserver.Families(addresses, func(net.IP) bool { return true })
}
