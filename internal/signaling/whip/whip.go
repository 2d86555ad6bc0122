// Package whip sets calls up by HTTP offer/answer in the wire form of WHIP
// (RFC 9725): POST of the offer, 201 with the answer and a session URL, DELETE
// of that URL to hang up.
//
// Most people call New and Dial. The connection of the POST is kept for some
// seconds, so that a call that fails early ends on it; the DELETE of a longer one
// opens another, to the same address. HTTP/2 is used where the server offers it by
// ALPN.
//
// WHIP has no way for the server to say that it hung up. The session's Done is
// therefore closed by Hangup alone; that the far end is gone shows in its media.
//
// Proxies are not used, not even when the environment names one: media goes to
// the far end directly, and a ladder whose resolve, connect and TLS steps were
// those of a proxy would blame the wrong host.
package whip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"

	"github.com/earshot-voip/earshot/internal/signaling"
)

// Options say whom to call and how. URL is required.
type Options struct {
	// URL is http or https. It holds no user information: RFC 9725 knows bearer
	// tokens alone.
	URL string
	// Token is a bearer token (RFC 6750); empty sends none. It goes to the
	// origin of URL, and to the session URL that this origin names.
	Token     string
	UserAgent string // default "earshot"
	// Trace opens the connections; it also holds deadlines, trusted roots and
	// the local address. nil is a new one with its defaults. A trace records one
	// call, so a dialer with a trace of the caller's is for one call.
	Trace *signaling.Trace
}

// Dialer calls one endpoint. Its methods may be called from any goroutine.
type Dialer struct {
	endpoint  *url.URL
	token     string
	userAgent string
	trace     *signaling.Trace
	deadlines signaling.Deadlines

	leftovers signaling.Leftovers

	mu   sync.Mutex
	idle *conn // opened by ICEServers, for the next Dial
}

var _ signaling.Dialer = (*Dialer)(nil)

// New returns a dialer for o.URL. It opens nothing.
func New(o Options) (*Dialer, error) {
	endpoint, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("parse endpoint: %w", withoutURL(err))
	}
	if err := checkURL(endpoint); err != nil {
		return nil, fmt.Errorf("endpoint %s: %w", redact(endpoint), err)
	}
	if endpoint.User != nil {
		return nil, fmt.Errorf("endpoint %s: has user information; give a bearer token instead", redact(endpoint))
	}
	if !validToken(o.Token) {
		return nil, errors.New("bearer token: has characters that no token has (RFC 6750, 2.1)")
	}
	trace := o.Trace
	if trace == nil {
		trace = new(signaling.Trace)
	}
	endpoint.Fragment = ""
	return &Dialer{
		endpoint:  endpoint,
		token:     o.Token,
		userAgent: cmp.Or(o.UserAgent, "earshot"),
		trace:     trace,
		deadlines: trace.Deadlines.WithDefaults(),
	}, nil
}

// Dial implements signaling.Dialer. The session it returns also implements
// signaling.ICEServerSource.
func (d *Dialer) Dial(ctx context.Context, offer string) (signaling.Session, error) {
	a := &attempt{dialer: d, target: d.endpoint}
	s, err := a.run(ctx, offer)
	if a.post != nil {
		d.trace.RecordExchange(a.start, a.spent, a.describe(), err)
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
	if c := d.takeIdle(); c != nil {
		c.close()
	}
	return d.leftovers.Wait()
}

// tidy ends what a failed attempt may have left at the far end. Where that
// needs the far end, it happens behind the caller's back until Close.
func (d *Dialer) tidy(a *attempt) {
	if !a.mayHaveLeft() {
		a.release()
		return
	}
	d.leftovers.End(func() error {
		defer a.release()
		return a.undo()
	})
}
