// Package signalingtest holds what every signalling adapter must do as one
// conformance suite, and the fake far ends that tests of signalling need: a
// WHIP endpoint, a SIP server behind WebSocket, a DNS server and a certificate
// authority, all on loopback.
//
// An adapter passes by calling Run from a test with a Harness that starts its
// own fake far end.
package signalingtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/signaling"
)

// Behaviour is what a fake far end does with an offer. The zero value accepts
// it with Answer at once.
type Behaviour struct {
	Refuse     int           // a status code to refuse with; 0 accepts
	RetryAfter time.Duration // sent with a refusal
	Garbage    string        // accepts with this garbage (one of the harness's) as the answer
	Hold       bool          // creates the session, but answers only after Release
	Drip       bool          // creates the session, then goes on answering without ever coming to an end
}

// Peer is a fake far end. Its methods may be called from any goroutine.
type Peer interface {
	// Dialer returns a dialer for this peer that works through trace, whose
	// RootCAs it may set.
	Dialer(t testing.TB, trace *signaling.Trace) signaling.Dialer
	// Offers receives each offer as it arrives.
	Offers() <-chan string
	// Release lets all held answers go, and holds no later ones.
	Release()
	// Sessions is the number of sessions that are alive, Created that of all so
	// far, Ends that of all requests to end one.
	Sessions() int
	Created() int
	Ends() int
	// Connections is the number of open connections.
	Connections() int
	// HangUp ends all sessions from this side and, where the protocol can, says
	// so.
	HangUp()
	// Die breaks all connections and accepts none any more.
	Die()
}

// Harness is how the suite drives one adapter.
type Harness struct {
	// Start starts a far end that is stopped at the end of the test.
	Start func(t testing.TB, b Behaviour) Peer
	// Refusals are the status codes to refuse with.
	Refusals []int
	// Garbage names what the far end can answer in place of an answer, with the
	// kind of the *signaling.AnswerError or *signaling.ExchangeError that it
	// must give.
	Garbage map[string]signaling.Kind
	// RemoteHangup is whether the protocol tells that the far end hung up, and
	// that the connection on which it would say so broke.
	RemoteHangup bool
	// Cancels is whether the protocol can take back a request that the far end
	// has not answered. Without it a session can only be ended once the answer
	// has told how.
	Cancels bool
}

// HTTPRefusals are the refusals that every adapter over HTTP meets.
var HTTPRefusals = []int{
	http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict,
	http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusInternalServerError, http.StatusServiceUnavailable,
}

// Offer and Answer are what the suite exchanges.
const (
	Offer = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 192.0.2.1\r\na=mid:0\r\na=sendrecv\r\n"
	Answer = "v=0\r\no=- 2 1 IN IP4 192.0.2.2\r\ns=-\r\nt=0 0\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 192.0.2.2\r\na=mid:0\r\na=sendrecv\r\n"
)

// patience is how long the suite waits for what must happen before it calls it
// missing. No passing test waits that long.
const patience = 30 * time.Second

// Run holds an adapter to the contract of package signaling. Every case also
// checks that no goroutine, connection or session is left.
func Run(t *testing.T, h Harness) {
	cases := map[string]func(*testing.T, Harness){
		"an offer is answered and the call hung up":                     answered,
		"each refusal is a StatusError":                                 refused,
		"garbage in place of an answer is told by its kind":             garbage,
		"a slow answer is waited for":                                   slow,
		"an answer that never comes ends with the deadline":             silent,
		"an answer that never ends ends with the deadline":              dripping,
		"a cancelled dial returns at once and its session is ended":     canceled,
		"the caller's deadline ends a dial and its session":             callerDeadline,
		"a dial under an ended context sends nothing":                   neverBegun,
		"a far end that dies before it answers is a lost connection":    diesBeforeAnswer,
		"a hang-up by the far end is a success to hang up after":        remoteHangup,
		"a second hang-up returns what the first did":                   doubleHangup,
		"hang-ups at the same time end the session once":                concurrentHangup,
		"a hang-up works after the call's context ended":                hangupAfterCancel,
		"a hang-up after the far end died returns and leaves nothing":   hangupAfterDeath,
		"two sessions of one far end are independent":                   independent,
		"closing a dialer twice is harmless and leaves sessions intact": closeTwice,
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			NoLeaks(t)
			run(t, h)
		})
	}
}

// trace returns a trace with deadlines that no working call meets.
func trace() *signaling.Trace {
	return &signaling.Trace{Deadlines: signaling.Deadlines{
		Resolve: patience, Connect: patience, TLS: patience, Answer: patience, Hangup: patience,
	}}
}

// hurry is a deadline for what never happens; long enough for a request to get
// through on a busy host.
const hurry = 300 * time.Millisecond

func answered(t *testing.T, h Harness) {
	peer := h.Start(t, Behaviour{})
	tr := trace()
	d := peer.Dialer(t, tr)
	s := dial(t, d)
	if got := <-peer.Offers(); got != Offer {
		t.Errorf("the far end got the offer %q, want %q", got, Offer)
	}
	if got := s.Answer(); got != Answer {
		t.Errorf("answer %q, want %q", got, Answer)
	}
	if got := peer.Sessions(); got != 1 {
		t.Errorf("%d sessions during the call, want 1", got)
	}
	stillOn(t, s)
	for name, p := range map[string]signaling.Phase{"connect": tr.Connect(), "exchange": tr.Exchange()} {
		if p.State != signaling.PhaseOK || p.Start <= 0 || p.Took <= 0 {
			t.Errorf("%s phase %+v, want one that went well and took time", name, p)
		}
	}
	hangUp(t, s)
	closeDialer(t, d)
	nothingLeft(t, peer)
	if peer.Ends() != 1 {
		t.Errorf("the far end was told %d times that the call is over, want 1", peer.Ends())
	}
}

func refused(t *testing.T, h Harness) {
	for _, code := range h.Refusals {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			b := Behaviour{Refuse: code}
			if code == http.StatusServiceUnavailable {
				b.RetryAfter = 17 * time.Second
			}
			peer := h.Start(t, b)
			tr := trace()
			d := peer.Dialer(t, tr)
			err := dialFails(t, d, context.Background())
			var status *signaling.StatusError
			if !errors.As(err, &status) {
				t.Fatalf("error %T (%v), want a *StatusError", err, err)
			}
			if status.Code != code || status.RetryAfter != b.RetryAfter {
				t.Errorf("code %d, retry after %v, want %d and %v", status.Code, status.RetryAfter, code, b.RetryAfter)
			}
			if p := tr.Exchange(); p.State != signaling.PhaseFailed || p.Err != err {
				t.Errorf("exchange phase %+v, want the failure", p)
			}
			closeDialer(t, d)
			nothingLeft(t, peer)
		})
	}
}

func garbage(t *testing.T, h Harness) {
	for name, want := range h.Garbage {
		t.Run(name, func(t *testing.T) {
			peer := h.Start(t, Behaviour{Garbage: name})
			d := peer.Dialer(t, trace())
			err := dialFails(t, d, context.Background())
			var (
				answer   *signaling.AnswerError
				exchange *signaling.ExchangeError
				got      signaling.Kind
			)
			switch {
			case errors.As(err, &answer):
				got = answer.Kind
			case errors.As(err, &exchange):
				got = exchange.Kind
			default:
				t.Fatalf("error %T (%v), want an *AnswerError or *ExchangeError", err, err)
			}
			if got != want {
				t.Errorf("kind %q (%v), want %q", got, err, want)
			}
			if err := d.Close(); err != nil && peer.Sessions() == 0 {
				t.Errorf("close: %v, though no session stayed behind", err)
			} else if err == nil && peer.Sessions() > 0 {
				t.Error("close is content, though a session stayed behind")
			}
			if want != signaling.KindNoSession {
				nothingLeft(t, peer)
			}
		})
	}
}

func slow(t *testing.T, h Harness) {
	peer := h.Start(t, Behaviour{Hold: true})
	d := peer.Dialer(t, trace())
	go func() {
		<-peer.Offers()
		peer.Release()
	}()
	s := dial(t, d)
	hangUp(t, s)
	closeDialer(t, d)
	nothingLeft(t, peer)
}

func silent(t *testing.T, h Harness) {
	peer := h.Start(t, Behaviour{Hold: true})
	tr := trace()
	tr.Deadlines.Answer = hurry
	if !h.Cancels {
		tr.Deadlines.Hangup = hurry
	}
	d := peer.Dialer(t, tr)
	timesOut(t, dialFails(t, d, context.Background()))
	if p := tr.Exchange(); p.State != signaling.PhaseFailed || p.Took < tr.Deadlines.Answer {
		t.Errorf("exchange phase %+v, want a failure that took the deadline of %v", p, tr.Deadlines.Answer)
	}
	if h.Cancels {
		closeDialer(t, d)
		nothingLeft(t, peer)
		return
	}
	if err := d.Close(); err == nil {
		t.Error("close is content, though nobody knows of the session")
	}
	peer.Release()
	eventually(t, "no connection is left", func() bool { return peer.Connections() == 0 })
}

func dripping(t *testing.T, h Harness) {
	peer := h.Start(t, Behaviour{Drip: true})
	tr := trace()
	tr.Deadlines.Answer = hurry
	d := peer.Dialer(t, tr)
	timesOut(t, dialFails(t, d, context.Background()))
	closeDialer(t, d)
	nothingLeft(t, peer)
	if peer.Created() != 1 {
		t.Errorf("%d sessions created, want 1 that was ended", peer.Created())
	}
}

func timesOut(t *testing.T, err error) {
	t.Helper()
	var exchange *signaling.ExchangeError
	if !errors.As(err, &exchange) || exchange.Kind != signaling.KindTimeout || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %T (%v), want an *ExchangeError of kind timeout", err, err)
	}
}

func canceled(t *testing.T, h Harness) {
	peer := h.Start(t, Behaviour{Hold: true})
	d := peer.Dialer(t, trace())
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-peer.Offers()
		cancel()
	}()
	// The far end answers only after Dial returned: a Dial that waits for the
	// answer fails here by its deadline.
	err := dialFails(t, d, ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %T (%v), want one that wraps context.Canceled", err, err)
	}
	if !h.Cancels && peer.Sessions() != 1 {
		t.Errorf("%d sessions before the answer, want 1", peer.Sessions())
	}
	if h.Cancels {
		eventually(t, "the session is over before its answer", func() bool { return peer.Sessions() == 0 })
	}
	peer.Release()
	closeDialer(t, d)
	nothingLeft(t, peer)
	if peer.Created() != 1 || peer.Ends() != 1 {
		t.Errorf("%d sessions created and %d ended, want 1 and 1", peer.Created(), peer.Ends())
	}
}

func callerDeadline(t *testing.T, h Harness) {
	peer := h.Start(t, Behaviour{Hold: true})
	d := peer.Dialer(t, trace())
	ctx, cancel := context.WithTimeout(context.Background(), hurry)
	defer cancel()
	err := dialFails(t, d, ctx)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %T (%v), want one that wraps context.DeadlineExceeded", err, err)
	}
	peer.Release()
	closeDialer(t, d)
	nothingLeft(t, peer)
}

func neverBegun(t *testing.T, h Harness) {
	peer := h.Start(t, Behaviour{})
	d := peer.Dialer(t, trace())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := dialFails(t, d, ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %T (%v), want one that wraps context.Canceled", err, err)
	}
	closeDialer(t, d)
	nothingLeft(t, peer)
	if peer.Created() != 0 {
		t.Errorf("%d sessions created, want none", peer.Created())
	}
}

func diesBeforeAnswer(t *testing.T, h Harness) {
	peer := h.Start(t, Behaviour{Hold: true})
	d := peer.Dialer(t, trace())
	go func() {
		<-peer.Offers()
		peer.Die()
	}()
	err := dialFails(t, d, context.Background())
	var exchange *signaling.ExchangeError
	if !errors.As(err, &exchange) || exchange.Kind != signaling.KindLost {
		t.Errorf("error %T (%v), want an *ExchangeError of kind lost", err, err)
	}
	_ = d.Close() // whether it can complain depends on when the far end died
	eventually(t, "no connection is left", func() bool { return peer.Connections() == 0 })
}

func independent(t *testing.T, h Harness) {
	peer := h.Start(t, Behaviour{})
	d1, d2 := peer.Dialer(t, trace()), peer.Dialer(t, trace())
	s1, s2 := dial(t, d1), dial(t, d2)
	hangUp(t, s1)
	stillOn(t, s2)
	if got := peer.Sessions(); got != 1 {
		t.Errorf("%d sessions after one of two hung up, want 1", got)
	}
	hangUp(t, s2)
	closeDialer(t, d1)
	closeDialer(t, d2)
	nothingLeft(t, peer)
}

func closeTwice(t *testing.T, h Harness) {
	peer := h.Start(t, Behaviour{})
	d := peer.Dialer(t, trace())
	s := dial(t, d)
	closeDialer(t, d)
	closeDialer(t, d)
	stillOn(t, s)
	if got := peer.Sessions(); got != 1 {
		t.Errorf("%d sessions after the dialer was closed, want 1", got)
	}
	hangUp(t, s)
	nothingLeft(t, peer)
}
