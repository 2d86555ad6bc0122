package whip

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
	"github.com/earshot-voip/earshot/internal/signaling"
)

// maxRedirects is how many redirects a Dial follows.
const maxRedirects = 5

// attempt is one Dial: a POST, and those that redirects ask for.
type attempt struct {
	dialer *Dialer
	target *url.URL
	conn   *conn
	post   *exchange // the last one; nil before the first

	start time.Duration // of the first POST, on the process clock
	spent time.Duration // waiting for answers
}

// run posts the offer until it is answered, refused, or the time is over.
func (a *attempt) run(ctx context.Context, offer string) (*session, error) {
	for redirects := 0; ; redirects++ {
		if err := a.connect(ctx); err != nil {
			return nil, err
		}
		if err := a.send(ctx, offer); err != nil {
			return nil, err
		}
		switch response := a.post.response; {
		case response.StatusCode >= 300 && response.StatusCode < 400:
			next, err := a.redirected(redirects)
			if err != nil {
				return nil, err
			}
			a.target = next
		case response.StatusCode >= 200 && response.StatusCode < 300:
			return a.accept()
		default:
			return nil, a.post.refusal()
		}
	}
}

// connect makes a.conn a live connection to the target.
func (a *attempt) connect(ctx context.Context) error {
	if a.conn == nil {
		a.conn = a.dialer.takeIdle()
	}
	if a.conn != nil && a.conn.serves(a.target) {
		return nil
	}
	a.release()
	var err error
	a.conn, err = a.dialer.open(ctx, a.target)
	return err
}

// send posts the offer and waits for the whole answer. The request runs under a
// context of its own: when ctx ends, the far end may have created a session
// whose URL is still on its way.
func (a *attempt) send(ctx context.Context, offer string) error {
	if err := ctx.Err(); err != nil {
		return &signaling.ExchangeError{Request: "POST " + redact(a.target), Kind: signaling.KindCanceled, Err: err}
	}
	start := mono.Now()
	if a.start == 0 {
		a.start = start
	}
	wait, cancel := context.WithTimeoutCause(ctx, a.dialer.deadlines.Answer-a.spent, &signaling.DeadlineError{After: a.dialer.deadlines.Answer})
	defer cancel()

	request := a.dialer.request(http.MethodPost, a.target, offer)
	request.Header.Set("Content-Type", "application/sdp")
	request.Header.Set("Accept", "application/sdp")
	if sameOrigin(a.target, a.dialer.endpoint) {
		a.dialer.authorize(request)
	}
	a.post = a.conn.begin(context.WithoutCancel(ctx), request)

	select {
	case <-a.post.done:
	case <-wait.Done():
	}
	a.spent += mono.Now() - start
	if err := waitError(ctx, wait); err != nil {
		kind := signaling.KindTimeout
		if errors.Is(err, context.Canceled) {
			kind = signaling.KindCanceled
		}
		return &signaling.ExchangeError{Request: a.post.name, Kind: kind, Err: err}
	}
	return a.post.err
}

// waitError says why waiting ended early, in the caller's terms if the caller's
// context ended.
func waitError(caller, wait context.Context) error {
	switch cause := context.Cause(wait); {
	case wait.Err() == nil:
		return nil
	case caller.Err() == nil:
		return cause
	case cause == caller.Err():
		return cause
	default:
		return fmt.Errorf("%w: %w", caller.Err(), cause)
	}
}

// redirected returns where to post next. 301, 302 and 303 may turn a POST into
// a GET, so RFC 9725, 4.5 forbids them; what they point to is not a WHIP
// endpoint by agreement but by luck.
func (a *attempt) redirected(before int) (*url.URL, error) {
	response := a.post.response
	failure := &signaling.RedirectError{Request: a.post.name, Code: response.StatusCode}
	location := response.Header.Get("Location")
	next, err := a.target.Parse(location)
	if err == nil && location != "" {
		failure.Target = redact(next)
	}
	switch {
	case response.StatusCode != http.StatusTemporaryRedirect && response.StatusCode != http.StatusPermanentRedirect:
		failure.Kind = signaling.KindNotFollowed
	case location == "":
		failure.Kind = signaling.KindNoTarget
	case err != nil:
		failure.Kind, failure.Err = signaling.KindNoTarget, withoutURL(err)
	case checkURL(next) != nil:
		failure.Kind, failure.Err = signaling.KindNoTarget, checkURL(next)
	case a.target.Scheme == "https" && next.Scheme != "https":
		failure.Kind = signaling.KindDowngrade
	case before >= maxRedirects:
		failure.Kind = signaling.KindTooMany
	default:
		next.User, next.Fragment = nil, ""
		return next, nil
	}
	return nil, failure
}

// accept turns a success into a session.
func (a *attempt) accept() (*session, error) {
	where, trusted, locationErr := a.location()
	if err := checkAnswer(a.post); err != nil {
		return nil, err
	}
	if locationErr != nil {
		return nil, &signaling.AnswerError{Request: a.post.name, Kind: signaling.KindNoSession, Err: locationErr}
	}
	return &session{
		answer:  string(a.post.body),
		servers: iceServers(a.post.response.Header),
		end:     newRemoval(a.dialer, where, trusted, a.conn),
		done:    make(chan struct{}),
	}, nil
}

// location returns the session URL of a success and whether the token may go
// there: RFC 9725, 4.7 wants it in all requests to the session, wherever the
// endpoint that has the token puts that; never in clear after an encrypted
// POST, and never on the word of another origin.
func (a *attempt) location() (where *url.URL, authorize bool, err error) {
	location := a.post.response.Header.Get("Location")
	if location == "" {
		return nil, false, errors.New("no Location, so the call could not be ended")
	}
	where, err = a.target.Parse(location)
	if err != nil {
		return nil, false, fmt.Errorf("location of the session: %w", withoutURL(err))
	}
	if err := checkURL(where); err != nil {
		return nil, false, fmt.Errorf("location of the session: %w", err)
	}
	where.User, where.Fragment = nil, ""
	encrypted := where.Scheme == "https" || a.target.Scheme == "http"
	return where, encrypted && sameOrigin(a.target, a.dialer.endpoint), nil
}

// describe says in one line what came back.
func (a *attempt) describe() string {
	if a.post == nil {
		return ""
	}
	select {
	case <-a.post.done:
		return a.post.describe()
	default:
		return a.post.name + ": no answer"
	}
}

// mayHaveLeft reports whether the far end may have a session for this failed
// attempt.
func (a *attempt) mayHaveLeft() bool {
	if a.post == nil {
		return false
	}
	select {
	case <-a.post.done:
		return a.post.created()
	default:
		return true
	}
}

// undo ends the session that the far end created, or may yet create, for a
// failed attempt. It waits for the head of the answer alone: that names the
// session, and the body is of no use any more.
func (a *attempt) undo() error {
	late := time.NewTimer(a.dialer.deadlines.Hangup)
	defer late.Stop()
	select {
	case <-a.post.head:
	case <-late.C:
	}
	a.post.cancel()
	<-a.post.done
	if a.post.response == nil {
		return fmt.Errorf("%s was abandoned and not answered within %v; a session may have stayed behind", a.post.name, a.dialer.deadlines.Hangup)
	}
	if !a.post.created() {
		return nil
	}
	where, trusted, err := a.location()
	if err != nil {
		return fmt.Errorf("%s was abandoned and a session stayed behind: %w", a.post.name, err)
	}
	r := newRemoval(a.dialer, where, trusted, a.conn)
	a.conn = nil
	if err := r.run(context.Background()); err != nil {
		return fmt.Errorf("a session stayed behind: %w", err)
	}
	return nil
}

// release closes the connection, if there is one.
func (a *attempt) release() {
	if a.conn != nil {
		a.conn.close()
		a.conn = nil
	}
}
