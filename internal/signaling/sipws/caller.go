package sipws

import (
	"context"
	"fmt"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// methods are those that this side answers with more than a refusal.
const methods = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, PRACK, NOTIFY"

// caller is this side of everything that one Dial asks for.
type caller struct {
	dialer *Dialer
	link   *link
	wallet *wallet
	self   string   // this side's address
	user   string   // random, of the Contact
	routes []string // for requests outside of dialogs (Service-Route, RFC 3608)
}

func newCaller(d *Dialer, l *link) *caller {
	return &caller{
		dialer: d, link: l, user: random(6),
		wallet: &wallet{username: d.options.Username, password: d.options.Password},
		self:   selfAddress(d.options.Username, d.target),
	}
}

// selfAddress makes this side's address: a username that is an address already
// stays as it is, any other one belongs to the target's domain.
func selfAddress(username string, target sip.Uri) string {
	scheme := target.Scheme
	if username == "" {
		username = "earshot"
	}
	if user, domain, ok := strings.Cut(username, "@"); ok && domain != "" {
		return scheme + ":" + escapeUser(user) + "@" + domain
	}
	domain := sip.Uri{Scheme: scheme, Host: target.Host}
	return scheme + ":" + escapeUser(username) + "@" + strings.TrimPrefix(domain.String(), scheme+":")
}

// escapeUser escapes what the user part of an address cannot hold (RFC 3261,
// 25.1).
func escapeUser(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_.!~*'()&=+$,;?/", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// contact is where this side says it can be reached: nowhere but on the socket
// that it called on (RFC 7118, 5.2; RFC 5626, 4.3).
func (c *caller) contact() string {
	return fmt.Sprintf("<%s:%s@%s;transport=ws;ob>", c.dialer.target.Scheme, c.user, c.link.host)
}

// request begins a request: everything but its dialog.
func (c *caller) request(method sip.RequestMethod, to sip.Uri, routes []string) *sip.Request {
	r := sip.NewRequest(method, to)
	via := &sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: c.link.hop, Host: c.link.host, Params: sip.NewParams()}
	via.Params.Add("branch", "z9hG4bK"+random(10))
	r.AppendHeader(via)
	hops := sip.MaxForwardsHeader(70)
	r.AppendHeader(&hops)
	for _, route := range routes {
		r.AppendHeader(sip.NewHeader("Route", route))
	}
	r.AppendHeader(sip.NewHeader("User-Agent", c.dialer.options.UserAgent))
	return r
}

// perform sends what build makes until it is answered by something else than a
// challenge that can be met, and returns that answer and the request that it is
// for. build is called for each sending: every one has its own branch and number
// (RFC 3261, 22.2).
func (c *caller) perform(ctx context.Context, build func() *sip.Request) (*sip.Request, *sip.Response, error) {
	for round := 1; ; round++ {
		r := build()
		c.wallet.apply(r)
		if r.Body() == nil {
			r.SetBody(nil) // writes Content-Length
		}
		t, err := c.link.begin(r)
		if err != nil {
			return r, nil, err
		}
		response, err := t.wait(ctx)
		t.end()
		if err != nil {
			return r, nil, err
		}
		if challenged(response) && round < maxRounds && c.wallet.learn(r, response) {
			continue
		}
		return r, response, nil
	}
}

func challenged(r *sip.Response) bool {
	return r.StatusCode == sip.StatusUnauthorized || r.StatusCode == sip.StatusProxyAuthRequired
}
