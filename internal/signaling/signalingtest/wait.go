package signalingtest

import (
	"context"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/signaling"
)

func dial(t *testing.T, d signaling.Dialer) signaling.Session {
	t.Helper()
	s, err := d.Dial(context.Background(), Offer)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	return s
}

func dialFails(t *testing.T, d signaling.Dialer, ctx context.Context) error {
	t.Helper()
	s, err := d.Dial(ctx, Offer)
	if err == nil {
		_ = s.Hangup(context.Background())
		t.Fatal("dial went well, want an error")
	}
	if s != nil {
		t.Errorf("dial returned a session (%v) beside its error", s)
	}
	return err
}

func hangUp(t *testing.T, s signaling.Session) {
	t.Helper()
	if err := s.Hangup(context.Background()); err != nil {
		t.Errorf("hang-up: %v", err)
	}
	waitDone(t, s)
	if err := s.Err(); err != nil {
		t.Errorf("the session says %v after our own hang-up, want nil", err)
	}
}

func closeDialer(t *testing.T, d signaling.Dialer) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Errorf("close the dialer: %v", err)
	}
}

func waitDone(t *testing.T, s signaling.Session) {
	t.Helper()
	select {
	case <-s.Done():
	case <-time.After(patience):
		t.Fatal("the session is not done")
	}
}

func stillOn(t *testing.T, s signaling.Session) {
	t.Helper()
	select {
	case <-s.Done():
		t.Errorf("the session is done (%v), want it running", s.Err())
	default:
		if err := s.Err(); err != nil {
			t.Errorf("a running session says %v", err)
		}
	}
}

func nothingLeft(t *testing.T, p Peer) {
	t.Helper()
	eventually(t, "no session is left", func() bool { return p.Sessions() == 0 })
	eventually(t, "no connection is left", func() bool { return p.Connections() == 0 })
}

// eventually waits until what is true, and fails the test when it does not
// become so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("not so after %v: %s", patience, what)
			return
		}
	}
}
