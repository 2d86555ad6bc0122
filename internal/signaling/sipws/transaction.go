package sipws

import (
	"context"
	"fmt"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/earshot-voip/earshot/internal/signaling"
)

// transaction is a request of ours and what came back (RFC 3261, 17.1). The
// transport is reliable, so nothing is sent twice.
type transaction struct {
	link    *link
	request *sip.Request
	key     string

	// responses are in the order of their arrival; to INVITE also the repetitions
	// of a 2xx. One queue holds them all: an early answer counts only before the
	// final response.
	responses chan *sip.Response
}

// Of the queue: provisional responses leave room for those that matter more.
const (
	maxResponses   = 32
	maxProvisional = 24
)

// begin sends a request and waits for nothing.
func (l *link) begin(r *sip.Request) (*transaction, error) {
	branch, _ := r.Via().Params.Get("branch")
	t := &transaction{
		link: l, request: r,
		key:       branch + " " + string(r.Method),
		responses: make(chan *sip.Response, maxResponses),
	}
	l.mu.Lock()
	l.waiting[t.key] = t
	l.mu.Unlock()
	if err := l.send(r); err != nil {
		t.end()
		return nil, t.lost()
	}
	return t, nil
}

// end makes the link forget the transaction.
func (t *transaction) end() {
	t.link.mu.Lock()
	defer t.link.mu.Unlock()
	delete(t.link.waiting, t.key)
}

// deliver runs on the link's reader alone, which it must not block.
func (t *transaction) deliver(r *sip.Response) {
	if r.IsProvisional() && len(t.responses) >= maxProvisional {
		return
	}
	select {
	case t.responses <- r:
	default:
	}
}

// wait returns the final response.
func (t *transaction) wait(ctx context.Context) (*sip.Response, error) {
	for {
		select {
		case r := <-t.responses:
			if !r.IsProvisional() {
				return r, nil
			}
		case <-t.link.dead:
			if len(t.responses) > 0 {
				continue // it came before the end
			}
			return nil, t.lost()
		case <-ctx.Done():
			return nil, t.ended(ctx)
		}
	}
}

// name is what was asked, without secrets.
func (t *transaction) name() string { return requestName(t.request) }

func requestName(r *sip.Request) string { return string(r.Method) + " " + r.Recipient.Addr() }

func (t *transaction) lost() error {
	return &signaling.ExchangeError{Request: t.name(), Kind: signaling.KindLost, Err: t.link.lost()}
}

func (t *transaction) ended(ctx context.Context) error {
	kind, err := signaling.EndOf(ctx)
	return &signaling.ExchangeError{Request: t.name(), Kind: kind, Err: err}
}

// refusal makes a typed error of a response that is no success.
func refusal(request string, r *sip.Response) error {
	if r.StatusCode >= 300 && r.StatusCode < 400 {
		return redirection(request, r)
	}
	return &signaling.StatusError{
		Request:    request,
		Code:       r.StatusCode,
		Reason:     signaling.Clip(signaling.OneLine(r.Reason), 80),
		Body:       words(r),
		RetryAfter: retryAfter(r),
	}
}

// redirection says where a 3xx points to. It is not followed: the probe was told
// whom to measure, and another address is another measurement.
func redirection(request string, r *sip.Response) error {
	e := &signaling.RedirectError{Request: request, Code: r.StatusCode, Kind: signaling.KindNotFollowed}
	if contact := r.Contact(); contact != nil && !contact.Address.Wildcard {
		e.Target = signaling.Clip(signaling.OneLine(contact.Address.Addr()), 200)
	} else {
		e.Kind = signaling.KindNoTarget
	}
	return e
}

// words are what a refusal says beyond its reason phrase: the texts of Warning
// (RFC 3261, 20.43) and Reason (RFC 3326).
func words(r sip.Message) string {
	var all []string
	for _, name := range []string{"Warning", "Reason"} {
		for _, h := range r.GetHeaders(name) {
			all = append(all, h.Value())
		}
	}
	return signaling.Clip(signaling.OneLine(strings.Join(all, "; ")), 200)
}

// header returns the value of a header field, in its long or compact form.
func header(m sip.Message, names ...string) string {
	for _, name := range names {
		if all := m.GetHeaders(name); len(all) > 0 {
			return all[0].Value()
		}
	}
	return ""
}

// lists reports whether a comma-separated header field has an item.
func lists(m sip.Message, item string, names ...string) bool {
	for _, name := range names {
		for _, h := range m.GetHeaders(name) {
			for part := range strings.SplitSeq(h.Value(), ",") {
				if strings.EqualFold(strings.TrimSpace(part), item) {
					return true
				}
			}
		}
	}
	return false
}

// misheardError is what came in place of an answer.
func (t *transaction) misheardError(err error) error {
	return &signaling.ExchangeError{Request: t.name(), Kind: signaling.KindProtocol, Err: fmt.Errorf("in place of an answer: %w", err)}
}
