package echo

import (
	"context"
	"time"

	"github.com/earshot-voip/earshot/internal/impair"
)

// leg is one direction of a call on its way through the impairment. A clean leg
// only keeps the books; it holds nothing up.
type leg struct {
	link *impair.Link // clean: books only; belongs to whoever offers
	line *impair.Line // impaired
	ran  chan struct{}
}

// newLeg makes a leg that follows a schedule; without one it is clean, unless it
// may change.
func newLeg(s impair.Schedule, record int, changes bool) *leg {
	link := s.Link()
	link.Record(record)
	if s == nil && !changes {
		return &leg{link: link}
	}
	return &leg{line: impair.NewLine(link, impair.FromFirstPacket), ran: make(chan struct{})}
}

// clean reports whether packets pass untouched.
func (l *leg) clean() bool { return l.line == nil }

// run delivers what an impaired leg lets through, until ctx ends.
func (l *leg) run(ctx context.Context, deliver impair.Deliver) {
	if l.clean() {
		return
	}
	go func() {
		defer close(l.ran)
		l.line.Run(ctx, deliver)
	}()
}

// wait returns when nothing is delivered any more.
func (l *leg) wait() {
	if !l.clean() {
		<-l.ran
	}
}

// offer gives a packet to an impaired leg, or books it on a clean one.
func (l *leg) offer(at time.Duration, data []byte, tag uint64) {
	if l.clean() {
		l.link.Tagged(at, len(data), tag)
		return
	}
	l.line.Send(at, data, tag)
}

func (l *leg) ledger() impair.Ledger {
	if l.clean() {
		return l.link.Ledger()
	}
	return l.line.Ledger()
}
