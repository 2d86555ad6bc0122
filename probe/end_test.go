package probe_test

import (
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/farend"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/probe"
)

// endless is a target whose call lasts until its End is closed.
func endless(url string) (t probe.Target, end func()) {
	t = target(url)
	t.Duration, t.Window, t.ID = time.Hour, 500*time.Millisecond, "an id of ours"
	closed := make(chan struct{})
	t.End = closed
	return t, func() { close(closed) }
}

func TestACallThatIsEndedEarlyIsJudgedByWhatItMeasured(t *testing.T) {
	signalingtest.NoLeaks(t)
	s, far, ended := startEcho(t, echo.Config{Down: schedule(t, "loss=20%,seed=3")})
	target, end := endless(farend.Serve(t, far) + "/echo")
	target.Limits.Loss = 1 // the loss is there to be counted, not to be judged
	windows := 0
	target.OnWindow = func(probe.Window) {
		if windows++; windows == 3 {
			end()
		}
	}
	r := place(t, t.Context(), target)
	checkFarEndTold(t, far)
	if r.Failure != nil {
		t.Fatalf("the call failed: %v", r.Failure)
	}
	if r.ID != target.ID {
		t.Errorf("got id %q want %q", r.ID, target.ID)
	}
	if r.Self.Trusted && r.Verdict != probe.Good {
		t.Errorf("the verdict is %s: %s", r.Verdict, r.Summary)
	}
	// The echo's ledger is the oracle: what was sent after the last window that
	// closed counts too, to the packet.
	truth := <-ended
	if r.Downlink.Expected != truth.Downlink.Offered || r.Downlink.Lost != truth.Downlink.Lost || r.Downlink.Lost == 0 {
		t.Errorf("got %d expected and %d lost, the echo says %d and %d", r.Downlink.Expected, r.Downlink.Lost, truth.Downlink.Offered, truth.Downlink.Lost)
	}
	var inWindows int64
	for _, w := range r.Windows {
		inWindows += w.Downlink.Expected
	}
	if inWindows != r.Downlink.Expected {
		t.Errorf("the windows hold %d packets, the call %d", inWindows, r.Downlink.Expected)
	}
	if n := s.Calls(); n != 0 {
		t.Errorf("the echo still has %d calls", n)
	}
}

// A call that fell silent is none that went well, whoever ends it, and its silent
// windows are told of until then.
func TestACallThatIsEndedInSilenceHasFailed(t *testing.T) {
	signalingtest.NoLeaks(t)
	_, far, _ := startEcho(t, echo.Config{})
	relay := farend.NewRelay(t)
	target, end := endless(farend.Serve(t, relay.Between(t, far)) + "/echo")
	target.Window = time.Second
	target.OnLive = onMedia(func() { relay.SetFilter(farend.DropKind(farend.RTP)) })
	silent := 0
	target.OnWindow = func(w probe.Window) {
		if w.Sent > 0 && w.Returned == 0 && w.Downlink.Received == 0 {
			if silent++; silent == 4 {
				end()
			}
		}
	}
	r := place(t, t.Context(), target)
	checkFailure(t, r, probe.LayerMedia, probe.CodeMediaStopped)
	checkFarEndTold(t, far)
	if r.RoundTrip.Returned == 0 || silent < 4 {
		t.Errorf("got %d packets back and %d silent windows, want some, and four of silence", r.RoundTrip.Returned, silent)
	}
}

func TestACallThatIsEndedBeforeMediaIsInterrupted(t *testing.T) {
	signalingtest.NoLeaks(t)
	t.Run("while it connects", func(t *testing.T) {
		target, end := endless("http://" + farend.FullListener(t).String() + "/echo")
		target.OnStep = onStep(probe.LayerGather, probe.StateOK, end)
		checkFailure(t, place(t, t.Context(), target), probe.LayerConnect, probe.CodeCanceled)
	})
	t.Run("before the first packet is back", func(t *testing.T) {
		_, far, _ := startEcho(t, echo.Config{Down: schedule(t, "loss=100%")})
		target, end := endless(farend.Serve(t, far) + "/echo")
		target.OnStep = onStep(probe.LayerDTLS, probe.StateOK, end)
		checkFailure(t, place(t, t.Context(), target), probe.LayerMedia, probe.CodeCanceled)
		checkFarEndTold(t, far)
	})
}

// A panic ends its call like any failure: the far end is told, nothing is left.
func TestAPanicIsAFailedCall(t *testing.T) {
	signalingtest.NoLeaks(t)
	for _, tt := range []struct {
		name  string
		layer probe.Layer
		set   func(*probe.Target)
	}{
		{"in an observer of steps", probe.LayerICE, func(t *probe.Target) {
			t.OnStep = onStep(probe.LayerICE, probe.StateOK, func() { panic("steps") })
		}},
		{"in an observer of windows", probe.LayerMedia, func(t *probe.Target) {
			t.OnWindow = func(probe.Window) { panic("windows") }
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, far, _ := startEcho(t, echo.Config{})
			target, _ := endless(farend.Serve(t, far) + "/echo")
			tt.set(&target)
			r := place(t, t.Context(), target)
			checkFailure(t, r, tt.layer, probe.CodeInternal)
			if text := r.Failure.Err.Error(); !strings.HasPrefix(text, "panic: ") {
				t.Errorf("the error is %q", text)
			}
			checkFarEndTold(t, far)
		})
	}
}
