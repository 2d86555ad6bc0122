package sipws

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// registrationInterval is how long a registration is to last; it is renewed in
// longer calls.
const registrationInterval = 10 * time.Minute

// instance names this process to registrars: a random UUID (RFC 5626, 4.1; RFC
// 9562, 5.4).
var instance = sync.OnceValue(func() string {
	return fmt.Sprintf("%s-%s-4%s-a%s-%s", random(4), random(2), random(2)[1:], random(2)[1:], random(6))
})

// registration is this side's address at a registrar (RFC 3261, 10).
type registration struct {
	caller *caller
	id     string // Call-ID
	tag    string
	number uint32

	interval time.Duration // that the registrar granted; zero: not registered
}

// register says where this side can be reached. Its errors are those of an
// INVITE.
func (g *registration) register(ctx context.Context) error {
	wanted := registrationInterval
	for round := 1; ; round++ {
		request, response, err := g.caller.perform(ctx, func() *sip.Request { return g.request(wanted) })
		if err != nil {
			return err
		}
		switch {
		case response.IsSuccess():
			g.granted(response, wanted)
			return nil
		case response.StatusCode == sip.StatusIntervalToBrief && round == 1:
			if least, ok := deltaSeconds(header(response, "Min-Expires")); ok && least > wanted {
				wanted = least
				continue
			}
		}
		return refusal(requestName(request), response)
	}
}

// remove takes the registration back. Nobody is told if that fails: it ends by
// itself.
func (g *registration) remove(ctx context.Context) {
	if g.interval == 0 {
		return
	}
	g.interval = 0
	_, _, _ = g.caller.perform(ctx, func() *sip.Request { return g.request(0) })
}

func (g *registration) request(expires time.Duration) *sip.Request {
	c := g.caller
	g.number++
	target := c.dialer.target
	r := c.request(sip.REGISTER, sip.Uri{Scheme: target.Scheme, Host: target.Host, Port: target.Port}, nil)
	r.AppendHeader(sip.NewHeader("From", fmt.Sprintf("<%s>;tag=%s", c.self, g.tag)))
	r.AppendHeader(sip.NewHeader("To", "<"+c.self+">"))
	r.AppendHeader(sip.NewHeader("Call-ID", g.id))
	r.AppendHeader(&sip.CSeqHeader{SeqNo: g.number, MethodName: sip.REGISTER})
	r.AppendHeader(sip.NewHeader("Contact", fmt.Sprintf(`<%s:%s@%s;transport=ws>;+sip.instance="<urn:uuid:%s>";reg-id=1;expires=%s`,
		target.Scheme, c.user, c.link.host, instance(), inSeconds(expires))))
	r.AppendHeader(sip.NewHeader("Expires", inSeconds(expires)))
	r.AppendHeader(sip.NewHeader("Supported", "outbound, path"))
	r.AppendHeader(sip.NewHeader("Allow", methods))
	return r
}

// granted reads how long the registration lasts, and by which routes requests
// shall go (RFC 3608).
func (g *registration) granted(r *sip.Response, wanted time.Duration) {
	g.interval = wanted
	if general, ok := deltaSeconds(header(r, "Expires")); ok && general > 0 {
		g.interval = general
	}
	for _, h := range r.GetHeaders("Contact") {
		contact, ok := h.(*sip.ContactHeader)
		if !ok || contact.Address.User != g.caller.user {
			continue
		}
		text, _ := contact.Params.Get("expires")
		if own, ok := deltaSeconds(text); ok && own > 0 {
			g.interval = own
		}
	}
	g.caller.routes = nil
	for _, h := range r.GetHeaders("Service-Route") {
		g.caller.routes = append(g.caller.routes, h.Value())
	}
}
