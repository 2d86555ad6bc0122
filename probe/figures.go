package probe

import (
	"slices"
	"time"

	"github.com/earshot-voip/earshot/internal/audio"
	"github.com/earshot-voip/earshot/internal/mono"
	"github.com/earshot-voip/earshot/internal/peer"
	"github.com/earshot-voip/earshot/internal/rtpflow"
)

// closeWindows takes the windows that are final by now into the result and
// tells the observer.
func (c *call) closeWindows(now time.Duration) {
	for c.ear.ready() {
		w, n, kind, ok := c.exchange.closed(now)
		if !ok {
			return
		}
		f := c.ear.next()
		if isEmpty(w) {
			continue // cut at the very end of sending
		}
		if c.peer != nil {
			c.noteRoute(c.peer.Route())
		}
		c.result.Echo = EchoKind(kind.String())
		closed := c.window(w, n, &f)
		c.heard(closed, &f)
		c.keep(closed)
	}
}

// isEmpty reports whether a window tells of no packet. One without a packet of
// its own can tell of a copy that came when its window was closed already.
func isEmpty(w *rtpflow.Window) bool {
	up, down := &w.Up, &w.Down
	return w.RoundTrip.Sent == 0 && down.Expected == 0 &&
		up.Duplicated+up.Reordered+up.Late == 0 && down.Duplicated+down.Reordered+down.Late == 0
}

// sinceMedia counts a window's start from that of the first one.
func (c *call) sinceMedia(at time.Duration) time.Duration {
	if c.mediaStart == 0 {
		c.mediaStart = at
	}
	return at - c.mediaStart
}

func (c *call) keep(w *Window) {
	r := &c.result
	if len(r.Windows) == MaxWindows {
		r.Windows = slices.Delete(r.Windows, 0, 1)
		r.WindowsDropped++
	}
	r.Windows = append(r.Windows, Window{})
	r.Windows[len(r.Windows)-1] = *w
	if old := len(r.Windows) - 1 - MaxSpreads; old >= 0 {
		r.Windows[old].RTTs, r.Windows[old].Self.SendLate, r.Windows[old].Self.ReceiveWake = Histogram{}, Histogram{}, Histogram{}
	}
	if c.target.OnWindow != nil {
		c.target.OnWindow(*w)
	}
}

// glimpse tells the observer of the running call.
func (c *call) glimpse(elapsed time.Duration) {
	live := Live{Elapsed: elapsed}
	if n := len(c.result.Windows); n > 0 {
		live.Window = c.result.Windows[n-1]
	}
	live.Sent, live.Back = c.exchange.progress()
	c.target.OnLive(live)
}

// window turns a closed window into its public form, scored if the instrument
// was good enough in it.
func (c *call) window(w *rtpflow.Window, n noise, f *audio.Findings) *Window {
	out := &Window{
		Start:    c.sinceMedia(w.Start),
		Length:   w.End - w.Start,
		Uplink:   direction(&w.Up),
		Downlink: direction(&w.Down),
		Sent:     w.RoundTrip.Sent,
		Returned: w.RoundTrip.Returned,
		RTT:      quantiles(w.RoundTrip.RTT),
		RTTs: Histogram{
			Count:   w.RoundTrip.RTT.Count,
			Sum:     w.RoundTrip.RTT.Sum,
			Buckets: buckets(w.RoundTrip.Spread),
		},
		Trusted: c.target.Trust.allows(n),
		Self:    WindowSelf{SendLate: n.lateness, SlotsMissed: n.missed, ReceiveWake: n.wake},
		Codec:   c.result.Codec,
		Route:   c.result.Route,
		Echo:    c.result.Echo,
	}
	if trip, ok := c.trip(out.RTT, witness{f, c.exchange.reportedTrip()}); ok && out.Trusted {
		c.score(&out.Uplink, trip)
		c.score(&out.Downlink, trip)
	}
	return out
}

// collect takes the figures of the whole call into the result.
func (c *call) collect() {
	x, r := c.exchange, &c.result
	c.ear.settle()
	c.closeWindows(mono.Now())
	total := x.total()
	r.Echo = EchoKind(total.Kind.String())
	r.Uplink, r.Downlink = direction(&total.Up), direction(&total.Down)
	r.RoundTrip = RoundTrip{
		Sent:     total.RoundTrip.Sent,
		Returned: total.RoundTrip.Returned,
		RTT:      quantiles(total.RoundTrip.RTT),
		Reported: total.ReportRTT,
	}
	if first := x.first(); first > 0 {
		r.FirstMedia = first - c.began
	}
	if c.peer != nil {
		c.noteRoute(c.peer.Route())
	}
	r.Self = c.self(&total.Self, c.peer.Stats())
	if trip, ok := c.trip(r.RoundTrip.RTT, witness{&c.ear.total, total.ReportRTT}); ok && r.Self.Trusted {
		c.score(&r.Uplink, trip)
		c.score(&r.Downlink, trip)
	}
	c.collectAudio()
}

func direction(f *rtpflow.Figures) Direction {
	return Direction{
		Evidence:   Evidence(f.Evidence.String()),
		Expected:   f.Expected,
		Received:   f.Received,
		Lost:       f.Lost,
		Duplicated: f.Duplicated,
		Reordered:  f.Reordered,
		Discarded:  f.Discarded,
		Unknown:    f.Unknown,
		Jitter:     f.Jitter.Last,
		JitterMax:  f.Jitter.Max,
		JitterMean: f.Jitter.Mean,
		Variation:  quantiles(f.Variation),
		Burst: Burst{
			Count:       f.Bursts.Count,
			Density:     f.Bursts.Density,
			Duration:    f.Bursts.Duration,
			GapDensity:  f.Bursts.GapDensity,
			GapDuration: f.Bursts.GapDuration,
			R:           f.Bursts.BurstR,
		},
		PlayoutDepth: f.Playout.Mean,
		RouteChanges: f.RouteChanges,
		DriftPPM:     f.DriftPPM,
	}
}

func quantiles(q rtpflow.Quantiles) Quantiles {
	return Quantiles{Count: q.Count, Min: q.Min, P50: q.P50, P95: q.P95, P99: q.P99, Max: q.Max}
}

func histogram(b *rtpflow.Buckets) Histogram {
	return Histogram{Count: b.Count(), Sum: b.Sum(), Buckets: buckets(b.Filled())}
}

func buckets(filled []rtpflow.Bucket) []Bucket {
	list := make([]Bucket, len(filled))
	for i, b := range filled {
		list[i] = Bucket(b)
	}
	return list
}

// self says how large the instrument's own error was.
func (c *call) self(s *rtpflow.Self, stats peer.Stats) Self {
	own := Self{
		KernelTimestamps: stats.KernelTimestamps,
		SendLate:         quantiles(s.SendLate),
		SlotsMissed:      s.SlotsMissed,
		SendStalls:       s.SendStalls,
		ReceiveWake:      quantiles(s.ReceiveWake),
		SocketDrops:      int64(stats.SocketDrops),
		SendErrors:       c.exchange.failedSends(),
	}
	own.Reasons = c.target.Trust.doubts(&own, s.Sent)
	own.Trusted = len(own.Reasons) == 0
	return own
}
