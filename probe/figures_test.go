package probe

import (
	"testing"
	"time"
)

// A call may stay up for hours: its result keeps the last hour of windows, and
// the observer is told of every one.
func TestALongCallKeepsItsLastWindows(t *testing.T) {
	told := 0
	c, err := newCall(Target{URL: "http://127.0.0.1/echo", OnWindow: func(Window) { told++ }}.WithDefaults())
	if err != nil {
		t.Fatal(err)
	}
	for i := range MaxWindows + 5 {
		c.keep(&Window{Start: time.Duration(i) * 5 * time.Second, RTTs: Histogram{Count: 250}})
	}
	r := &c.result
	if len(r.Windows) != MaxWindows || r.WindowsDropped != 5 || told != MaxWindows+5 {
		t.Errorf("got %d windows, %d dropped, %d told", len(r.Windows), r.WindowsDropped, told)
	}
	if first := r.Windows[0].Start; first != 25*time.Second {
		t.Errorf("the first window kept begins at %v, want 25s", first)
	}
	spreads := 0
	for i, w := range r.Windows {
		if w.RTTs.Count > 0 {
			spreads++
		} else if spreads > 0 {
			t.Errorf("window %d has no histogram, an older one has", i)
		}
	}
	if spreads != MaxSpreads {
		t.Errorf("%d windows have histograms, want %d", spreads, MaxSpreads)
	}
	if capacity := cap(r.Windows); capacity > 2*MaxWindows {
		t.Errorf("room for %d windows is held", capacity)
	}
}
