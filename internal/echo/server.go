// Package echo is the echo endpoint: it answers a WebRTC call in WHIP's wire
// form (RFC 9725), sends back every packet that it gets, stamps it with what
// the uplink did to it, and can impair both directions on purpose while keeping
// a ledger of what it did.
//
// Most callers make a Server with New, serve it with net/http and end it with
// Close. Nothing is reflected before ICE consent and DTLS: the endpoint cannot
// be used to send packets to somebody who did not ask.
package echo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/earshot-voip/earshot/internal/iceserver"
	"github.com/earshot-voip/earshot/internal/impair"
	"github.com/earshot-voip/earshot/internal/media"
	"github.com/earshot-voip/earshot/internal/peer"
	"github.com/earshot-voip/earshot/internal/udp"
)

// Config of an echo endpoint. The zero value serves loopback.
type Config struct {
	Path  string         // of the endpoint; default /echo
	Media netip.AddrPort // UDP address for all media; default 127.0.0.1, any port
	// PublicAddress is offered to callers in place of the media port's own, for
	// an endpoint behind a one-to-one NAT.
	PublicAddress netip.Addr
	Token         string // when set, requests need "Authorization: Bearer TOKEN"

	MaxCalls        int           // at once; default 1000
	MaxCallsPerHost int           // at once, from one address; default MaxCalls
	MaxDuration     time.Duration // of a call; default 2 h
	SetupTimeout    time.Duration // from the answer to DTLS; default 20 s

	ICEServers []iceserver.Server // told to callers by Link headers (RFC 9725, 4.6)

	Up, Down impair.Schedule // what to do to media that arrives, and to what is sent; nil: nothing
	// Stamps tells whether to stamp what is returned when the caller asks for
	// it; an echo without is a plain reflector.
	NoStamps bool
	// Drill lets the conditions of running calls be changed: SetConditions, and
	// ConditionsPath for whoever has the token.
	Drill bool

	// OnEnd is told of each call when it is over. Recorded is how many packets
	// of each direction its ledgers list one by one; 0: totals only.
	OnEnd    func(Call)
	Recorded int
	Log      *slog.Logger
}

func (c Config) withDefaults() Config {
	c.Path = "/" + strings.Trim(cmp.Or(c.Path, "/echo"), "/")
	if !c.Media.IsValid() {
		c.Media = netip.MustParseAddrPort("127.0.0.1:0")
	}
	c.MaxCalls = cmp.Or(c.MaxCalls, 1000)
	c.MaxCallsPerHost = cmp.Or(c.MaxCallsPerHost, c.MaxCalls)
	c.MaxDuration = cmp.Or(c.MaxDuration, 2*time.Hour)
	c.SetupTimeout = cmp.Or(c.SetupTimeout, 20*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Server answers calls. It is an http.Handler and safe for concurrent use.
type Server struct {
	config Config
	mux    *http.ServeMux
	port   *peer.Port

	calls sync.WaitGroup // running sessions

	mu       sync.Mutex
	closed   bool
	sessions map[string]*session
	perHost  map[netip.Addr]int

	conditions Conditions // of a drill
}

// New opens the media port.
func New(config Config) (*Server, error) {
	config = config.withDefaults()
	port, err := peer.ListenPort(config.Media, udp.Config{DSCP: 46, Batch: 32, ReadBuffer: 8 << 20, WriteBuffer: 8 << 20})
	if err != nil {
		return nil, fmt.Errorf("open media port %v: %w", config.Media, err)
	}
	s := &Server{
		config:   config,
		mux:      http.NewServeMux(),
		port:     port,
		sessions: map[string]*session{},
		perHost:  map[netip.Addr]int{},
	}
	s.routes()
	return s, nil
}

// MediaAddr returns the UDP address that all media uses.
func (s *Server) MediaAddr() netip.AddrPort { return s.port.Addr() }

// Calls returns how many calls are running.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// Close ends all calls, telling their callers, and closes the media port. It
// returns when they are over or ctx is.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	for _, one := range s.sessions {
		one.hangUp("the endpoint shuts down")
	}
	s.mu.Unlock()
	over := make(chan struct{})
	go func() {
		s.calls.Wait()
		close(over)
	}()
	var err error
	select {
	case <-over:
	case <-ctx.Done():
		err = fmt.Errorf("end calls: %w", ctx.Err())
	}
	return errors.Join(err, s.port.Close())
}

// limitError: the endpoint takes no more calls now.
type limitError struct {
	status int
	text   string
}

func (e *limitError) Error() string { return e.text }

// admit reserves a place for a call from a host.
func (s *Server) admit(one *session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return &limitError{http.StatusServiceUnavailable, "the endpoint shuts down"}
	case len(s.sessions) >= s.config.MaxCalls:
		return &limitError{http.StatusServiceUnavailable, fmt.Sprintf("%d calls are running, and that is the limit", len(s.sessions))}
	case s.perHost[one.host] >= s.config.MaxCallsPerHost:
		return &limitError{http.StatusTooManyRequests, fmt.Sprintf("%d calls from this address are running, and that is the limit", s.perHost[one.host])}
	}
	s.sessions[one.id] = one
	s.perHost[one.host]++
	s.calls.Add(1)
	return nil
}

// release gives the place back.
func (s *Server) release(one *session) {
	s.mu.Lock()
	delete(s.sessions, one.id)
	if s.perHost[one.host]--; s.perHost[one.host] == 0 {
		delete(s.perHost, one.host)
	}
	s.mu.Unlock()
	s.calls.Done()
}

func (s *Server) find(id string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[id]
}

// codecs are what the endpoint takes.
func codecs() []media.Codec {
	var all []media.Codec
	for _, name := range media.Names() {
		if c, err := media.Lookup(name); err == nil {
			all = append(all, c)
		}
	}
	return all
}
