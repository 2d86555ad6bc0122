package probe

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/media"
	"github.com/earshot-voip/earshot/internal/pace"
	"github.com/earshot-voip/earshot/internal/rtpflow"
)

// The send clock and the reader of sockets serve all calls of the process: what
// goes wrong there for one call must neither end them nor leave a lock held.
func TestAPanicOnASharedThreadEndsItsCallAlone(t *testing.T) {
	codec, err := media.Lookup("pcmu")
	if err != nil {
		t.Fatal(err)
	}
	for name, misuse := range map[string]func(*exchange){
		"the send clock": func(x *exchange) { x.send(pace.Slot{}) }, // there is no flow yet
		"the reader": func(x *exchange) {
			x.flow = rtpflow.NewEcho(rtpflow.Config{ClockRate: 8000, Frame: codec.Frame, Accept: rtpflow.PayloadTypes(0)})
			x.recorder = nil
			header := rtpflow.Header{SSRC: 1, SequenceNumber: 1}
			x.received(time.Second, time.Second, append(header.AppendTo(nil), make([]byte, 160)...))
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := newExchange(Trust{})
			misuse(x)
			select {
			case err := <-x.crashed:
				if !strings.HasPrefix(err.Error(), "panic: ") {
					t.Errorf("got %v", err)
				}
			default:
				t.Fatal("the panic is not known to the call")
			}
			if !x.mu.TryLock() {
				t.Fatal("the lock is still held")
			}
		})
	}
}

// TestTargetThatNoAdapterTakes: an adapter that refuses the target is a failed
// call like any other, and hanging up has nothing to close.
func TestTargetThatNoAdapterTakes(t *testing.T) {
	r, err := Run(context.Background(), Target{URL: "http://127.0.0.1:9/echo", Token: "a token has no spaces"})
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict != Failed || r.Failure == nil || !strings.Contains(r.Failure.Err.Error(), "bearer token") {
		t.Errorf("got %s, %+v", r.Verdict, r.Failure)
	}
}
