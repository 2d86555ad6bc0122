package janus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
	"github.com/earshot-voip/earshot/internal/signaling"
)

// attempt is one Dial.
type attempt struct {
	dialer *Dialer
	start  time.Duration // of the exchange, on the process clock
	last   request       // sent last

	link    link // nil before the connection stands
	session uint64
	handle  uint64
	open    bool    // the last request has no answer yet
	early   []reply // what came before it was waited for
}

// run creates a session, attaches to the plugin, and offers.
func (a *attempt) run(ctx context.Context, offer string) (*session, error) {
	raw, err := a.dialer.connect(ctx)
	if err != nil {
		return nil, err
	}
	a.start = mono.Now()
	limit := a.dialer.deadlines.Answer
	ctx, stop := context.WithTimeoutCause(ctx, limit, &signaling.DeadlineError{After: limit})
	defer stop()
	l, err := a.dialer.link(ctx, raw)
	if err != nil {
		return nil, err
	}
	a.link = l

	if a.session, err = a.ask(ctx, a.dialer.request(kindCreate)); err != nil {
		return nil, err
	}
	attach := a.dialer.request(kindAttach)
	attach.Session, attach.Plugin = a.session, echoTest
	if a.handle, err = a.ask(ctx, attach); err != nil {
		return nil, err
	}
	answer, err := a.offer(ctx, offer)
	if err != nil {
		return nil, err
	}
	return newSession(a, answer), nil
}

// request makes a request with the credentials.
func (d *Dialer) request(kind string) request {
	return request{Kind: kind, Transaction: newTransaction(), Secret: d.options.Secret, Token: d.options.Token}
}

// ask sends a request and returns the id that its success brings.
func (a *attempt) ask(ctx context.Context, r request) (uint64, error) {
	a.send(r)
	for {
		got, err := a.next(ctx)
		if err != nil {
			return 0, err
		}
		a.open = got.Transaction != r.Transaction
		switch {
		case a.open:
			a.early = append(a.early, got)
		case got.refusal("") != nil:
			return 0, got.refusal(a.dialer.name(r))
		case got.Kind == kindSuccess && got.Data.ID != 0:
			return got.Data.ID, nil
		default:
			return 0, &signaling.ExchangeError{Request: a.dialer.name(r), Kind: signaling.KindProtocol,
				Err: fmt.Errorf("%q without an id in answer to it", got.Kind)}
		}
	}
}

// offer sends the offer and returns the answer, which may come before or after
// the gateway's word that it has the offer.
func (a *attempt) offer(ctx context.Context, sdp string) (string, error) {
	r := a.dialer.request(kindMessage)
	r.Session, r.Handle = a.session, a.handle
	r.Body, r.JSEP = &body{Audio: true, AudioCodec: preferred(sdp)}, &jsep{"offer", sdp}
	a.send(r)
	listening := false
	for {
		got, err := a.next(ctx)
		switch {
		case err != nil:
			return "", err
		case got.Sender != 0 && got.Sender != a.handle:
			continue // of somebody else
		case got.refusal("") != nil:
			return "", got.refusal(a.dialer.name(r))
		case got.JSEP != nil:
			if !listening {
				a.link.listen(a.session)
			}
			return a.judge(r, got.JSEP)
		case got.Kind == kindHangup, got.Kind == kindDetached, got.Kind == kindTimeout:
			return "", broken(a.dialer.name(r), fmt.Errorf("the gateway gave the call up: %s", got.words()))
		case got.Transaction == r.Transaction && !listening:
			listening = true
			a.link.listen(a.session)
		}
	}
}

// judge looks at an answer.
func (a *attempt) judge(r request, j *jsep) (string, error) {
	kind, err := signaling.JudgeSDP([]byte(j.SDP))
	if err == nil && j.Type != "answer" {
		kind, err = signaling.KindWrongType, fmt.Errorf("a session description of type %q in place of an answer", signaling.OneLine(j.Type))
	}
	if err != nil {
		return "", &signaling.AnswerError{Request: a.dialer.name(r), Kind: kind, Err: err}
	}
	return j.SDP, nil
}

// words is what a reply says about an end, for a reader.
func (r reply) words() string {
	if reason := signaling.Clip(signaling.OneLine(r.Reason), 80); reason != "" {
		return r.Kind + ", " + reason
	}
	return r.Kind
}

func (a *attempt) send(r request) {
	a.last, a.open = r, true
	a.link.send(r)
}

// next waits for what the gateway says next.
func (a *attempt) next(ctx context.Context) (reply, error) {
	if a.last.Kind == kindMessage && len(a.early) > 0 {
		r := a.early[0]
		a.early = a.early[1:]
		return r, nil
	}
	if ctx.Err() == nil {
		select {
		case r := <-a.link.replies():
			return r, nil
		case <-a.link.dead():
			return reply{}, a.link.lost()
		case <-ctx.Done():
		}
	}
	kind, err := signaling.EndOf(ctx)
	return reply{}, &signaling.ExchangeError{Request: a.dialer.name(a.last), Kind: kind, Err: err}
}

// describe says in one line how far it went.
func (a *attempt) describe() string {
	if a.handle == 0 {
		return fmt.Sprintf("%s: no EchoTest", a.dialer.base)
	}
	return fmt.Sprintf("EchoTest of %s", a.dialer.base)
}

// undo ends the session that a failed attempt has, or may yet get, and closes
// the connection.
func (a *attempt) undo() error {
	limit := a.dialer.deadlines.Hangup
	ctx, stop := context.WithTimeoutCause(context.Background(), limit, &signaling.DeadlineError{After: limit})
	defer stop()
	defer a.link.shut()
	if err := a.late(ctx); err != nil {
		return err
	}
	if a.session == 0 {
		return nil
	}
	if err := a.dialer.destroy(ctx, a.link, a.session); err != nil {
		return fmt.Errorf("a session stayed behind: %w", err)
	}
	return nil
}

// late waits for a session that was asked for and has no id yet.
func (a *attempt) late(ctx context.Context) error {
	if a.last.Kind != kindCreate || !a.open {
		return nil
	}
	for {
		got, err := a.next(ctx)
		var exchange *signaling.ExchangeError
		switch {
		case errors.As(err, &exchange) && exchange.Kind == signaling.KindTimeout:
			return fmt.Errorf("%s was abandoned and not answered; a session may have stayed behind until the gateway forgets it: %w", exchange.Request, err)
		case err != nil:
			return nil // refused, or the connection broke before there was a session
		case got.Transaction == a.last.Transaction:
			a.session = got.Data.ID
			return nil
		}
	}
}
