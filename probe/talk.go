package probe

import (
	"context"
	"fmt"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
	"github.com/earshot-voip/earshot/internal/peer"
)

// Times of the media step.
const (
	liveInterval = 500 * time.Millisecond // between glimpses for an observer
	stoppedAfter = 2 * time.Second        // without a returned packet at the end of a call: media stopped
	drainStep    = 20 * time.Millisecond  // between looks at whether the last packets' fate is known
	drainPoll    = 200 * time.Millisecond // between requests for the far end's last report
	drainCopies  = 200 * time.Millisecond // how far a copy may lag behind the last packet
	drainGrace   = time.Second            // a packet that is not back by then is lost
	drainAtMost  = 4 * time.Second
)

// talk sends the clip for the call's duration and measures what comes back. The
// figures are in the result also when it fails half-way.
func (c *call) talk(ctx context.Context) error {
	x := c.exchange
	start := mono.Now()
	x.begin(c.peer)

	err := c.run(ctx, start)
	x.stop()
	ended := mono.Now() // what still comes belongs to the last window
	if err == nil {
		err = c.drain(ctx)
	}
	x.finish(ended)
	c.ear.take(ctx, x.tape())
	c.collect()
	if c.result.FirstMedia > 0 {
		text := fmt.Sprintf("%d packets sent, %d came back, the first after %v",
			c.result.RoundTrip.Sent, c.result.RoundTrip.Returned, c.result.FirstMedia.Round(100*time.Microsecond))
		if n := c.peer.Stats().Congestion; n > 0 {
			text += fmt.Sprintf("; the connection to the TURN server was too slow for %d", n)
		}
		c.detail(LayerMedia, text)
	}
	if err == nil {
		err = x.stoppedEarly()
	}
	if oneWay(err) {
		c.result.Audio.State = AudioOneWay
	}
	return err
}

// run keeps the call up until its duration is over, closing windows and sending
// reports on the way.
func (c *call) run(ctx context.Context, start time.Duration) error {
	x := c.exchange
	end := start + c.target.Duration
	firstBy := start + c.target.Deadlines.FirstMedia
	report, cut, live := start+peer.ReportInterval(true), start+c.target.Window, start+liveInterval
	if c.target.OnLive == nil {
		live = end + time.Hour // never
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := mono.Now()
		if now >= report {
			x.report(now)
			report = now + peer.ReportInterval(false)
		}
		if now >= cut {
			x.cut(now)
			c.ear.take(ctx, x.tape())
			cut += c.target.Window
			if end-cut < c.target.Window/10 {
				cut = end + time.Hour // the last window takes the rest, no sliver is left
			}
		}
		c.closeWindows(now)
		if now >= live {
			c.glimpse(now - start)
			live += liveInterval
		}
		heard, bye := x.heard()
		switch {
		case bye:
			return peer.ErrRemoteClosed
		case !heard && now >= firstBy:
			return x.silence()
		case now >= end:
			return nil
		}
		next := min(report, cut, live, end)
		if !heard {
			next = min(next, firstBy)
		}
		timer.Reset(next - now)
		select {
		case <-timer.C:
		case <-c.peer.Done():
			return c.peer.Err()
		case <-c.session.Done():
			return c.session.Err()
		case err := <-x.crashed:
			return err
		case <-c.target.End:
			if heard, _ := x.heard(); !heard {
				return errInterrupted
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// drain waits until the fate of every packet is known: all are back, or the
// grace is over and the far end has reported what it got and sent. It also waits for
// the far end's word on the copies that the network made, which can come behind the
// last packet.
func (c *call) drain(ctx context.Context) error {
	x := c.exchange
	start := mono.Now()
	ask := start + drainCopies
	poll := ask
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := mono.Now()
		fates, copies := x.settled(now, ask)
		if fates && (copies || now >= start+drainGrace) || now >= start+drainAtMost {
			return nil
		}
		if now >= poll {
			x.report(now)
			poll = now + drainPoll
		}
		timer.Reset(drainStep)
		select {
		case <-timer.C:
		case <-c.peer.Done():
			return nil // the call was over; what is known is known
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
