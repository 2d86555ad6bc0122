package exporter

import (
	"slices"
	"sync"
	"time"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/probe"
)

// target is what is kept of one target.
type target struct {
	mu         sync.Mutex
	series     store
	job        agent.Job
	lastCall   time.Time // or window: what refreshes the gauges of calls
	lastWindow time.Time
	placed     string // the call that was placed last
	placedAt   time.Time
	up         map[string]bool // ids of the running calls that had windows
	failing    time.Time       // since when calls fail, see fail; zero: the last one worked
	heard      string          // the call whose window was the last that counted in rows of windows
	heardUntil time.Time       // when that closed
}

// overlaps reports whether a window is of a time that another call's has told of:
// while a call is renewed there are two, and what happens then must not count twice
// in a row of windows.
func (t *target) overlaps(id string, now time.Time, w *probe.Window) bool {
	if id != t.heard && t.heardUntil.Sub(now.Add(-w.Length)) > w.Length/4 {
		return true
	}
	t.heard, t.heardUntil = id, now
	return false
}

// fail notes how a call ended, and returns how long before its start the row of
// failed calls began that it is in: when the first of them ended, or when nothing
// more came back in that one.
func (t *target) fail(now time.Time, r *probe.Result) time.Duration {
	if r.Verdict != probe.Failed {
		t.failing = time.Time{}
		return 0
	}
	if t.failing.IsZero() {
		t.failing = now.Add(-silence(r.Windows))
	}
	return max(r.Started.Sub(t.failing), 0)
}

// silence is how long nothing had come back at the end of a call, by its windows.
func silence(windows []probe.Window) (d time.Duration) {
	for _, w := range slices.Backward(windows) {
		if agent.Heard(&w) {
			break
		}
		if agent.Silent(&w) {
			d += w.Length
		}
	}
	return d
}

// stood is the age from which on a call with media ends a row of failures, as
// the agent no longer takes it for one that ended at once.
const stood = 30 * time.Second

// stands reports whether a window is of a call without pause that was placed
// after all others, has media, and has been there for a while. One that was there
// before calls failed says nothing of them.
func (t *target) stands(id string, now time.Time, w *probe.Window) bool {
	return t.job.Mode == agent.Continuous && id == t.placed && now.Sub(t.placedAt) >= stood && w.Returned > 0
}
