package sipws

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/earshot-voip/earshot/internal/signaling"
)

// t1 is the round trip that RFC 3261, 17 assumes; an answer is repeated after
// it, and with twice the pause each time until maxPause: 64 of it in all.
const (
	t1       = 500 * time.Millisecond
	maxPause = 32 * t1
)

// session is a call that was answered.
type session struct {
	caller       *caller
	dialog       *dialog
	invite       *transaction // repeated successes still come by it
	registration *registration
	answer       string
	local        *localSDP
	agreed       chan interval // session intervals that the far end's requests brought
	answered     chan struct{} // a later INVITE of theirs was answered

	stop    context.CancelFunc // of keep
	keeping sync.WaitGroup
	done    chan struct{}

	hangup sync.Once
	result error // of the first Hangup

	mu       sync.Mutex
	over     bool // done is closed
	err      error
	told     bool // the far end hung up
	opinions []signaling.Opinion
	unacked  *sip.Response // a success to a later INVITE of theirs, until its ACK
}

var (
	_ signaling.Session       = (*session)(nil)
	_ signaling.OpinionSource = (*session)(nil)
)

// newSession takes over what the attempt built.
func newSession(a *attempt, answer string) *session {
	ctx, stop := context.WithCancel(context.Background())
	s := &session{
		caller: a.caller, dialog: a.call, invite: a.invite, registration: a.registration,
		answer: answer, local: &localSDP{offer: a.offer, answer: answer},
		agreed: make(chan interval, 1), answered: make(chan struct{}, 1), stop: stop, done: make(chan struct{}),
	}
	first := agreedInterval(a.final)
	s.keeping.Go(func() { s.keep(ctx, first) })
	s.caller.link.serveWith(s.request)
	return s
}

// Answer implements signaling.Session.
func (s *session) Answer() string { return s.answer }

// Done implements signaling.Session.
func (s *session) Done() <-chan struct{} { return s.done }

// Err implements signaling.Session.
func (s *session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Opinions implements signaling.OpinionSource: what came with BYE, with the
// answer to it, or in a notification.
func (s *session) Opinions() []signaling.Opinion {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]signaling.Opinion(nil), s.opinions...)
}

// end closes Done, once. err is nil when this side hung up.
func (s *session) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.over, s.err = true, err
		close(s.done)
	}
}

// Hangup implements signaling.Session: BYE, unless the far end has said it.
func (s *session) Hangup(ctx context.Context) error {
	s.hangup.Do(func() {
		limit := s.caller.dialer.deadlines.Hangup
		ctx, done := context.WithTimeoutCause(context.WithoutCancel(ctx), limit, &signaling.DeadlineError{After: limit})
		defer done()
		s.stop()
		s.keeping.Wait()
		if !s.hungUp() {
			s.result = s.bye(ctx, limit)
		}
		if s.registration != nil {
			s.registration.remove(ctx)
		}
		s.invite.end()
		s.caller.link.shut(closeGrace)
		s.end(nil)
	})
	return s.result
}

func (s *session) hungUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told
}

// bye hangs up within limit. The connection of the call may be dead without
// anybody having noticed: when the answer takes long it has to prove that it is
// not, and a new connection gets the rest of the time.
func (s *session) bye(ctx context.Context, limit time.Duration) error {
	l := s.caller.link
	doubt := time.AfterFunc(limit/4, func() { l.prove(limit / 4) })
	response, err := s.dialog.bye(ctx)
	doubt.Stop()
	if response == nil && ctx.Err() == nil && !s.hungUp() {
		l.drop()
		if l, err = s.caller.dialer.open(ctx); err != nil {
			return fmt.Errorf("hang up on a new connection: %w", err)
		}
		s.caller.link = l
		l.serveWith(s.request)
		response, err = s.dialog.bye(ctx)
	}
	if response != nil {
		s.heed(response)
	}
	if s.hungUp() {
		return nil // both did at the same time
	}
	return err
}

// keep does what a running call needs: it acknowledges repeated answers, keeps
// the session and the registration fresh, and notices the connection's end.
func (s *session) keep(ctx context.Context, first interval) {
	session := newSchedule(first)
	defer session.stop()
	renew := renewal(s.registration)
	defer renew.Stop()
	repeat, pause := time.NewTimer(time.Hour), t1
	defer repeat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.caller.link.dead:
			s.end(&signaling.EndedError{Reason: "the signalling connection broke", Err: s.caller.link.lost()})
			return
		case r := <-s.invite.responses:
			s.answeredAgain(ctx, r)
		case i := <-s.agreed:
			session.set(i)
		case <-session.refresh.C:
			session.set(s.refresh(ctx, session.current))
		case <-session.expiry.C:
			s.end(&signaling.EndedError{Reason: "the session was not refreshed in time (RFC 4028)"})
			return
		case <-renew.C:
			// A failure shows when the server refuses the next request.
			_ = s.registration.register(ctx)
			renew.Reset(s.registration.interval / 2)
		case <-s.answered:
			pause = t1
			repeat.Reset(pause)
		case <-repeat.C:
			if pause < maxPause && s.repeat() {
				pause *= 2
				repeat.Reset(pause)
			}
		}
	}
}

// renewal fires when a registration should be renewed; never without one.
func renewal(g *registration) *time.Timer {
	if g == nil || g.interval == 0 {
		t := time.NewTimer(time.Hour)
		t.Stop()
		return t
	}
	return time.NewTimer(g.interval / 2)
}

// answeredAgain takes a further success to the INVITE: a repetition, since the
// ACK was lost behind the server, or another phone that picked up too (RFC 3261,
// 13.2.2.4). Each is acknowledged, and the other phone's call hung up.
func (s *session) answeredAgain(ctx context.Context, r *sip.Response) {
	if !r.IsSuccess() {
		return
	}
	if tagOf(r) == s.dialog.remoteTag {
		_ = s.caller.link.send(s.dialog.ack(s.invite.request)) // a dead socket shows by itself
		return
	}
	fork := s.dialog.established(r)
	_ = s.caller.link.send(fork.ack(s.invite.request)) // likewise
	limit, done := context.WithTimeout(ctx, s.caller.dialer.deadlines.Hangup)
	defer done()
	_, _ = fork.bye(limit) // nobody is left to tell
}

// refresh asks for another session interval (RFC 4028, 7.2): by UPDATE where the
// far end knows it, else by INVITE with the description that stands.
func (s *session) refresh(ctx context.Context, i interval) interval {
	limit, done := context.WithTimeout(ctx, min(i.length/3, 32*time.Second))
	defer done()
	request, response, err := s.caller.perform(limit, func() *sip.Request { return s.newRefresh(i) })
	if err != nil {
		if ctx.Err() == nil {
			s.end(&signaling.EndedError{Reason: "it did not answer the session refresh", Err: err})
		}
		return interval{}
	}
	if request.Method == sip.INVITE {
		ack := s.dialog.ack(request)
		if !response.IsSuccess() {
			ack = refused(request, response)
		}
		_ = s.caller.link.send(ack) // a dead socket shows by itself
	}
	switch {
	case response.IsSuccess():
		return agreedInterval(response).asking(i)
	case response.StatusCode == 422:
		if least, ok := deltaSeconds(header(response, "Min-SE")); ok && least > i.length {
			i.length = least
			return i.soon()
		}
	case response.StatusCode == sip.StatusRequestPending: // theirs was on its way (RFC 3261, 14.1)
		i.next = 3 * time.Second
		return i
	case response.StatusCode == sip.StatusCallTransactionDoesNotExists, response.StatusCode == sip.StatusRequestTimeout:
		s.end(&signaling.EndedError{Reason: fmt.Sprintf("it no longer knows the call: %d %s", response.StatusCode, signaling.OneLine(response.Reason))})
	}
	return i.expiring()
}

func (s *session) newRefresh(i interval) *sip.Request {
	method := sip.INVITE
	if i.update {
		method = sip.UPDATE
	}
	r := s.dialog.request(method)
	describe(r, s.caller, i.length, 0)
	if method == sip.INVITE {
		r.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
		r.SetBody([]byte(s.local.standing()))
	}
	return r
}
