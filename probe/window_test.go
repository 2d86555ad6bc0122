package probe_test

import (
	"slices"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/farend"
	"github.com/earshot-voip/earshot/probe"
)

// The histograms of a call's windows hold each packet once, where the call's own
// figures say it lies; and each window says how the call stood.
func TestWindowsHoldEveryPacketsTimes(t *testing.T) {
	t.Parallel()
	_, f, _ := startEcho(t, echo.Config{Up: schedule(t, "delay=40ms,seed=1"), Down: schedule(t, "loss=10%,seed=2")})
	call := target(farend.Serve(t, f) + "/echo")
	call.Duration, call.Window = 2*time.Second, 600*time.Millisecond
	var told []probe.Window
	call.OnWindow = func(w probe.Window) { told = append(told, w) }
	r := place(t, t.Context(), call)
	if r.Failure != nil || len(told) < 3 {
		t.Fatalf("got %d windows, failure %v", len(told), r.Failure)
	}
	var rtt, late, wake, heard int64
	for i, w := range told {
		if w.RTTs.Count != w.RTT.Count || w.RTTs.Count != sum(t, w.RTTs) {
			t.Errorf("window %d: %d round trips in %+v, %d in the quantiles", i, sum(t, w.RTTs), w.RTTs, w.RTT.Count)
		}
		if mean := w.RTTs.Sum / time.Duration(max(w.RTTs.Count, 1)); mean < w.RTT.Min || mean > w.RTT.Max {
			t.Errorf("window %d: mean round trip %v, not within %v..%v", i, mean, w.RTT.Min, w.RTT.Max)
		}
		for _, b := range w.RTTs.Buckets {
			if b.Upper < 0.040 {
				t.Errorf("window %d: %d round trips under %v s, the path alone takes 40 ms", i, b.Count, b.Upper)
			}
		}
		rtt += w.RTTs.Count
		late += sum(t, w.Self.SendLate)
		wake += sum(t, w.Self.ReceiveWake)
		heard += w.Audio.Matched
		if w.Sent > 5 && (w.Codec == nil || w.Codec.Name != "PCMU" || w.Route == nil || w.Route.Relayed || w.Echo != probe.EchoStamping || w.Audio.State != probe.AudioOK) {
			t.Errorf("window %d: codec %+v, route %+v, echo %s, audio %+v", i, w.Codec, w.Route, w.Echo, w.Audio)
		}
	}
	// A packet whose sending this host held up has no round-trip time.
	timed := rtt <= r.RoundTrip.Returned && rtt >= r.RoundTrip.Returned-r.Self.SendStalls
	if !timed || late != r.RoundTrip.Sent || wake < rtt || heard != r.Audio.Matched || r.RoundTrip.Returned >= r.RoundTrip.Sent {
		t.Errorf("windows hold %d round trips, %d departures, %d arrivals; the call has %d returned of %d, %d stalls",
			rtt, late, wake, r.RoundTrip.Returned, r.RoundTrip.Sent, r.Self.SendStalls)
	}
}

// sum adds up a histogram's buckets, which must be in order and not empty.
func sum(t *testing.T, h probe.Histogram) (n int64) {
	t.Helper()
	for _, b := range h.Buckets {
		n += b.Count
	}
	inOrder := slices.IsSortedFunc(h.Buckets, func(a, b probe.Bucket) int {
		if a.Upper < b.Upper {
			return -1
		}
		return 1
	})
	if !inOrder || n != h.Count {
		t.Errorf("buckets %+v of %d", h.Buckets, h.Count)
	}
	return n
}
