package sipws

import (
	"time"

	"github.com/emiago/sipgo/sip"
)

// interval is what both sides agreed about keeping a session fresh (RFC 4028).
// Without a length it lasts until somebody hangs up.
type interval struct {
	length time.Duration
	ours   bool // this side refreshes
	update bool // the far end knows UPDATE
	next   time.Duration
}

// agreedInterval reads a success to a request of ours that offered an interval.
func agreedInterval(r *sip.Response) interval {
	value := header(r, "Session-Expires", "x")
	length, ok := deltaSeconds(value)
	if !ok || length <= 0 {
		return interval{} // the far end does not know it (RFC 4028, 7.2)
	}
	i := interval{length: length, ours: parameter(value, "refresher") != "uas", update: lists(r, "UPDATE", "Allow")}
	i.next = i.length / 2
	return i
}

// asking keeps what the earlier interval knew when a refresh did not say.
func (i interval) asking(earlier interval) interval {
	i.update = i.update || earlier.update
	return i
}

// expiring is an interval that nobody refreshes any more.
func (i interval) expiring() interval {
	i.ours = false
	return i
}

// soon is an interval whose refresh is due at once.
func (i interval) soon() interval {
	i.next = time.Millisecond
	return i
}

// schedule is an interval with its timers.
type schedule struct {
	current         interval
	refresh, expiry *time.Timer
}

func newSchedule(i interval) *schedule {
	s := &schedule{refresh: time.NewTimer(time.Hour), expiry: time.NewTimer(time.Hour)}
	s.set(i)
	return s
}

// set begins an interval. The side that waits gives up a little before it is
// over: a third of it, and at most 32 s (RFC 4028, 10).
func (s *schedule) set(i interval) {
	s.stop()
	s.current = i
	if i.length <= 0 {
		return
	}
	if i.ours {
		s.refresh.Reset(i.next)
		return
	}
	s.expiry.Reset(i.length - min(i.length/3, 32*time.Second))
}

func (s *schedule) stop() {
	s.refresh.Stop()
	s.expiry.Stop()
}
