// Package janus sets calls up with the EchoTest plugin of a Janus gateway, over
// WebSocket or over HTTP with long-polling (Janus documentation, "RESTful,
// WebSockets, RabbitMQ, MQTT, Nanomsg and UnixSockets API").
//
// Most people call New and Dial. A Dial opens one connection, creates a gateway
// session, attaches to the plugin and sends the offer; the answer comes as an
// event. Over WebSocket everything travels on that connection. Over HTTP it
// carries the long poll during the call, and the hang-up takes a new one.
//
// The gateway tells when it hung up or forgot the session, so the session's Done
// tells of both, and of a connection that broke.
package janus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
	"github.com/earshot-voip/earshot/internal/signaling"
)

// Options say which gateway to call and how. URL is required.
type Options struct {
	// URL is janus+http, janus+https, janus+ws or janus+wss.
	URL string
	// Secret is the gateway's API secret, Token a token that it knows; empty
	// sends none.
	Secret, Token string
	UserAgent     string // default "earshot"
	// KeepAlive is the time between signs of life over WebSocket, and the
	// longest silence after one; default 5 s.
	KeepAlive time.Duration
	// SessionKeepAlive is the time between signs of life for the gateway
	// session, over WebSocket; default 20 s. Janus forgets a session that is
	// silent for 60 s, unless configured otherwise.
	SessionKeepAlive time.Duration
	// Trace opens the connections; it also holds deadlines, trusted roots and
	// the local address. nil is a new one with its defaults. A trace records one
	// call.
	Trace *signaling.Trace
}

// Dialer calls one gateway. Its methods may be called from any goroutine.
type Dialer struct {
	options   Options
	base      *url.URL // without the prefix of its scheme
	trace     *signaling.Trace
	deadlines signaling.Deadlines

	leftovers signaling.Leftovers
}

var _ signaling.Dialer = (*Dialer)(nil)

// New returns a dialer for o.URL. It opens nothing.
func New(o Options) (*Dialer, error) {
	base, err := ParseURL(o.URL)
	if err != nil {
		return nil, err
	}
	trace := o.Trace
	if trace == nil {
		trace = new(signaling.Trace)
	}
	o.UserAgent = cmp.Or(signaling.OneLine(o.UserAgent), "earshot")
	o.KeepAlive = cmp.Or(o.KeepAlive, 5*time.Second)
	o.SessionKeepAlive = cmp.Or(o.SessionKeepAlive, 20*time.Second)
	return &Dialer{options: o, base: base, trace: trace, deadlines: trace.Deadlines.WithDefaults()}, nil
}

// ParseURL reads the URL of a gateway and takes the prefix off its scheme. User
// information, query and fragment may not be there. A path that is missing is
// that of Janus' own defaults: /janus for HTTP, / for WebSocket.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	var parse *url.Error
	if errors.As(err, &parse) {
		return nil, fmt.Errorf("parse gateway URL: %w", parse.Err)
	}
	scheme, ok := strings.CutPrefix(u.Scheme, "janus+")
	switch {
	case !ok || scheme != "http" && scheme != "https" && scheme != "ws" && scheme != "wss":
		return nil, fmt.Errorf("scheme %q is not janus+ and one of http, https, ws, wss", u.Scheme)
	case u.Hostname() == "":
		return nil, errors.New("gateway URL has no host")
	case u.User != nil:
		return nil, errors.New("gateway URL has user information; give an API secret or a token instead")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("gateway URL has a query or a fragment")
	case strings.ContainsFunc(u.Hostname(), func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, fmt.Errorf("host %q is not in ASCII; write it in its xn-- form", u.Hostname())
	}
	u.Scheme = scheme
	u.Path = strings.TrimRight(u.Path, "/")
	switch {
	case u.Path == "" && strings.HasPrefix(scheme, "http"):
		u.Path = "/janus"
	case u.Path == "":
		u.Path = "/"
	}
	return u, nil
}

// Dial implements signaling.Dialer.
func (d *Dialer) Dial(ctx context.Context, offer string) (signaling.Session, error) {
	a := &attempt{dialer: d}
	s, err := a.run(ctx, offer)
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
	if a.link == nil {
		return
	}
	d.leftovers.End(a.undo)
}
