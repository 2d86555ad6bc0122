package selftest

import (
	"context"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
)

// Capacity is how many calls this host can place before its own noise exceeds
// NoiseLimit.
type Capacity struct {
	State CapacityState
	Calls int    // carried, as far as is known
	Above int    // the least number that was not carried; 0 if all were
	Why   string // why it is not known, or not better
}

// CapacityState says how well the capacity is known.
type CapacityState string

// The states of a capacity.
const (
	CapacityFound   CapacityState = "found"    // within the step of the search
	CapacityAtLeast CapacityState = "at_least" // the search ended by its own bounds
	CapacityUnknown CapacityState = "unknown"  // this host was too noisy to tell
)

// closeEnough is the ratio of what is not carried to what is at which the
// search ends.
const closeEnough = 1.2

// search finds the capacity: upward in steps while more is carried, and then
// between what was carried and what was not.
func (t *test) search(ctx context.Context) error {
	c := &t.report.Capacity
	*c = Capacity{State: CapacityUnknown}
	carried, above, consistent := bounds(t.report.Loopback)
	switch {
	case !consistent:
		c.Why = "more calls went better than fewer: other work on this host disturbs the test"
		return nil
	case carried == 0:
		c.Why = "its own noise is over the limit with the fewest calls"
		return nil
	}
	for {
		next := nextLevel(carried, above, t.MaxCalls)
		if next == 0 || !t.timeFor(next) {
			break
		}
		l, err := t.call(ctx, next)
		if err != nil {
			return err
		}
		if !l.carried() && t.timeFor(next) {
			// One stall of the host is not yet its limit.
			if l, err = t.call(ctx, next); err != nil {
				return err
			}
		}
		if l.carried() {
			carried = next
		} else {
			above = next
		}
	}
	c.Calls, c.Above = carried, above
	switch {
	case above > 0 && isClose(carried, above):
		c.State = CapacityFound
	case above > 0:
		c.State, c.Why = CapacityAtLeast, "the time of the test was over"
	case carried >= t.MaxCalls:
		c.State, c.Why = CapacityAtLeast, "the test places no more"
	default:
		c.State, c.Why = CapacityAtLeast, "the time of the test was over"
	}
	return nil
}

// bounds returns the largest number of calls that was carried and the smallest
// that was not, 0 for none. They are consistent if fewer calls never went worse.
func bounds(tried []Loopback) (carried, above int, consistent bool) {
	for i := range tried {
		switch l := &tried[i]; {
		case l.carried():
			carried = max(carried, l.Calls)
		case above == 0 || l.Calls < above:
			above = l.Calls
		}
	}
	return carried, above, above == 0 || carried < above
}

// nextLevel returns the number of calls to try next, 0 when there is none.
func nextLevel(carried, above, most int) int {
	next := carried + max(carried/2, 1)
	if above > 0 {
		if isClose(carried, above) {
			return 0
		}
		next = (carried + above) / 2
	}
	next = min(next, most)
	if next <= carried {
		return 0
	}
	return next
}

// isClose reports whether the search has found what it can.
func isClose(carried, above int) bool {
	return above == carried+1 || float64(above) <= closeEnough*float64(carried)
}

// Of the time that calls take beside their media.
const (
	setUpRate = 100 // calls a second, as a slow host does it
	beside    = time.Second
)

// timeFor reports whether n calls fit into what is left of the test's time.
func (t *test) timeFor(n int) bool {
	return mono.Now()+time.Duration(n)*time.Second/setUpRate+t.Hold+beside <= t.end
}
