package iceserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/pion/stun/v4"
)

// Kind tells the causes of an Error apart. Kinds are stable.
type Kind string

// The kinds of an Error.
const (
	KindURL          Kind = "url"          // the URL cannot be used
	KindUnreachable  Kind = "unreachable"  // name, connection or TLS; Err is the Dialer's error
	KindNoResponse   Kind = "no_response"  // reached, or sent to, and silent
	KindUnauthorized Kind = "unauthorized" // 401 or 441: other credentials are wanted
	KindQuota        Kind = "quota"        // 486 or 508: no relay left for this user, or at all
	KindPeerRefused  Kind = "peer_refused" // it relays, but not to this peer
	KindRefused      Kind = "refused"      // any other STUN error; Code says which
	KindMalformed    Kind = "malformed"    // answered with what is no answer
	KindLost         Kind = "lost"         // the connection broke after the allocation
	KindCanceled     Kind = "canceled"     // the caller gave up
)

// Error says what a server did not do.
type Error struct {
	Server Location
	URL    string         // as configured, where it cannot be read
	Source netip.Addr     // the local address asked from; not valid: whichever the system takes
	Peer   netip.AddrPort // of KindPeerRefused
	Kind   Kind
	Code   int    // of the STUN error response; 0: none came
	Reason string // its reason phrase
	Err    error  // cause, may be nil
}

func (e *Error) Error() string {
	text := e.URL
	if text == "" {
		text = e.Server.String()
	}
	if e.Source.IsValid() {
		text += " from " + e.Source.String()
	}
	return text + ": " + e.what()
}

func (e *Error) what() string {
	switch e.Kind {
	case KindNoResponse, KindUnreachable, KindURL, KindMalformed, KindCanceled:
		return e.Err.Error()
	case KindUnauthorized:
		return "refused the credentials (" + e.status() + ")"
	case KindQuota:
		return "has no relay to give (" + e.status() + ")"
	case KindPeerRefused:
		return fmt.Sprintf("refused to relay to %v (%s)", e.Peer.Addr(), e.status())
	case KindRefused:
		return "refused (" + e.status() + ")"
	}
	return fmt.Sprintf("the connection broke: %v", e.Err)
}

func (e *Error) status() string {
	if e.Reason == "" {
		return strconv.Itoa(e.Code)
	}
	return strconv.Itoa(e.Code) + " " + e.Reason
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Local reports that this host, not the server, is why: it lacks a family or a
// route. The cause says so by a method of the same name.
func (e *Error) Local() bool {
	var own interface{ Local() bool }
	return errors.As(e.Err, &own) && own.Local()
}

// weight ranks how much an error says about the server: that it answered says
// most, that this host lacks a family or a route says nothing.
func (e *Error) weight() int {
	switch {
	case e.Local():
		return 0
	case e.Kind == KindCanceled:
		return 1
	case e.Kind == KindNoResponse:
		return 2
	case e.Kind == KindUnreachable:
		return 3
	}
	return 4
}

// Telling sorts errors of asking servers, the most telling first. Those that are
// about this host alone are left out when there are others, or when something
// succeeded.
func Telling(errs []*Error, succeeded bool) []*Error {
	var list []*Error
	for _, e := range errs {
		if e.weight() > 0 {
			list = append(list, e)
		}
	}
	if len(list) == 0 && !succeeded && len(errs) > 0 {
		return errs[:1]
	}
	slices.SortStableFunc(list, func(a, b *Error) int { return cmp.Compare(b.weight(), a.weight()) })
	return list
}

// ErrSilent is the cause of an Error of KindNoResponse.
var ErrSilent = errors.New("no answer")

// ErrStalled is the cause with which a caller ends the context of servers that
// take longer than is worth waiting for: they count as silent.
var ErrStalled = errors.New("given up: other candidates are there")

// silence is the error of a server that has not answered by the end of ctx, or
// before its retransmissions ended.
func (r *Request) silence(ctx context.Context, waited time.Duration) *Error {
	text := fmt.Errorf("%w within %v", ErrSilent, waited.Round(10*time.Millisecond))
	if canceled(ctx) {
		return r.fail(KindCanceled, ctx.Err())
	}
	return r.fail(KindNoResponse, text)
}

// canceled reports whether the caller gave up, for another reason than that
// time was up.
func canceled(ctx context.Context) bool {
	return errors.Is(ctx.Err(), context.Canceled) && !errors.Is(context.Cause(ctx), ErrStalled)
}

func (r *Request) fail(kind Kind, err error) *Error {
	return &Error{Server: r.location, Source: r.source, Kind: kind, Err: err}
}

// refusal is the error of a STUN error response.
func (r *Request) refusal(code stun.ErrorCodeAttribute) *Error {
	e := r.fail(KindRefused, nil)
	e.Code, e.Reason = int(code.Code), string(code.Reason)
	switch code.Code {
	case stun.CodeUnauthorized, stun.CodeWrongCredentials:
		e.Kind = KindUnauthorized
	case stun.CodeAllocQuotaReached, stun.CodeInsufficientCapacity:
		e.Kind = KindQuota
	}
	return e
}
