package signalingtest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/earshot-voip/earshot/internal/signaling"
)

func remoteHangup(t *testing.T, h Harness) {
	peer := h.Start(t, Behaviour{})
	d := peer.Dialer(t, trace())
	s := dial(t, d)
	peer.HangUp()
	if h.RemoteHangup {
		waitDone(t, s)
		var end *signaling.EndedError
		if !errors.As(s.Err(), &end) {
			t.Errorf("session ended with %T (%v), want an *EndedError", s.Err(), s.Err())
		}
	} else {
		stillOn(t, s)
	}
	if err := s.Hangup(context.Background()); err != nil {
		t.Errorf("hang-up after the far end did: %v", err)
	}
	waitDone(t, s)
	closeDialer(t, d)
	nothingLeft(t, peer)
}

func doubleHangup(t *testing.T, h Harness) {
	peer := h.Start(t, Behaviour{})
	d := peer.Dialer(t, trace())
	s := dial(t, d)
	hangUp(t, s)
	hangUp(t, s)
	closeDialer(t, d)
	nothingLeft(t, peer)
	if peer.Ends() != 1 {
		t.Errorf("the far end was told %d times that the call is over, want 1", peer.Ends())
	}
}

func concurrentHangup(t *testing.T, h Harness) {
	peer := h.Start(t, Behaviour{})
	d := peer.Dialer(t, trace())
	s := dial(t, d)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := s.Hangup(context.Background()); err != nil {
				t.Errorf("hang-up: %v", err)
			}
			if peer.Sessions() != 0 {
				t.Error("a hang-up returned before the session was over")
			}
		})
	}
	all.Wait()
	waitDone(t, s)
	closeDialer(t, d)
	nothingLeft(t, peer)
	if peer.Ends() != 1 {
		t.Errorf("the far end was told %d times that the call is over, want 1", peer.Ends())
	}
}

func hangupAfterCancel(t *testing.T, h Harness) {
	peer := h.Start(t, Behaviour{})
	d := peer.Dialer(t, trace())
	ctx, cancel := context.WithCancel(context.Background())
	s, err := d.Dial(ctx, Offer)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	cancel()
	stillOn(t, s)
	if err := s.Hangup(ctx); err != nil {
		t.Errorf("hang-up: %v", err)
	}
	waitDone(t, s)
	closeDialer(t, d)
	nothingLeft(t, peer)
}

func hangupAfterDeath(t *testing.T, h Harness) {
	peer := h.Start(t, Behaviour{})
	d := peer.Dialer(t, trace())
	s := dial(t, d)
	peer.Die()
	first := s.Hangup(context.Background())
	if first == nil && !h.RemoteHangup {
		t.Error("hang-up is content, though the far end cannot have heard it")
	}
	if second := s.Hangup(context.Background()); second != first {
		t.Errorf("second hang-up returned %v, the first %v", second, first)
	}
	waitDone(t, s)
	closeDialer(t, d)
	eventually(t, "no connection is left", func() bool { return peer.Connections() == 0 })
}
