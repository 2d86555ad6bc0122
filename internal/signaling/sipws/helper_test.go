package sipws_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/signaling"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/internal/signaling/sipws"
)

// patience is how long a test waits for what must happen, soon a deadline for
// what never happens.
const (
	patience = 30 * time.Second
	soon     = 300 * time.Millisecond
)

const target = "sip:echo@far.example:5066;user=phone"

// start starts a fake server and returns a dialer for it.
func start(t *testing.T, c signalingtest.SIPConfig, o sipws.Options) (*signalingtest.SIP, signaling.Dialer) {
	t.Helper()
	signalingtest.NoLeaks(t)
	s := signalingtest.NewSIP(t, c)
	return s, dialer(t, s, o)
}

func dialer(t *testing.T, s *signalingtest.SIP, o sipws.Options) signaling.Dialer {
	t.Helper()
	if o.Target == "" {
		o.Target = target
	}
	if o.Via == "" {
		o.Via = s.URL
	}
	if o.Trace == nil {
		o.Trace = &signaling.Trace{Deadlines: signaling.Deadlines{
			Resolve: patience, Connect: patience, TLS: patience, Answer: patience, Hangup: patience,
		}}
	}
	d, err := sipws.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// call dials, and hangs up at the end of the test if the test did not.
func call(t *testing.T, d signaling.Dialer) signaling.Session {
	t.Helper()
	s, err := d.Dial(context.Background(), signalingtest.Offer)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { _ = s.Hangup(context.Background()) }) // the outcome is that of the first
	return s
}

// called starts a server and calls it.
func called(t *testing.T, c signalingtest.SIPConfig, o sipws.Options) (*signalingtest.SIP, signaling.Session) {
	t.Helper()
	s, d := start(t, c, o)
	return s, call(t, d)
}

func hangUp(t *testing.T, s signaling.Session) {
	t.Helper()
	if err := s.Hangup(context.Background()); err != nil {
		t.Errorf("hang-up: %v", err)
	}
}

// fails dials and returns the error, with everything tidied up.
func fails(t *testing.T, d signaling.Dialer) error {
	t.Helper()
	s, err := d.Dial(context.Background(), signalingtest.Offer)
	if err == nil {
		_ = s.Hangup(context.Background())
		t.Fatal("dial went well, want an error")
	}
	if err := d.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	return err
}

func as[E error](t *testing.T, err error) E {
	t.Helper()
	var e E
	if !errors.As(err, &e) {
		t.Fatalf("got %T (%v), want %T", err, err, e)
	}
	return e
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so after %v: %s", patience, what)
		}
	}
}

// ended waits until a session is over and returns why.
func ended(t *testing.T, s signaling.Session) *signaling.EndedError {
	t.Helper()
	select {
	case <-s.Done():
	case <-time.After(patience):
		t.Fatal("the session is not done")
	}
	return as[*signaling.EndedError](t, s.Err())
}

// message waits until the server has got the nth message of a method, counted
// from 1, and returns it.
func message(t *testing.T, s *signalingtest.SIP, method string, n int) signalingtest.SIPMessage {
	t.Helper()
	eventually(t, method+" arrives", func() bool { return len(s.Messages(method)) >= n })
	return s.Messages(method)[n-1]
}

// has checks header fields of a message: each want is "Name: part of the value".
func has(t *testing.T, m signalingtest.SIPMessage, wants ...string) {
	t.Helper()
	for _, want := range wants {
		name, part, _ := strings.Cut(want, ": ")
		if !strings.Contains(strings.Join(m.All(name), "\n"), part) {
			t.Errorf("%s has %s %q, want %q in it", m.First, name, m.All(name), part)
		}
	}
}
