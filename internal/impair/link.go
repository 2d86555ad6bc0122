package impair

import "time"

// Cause says why a packet did not arrive, or that it did.
type Cause uint8

// The causes. Where two apply, the first of outage, random and overflow counts.
const (
	Delivered Cause = iota
	Lost            // at random
	InOutage        // sent while the profile's outage lasted
	QueueFull       // the bottleneck's queue was longer than the profile allows
	Overflow        // a Line had no more room for packets in the air
)

var causeText = [...]string{Delivered: "delivered", Lost: "random", InOutage: "outage", QueueFull: "queue", Overflow: "overflow"}

// String is the word that the ledger uses.
func (c Cause) String() string {
	if int(c) < len(causeText) {
		return causeText[c]
	}
	return "unknown"
}

// Fate is what happens to one packet. The delays mean nothing unless Cause is
// Delivered.
type Fate struct {
	Cause      Cause
	Duplicated bool          // a copy arrives too
	Delay      time.Duration // from the offered time to arrival
	CopyDelay  time.Duration // the same for the copy; shorter than Delay if the copy overtakes
}

// Link decides the fate of each packet of one direction. It belongs to one
// goroutine.
type Link struct {
	profile Profile
	began   Schedule // for the ledger
	steps   Schedule // still to come
	random  random

	enter, stay float64 // chances of a loss after an arrival and after a loss

	index uint64        // of the next packet
	bad   bool          // the last packet was lost at random
	last  time.Duration // latest offered time
	free  time.Duration // the bottleneck has sent everything by then
	order time.Duration // latest arrival among the packets that keep their order
	floor time.Duration // a Line has delivered a packet with this arrival

	books books
}

// NewLink starts a link with a profile, which must be valid: see
// [Profile.Validate]. [Parse] returns no other.
func NewLink(p Profile) *Link { return Schedule{{Profile: p}}.Link() }

// SetProfile changes the profile from the next packet on. The seed stays, and
// so does the memory of the link: a run of losses may go on, and order is kept
// with the packets that are in the air.
func (l *Link) SetProfile(p Profile) {
	l.profile = p
	l.enter, l.stay = p.Loss, p.Loss
	if p.Burst > 1 && p.Loss < 1 {
		l.enter = p.Loss / (p.Burst * (1 - p.Loss))
		l.stay = 1 - 1/p.Burst
		if p.Loss == 0 {
			l.stay = 0
		}
	}
}

// Packet decides the fate of the next packet. at is the time since the link's
// start and should not go back; size is in bytes and matters for the rate limit
// only. Packet does not allocate, apart from what the ledger and the packets in
// the air need as their number grows.
func (l *Link) Packet(at time.Duration, size int) Fate { return l.Tagged(at, size, l.index) }

// Tagged is Packet with the caller's own name for the packet in the ledger, such
// as its RTP sequence number.
func (l *Link) Tagged(at time.Duration, size int, tag uint64) Fate {
	return l.packet(at, size, tag, false)
}

// packet is Tagged; full says that there is no room to keep the packet.
func (l *Link) packet(at time.Duration, size int, tag uint64, full bool) Fate {
	now := max(at, l.last)
	l.last = now
	for len(l.steps) > 0 && now >= l.steps[0].At {
		l.SetProfile(l.steps[0].Profile)
		l.steps = l.steps[1:]
	}
	fate := Fate{Cause: l.cause(now, size, full)}
	if fate.Cause == Delivered {
		arrival, copied := l.arrivals(now, &fate)
		fate.Delay = arrival - at
		if fate.Duplicated {
			fate.CopyDelay = copied - at
		}
	}
	l.books.enter(l.index, now, Record{Tag: tag, At: at, Size: size, Fate: fate})
	l.index++
	return fate
}

// cause moves the loss chain on, also when something else takes the packet, and
// lets a packet that gets so far take its place in the bottleneck.
func (l *Link) cause(now time.Duration, size int, full bool) Cause {
	chance := l.enter
	if l.bad {
		chance = l.stay
	}
	if l.index == 0 {
		chance = l.profile.Loss // as if the chain had run forever
	}
	l.bad = l.random.draw(laneLoss, l.index) < chance
	switch {
	case l.profile.Outage.covers(now):
		return InOutage
	case l.bad:
		return Lost
	case full:
		return Overflow
	}
	if l.profile.Rate > 0 {
		starts := max(l.free, now)
		if starts-now > orDefault(l.profile.Queue, DefaultQueue) {
			return QueueFull
		}
		l.free = starts + transmission(size, l.profile.Rate)
	}
	return Delivered
}

// arrivals returns when the packet and its copy, if fate gets one, arrive.
func (l *Link) arrivals(now time.Duration, fate *Fate) (arrival, copied time.Duration) {
	p := &l.profile
	leaves := now
	if p.Rate > 0 {
		leaves = l.free
	}
	held := l.random.draw(laneHold, l.index) < p.Reorder
	arrival = l.inOrder(leaves+p.Delay+p.added(l.random.draw(laneDelay, l.index)), held)
	if l.random.draw(laneDuplicate, l.index) < p.Duplicate {
		fate.Duplicated = true
		copied = l.inOrder(leaves+p.Delay+p.added(l.random.draw(laneCopyDelay, l.index)), held)
		if held { // the copy of a held packet does not give it away
			copied = max(copied, arrival)
		}
	}
	return arrival, copied
}

// inOrder moves an arrival behind those it must not overtake.
func (l *Link) inOrder(arrival time.Duration, held bool) time.Duration {
	if !l.profile.Overtake {
		arrival = max(arrival, l.order)
	}
	if held {
		arrival += orDefault(l.profile.Hold, DefaultHold)
	}
	arrival = max(arrival, l.floor)
	if !held {
		l.order = max(l.order, arrival)
	}
	return arrival
}

// transmission is the time that size bytes take at rate bit/s, rounded up.
func transmission(size int, rate int64) time.Duration {
	const largest = 1 << 24 // no datagram is; keeps the product within 64 bits
	work := uint64(min(max(size, 0), largest)) * 8 * uint64(time.Second)
	return time.Duration((work + uint64(rate) - 1) / uint64(rate))
}

func orDefault(d, fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return d
}
