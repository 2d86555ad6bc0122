package probe_test

import (
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/farend"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/probe"
)

// heapLeft bounds how much more of the heap is in use after fifty calls than
// before them, in bytes: 5 kB for each.
const heapLeft = 256 << 10

// Fifty calls at once from one process to one endpoint in it: all good, and
// nothing of them is left behind.
func TestFiftyCallsAtOnceLeaveNothingBehind(t *testing.T) {
	signalingtest.NoLeaks(t)
	noSocketsLeft(t)
	const calls = 50
	_, f, ended := startEcho(t, echo.Config{})
	url := farend.Serve(t, f) + "/echo"

	// What a process allocates for its first crowd and keeps for the next one:
	// goroutines, buffers, tables.
	crowd(t, url, calls, time.Second)
	checkFarEndTold(t, f)
	drainLedgers(t, ended, calls)
	goroutines, heap, open := runtime.NumGoroutine(), heapInUse(), len(sockets(t))

	results := crowd(t, url, calls, 2*time.Second)
	checkFarEndTold(t, f)
	truth := drainLedgers(t, ended, calls)
	var up, down counts
	var late, wake, rtt, set time.Duration
	for _, r := range results {
		checkGood(t, r)
		checkCounts(t, "uplink", r.Uplink, counts{Expected: r.RoundTrip.Sent, Received: r.RoundTrip.Sent})
		checkCounts(t, "downlink", r.Downlink, counts{Expected: r.RoundTrip.Sent, Received: r.RoundTrip.Sent})
		up, down = up.plus(measured(r.Uplink)), down.plus(measured(r.Downlink))
		late, wake = max(late, r.Self.SendLate.P99), max(wake, r.Self.ReceiveWake.P99)
		rtt, set = max(rtt, r.RoundTrip.RTT.P99), max(set, r.FirstMedia)
	}
	var upTruth, downTruth counts
	for _, c := range truth {
		upTruth, downTruth = upTruth.plus(ledgered(c.Uplink)), downTruth.plus(ledgered(c.Downlink))
	}
	if up != upTruth || down != downTruth {
		t.Errorf("all calls measured %+v up and %+v down, the echo's ledgers say %+v and %+v", up, down, upTruth, downTruth)
	}
	clear(results)

	eventually(t, "as many goroutines as before", func() bool { return runtime.NumGoroutine() <= goroutines })
	eventually(t, "as many sockets as before", func() bool { return len(sockets(t)) <= open })
	var grown int64
	eventually(t, "the heap is as it was", func() bool {
		grown = int64(heapInUse()) - int64(heap)
		return grown <= heapLeft
	})
	t.Logf("%d calls at once, %d packets each way: worst p99 of send lateness %v, of receive wake-up %v, of round trip %v; slowest first media %v",
		calls, up.Expected, late, wake, rtt, set)
	t.Logf("left afterwards: %d goroutines (%d before), %d sockets (%d before), %+d bytes of heap in use",
		runtime.NumGoroutine(), goroutines, len(sockets(t)), open, grown)
}

// crowd places calls at once and returns all results.
func crowd(t *testing.T, url string, calls int, d time.Duration) []*probe.Result {
	t.Helper()
	results := make([]*probe.Result, calls)
	var running sync.WaitGroup
	for i := range results {
		running.Go(func() {
			call := target(url)
			call.Duration = d
			r, err := probe.Run(t.Context(), call)
			if err != nil {
				t.Error(err)
				r = &probe.Result{}
			}
			results[i] = r
		})
	}
	running.Wait()
	return results
}

func drainLedgers(t *testing.T, ended <-chan echo.Call, calls int) []echo.Call {
	t.Helper()
	var ledgers []echo.Call
	for range calls {
		ledgers = append(ledgers, ledgerOf(t, ended))
	}
	return ledgers
}

// ledgerOf waits for the echo's view of a call that is over.
func ledgerOf(t *testing.T, ended <-chan echo.Call) echo.Call {
	t.Helper()
	select {
	case c := <-ended:
		return c
	case <-time.After(patience):
		t.Fatal("the echo still has the call")
		return echo.Call{}
	}
}

// heapInUse is what is reachable, after what is not has been collected.
func heapInUse() uint64 {
	for range 3 { // finalizers and pools need more than one round
		runtime.GC()
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
