package whip

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/earshot-voip/earshot/internal/signaling"
)

// session is a call that the endpoint accepted.
type session struct {
	answer  string
	servers []signaling.ICEServer
	end     *removal

	once   sync.Once
	result error // of the first Hangup
	done   chan struct{}
}

var _ signaling.ICEServerSource = (*session)(nil)

// Answer implements signaling.Session.
func (s *session) Answer() string { return s.answer }

// ICEServers returns the servers that the endpoint recommends (RFC 9725, 4.6).
func (s *session) ICEServers() []signaling.ICEServer { return s.servers }

// Done implements signaling.Session. Hangup alone closes it: WHIP does not tell
// that the far end hung up.
func (s *session) Done() <-chan struct{} { return s.done }

// Err implements signaling.Session. It is always nil, for the same reason.
func (s *session) Err() error { return nil }

// Hangup implements signaling.Session: it sends DELETE to the session URL.
func (s *session) Hangup(ctx context.Context) error {
	s.once.Do(func() {
		s.result = s.end.run(context.WithoutCancel(ctx))
		close(s.done)
	})
	return s.result
}

// removal is the DELETE of a session.
type removal struct {
	dialer    *Dialer
	conn      *conn // that of the POST; may be broken by now
	session   *url.URL
	authorize bool
}

// run deletes the session within Deadlines.Hangup and closes the connection.
//
// The connection of the POST has been idle since: a server or a middlebox may
// have dropped it without a word. So it gets half of the time, and a new
// connection the rest. DELETE is idempotent; the far end may see it twice.
func (r *removal) run(ctx context.Context) error {
	total := r.dialer.deadlines.Hangup
	ctx, cancel := context.WithTimeoutCause(ctx, total, &signaling.DeadlineError{After: total})
	defer cancel()
	defer func() {
		if r.conn != nil {
			r.conn.close()
		}
	}()
	if r.conn != nil && r.conn.serves(r.session) {
		answered, err := r.delete(ctx, total/2)
		if answered {
			return err
		}
	}
	if r.conn != nil {
		r.conn.close()
		r.conn = nil
	}
	var err error
	if r.conn, err = r.dialer.open(ctx, r.session); err != nil {
		return err
	}
	_, err = r.delete(ctx, total)
	return err
}

// delete sends one DELETE and waits for its answer at most for limit. answered
// is false when none came, so that asking again makes sense.
func (r *removal) delete(ctx context.Context, limit time.Duration) (answered bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, &signaling.DeadlineError{After: limit})
	defer cancel()
	request := r.dialer.request(http.MethodDelete, r.session, "")
	if r.authorize {
		r.dialer.authorize(request)
	}
	x := r.conn.begin(ctx, request)
	<-x.head // the body of the answer says nothing that matters
	x.cancel()
	<-x.done
	if x.response == nil {
		if ctx.Err() != nil {
			return false, &signaling.ExchangeError{Request: x.name, Kind: signaling.KindTimeout, Err: context.Cause(ctx)}
		}
		return false, x.err
	}
	switch code := x.response.StatusCode; {
	case code >= 200 && code < 300, code == http.StatusNotFound, code == http.StatusGone:
		return true, nil
	}
	return true, x.refusal()
}
