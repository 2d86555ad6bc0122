package sipws

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/earshot-voip/earshot/internal/mono"
	"github.com/earshot-voip/earshot/internal/signaling"
)

// maxAnswer bounds an answer's SDP.
const maxAnswer = 256 << 10

// attempt is one Dial: a connection, perhaps a registration, and as many INVITE
// as challenges and intervals ask for.
type attempt struct {
	dialer  *Dialer
	offer   string
	expires time.Duration // session interval to offer
	least   time.Duration // that the far end wants; zero: it did not say

	start time.Duration // of the exchange, on the process clock

	caller       *caller
	registration *registration
	dialog       *dialog // not yet answered
	invite       *transaction
	ringing      bool              // the INVITE was answered provisionally
	final        *sip.Response     // its final response
	call         *dialog           // of a final 2xx
	early        map[string]*early // by the far end's tag
	pracks       sync.WaitGroup
	notes        []string
}

// early is a call that rings somewhere.
type early struct {
	dialog *dialog
	sdp    string // an answer that came before the final response
	number uint32 // RSeq of the last reliable provisional response
}

// run opens the connection and calls until there is a final response or the time
// is over.
func (a *attempt) run(ctx context.Context) (*session, error) {
	raw, err := a.dialer.trace.OpenWebSocket(ctx, a.dialer.via)
	if err != nil {
		return nil, err
	}
	a.start = mono.Now()
	limit := a.dialer.deadlines.Answer
	ctx, stop := context.WithTimeoutCause(ctx, limit, &signaling.DeadlineError{After: limit})
	defer stop()
	l, err := a.dialer.upgrade(ctx, raw)
	if err != nil {
		return nil, err
	}
	a.caller = newCaller(a.dialer, l)
	if a.dialer.options.Register {
		a.registration = &registration{caller: a.caller, id: random(12), tag: random(6)}
		if err := a.registration.register(ctx); err != nil {
			return nil, err
		}
		a.notes = append(a.notes, "registered")
	}
	a.dialog = newDialog(a.caller)
	pracks, stopPracks := context.WithCancel(ctx)
	defer a.pracks.Wait()
	defer stopPracks()
	for round := 1; ; round++ {
		again, err := a.ask(ctx, pracks)
		if err != nil {
			return nil, err
		}
		if !again || round == maxRounds {
			break
		}
	}
	if a.call == nil {
		return nil, refusal(a.invite.name(), a.final)
	}
	return a.accept()
}

// ask sends one INVITE and waits for its final response. It reports whether
// another one makes sense. What acknowledges provisional responses ends with
// pracks.
func (a *attempt) ask(ctx, pracks context.Context) (again bool, err error) {
	if a.invite, err = a.caller.link.begin(a.newInvite()); err != nil {
		a.invite = nil
		return false, err
	}
	a.ringing, a.final = false, nil
	for a.final == nil {
		select {
		case r := <-a.invite.responses:
			if r.IsProvisional() {
				a.progress(pracks, r)
			} else {
				a.finish(r)
			}
		case err := <-a.caller.link.misheard:
			return false, a.invite.misheardError(err)
		case <-a.caller.link.dead:
			if len(a.invite.responses) > 0 {
				continue // it came before the end
			}
			return false, a.invite.lost()
		case <-ctx.Done():
			return false, a.invite.ended(ctx)
		}
	}
	switch {
	case a.call != nil:
		return false, nil
	case challenged(a.final):
		if again = a.caller.wallet.learn(a.invite.request, a.final); again {
			a.note("password asked for")
		}
		return again, nil
	case a.final.StatusCode == 422: // RFC 4028, 7.4
		least, ok := deltaSeconds(header(a.final, "Min-SE"))
		if ok && least > a.expires {
			a.least, a.expires = least, least
			a.note("session interval raised to " + least.String())
			return true, nil
		}
	}
	return false, nil
}

func (a *attempt) note(text string) {
	if len(a.notes) == 0 || a.notes[len(a.notes)-1] != text {
		a.notes = append(a.notes, text)
	}
}

func (a *attempt) newInvite() *sip.Request {
	r := a.dialog.request(sip.INVITE)
	describe(r, a.caller, a.expires, a.least)
	r.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	r.SetBody([]byte(a.offer))
	a.caller.wallet.apply(r)
	return r
}

// describe adds what this side can do to a request that makes or refreshes a
// session.
func describe(r *sip.Request, c *caller, expires, least time.Duration) {
	r.AppendHeader(sip.NewHeader("Contact", c.contact()))
	r.AppendHeader(sip.NewHeader("Allow", methods))
	r.AppendHeader(sip.NewHeader("Supported", "100rel, timer, outbound, path"))
	r.AppendHeader(sip.NewHeader("Session-Expires", inSeconds(expires)))
	if least > 0 {
		r.AppendHeader(sip.NewHeader("Min-SE", inSeconds(least)))
	}
}

// progress takes a provisional response: it may hold an answer already, and may
// want to be acknowledged itself (RFC 3262).
func (a *attempt) progress(ctx context.Context, r *sip.Response) {
	a.ringing = true
	tag := tagOf(r)
	if r.StatusCode == sip.StatusTrying || tag == "" {
		return
	}
	e := a.early[tag]
	if e == nil {
		e = &early{dialog: a.dialog.established(r)}
		a.early[tag] = e
	}
	if len(r.Body()) > 0 && isSDP(r) && e.sdp == "" {
		e.sdp = string(r.Body())
		a.note("early media")
	}
	number, ok := reliable(r)
	if !ok || e.number != 0 && number != e.number+1 {
		return // not to be acknowledged, or out of turn
	}
	e.number = number
	invite := a.invite.request.CSeq().SeqNo
	a.pracks.Go(func() {
		// What becomes of it shows in the final response.
		_, _, _ = a.caller.perform(ctx, func() *sip.Request {
			p := e.dialog.request(sip.PRACK)
			p.AppendHeader(sip.NewHeader("RAck", fmt.Sprintf("%d %d INVITE", number, invite)))
			return p
		})
	})
}

// reliable returns the number of a provisional response that wants PRACK.
func reliable(r *sip.Response) (number uint32, ok bool) {
	var n uint32
	if !lists(r, "100rel", "Require") {
		return 0, false
	}
	_, err := fmt.Sscan(header(r, "RSeq"), &n)
	return n, err == nil && n > 0
}

// finish takes the final response and acknowledges it, whatever it is.
func (a *attempt) finish(r *sip.Response) {
	a.final = r
	if !r.IsSuccess() {
		_ = a.caller.link.send(refused(a.invite.request, r)) // a dead socket shows by itself
		a.invite.end()
		return
	}
	a.call = a.dialog.established(r)
	_ = a.caller.link.send(a.call.ack(a.invite.request)) // likewise
}

// accept turns a success into a session.
func (a *attempt) accept() (*session, error) {
	body, err := a.answer()
	if err != nil {
		return nil, err
	}
	return newSession(a, body), nil
}

// answer returns the far end's SDP: that of the final response or, when it has
// none, the one that came before it from the same place (RFC 3261, 13.2.1).
func (a *attempt) answer() (string, error) {
	unusable := func(kind signaling.Kind, err error) (string, error) {
		return "", &signaling.AnswerError{Request: a.invite.name(), Kind: kind, Err: err}
	}
	body := a.final.Body()
	switch e := a.early[tagOf(a.final)]; {
	case len(body) == 0 && e != nil && e.sdp != "":
		body = []byte(e.sdp)
	case len(body) > 0 && !isSDP(a.final):
		if given := header(a.final, "Content-Type", "c"); given != "" {
			return unusable(signaling.KindWrongType, fmt.Errorf("content type %s in place of application/sdp", signaling.OneLine(given)))
		}
		return unusable(signaling.KindWrongType, errors.New("no content type in place of application/sdp"))
	case e != nil && e.sdp != "" && e.sdp != string(body):
		a.note("another answer than the early one")
	}
	if len(body) > maxAnswer {
		return unusable(signaling.KindTooLarge, fmt.Errorf("longer than %d bytes", maxAnswer))
	}
	if kind, err := signaling.JudgeSDP(body); err != nil {
		return unusable(kind, err)
	}
	return string(body), nil
}

func isSDP(m sip.Message) bool {
	media, _, _ := strings.Cut(header(m, "Content-Type", "c"), ";")
	return strings.EqualFold(strings.TrimSpace(media), "application/sdp")
}

// describe says in one line what came back.
func (a *attempt) describe() string {
	if a.invite == nil {
		return strings.Join(a.notes, ", ")
	}
	text := a.invite.name() + ": no answer"
	if a.final != nil {
		text = fmt.Sprintf("%s: %d %s", a.invite.name(), a.final.StatusCode, signaling.OneLine(a.final.Reason))
	}
	if len(a.notes) > 0 {
		text += " (" + strings.Join(a.notes, ", ") + ")"
	}
	return text
}
