package agent

import (
	"hash/fnv"
	"time"
)

// Times of a schedule.
const (
	soonest  = time.Minute // a first slot further off than this is not waited for
	firstGap = time.Second // between a bad call and the first one beside the schedule; each later gap is twice as long
)

// schedule says when the calls of a periodic job are due. It knows no clock: all
// times are since the agent's start, which never goes back and is no time of
// day.
//
// Slots are phase + n·every, so the schedule does not drift, and the phase comes
// from the name, so that jobs with the same interval are spread over it and a
// job keeps its place when others come and go. After a bad call others follow
// beside the schedule, at once and then with doubling gaps, as long as each can
// end before the next slot. When the gap is longer than half the interval, only
// the schedule is left, until a call is good again.
type schedule struct {
	phase, every time.Duration
	usual        time.Duration // that a call takes

	slot    int64         // the next to be served
	early   time.Duration // a call before the first slot, or never
	retest  time.Duration // a call beside the schedule, or never
	retests int           // since the last good call
	skipped int64         // slots that were not served
}

const never time.Duration = -1

// due is one call that is to be placed.
type due struct {
	at     time.Duration
	retest bool
}

// newSchedule begins at now.
func newSchedule(name string, every, usual, now time.Duration) *schedule {
	s := &schedule{phase: spread(name, every), every: every, usual: usual, early: never, retest: never}
	s.slot = s.after(now)
	if wait := s.at(s.slot) - now; wait > soonest {
		s.early = now + spread(name, soonest)
	}
	return s
}

// spread is a time within a span that a name always gets, evenly over names.
func spread(name string, span time.Duration) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	// FNV leaves the high bits of similar short names alike: mix them
	// (the finalizer of splitmix64).
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return time.Duration(x % uint64(max(span, 1)))
}

// at is when a slot is due.
func (s *schedule) at(slot int64) time.Duration { return s.phase + time.Duration(slot)*s.every }

// after is the first slot that is not over at a time.
func (s *schedule) after(now time.Duration) int64 {
	if now <= s.phase {
		return 0
	}
	return int64((now - s.phase + s.every - 1) / s.every)
}

// next is the call to place next.
func (s *schedule) next() due {
	switch {
	case s.early != never:
		return due{at: s.early}
	case s.retest != never:
		return due{at: s.retest, retest: true}
	}
	return due{at: s.at(s.slot)}
}

// begin notes that the call that next named begins. It may have waited: slots
// that passed in the meantime are served by it.
func (s *schedule) begin(now time.Duration) {
	switch {
	case s.early != never:
		s.early = never
	case s.retest != never:
		s.retest = never
	default:
		s.slot++
	}
	s.skip(now)
}

// deny gives up the call beside the schedule.
func (s *schedule) deny() { s.retest = never }

// end notes how the call that began last went.
func (s *schedule) end(now, took time.Duration, o outcome) {
	s.skip(now)
	switch o {
	case fine:
		s.retests = 0
	case bad:
		gap := firstGap << s.retests
		if gap > s.every/2 {
			return
		}
		s.retests++
		if now+gap+max(took, s.usual) <= s.at(s.slot) {
			s.retest = now + gap
		}
	}
}

// skip gives up slots that are more than half an interval old: a call then would
// be one for the next slot.
func (s *schedule) skip(now time.Duration) {
	if late := now - s.at(s.slot); late > s.every/2 {
		gone := int64((late + s.every/2 - 1) / s.every)
		s.slot += gone
		s.skipped += gone
	}
}

// outcome is what a call means for the schedule.
type outcome uint8

const (
	fine    outcome = iota
	bad             // failed or degraded: look again soon
	unknown         // says nothing about the target
)
