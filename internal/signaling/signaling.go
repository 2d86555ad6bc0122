// Package signaling is the contract between a call and the protocols that set
// it up: an adapter turns an offer into a session with an answer, and ends it.
//
// Adapters (packages below this one) implement Dialer and Session and return
// the typed errors of this package. They reach the network through a Trace
// alone, which times the resolve, connect and TLS steps in the same way for
// every protocol. What a failure means for a call is not decided here.
package signaling

import "context"

// Dialer sets up calls with one far end.
type Dialer interface {
	// Dial sends the offer (SDP, with all candidates) and returns the session
	// once the far end has answered. It keeps the deadlines of its Trace by
	// itself and ends promptly when ctx ends, with an error that wraps ctx.Err.
	//
	// A session that the far end had created, or goes on to create, for an
	// offer whose Dial failed is ended behind the scenes; Close waits for that.
	Dial(ctx context.Context, offer string) (Session, error)

	// Close waits until sessions that failed dials left at the far end are
	// ended and releases what the dialer holds. It takes at most twice
	// Deadlines.Hangup and returns the errors of sessions that may have
	// stayed behind. Sessions that Dial returned are not touched. Close is
	// idempotent; no Dial may follow it.
	Close() error
}

// Session is a call that the far end accepted. Its methods may be called from
// any goroutine.
type Session interface {
	// Answer returns the far end's session description (SDP).
	Answer() string

	// Done is closed when the call is over, from either side. Not every
	// protocol can tell that the far end hung up; the adapter says so.
	Done() <-chan struct{}

	// Err is nil until Done is closed, and nil when Hangup ended the call;
	// otherwise an *EndedError.
	Err() error

	// Hangup ends the call at the far end and releases everything the session
	// holds, in any case. It takes at most Deadlines.Hangup, and does its work
	// even if ctx is over, since an unfinished call is an occupied line; ctx
	// only lends its values. All calls of Hangup return the outcome of the
	// first. A session that the far end no longer knows is a success.
	Hangup(ctx context.Context) error
}

// EndedError says that the call ended from the far end's side.
type EndedError struct {
	Reason string // the far end's words, or what was seen
	Err    error  // cause, nil when the far end hung up properly
}

func (e *EndedError) Error() string {
	text := "the far end ended the call"
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *EndedError) Unwrap() error { return e.Err }

// ICEServer is a STUN or TURN server that a far end recommends, with the URL
// in the form of RFC 7064 or RFC 7065.
type ICEServer struct {
	URL                string
	Username, Password string // TURN long-term credentials; empty for STUN
}

// ICEServerSource is implemented by sessions whose protocol hands out ICE
// servers with the answer.
type ICEServerSource interface {
	ICEServers() []ICEServer
}

// Opinion is what a far end says of the quality of a call in its own words. It
// is carried beside our own figures and never mixed with them.
type Opinion struct {
	Source string   // where it was said: the header's name
	Text   string   // as it was said, one line
	MOS    *float64 // 1..5 where the text says one
}

// OpinionSource is implemented by sessions whose protocol can carry opinions.
// They are complete once Hangup has returned.
type OpinionSource interface {
	Opinions() []Opinion
}
