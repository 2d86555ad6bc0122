// Package sipws sets calls up by SIP over WebSocket (RFC 3261, RFC 7118), as
// browsers do with Asterisk, FreeSWITCH, Kamailio and session border
// controllers.
//
// Most people call New and Dial. A Dial opens one connection; everything that
// belongs to the call travels on it, whatever the far end's Contact says, since
// a WebSocket client can reach nobody else. A call whose connection broke is
// hung up on a new one.
//
// Messages are parsed and written with emiago/sipgo; transactions and dialogs
// are this package's own, because all that sipgo knows about them begins with
// an address to send to (docs/adr/0009-sip-over-one-socket.md).
package sipws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/earshot-voip/earshot/internal/mono"
	"github.com/earshot-voip/earshot/internal/signaling"
)

// MinSessionExpires is the least session interval (RFC 4028, 4): many servers
// refuse less.
const MinSessionExpires = 90 * time.Second

// Options say whom to call and how. Target and Via are required.
type Options struct {
	Target string // sip:user@domain or sips:user@domain
	Via    string // ws://host:port/path or wss://…: the server that takes the call
	// Username and Password answer digest challenges. The username is also the
	// user part of this side's address, unless it is an address itself.
	Username, Password string
	// Register registers this side's address before the call and takes that back
	// after it, for servers that let only registered callers call.
	Register  bool
	UserAgent string // default "earshot"
	// SessionExpires is the session interval to offer (RFC 4028); default 30 min.
	SessionExpires time.Duration
	// KeepAlive is the time between pings, and the longest silence after one;
	// default 5 s. A dead connection is noticed within twice that.
	KeepAlive time.Duration
	// Trace opens the connections; it also holds deadlines, trusted roots and the
	// local address. nil is a new one with its defaults. A trace records one call.
	Trace *signaling.Trace
}

// Dialer calls one address. Its methods may be called from any goroutine.
type Dialer struct {
	options   Options
	target    sip.Uri
	via       *url.URL
	trace     *signaling.Trace
	deadlines signaling.Deadlines

	leftovers signaling.Leftovers
}

var _ signaling.Dialer = (*Dialer)(nil)

// New returns a dialer for o.Target. It opens nothing. Its error joins all that
// is wrong with the options.
func New(o Options) (*Dialer, error) {
	target, targetErr := ParseTarget(o.Target)
	via, viaErr := ParseVia(o.Via)
	var pairErr, usernameErr error
	if targetErr == nil && viaErr == nil {
		pairErr = CheckPair(target, via)
	}
	if !ValidUsername(o.Username) {
		usernameErr = errors.New("username: has characters that no name has")
	}
	if err := errors.Join(targetErr, viaErr, pairErr, usernameErr); err != nil {
		return nil, err
	}
	o.UserAgent = cmp.Or(signaling.OneLine(o.UserAgent), "earshot")
	o.SessionExpires = max(cmp.Or(o.SessionExpires, 30*time.Minute), MinSessionExpires)
	o.KeepAlive = cmp.Or(o.KeepAlive, 5*time.Second)
	trace := o.Trace
	if trace == nil {
		trace = new(signaling.Trace)
	}
	return &Dialer{options: o, target: target, via: via, trace: trace, deadlines: trace.Deadlines.WithDefaults()}, nil
}

// ParseTarget reads a SIP address to call (RFC 3261, 19.1). The user part may be
// missing; a password and header fields may not be there.
func ParseTarget(text string) (sip.Uri, error) {
	var uri sip.Uri
	scheme, rest, _ := strings.Cut(text, ":")
	scheme = strings.ToLower(scheme)
	switch {
	case scheme != "sip" && scheme != "sips":
		return uri, fmt.Errorf("scheme %q is neither sip nor sips", signaling.OneLine(scheme))
	case strings.ContainsFunc(rest, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("<>\"\\", r) }):
		return uri, errors.New("SIP address has characters that must be escaped as %XX")
	}
	if err := sip.ParseUri(scheme+":"+rest, &uri); err != nil {
		return uri, fmt.Errorf("parse SIP address: %w", err)
	}
	switch {
	case uri.Password != "":
		return uri, errors.New("SIP address holds a password; give username and password instead")
	case uri.Headers.Length() > 0:
		return uri, errors.New("SIP address has header fields, which a call does not take from it")
	case uri.Host == "" || uri.HierarhicalSlashes || strings.Contains(rest, "@@") || uri.User == "" && strings.Contains(rest, "@"):
		return uri, errors.New("SIP address must have the form sip:user@domain")
	}
	return uri, nil
}

// ParseVia reads the URL of a WebSocket server. User information and fragment
// may not be there.
func ParseVia(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	var parse *url.Error
	switch {
	case errors.As(err, &parse):
		return nil, fmt.Errorf("parse WebSocket URL: %w", parse.Err)
	case text == "":
		return nil, errors.New("no WebSocket server is given, wss://host:port/path")
	case u.Scheme != "ws" && u.Scheme != "wss":
		return nil, fmt.Errorf("scheme %q is neither ws nor wss", u.Scheme)
	case u.Hostname() == "":
		return nil, errors.New("WebSocket URL has no host")
	case u.User != nil:
		return nil, errors.New("WebSocket URL has user information; give username and password instead")
	case u.Fragment != "":
		return nil, errors.New("WebSocket URL has a fragment")
	case strings.ContainsFunc(u.Hostname(), func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, fmt.Errorf("host %q is not in ASCII; write it in its xn-- form", u.Hostname())
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

// CheckPair reports why a target cannot be called by way of a server: sips wants
// every hop encrypted (RFC 3261, 26.2.2).
func CheckPair(target sip.Uri, via *url.URL) error {
	if target.IsEncrypted() && via.Scheme != "wss" {
		return fmt.Errorf("a sips address wants an encrypted connection: wss in place of %s", via.Scheme)
	}
	return nil
}

// ValidUsername reports whether s can be a name at a SIP server; empty is none.
func ValidUsername(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '"' || r == '\\' })
}

// Dial implements signaling.Dialer. The session it returns also implements
// signaling.OpinionSource; its Done tells of a hang-up by the far end, of a
// connection that broke and of a session that was not refreshed.
func (d *Dialer) Dial(ctx context.Context, offer string) (signaling.Session, error) {
	a := &attempt{dialer: d, offer: offer, expires: d.options.SessionExpires, early: make(map[string]*early)}
	s, err := a.run(ctx)
	if a.start > 0 {
		d.trace.RecordExchange(a.start, mono.Now()-a.start, a.describe(), err)
	}
	d.trace.Seal()
	if err != nil {
		d.tidy(a)
		return nil, err
	}
	return s, nil
}

// Close implements signaling.Dialer.
func (d *Dialer) Close() error {
	return d.leftovers.Wait()
}

// tidy ends what a failed attempt may have left, behind the caller's back until
// Close.
func (d *Dialer) tidy(a *attempt) {
	if a.caller == nil {
		return
	}
	d.leftovers.End(a.undo)
}

// open connects to the server on a new socket.
func (d *Dialer) open(ctx context.Context) (*link, error) {
	raw, err := d.trace.OpenWebSocket(ctx, d.via)
	if err != nil {
		return nil, err
	}
	return d.upgrade(ctx, raw)
}
