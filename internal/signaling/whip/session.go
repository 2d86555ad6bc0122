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

// keepFor is how long the connection of the POST is kept for the hang-up. A call
// that fails in its set-up ends on it; one that lasts would hold two goroutines,
// the buffers of HTTP and TLS, a socket and a place at the server for nothing.
const keepFor = 3 * time.Second

// removal is the DELETE of a session.
type removal struct {
	dialer    *Dialer
	session   *url.URL
	authorize bool

	mu   sync.Mutex
	kept *conn // that of the POST, while it is kept; may be broken by now
	drop *time.Timer
}

func newRemoval(d *Dialer, session *url.URL, authorize bool, kept *conn) *removal {
	r := &removal{dialer: d, session: session, authorize: authorize, kept: kept}
	r.drop = time.AfterFunc(keepFor, func() {
		if c := r.take(); c != nil {
			c.close()
		}
	})
	return r
}

// take returns the connection that was kept, once.
func (r *removal) take() *conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.kept
	r.kept = nil
	return c
}

// run deletes the session within Deadlines.Hangup.
//
// A connection that is kept has been idle: a server or a middlebox may have
// dropped it without a word. So it gets half of the time, and a new connection
// the rest. DELETE is idempotent; the far end may see it twice.
func (r *removal) run(ctx context.Context) error {
	total := r.dialer.deadlines.Hangup
	ctx, cancel := context.WithTimeoutCause(ctx, total, &signaling.DeadlineError{After: total})
	defer cancel()
	r.drop.Stop()
	if kept := r.take(); kept != nil {
		answered, err := false, error(nil)
		if kept.serves(r.session) {
			answered, err = r.delete(ctx, kept, total/2)
		}
		kept.close()
		if answered {
			return err
		}
	}
	c, err := r.dialer.open(ctx, r.session)
	if err != nil {
		return err
	}
	defer c.close()
	_, err = r.delete(ctx, c, total)
	return err
}

// delete sends one DELETE and waits for its answer at most for limit. answered
// is false when none came, so that asking again makes sense.
func (r *removal) delete(ctx context.Context, c *conn, limit time.Duration) (answered bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, &signaling.DeadlineError{After: limit})
	defer cancel()
	request := r.dialer.request(http.MethodDelete, r.session, "")
	if r.authorize {
		r.dialer.authorize(request)
	}
	x := c.begin(ctx, request)
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
