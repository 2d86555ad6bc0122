package signaling

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Kind tells the causes apart that one error type can have. Kinds are stable.
type Kind string

// KindTimeout and KindCanceled occur in ResolveError, ConnectError, TLSError and
// ExchangeError. Errors of both wrap a context error; those of KindTimeout wrap
// context.DeadlineExceeded, whether the step's own deadline or the caller's
// ended it.
const (
	KindTimeout  Kind = "timeout"
	KindCanceled Kind = "canceled"
)

// Kinds of a ResolveError.
const (
	KindNotFound      Kind = "not_found"      // the DNS says that there is no such name, or no address of it
	KindServerFailure Kind = "server_failure" // the DNS server answered with an error, or could not be reached
	KindNoAddress     Kind = "no_address"     // the name has addresses, but none that the chosen local address can reach
)

// Kinds of a ConnectError. KindRefused is also a kind of TLSError.
const (
	KindRefused     Kind = "refused"
	KindUnreachable Kind = "unreachable" // no route from here, or the local address cannot be used
	KindReset       Kind = "reset"       // any other failure of the connection
)

// Kinds of a TLSError.
const (
	KindExpired           Kind = "expired"            // NotAfter says since when
	KindNotYetValid       Kind = "not_yet_valid"      // NotBefore says until when
	KindWrongName         Kind = "wrong_name"         // Names are those the certificate is for
	KindUnknownAuthority  Kind = "unknown_authority"  // no chain to a trusted root
	KindBadCertificate    Kind = "bad_certificate"    // any other fault of the certificate
	KindVersion           Kind = "version"            // no TLS version in common (TLS 1.2 is the least)
	KindClientCertificate Kind = "client_certificate" // the peer wants a certificate from us
	KindPlainHTTP         Kind = "plain_http"         // the peer speaks HTTP without TLS on this port
	KindNotTLS            Kind = "not_tls"            // the peer speaks something else
)

// Kinds of an ExchangeError.
const (
	KindLost     Kind = "lost"     // the connection broke before the answer was complete
	KindProtocol Kind = "protocol" // what came back is not the adapter's protocol
)

// Kinds of an AnswerError.
const (
	KindWrongStatus Kind = "wrong_status" // a success, but not the one that creates a session
	KindWrongType   Kind = "wrong_type"   // a media type other than application/sdp
	KindEmpty       Kind = "empty"
	KindTooLarge    Kind = "too_large"
	KindNotSDP      Kind = "not_sdp"
	KindNoAudio     Kind = "no_audio"   // SDP without an audio section
	KindNoSession   Kind = "no_session" // nothing by which the session could be ended
)

// Kinds of a RedirectError.
const (
	KindNotFollowed Kind = "not_followed" // a redirect that may change the method, or that the protocol does not have
	KindTooMany     Kind = "too_many"
	KindNoTarget    Kind = "no_target" // the target is missing or is no URL of this protocol
	KindDowngrade   Kind = "downgrade" // from an encrypted to a plain target
)

// DeadlineError is the cause of an error of KindTimeout when the step's own
// deadline ended it. It matches context.DeadlineExceeded.
type DeadlineError struct {
	After time.Duration // the deadline
}

func (e *DeadlineError) Error() string { return fmt.Sprintf("not done within %v", e.After) }

// Is reports whether target is context.DeadlineExceeded.
func (e *DeadlineError) Is(target error) bool { return target == context.DeadlineExceeded }

// Timeout returns true, as net.Error has it.
func (e *DeadlineError) Timeout() bool { return true }

// ResolveError says that a host name gave no address.
type ResolveError struct {
	Host string
	Kind Kind
	Err  error
}

func (e *ResolveError) Error() string { return fmt.Sprintf("resolve %s: %v", e.Host, e.Err) }

// Unwrap returns the cause.
func (e *ResolveError) Unwrap() error { return e.Err }

// Local reports that this host, not the target, is why: it lacks the family of
// its addresses.
func (e *ResolveError) Local() bool { return e.Kind == KindNoAddress }

// Attempt is a try to connect to one address.
type Attempt struct {
	Address netip.AddrPort
	Took    time.Duration
	Err     error // nil for the one that became the connection
}

// ConnectError says that no address of a host accepted a connection.
type ConnectError struct {
	Address  string // host:port as dialled
	Kind     Kind   // of the attempt that says most: refused before timed out before unreachable
	Attempts []Attempt
	Err      error // of that attempt
}

func (e *ConnectError) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "connect to %s: %v", e.Address, e.Err)
	if len(e.Attempts) < 2 {
		return text.String()
	}
	text.WriteString(" (")
	for i, a := range e.Attempts {
		if i > 0 {
			text.WriteString("; ")
		}
		fmt.Fprintf(&text, "%s: %v", a.Address, a.Err)
	}
	text.WriteString(")")
	return text.String()
}

// Unwrap returns the cause.
func (e *ConnectError) Unwrap() error { return e.Err }

// Local reports that this host, not the target, is why: it has no route.
func (e *ConnectError) Local() bool { return e.Kind == KindUnreachable }

// TLSError says that a TLS handshake failed.
type TLSError struct {
	Address string // host:port as dialled
	Kind    Kind
	// What the refused certificate says, as far as it came: zero or nil otherwise.
	NotBefore, NotAfter time.Time
	Names               []string
	Err                 error
}

func (e *TLSError) Error() string { return fmt.Sprintf("TLS with %s: %v", e.Address, e.Err) }

// Unwrap returns the cause.
func (e *TLSError) Unwrap() error { return e.Err }

// ExchangeError says that a request got no complete answer.
type ExchangeError struct {
	Request string // what was asked, without secrets: "POST http://host/path"
	Kind    Kind
	Err     error
}

func (e *ExchangeError) Error() string { return fmt.Sprintf("%s: %v", e.Request, e.Err) }

// Unwrap returns the cause.
func (e *ExchangeError) Unwrap() error { return e.Err }

// StatusError says that the far end refused with a status code of its protocol
// (HTTP and SIP share the meaning of most).
type StatusError struct {
	Request    string // as in ExchangeError
	Code       int
	Reason     string        // the protocol's reason phrase
	Body       string        // the beginning of the far end's words: one line, no markup; may be empty
	RetryAfter time.Duration // zero when the far end did not say
}

func (e *StatusError) Error() string {
	text := e.Request + ": refused with " + strconv.Itoa(e.Code)
	if e.Reason != "" {
		text += " " + e.Reason
	}
	if e.Body != "" {
		text += ": " + strconv.Quote(e.Body)
	}
	if e.RetryAfter > 0 {
		text += fmt.Sprintf(", retry after %v", e.RetryAfter)
	}
	return text
}

// RedirectError says that the far end pointed elsewhere and was not followed.
type RedirectError struct {
	Request string // as in ExchangeError
	Code    int
	Target  string // where to, without secrets; empty when not given
	Kind    Kind
	Err     error // cause, may be nil
}

func (e *RedirectError) Error() string {
	text := fmt.Sprintf("%s: redirected with %d", e.Request, e.Code)
	if e.Target != "" {
		text += " to " + e.Target
	}
	switch e.Kind {
	case KindTooMany:
		text += ": too many redirects"
	case KindDowngrade:
		text += ": not followed from an encrypted to a plain connection"
	case KindNoTarget:
		text += ": no usable target"
	default:
		text += ": not followed"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *RedirectError) Unwrap() error { return e.Err }

// AnswerError says that the far end accepted, but with an answer that is of no
// use.
type AnswerError struct {
	Request string // as in ExchangeError
	Kind    Kind
	Err     error
}

func (e *AnswerError) Error() string { return fmt.Sprintf("%s: unusable answer: %v", e.Request, e.Err) }

// Unwrap returns the cause.
func (e *AnswerError) Unwrap() error { return e.Err }
