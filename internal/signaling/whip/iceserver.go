package whip

import (
	"context"
	"net/http"
	"strings"

	"github.com/earshot-voip/earshot/internal/signaling"
)

// ICEServers asks the endpoint by OPTIONS which STUN and TURN servers to use.
// Links with the answer to an offer (RFC 9725, 4.6) come too late for an offer
// that already holds all candidates; those with OPTIONS do not, at the price of
// a round trip. So nothing but this method asks. The connection is kept for the
// next Dial. Errors are those of Dial.
func (d *Dialer) ICEServers(ctx context.Context) ([]signaling.ICEServer, error) {
	c := d.takeIdle()
	if c == nil || !c.serves(d.endpoint) {
		if c != nil {
			c.close()
		}
		var err error
		if c, err = d.open(ctx, d.endpoint); err != nil {
			return nil, err
		}
	}
	wait, cancel := context.WithTimeoutCause(ctx, d.deadlines.Answer, &signaling.DeadlineError{After: d.deadlines.Answer})
	defer cancel()
	request := d.request(http.MethodOptions, d.endpoint, "")
	d.authorize(request)
	x := c.begin(wait, request)
	<-x.done
	switch {
	case x.response == nil && wait.Err() != nil:
		c.close()
		kind := signaling.KindTimeout
		if ctx.Err() == context.Canceled {
			kind = signaling.KindCanceled
		}
		return nil, &signaling.ExchangeError{Request: x.name, Kind: kind, Err: waitError(ctx, wait)}
	case x.response == nil:
		c.close()
		return nil, x.err
	}
	d.keepIdle(c)
	switch code := x.response.StatusCode; {
	case code >= 300 && code < 400:
		return nil, &signaling.RedirectError{Request: x.name, Code: code, Kind: signaling.KindNotFollowed}
	case code < 200 || code >= 300:
		return nil, x.refusal()
	}
	return iceServers(x.response.Header), nil
}

func (d *Dialer) takeIdle() *conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.idle
	d.idle = nil
	return c
}

func (d *Dialer) keepIdle(c *conn) {
	d.mu.Lock()
	old := d.idle
	d.idle = c
	d.mu.Unlock()
	if old != nil {
		old.close()
	}
}

// iceServers returns the STUN and TURN servers among the links of a header.
// Links that are no ICE servers, or ask for a kind of credential that TURN's
// long-term mechanism is not, are left out.
func iceServers(h http.Header) []signaling.ICEServer {
	var servers []signaling.ICEServer
	for _, value := range h.Values("Link") {
		for _, l := range parseLinks(value) {
			if s, ok := l.iceServer(); ok {
				servers = append(servers, s)
			}
		}
	}
	return servers
}

func (l link) iceServer() (signaling.ICEServer, bool) {
	if !l.related("ice-server") {
		return signaling.ICEServer{}, false
	}
	scheme, rest, _ := strings.Cut(l.target, ":")
	switch strings.ToLower(scheme) {
	case "stun", "stuns", "turn", "turns":
	default:
		return signaling.ICEServer{}, false
	}
	if rest == "" || strings.ContainsFunc(l.target, func(r rune) bool { return r <= ' ' || r > 0x7e }) {
		return signaling.ICEServer{}, false
	}
	if kind := l.param("credential-type"); kind != "" && !strings.EqualFold(kind, "password") {
		return signaling.ICEServer{}, false
	}
	return signaling.ICEServer{URL: l.target, Username: l.param("username"), Password: l.param("credential")}, true
}
