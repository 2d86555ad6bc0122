package impair

import (
	"fmt"
	"math"
	"time"
)

// The values that a zero in the profile stands for.
const (
	DefaultHold  = 50 * time.Millisecond
	DefaultQueue = 200 * time.Millisecond
)

// Bounds that keep a profile within what a call can meet and a queue can hold.
const (
	maxDelay  = time.Minute
	maxJitter = 10 * time.Second
	maxBurst  = 10000
	minRate   = 1000            // bit/s
	maxRate   = 100_000_000_000 // bit/s
)

// Profile describes one direction of a network. The zero value is a clean one:
// nothing lost, nothing late.
type Profile struct {
	// Loss is the ratio of packets lost at random, 0..1.
	Loss float64

	// Burst is the mean number of packets lost in a row. Over 1, losses come
	// from a chain of two states (Gilbert's: all is lost in the bad one, nothing
	// in the good one) with this mean run and the overall ratio Loss. 0 and 1
	// are independent losses, whose mean run is 1/(1-Loss).
	Burst float64

	// Delay is what every packet takes at least.
	Delay time.Duration

	// Jitter is the standard deviation of what comes on top of Delay, never
	// less than nothing, drawn for each packet from Dist.
	Jitter time.Duration
	Dist   Dist

	// Overtake lets a packet with little jitter pass an earlier one with much.
	// Otherwise a packet waits for the one before it, as in a router's queue,
	// and jitter alone never reorders.
	Overtake bool

	// Reorder is the ratio of packets that are held back by Hold (0 stands for
	// DefaultHold) while later ones pass. Those it holds back do not delay
	// the others.
	Reorder float64
	Hold    time.Duration

	// Duplicate is the ratio of delivered packets that arrive twice. The copy
	// has jitter of its own and takes no part of Rate.
	Duplicate float64

	// Outage is a time in which everything is lost.
	Outage Outage

	// Rate is what the bottleneck carries, in bit/s of the sizes given to
	// the link; 0 is no limit. A packet that would wait longer than Queue (0
	// stands for DefaultQueue) before its turn is dropped.
	Rate  int64
	Queue time.Duration

	// Seed selects the random numbers.
	Seed uint64
}

// Outage is a time without any packets: [From, From+For), and again after each
// Every if that is not 0. The zero value is no outage.
type Outage struct {
	From, For, Every time.Duration
}

// covers says whether a packet sent at that time is lost.
func (o Outage) covers(at time.Duration) bool {
	if o.For <= 0 || at < o.From {
		return false
	}
	since := at - o.From
	if o.Every > 0 {
		since %= o.Every
	}
	return since < o.For
}

// Validate reports the first value that is out of its range or contradicts
// another one.
func (p Profile) Validate() error {
	if err := p.validateLoss(); err != nil {
		return err
	}
	for _, r := range []struct {
		key   string
		value float64
	}{{"reorder", p.Reorder}, {"duplicate", p.Duplicate}} {
		if !isRatio(r.value) {
			return problem(r.key, percent(r.value), "is not between 0 and 100 %", r.key+"=1%")
		}
	}
	for _, d := range []struct {
		key          string
		value, limit time.Duration
	}{{"delay", p.Delay, maxDelay}, {"jitter", p.Jitter, maxJitter}, {"hold", p.Hold, maxJitter}, {"queue", p.Queue, maxDelay}} {
		if d.value < 0 || d.value > d.limit {
			return problem(d.key, d.value.String(), fmt.Sprintf("is not between 0 and %v", d.limit), d.key+"=80ms")
		}
	}
	if p.Dist > Pareto {
		return problem("dist", p.Dist.String(), "is not known", "dist="+distNames())
	}
	if p.Rate != 0 && (p.Rate < minRate || p.Rate > maxRate) {
		return problem("rate", rate(p.Rate), "is not between 1 kbit and 100 Gbit", "rate=64kbit")
	}
	o := p.Outage
	switch {
	case o.From < 0 || o.For < 0 || o.Every < 0, o.For == 0 && o != (Outage{}):
		return problem("outage", outage(o), "has no length or goes back in time", "outage=2s+500ms")
	case o.Every != 0 && o.Every <= o.For:
		return problem("outage", outage(o), "never ends, since it repeats before it is over", "outage=2s+500ms/10s")
	}
	return nil
}

func (p Profile) validateLoss() error {
	if !isRatio(p.Loss) {
		return problem("loss", percent(p.Loss), "is not between 0 and 100 %", "loss=3%")
	}
	if p.Burst != 0 && !(p.Burst >= 1 && p.Burst <= maxBurst) {
		return problem("burst", number(p.Burst), fmt.Sprintf("is not between 1 and %d packets", maxBurst), "burst=4")
	}
	// Between two runs at least one packet passes.
	if p.Burst > 1 && p.Loss > p.Burst/(1+p.Burst) {
		need := math.Ceil(p.Loss/(1-p.Loss) - 1e-9)
		try := fmt.Sprintf("burst=%v", need)
		if need > maxBurst {
			try = "no burst"
		}
		return problem("burst", number(p.Burst), "is too short for a loss of "+percent(p.Loss), try)
	}
	return nil
}

func isRatio(v float64) bool { return v >= 0 && v <= 1 }

// problem is the one form of every error about a profile: where, what, and what
// would be right.
func problem(key, value, what, try string) error {
	return fmt.Errorf("impairment %s=%s %s; hint: try %s", key, value, what, try)
}
