package impair

import (
	"context"
	"math"
	"time"
)

// FromFirstPacket as the epoch of a [Line] starts its clock with the first
// packet.
const FromFirstPacket time.Duration = math.MinInt64

// Line is a link with its delivery: datagrams go in at one end and come out at
// the other when they are due, or not at all. Send and Ledger may be called from
// any goroutine, Run from one.
//
// Its ledger is the truth about the order too: a datagram that is handed in so
// late that one with a later arrival has left already is moved behind that one,
// in the ledger as in fact.
type Line struct {
	link  *Link
	queue *Queue // its lock guards the link too
	epoch time.Duration
	begun bool
	ended bool
}

// NewLine makes a line of a fresh link, which belongs to the line from then on.
// epoch is the start of the link's time on the clock of internal/mono: with the
// start of an endpoint all calls see one schedule, with FromFirstPacket each
// sees it from its beginning.
func NewLine(link *Link, epoch time.Duration) *Line {
	return &Line{link: link, queue: NewQueue(0), epoch: epoch, begun: epoch != FromFirstPacket}
}

// Send gives a datagram that came at that time (internal/mono) to the network,
// and copies it if it is to arrive. tag names it in the ledger and on delivery.
func (l *Line) Send(at time.Duration, data []byte, tag uint64) Fate {
	q := l.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if !l.begun {
		l.epoch, l.begun = at, true
	}
	if q.served {
		l.link.floor = q.popped - l.epoch
	}
	const most = 2 // the datagram and its copy
	full := len(q.waits)+most > q.limit || l.ended
	fate := l.link.packet(at-l.epoch, len(data), tag, full)
	if fate.Cause == Delivered {
		q.push(at+fate.Delay, data, tag)
		if fate.Duplicated {
			q.push(at+fate.CopyDelay, data, tag)
		}
	}
	return fate
}

// Run delivers until ctx ends. A line runs once: what is sent afterwards is
// lost as Overflow.
func (l *Line) Run(ctx context.Context, deliver Deliver) {
	l.queue.Run(ctx, deliver)
	l.queue.mu.Lock()
	defer l.queue.mu.Unlock()
	l.ended = true
}

// SetProfile changes the network from the next datagram on; see
// [Link.SetProfile].
func (l *Line) SetProfile(p Profile) {
	l.queue.mu.Lock()
	defer l.queue.mu.Unlock()
	l.link.SetProfile(p)
}

// Ledger returns what the line has done so far; see [Link.Ledger].
func (l *Line) Ledger() Ledger {
	l.queue.mu.Lock()
	defer l.queue.mu.Unlock()
	ledger := l.link.Ledger()
	ledger.InFlight = int64(len(l.queue.waits))
	return ledger
}
