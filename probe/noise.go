package probe

import (
	"fmt"
	"time"

	"github.com/earshot-voip/earshot/internal/rtpflow"
)

// Limits beyond which the instrument could itself have caused what it reports.
// They are here and nowhere else (design: measuring.md, "The instrument's own
// error").
const (
	maxLateShare   = 0.01 // of packets that left more than half a frame late: p99 over half a frame
	maxMissedShare = 0.01 // of slots in which nothing was sent
)

// noise counts what the instrument itself did wrong in a window, and what else
// is only known as it happens.
type noise struct {
	sent, late, missed int64
	checked, matched   int64     // returned payloads
	lateness, wake     Histogram // of a window that is cut
}

// trusted reports whether the window shows the network and not this host.
func (n noise) trusted() bool {
	slots := n.sent + n.missed
	return float64(n.late) <= maxLateShare*float64(n.sent) && float64(n.missed) <= maxMissedShare*float64(slots)
}

// windowNoise keeps the noise of the running window and of those that are cut
// but not closed yet.
type windowNoise struct {
	running        noise
	lateness, wake rtpflow.Buckets
	waiting        []noise
}

func (w *windowNoise) add(late time.Duration, missed int64, frame time.Duration) {
	w.running.sent++
	w.running.missed += missed
	w.lateness.Add(late)
	if late > frame/2 {
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
func (s Self) doubts(sent int64, frame time.Duration) []string {
	var reasons []string
	if s.SendLate.Count > 0 && s.SendLate.P99 > frame/2 {
		reasons = append(reasons, fmt.Sprintf("1 %% of packets left more than %v late, half a frame is the limit",
			s.SendLate.P99.Round(10*time.Microsecond)))
	}
	if slots := sent + s.SlotsMissed; slots > 0 && float64(s.SlotsMissed) > maxMissedShare*float64(slots) {
		reasons = append(reasons, fmt.Sprintf("%d of %d send slots were missed, 1 %% is the limit", s.SlotsMissed, slots))
	}
	if s.SocketDrops > 0 {
		reasons = append(reasons, fmt.Sprintf("this host dropped %d packets at the probe's own socket", s.SocketDrops))
	}
	return reasons
}
