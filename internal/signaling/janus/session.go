package janus

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/earshot-voip/earshot/internal/signaling"
)

// session is a call that the gateway accepted.
type session struct {
	dialer *Dialer
	link   link
	id     uint64
	handle uint64
	answer string

	leave   chan struct{} // closed by Hangup
	watched sync.WaitGroup

	endOnce sync.Once
	done    chan struct{}
	err     error // set before done is closed

	hangup sync.Once
	result error // of the first Hangup
}

func newSession(a *attempt, answer string) *session {
	s := &session{
		dialer: a.dialer, link: a.link, id: a.session, handle: a.handle, answer: answer,
		leave: make(chan struct{}), done: make(chan struct{}),
	}
	s.watched.Go(s.watch)
	return s
}

// Answer implements signaling.Session.
func (s *session) Answer() string { return s.answer }

// Done implements signaling.Session. It tells of a hang-up by the gateway, of a
// session that the gateway forgot, and of a connection that broke.
func (s *session) Done() <-chan struct{} { return s.done }

// Err implements signaling.Session.
func (s *session) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

func (s *session) end(err error) {
	s.endOnce.Do(func() {
		s.err = err
		close(s.done)
	})
}

// watch takes in what the gateway says during the call.
func (s *session) watch() {
	for {
		select {
		case r := <-s.link.replies():
			switch {
			case r.Kind == kindTimeout, r.Error != nil && r.Error.Code == codeNoSession:
				s.end(&signaling.EndedError{Reason: "the gateway forgot the session"})
			case r.Sender == s.handle && (r.Kind == kindHangup || r.Kind == kindDetached):
				s.end(&signaling.EndedError{Reason: r.words()})
			}
		case <-s.link.dead():
			s.end(&signaling.EndedError{Reason: "the connection to the gateway broke", Err: s.link.lost()})
			return
		case <-s.leave:
			return
		}
	}
}

// Hangup implements signaling.Session: it destroys the gateway session, which
// detaches from the plugin and ends the media.
func (s *session) Hangup(ctx context.Context) error {
	s.hangup.Do(func() {
		close(s.leave)
		s.watched.Wait()
		limit := s.dialer.deadlines.Hangup
		ctx, stop := context.WithTimeoutCause(context.WithoutCancel(ctx), limit, &signaling.DeadlineError{After: limit})
		defer stop()
		s.result = s.dialer.destroy(ctx, s.link, s.id)
		s.link.shut()
		s.end(nil)
	})
	return s.result
}

// destroy ends a session on a link or, when that broke or is silent for half of
// the time, on a new one: a middlebox may have dropped it without a word.
func (d *Dialer) destroy(ctx context.Context, l link, session uint64) error {
	half, stop := context.WithTimeoutCause(ctx, d.deadlines.Hangup/2, &signaling.DeadlineError{After: d.deadlines.Hangup / 2})
	defer stop()
	err := d.destroyOn(half, l, session)
	var exchange *signaling.ExchangeError
	if !errors.As(err, &exchange) || ctx.Err() != nil {
		return err // done, or refused
	}
	raw, err := d.connect(ctx)
	if err != nil {
		return err
	}
	fresh, err := d.link(ctx, raw)
	if err != nil {
		return err
	}
	defer fresh.shut()
	return d.destroyOn(ctx, fresh, session)
}

// destroyOn says that a session is over and waits for the gateway's word. One
// that it no longer knows is over.
func (d *Dialer) destroyOn(ctx context.Context, l link, session uint64) error {
	r := d.request(kindDestroy)
	r.Session = session
	select {
	case <-l.dead():
		return asLost(d.name(r), l.lost())
	default:
	}
	l.send(r)
	for {
		select {
		case got := <-l.replies():
			switch refusal := got.refusal(d.name(r)); {
			case got.Transaction != r.Transaction:
			case refusal == nil, got.Error != nil && got.Error.Code == codeNoSession:
				return nil
			default:
				return refusal
			}
		case <-l.dead():
			return asLost(d.name(r), l.lost())
		case <-ctx.Done():
			kind, err := signaling.EndOf(ctx)
			return &signaling.ExchangeError{Request: d.name(r), Kind: kind, Err: err}
		}
	}
}

// asLost is the error of a link that is of no use any more, for whatever reason.
func asLost(name string, err error) error {
	return broken(name, fmt.Errorf("the connection is gone: %w", err))
}
