package janus

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/earshot-voip/earshot/internal/signaling"
)

// maxMessage bounds what the gateway may say in one message, in bytes.
const maxMessage = 256 << 10

// link carries requests to the gateway and all that it says back. Everything
// comes through one channel, in its order: Janus may send the event with the
// answer before the ack of the request that it answers.
type link interface {
	// send sends a request; what the gateway says to it comes through replies.
	// It returns before that. A request that cannot be sent kills the link.
	send(request)
	replies() <-chan reply
	// listen takes in what the gateway says by itself about a session.
	listen(session uint64)
	// dead is closed when nothing more comes; lost then says why, in a typed
	// error.
	dead() <-chan struct{}
	lost() error
	// shut closes the link and waits until nothing of it runs.
	shut()
}

// connect does the steps below the exchange.
func (d *Dialer) connect(ctx context.Context) (net.Conn, error) {
	if d.overWebSocket() {
		return d.trace.OpenWebSocket(ctx, d.base)
	}
	if d.base.Scheme == "https" {
		return d.trace.TLSDialer("http/1.1")(ctx, "tcp", hostPort(d.base))
	}
	return d.trace.DialContext(ctx, "tcp", hostPort(d.base))
}

// link makes a link of a fresh connection, which it owns from then on.
func (d *Dialer) link(ctx context.Context, raw net.Conn) (link, error) {
	if d.overWebSocket() {
		return d.newSocket(ctx, raw)
	}
	return d.newPoll(ctx, raw)
}

func (d *Dialer) overWebSocket() bool { return strings.HasPrefix(d.base.Scheme, "ws") }

// name is a request as errors call it.
func (d *Dialer) name(r request) string { return fmt.Sprintf("%s at %s", r.Kind, d.base) }

// hostPort returns the address to dial.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "80"
		if u.Scheme == "https" {
			port = "443"
		}
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// broken is the typed error of a link that broke during what name says.
func broken(name string, err error) error {
	return &signaling.ExchangeError{Request: name, Kind: signaling.KindLost, Err: err}
}
