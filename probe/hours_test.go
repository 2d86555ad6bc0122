package probe

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
	"github.com/earshot-voip/earshot/internal/pace"
	"github.com/earshot-voip/earshot/internal/rtpflow"
)

// A call may stay up for hours: once it keeps as many windows as it ever will, more
// media takes no more memory. Some packets are lost, so that rings and histograms
// are in use.
func TestMediaWithoutEndTakesConstantMemory(t *testing.T) {
	const (
		window   = 50 // packets
		settled  = MaxWindows + MaxSpreads
		windows  = 3 * settled
		mayGrow  = 64 << 10 // bytes, over 1560 windows and 78,000 packets
		reporter = 25       // packets from report to report
	)
	synctest.Test(t, func(t *testing.T) {
		c, w := talking(t, stampingWire{}, 1)
		x, first, told := c.exchange, mono.Now(), 0
		c.target.OnWindow = func(Window) { told++ }
		var before uint64
		for n := int64(1); n < windows*window; n++ {
			due := first + time.Duration(n)*x.frame
			time.Sleep(due - mono.Now())
			w.lost = 0
			if n%97 == 0 {
				w.lost = w.sent + 1
			}
			x.send(pace.Slot{N: n, Due: due, Now: due})
			if n%reporter == 0 {
				x.report(mono.Now())
			}
			if n%window == 0 {
				x.cut(mono.Now())
				c.ear.take(t.Context(), x.tape())
				c.closeWindows(mono.Now())
			}
			if n == settled*window {
				before = inUse()
			}
		}
		synctest.Wait()
		grown := int64(inUse()) - int64(before)
		if grown > mayGrow {
			t.Errorf("%d bytes more in use after %d more windows, want at most %d", grown, windows-settled, mayGrow)
		}
		if len(c.result.Windows) != MaxWindows || told < windows-3 || c.result.WindowsDropped != told-MaxWindows {
			t.Errorf("%d windows are kept, %d dropped, %d told of %d", len(c.result.Windows), c.result.WindowsDropped, told, windows)
		}
		spreads := 0
		for _, w := range c.result.Windows {
			if w.RTTs.Buckets != nil {
				spreads++
			}
		}
		if spreads > MaxSpreads || spreads == 0 {
			t.Errorf("%d windows have histograms, want at most %d", spreads, MaxSpreads)
		}
		if total := x.total(); total.Up.Lost != 0 || total.Up.Evidence != rtpflow.EvidenceStamps || total.Down.Lost == 0 {
			t.Errorf("got %d lost up, %d lost down by %v", total.Up.Lost, total.Down.Lost, total.Up.Evidence)
		}
		t.Logf("%d packets, %d windows: %+d bytes", x.sent, told, grown)
	})
}

func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
