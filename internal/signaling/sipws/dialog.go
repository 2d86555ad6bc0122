package sipws

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/emiago/sipgo/sip"
)

// dialog is what both sides of a call agree on (RFC 3261, 12). Before its remote
// tag is known it is a call that nobody has answered.
type dialog struct {
	caller              *caller
	id                  string // Call-ID
	localTag, remoteTag string
	remote              string // the called address
	target              sip.Uri
	routes              []string
	local               *atomic.Uint32 // number of our last request; forks share it

	remoteNumber uint32 // of the last request of theirs; of the link's reader alone
}

func newDialog(c *caller) *dialog {
	return &dialog{
		caller: c, id: random(12), localTag: random(6), local: new(atomic.Uint32),
		target: c.dialer.target, remote: c.dialer.target.Addr(), routes: c.routes,
	}
}

// request makes a request within the dialog, with the next number.
func (d *dialog) request(method sip.RequestMethod) *sip.Request {
	return d.numbered(method, d.local.Add(1))
}

func (d *dialog) numbered(method sip.RequestMethod, number uint32) *sip.Request {
	r := d.caller.request(method, d.target, d.routes)
	r.AppendHeader(sip.NewHeader("From", fmt.Sprintf("<%s>;tag=%s", d.caller.self, d.localTag)))
	to := "<" + d.remote + ">"
	if d.remoteTag != "" {
		to += ";tag=" + d.remoteTag
	}
	r.AppendHeader(sip.NewHeader("To", to))
	r.AppendHeader(sip.NewHeader("Call-ID", d.id))
	r.AppendHeader(&sip.CSeqHeader{SeqNo: number, MethodName: method})
	return r
}

// established returns the dialog that a response to our INVITE makes or
// confirms: its tag, route set and target are those of the response (RFC 3261,
// 12.1.2). Without a Contact, which must be there, the called address is asked
// again.
func (d *dialog) established(r *sip.Response) *dialog {
	fork := *d
	fork.remoteTag = tagOf(r)
	if contact := r.Contact(); contact != nil && !contact.Address.Wildcard {
		fork.target = *contact.Address.Clone()
		fork.target.Headers = nil
	}
	fork.routes = nil
	for _, h := range r.GetHeaders("Record-Route") {
		fork.routes = append(fork.routes, h.Value())
	}
	slices.Reverse(fork.routes)
	return &fork
}

func tagOf(r *sip.Response) string {
	to := r.To()
	if to == nil {
		return ""
	}
	tag, _ := to.Params.Get("tag")
	return tag
}

// owns reports whether a request of theirs belongs to the dialog.
func (d *dialog) owns(r *sip.Request) bool {
	id, from, to := r.CallID(), r.From(), r.To()
	if id == nil || from == nil || to == nil {
		return false
	}
	theirs, _ := from.Params.Get("tag")
	ours, _ := to.Params.Get("tag")
	return id.Value() == d.id && theirs == d.remoteTag && ours == d.localTag
}

// ack makes the ACK of a 2xx: a request of its own with the number and the
// credentials of the INVITE (RFC 3261, 13.2.2.4).
func (d *dialog) ack(invite *sip.Request) *sip.Request {
	r := d.numbered(sip.ACK, invite.CSeq().SeqNo)
	copyCredentials(invite, r)
	r.SetBody(nil)
	return r
}

// refused makes the ACK of any other final response: it belongs to the
// transaction of the INVITE (RFC 3261, 17.1.1.3).
func refused(invite *sip.Request, response *sip.Response) *sip.Request {
	r := sameTransaction(sip.ACK, invite)
	r.RemoveHeader("To")
	if to := response.To(); to != nil {
		r.AppendHeader(sip.HeaderClone(to))
	}
	r.SetBody(nil)
	return r
}

// cancel makes the CANCEL of an INVITE: the same target, branch, number and
// routes, so that every hop finds what it is about (RFC 3261, 9.1).
func cancel(invite *sip.Request) *sip.Request {
	r := sameTransaction(sip.CANCEL, invite)
	r.SetBody(nil)
	return r
}

func sameTransaction(method sip.RequestMethod, invite *sip.Request) *sip.Request {
	r := sip.NewRequest(method, *invite.Recipient.Clone())
	for _, name := range []string{"Via", "Max-Forwards", "Route", "From", "To", "Call-ID", "User-Agent"} {
		for _, h := range invite.GetHeaders(name) {
			r.AppendHeader(sip.HeaderClone(h))
		}
	}
	r.AppendHeader(&sip.CSeqHeader{SeqNo: invite.CSeq().SeqNo, MethodName: method})
	copyCredentials(invite, r)
	return r
}

func copyCredentials(from, to *sip.Request) {
	for _, proxy := range []bool{false, true} {
		for _, h := range from.GetHeaders(credentialsHeader(proxy)) {
			to.AppendHeader(sip.HeaderClone(h))
		}
	}
}
