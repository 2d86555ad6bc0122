package probe

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"time"

	"github.com/earshot-voip/earshot/internal/media"
)

// Target is what to call and how. The zero value of each field but URL is its
// default.
type Target struct {
	ID   string // of the call; default: a random one
	Name string // what reports and metrics call it; default: the URL's host or SIP address
	Site string
	// URL is http(s)://host/path: an offer/answer endpoint in WHIP's wire form (RFC
	// 9725), or sip:user@domain: a SIP address behind the WebSocket server Via.
	URL string
	Via string // ws(s)://host:port/path of the SIP server (RFC 7118)

	Token string // bearer token for the signalling by HTTP
	// Username and Password answer the challenges of a SIP server. The username is
	// also what the caller is known by there.
	Username, Password string
	Register           bool           // register with the SIP server for the time of the call
	RootCAs            *x509.CertPool // nil: the system's
	// Resolver looks up host names; nil: the system's.
	Resolver *net.Resolver

	// Codec is the one to be offered first: pcmu, pcma or opus; default opus. The
	// far end may choose another of these, and the call then uses that, unless
	// CodecOnly says that no other is offered.
	Codec      string
	CodecOnly  bool
	Duration   time.Duration // of the media; default 10 s
	Window     time.Duration // default 5 s
	ICEServers []ICEServer
	Relay      Relay
	// LocalAddress, when valid, is the only address used for media and signalling.
	LocalAddress netip.Addr
	DSCP         DSCP // default: expedited forwarding

	// Timeout bounds the whole call; default: Duration and the deadlines of all
	// steps.
	Timeout   time.Duration
	Deadlines Deadlines
	Limits    Limits
	Trust     Trust

	// OnStep is told of each step when it ends, OnWindow of each window when it
	// closes; both from the goroutine that runs the call.
	OnStep   func(Step)
	OnWindow func(Window)
	// OnLive is told about twice a second of the running window, before its
	// packets are final.
	OnLive func(Live)

	// End, when closed, ends the media as if Duration were over: what was sent is
	// waited for, and the call is judged by what it measured. Before any media
	// came back there is nothing to judge: then it interrupts the call, as the end
	// of the context does.
	End <-chan struct{}

	UserAgent string
	Log       *slog.Logger
}

// Live is a glimpse of a running call.
type Live struct {
	Elapsed time.Duration // of the media
	Window  Window        // the last closed window; zero Length before the first
	Sent    int64
	Back    int64
}

// ICEServer is a STUN or TURN server, "turn:host:port?transport=udp".
type ICEServer struct {
	URL                string
	Username, Password string
}

// Relay says whether media may, must or must not go through a TURN server.
type Relay string

// The relay policies.
const (
	RelayAuto  Relay = "auto"
	RelayOnly  Relay = "only"
	RelayNever Relay = "never"
)

// Deadlines of the steps; zero takes the default.
type Deadlines struct {
	Resolve, Connect, TLS time.Duration // 5 s each
	Signaling             time.Duration // from the request to the answer; 10 s
	Gather                time.Duration // 3 s
	ICE                   time.Duration // 10 s
	DTLS                  time.Duration // 5 s
	FirstMedia            time.Duration // from DTLS to the first echoed packet; 4 s
	Consent               time.Duration // silence of the far end's ICE agent after which the call is dead; 15 s
	Hangup                time.Duration // 2 s
	Check                 time.Duration // of each STUN and TURN server, after gathering or ICE broke; 3 s
}

// Limits above (or, for BadMOS, under) which a call counts as degraded; zero
// takes the default.
type Limits struct {
	BadMOS float64       // 3.6
	Loss   float64       // 0.03
	Jitter time.Duration // 30 ms
	RTT    time.Duration // 400 ms, median
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// WithDefaults returns the target as Run takes it: what was left out is filled in.
func (t Target) WithDefaults() Target {
	if t.Name == "" {
		if u, err := url.Parse(t.URL); err == nil {
			t.Name = defaultName(u)
		}
	}
	orDefault(&t.Codec, "opus")
	orDefault(&t.Duration, 10*time.Second)
	orDefault(&t.Window, 5*time.Second)
	orDefault(&t.Relay, RelayAuto)
	orDefault(&t.UserAgent, "earshot")
	if t.Log == nil {
		t.Log = slog.New(slog.DiscardHandler)
	}
	d := &t.Deadlines
	orDefault(&d.Resolve, 5*time.Second)
	orDefault(&d.Connect, 5*time.Second)
	orDefault(&d.TLS, 5*time.Second)
	orDefault(&d.Signaling, 10*time.Second)
	orDefault(&d.Gather, 3*time.Second)
	orDefault(&d.ICE, 10*time.Second)
	orDefault(&d.DTLS, 5*time.Second)
	orDefault(&d.FirstMedia, 4*time.Second)
	orDefault(&d.Consent, 15*time.Second)
	orDefault(&d.Hangup, 2*time.Second)
	orDefault(&d.Check, 3*time.Second)
	orDefault(&t.Timeout, t.Duration+d.Resolve+d.Connect+d.TLS+d.Signaling+d.Gather+d.ICE+d.DTLS+d.FirstMedia+d.Hangup)
	t.Limits = t.Limits.WithDefaults()
	return t
}

// WithDefaults fills in what was left out.
func (l Limits) WithDefaults() Limits {
	orDefault(&l.BadMOS, 3.6)
	orDefault(&l.Loss, 0.03)
	orDefault(&l.Jitter, 30*time.Millisecond)
	orDefault(&l.RTT, 400*time.Millisecond)
	return l
}

// Validate reports everything that is wrong with the target, joined; nil when
// it can be tried. Each error names its field.
func (t Target) Validate() error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }

	t.checkAddress(problem)
	if t.Codec != "" {
		if _, err := media.Lookup(t.Codec); err != nil {
			problem("codec: %w", err)
		}
	}
	switch {
	case t.Duration < 0:
		problem("duration: must be positive, is %v", t.Duration)
	case t.Duration > 0 && t.Duration < time.Second:
		problem("duration: must be at least 1s to be scored, is %v", t.Duration)
	}
	if t.Window < 0 || t.Window > 0 && t.Window < 500*time.Millisecond {
		problem("window: must be at least 500ms, is %v", t.Window)
	}
	if t.Timeout < 0 {
		problem("timeout: must be positive, is %v", t.Timeout)
	}
	switch t.Relay {
	case "", RelayAuto, RelayNever:
	case RelayOnly:
		if !hasTURN(t.ICEServers) {
			problem("relay: is %q, but no TURN server is given in ice_servers", t.Relay)
		}
	default:
		problem("relay: must be auto, only or never, is %q", t.Relay)
	}
	for i, s := range t.ICEServers {
		if err := s.validate(); err != nil {
			problem("ice_servers[%d]: %w", i, err)
		}
	}
	if _, err := t.DSCP.codePoint(); err != nil {
		problem("dscp: %w", err)
	}
	if t.Limits.BadMOS < 0 || t.Limits.BadMOS > 4.5 {
		problem("limits.bad_mos: must be within 1..4.5, is %v", t.Limits.BadMOS)
	}
	if t.Limits.Loss < 0 || t.Limits.Loss > 1 {
		problem("limits.loss: must be a ratio within 0..1, is %v", t.Limits.Loss)
	}
	if t.Trust.SendLate < 0 {
		problem("trust.send_late: must be positive, is %v", t.Trust.SendLate)
	}
	if t.Trust.Missed < 0 || t.Trust.Missed > 1 {
		problem("trust.missed: must be a ratio within 0..1, is %v", t.Trust.Missed)
	}
	return errors.Join(problems...)
}
