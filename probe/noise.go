package probe

import (
	"fmt"
	"time"

	"github.com/earshot-voip/earshot/internal/rtpflow"
)

// Trust says from where on the instrument could itself have caused what it
// reports: a call or window with more is not trusted, so neither scored nor
// judged. Zero takes the default. A packet that this host dropped at the probe's
// own socket makes a call untrusted always.
type Trust struct {
	SendLate time.Duration // that 1 % of packets left late by; half a frame
	Missed   float64       // share of send slots in which nothing was sent; 0.01
}

// maxLateShare is the share of packets that may leave later than Trust.SendLate:
// its p99.
const maxLateShare = 0.01

func (t Trust) withDefaults(frame time.Duration) Trust {
	orDefault(&t.SendLate, frame/2)
	orDefault(&t.Missed, 0.01)
	return t
}

// noise counts what the instrument itself did wrong in a window.
type noise struct {
	sent, late, missed int64
	lateness, wake     Histogram // of a window that is cut
}

// allows reports whether a window shows the network and not this host.
func (t Trust) allows(n noise) bool {
	slots := n.sent + n.missed
	return float64(n.late) <= maxLateShare*float64(n.sent) && float64(n.missed) <= t.Missed*float64(slots)
}

// windowNoise keeps the noise of the running window and of those that are cut
// but not closed yet. A packet that left more than limit late counts as late.
type windowNoise struct {
	limit          time.Duration
	running        noise
	lateness, wake rtpflow.Buckets
	waiting        []noise
}

func (w *windowNoise) add(late time.Duration, missed int64) {
	w.running.sent++
	w.running.missed += missed
	w.lateness.Add(late)
	if late > w.limit {
		w.running.late++
	}
}

func (w *windowNoise) cut() {
	w.running.lateness, w.running.wake = histogram(&w.lateness), histogram(&w.wake)
	w.lateness.Reset()
	w.wake.Reset()
	w.waiting = append(w.waiting, w.running)
	w.running = noise{}
}

func (w *windowNoise) next() noise {
	if len(w.waiting) == 0 {
		return noise{}
	}
	n := w.waiting[0]
	w.waiting = append(w.waiting[:0], w.waiting[1:]...)
	return n
}

// doubts lists why a call cannot be trusted, for a reader; empty when it can.
func (t Trust) doubts(s *Self, sent int64) []string {
	var reasons []string
	if s.SendLate.Count > 0 && s.SendLate.P99 > t.SendLate {
		reasons = append(reasons, fmt.Sprintf("1 %% of packets left more than %v late, %v is the limit",
			s.SendLate.P99.Round(10*time.Microsecond), t.SendLate))
	}
	if slots := sent + s.SlotsMissed; slots > 0 && float64(s.SlotsMissed) > t.Missed*float64(slots) {
		reasons = append(reasons, fmt.Sprintf("%d of %d send slots were missed, %g %% is the limit", s.SlotsMissed, slots, 100*t.Missed))
	}
	if s.SocketDrops > 0 {
		reasons = append(reasons, fmt.Sprintf("this host dropped %d packets at the probe's own socket", s.SocketDrops))
	}
	return reasons
}
