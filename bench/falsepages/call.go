package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/earshot-voip/earshot/mos"
	"github.com/earshot-voip/earshot/probe"
)

// Times of a simulated call: those of a real one, or their defaults.
const (
	windowLength = 5 * time.Second
	grace        = time.Second      // a packet that is not back by then is lost
	held         = 20 * time.Second // at most, while nothing tells the fate of what was sent (internal/rtpflow, Closed)
	connectTime  = 5 * time.Second  // probe.Deadlines
	consentTime  = 15 * time.Second // probe.Deadlines
	stoppedAfter = 2 * time.Second  // probe/talk.go
	drainAtMost  = 4 * time.Second  // probe/talk.go
	handshakes   = 6                // round trips of a set-up, about
	ownTime      = 80 * time.Millisecond
)

// call is one simulated call. What it does in which order is that of probe.Run.
type call struct {
	site   *site
	path   path
	codec  mos.Codec
	target probe.Target
	result *probe.Result
	begin  time.Time // of the media
	sent   time.Time // until when windows were told
	shown  time.Time // when the last one was
	up     tally
	down   tally
	late   float64 // windows that were not trusted
	all    float64
}

// Call is the agent's way to place calls: through the simulated network, in the
// time of the bubble.
func (s *site) Call(ctx context.Context, t probe.Target) (*probe.Result, error) {
	t = t.WithDefaults()
	c := &call{site: s, path: s.paths[t.Name], codec: s.codecs[t.Name], target: t}
	c.result = &probe.Result{
		ID: t.ID, Name: t.Name, Site: s.name, Target: t.URL, Started: time.Now(), Echo: probe.EchoUnknown,
		Audio: probe.Audio{State: probe.AudioNotChecked}, Self: probe.Self{Trusted: true, KernelTimestamps: true},
		Uplink: probe.Direction{Evidence: probe.EvidenceNone}, Downlink: probe.Direction{Evidence: probe.EvidenceNone},
	}
	code := c.setUp(ctx)
	if code == "" {
		code = c.talk(ctx)
	}
	c.judge(code)
	c.result.Elapsed = time.Since(c.result.Started)
	return c.result, nil
}

// wait sleeps until a time, or until the call is to end.
func (c *call) wait(ctx context.Context, until time.Time) (asked bool) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-timer.C:
		return false
	case <-c.target.End:
		return true
	case <-ctx.Done():
		return true
	}
}

// setUp takes the time of the layers under media, or says which of them broke.
func (c *call) setUp(ctx context.Context) probe.Code {
	now := time.Now()
	if c.path.refuses(now) {
		if c.wait(ctx, now.Add(c.path.roundTrip()*2)) {
			return probe.CodeCanceled
		}
		return probe.CodeUnavailable
	}
	connected := now
	if _, until, dead := c.path.dead(now); dead {
		// TCP sends its SYN again after 1 s and 3 s (RFC 6298, with Linux's first second).
		for _, again := range []time.Duration{time.Second, 3 * time.Second, connectTime} {
			if connected = now.Add(again); !connected.Before(until) {
				break
			}
		}
		if connected.Sub(now) == connectTime {
			if c.wait(ctx, connected) {
				return probe.CodeCanceled
			}
			return probe.CodeConnectTimeout
		}
	}
	if c.wait(ctx, connected.Add(handshakes*c.path.roundTrip()+ownTime)) {
		return probe.CodeCanceled
	}
	return ""
}

// talk has media flow, and tells of each window when it is closed.
func (c *call) talk(ctx context.Context) probe.Code {
	c.begin = time.Now()
	c.sent, c.shown = c.begin, c.begin
	c.result.FirstMedia = c.begin.Add(c.path.roundTrip()).Sub(c.result.Started)
	end := c.begin.Add(c.target.Duration)
	for c.sent.Before(end) {
		cut := c.sent.Add(windowLength)
		if end.Sub(cut) < windowLength/10 {
			cut = end
		}
		if lost, is := c.consentLost(cut); is {
			if c.wait(ctx, lost) {
				return c.finish()
			}
			c.tellUntil(time.Now())
			return probe.CodeConsentLost
		}
		patience := held
		if cut.Equal(end) {
			patience = drainAtMost
		}
		if c.wait(ctx, c.closing(cut, patience)) {
			return c.finish()
		}
		c.tell(cut)
	}
	return c.stopped()
}

// consentLost is when an outage that begins before a time ends the call, if one
// does.
func (c *call) consentLost(before time.Time) (at time.Time, is bool) {
	for at := c.sent; ; at = at.Add(time.Second) {
		if at.After(before) {
			at = before
		}
		if since, until, dead := c.path.dead(at); dead && until.Sub(since) > consentTime {
			return since.Add(consentTime), true
		}
		if at.Equal(before) {
			return time.Time{}, false
		}
	}
}

// closing is when a window that is cut at a time is told of: when the fate of
// its packets is known, or nobody waits for it any longer.
func (c *call) closing(cut time.Time, patience time.Duration) time.Time {
	at := cut.Add(grace / 2)
	if _, until, dead := c.path.dead(cut); dead {
		at = cut.Add(min(max(until.Sub(cut)+c.path.roundTrip(), grace), patience))
	}
	if at.Before(c.shown) {
		return c.shown
	}
	return at
}

// tell tells of the window up to a cut.
func (c *call) tell(cut time.Time) {
	w := c.site.windowOf(c.path, c.codec, c.begin, c.sent, cut)
	c.sent, c.shown = cut, time.Now()
	c.up.add(w.up)
	c.down.add(w.down)
	c.all++
	if !w.Trusted {
		c.late++
	}
	w.Codec, w.Route = c.facts()
	c.site.note(&w.Window)
	kept := append(c.result.Windows, w.Window)
	c.result.Windows = kept[max(0, len(kept)-probe.MaxWindows):]
	c.target.OnWindow(w.Window)
}

// tellUntil tells of all windows until a time, the last one shorter.
func (c *call) tellUntil(end time.Time) {
	for c.sent.Before(end) {
		cut := c.sent.Add(windowLength)
		if cut.After(end) {
			cut = end
		}
		if cut.Sub(c.sent) < 2*frame {
			return
		}
		c.tell(cut)
	}
}

// finish ends the media before its time, as the agent asks.
func (c *call) finish() probe.Code {
	end := time.Now()
	drained := end.Add(grace / 2)
	if _, until, dead := c.path.dead(end); dead {
		drained = end.Add(min(until.Sub(end), drainAtMost))
	}
	time.Sleep(time.Until(drained))
	c.tellUntil(end)
	return c.stopped()
}

// stopped says whether media had stopped when the call ended.
func (c *call) stopped() probe.Code {
	if since, _, dead := c.path.dead(c.sent); dead && c.sent.Sub(since) > stoppedAfter {
		return probe.CodeMediaStopped
	}
	return ""
}

func (c *call) facts() (*probe.Codec, *probe.Route) {
	return &probe.Codec{Name: c.target.Codec, ClockRate: 48000, Frame: frame},
		&probe.Route{Local: probe.Endpoint{Type: "host", Protocol: "udp"}, Remote: probe.Endpoint{Type: "host", Protocol: "udp"}, DSCP: 46, TTL: 60}
}

// judge gives the verdict, by the rules of probe/quality.go.
func (c *call) judge(code probe.Code) {
	r := c.result
	if c.all > 0 {
		r.Self.Trusted = c.late/c.all < 0.2 // by then more than 1 % of all packets left late
		trip := c.up.oneWay + c.down.oneWay
		r.Uplink, r.Downlink = c.up.direction(c.codec, trip, r.Self.Trusted), c.down.direction(c.codec, trip, r.Self.Trusted)
		r.RoundTrip = probe.RoundTrip{Sent: c.up.expected, Returned: c.down.expected - c.down.lost,
			RTT: probe.Quantiles{Count: c.down.expected - c.down.lost, P50: trip}}
		r.Echo = probe.EchoStamping
		r.Codec, r.Route = c.facts()
		r.Audio = probe.Audio{State: probe.AudioOK, Checked: r.RoundTrip.Returned, Matched: r.RoundTrip.Returned}
	}
	r.Certificates = []probe.Certificate{{Hop: "echo.example:443", NotAfter: r.Started.Add(60 * 24 * time.Hour)}}
	switch {
	case code != "":
		r.Verdict, r.Failure = probe.Failed, &probe.Failure{Layer: code.Layer(), Code: code, Hint: code.Hint()}
	case !r.Self.Trusted:
		r.Verdict = probe.Untrusted
	case c.poor(&r.Uplink) || c.poor(&r.Downlink) || r.RoundTrip.RTT.P50 > c.target.Limits.RTT:
		r.Verdict = probe.Degraded
	default:
		r.Verdict = probe.Good
	}
}

func (c *call) poor(d *probe.Direction) bool {
	l := c.target.Limits
	return d.Score != nil && d.Score.MOS < l.BadMOS || d.LossRatio() > l.Loss || d.JitterMean > l.Jitter
}

// lateShare is the share of packets that leave late in a window: little on a
// quiet host, much of them while a noisy one is busy with something else.
func (s *site) lateShare(dice *rand.Rand, at time.Time) float64 {
	if dice.Float64() < s.busy(at) {
		return 0.02
	}
	return 0
}
