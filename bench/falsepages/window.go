package main

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/earshot-voip/earshot/mos"
	"github.com/earshot-voip/earshot/probe"
)

const (
	frame     = 20 * time.Millisecond
	lookAhead = 6500 * time.Microsecond // of the Opus clip, see internal/media
	// leastDepth is where the modelled de-jitter buffer begins (internal/rtpflow,
	// Playout), spreadDepth how many mean deviations it plays above the mean.
	leastDepth  = 20 * time.Millisecond
	spreadDepth = 4
)

// tally is what became of the packets of one direction.
type tally struct {
	expected, lost, discarded, runs int64
	jitter, depth                   time.Duration
	oneWay                          time.Duration // without the buffer, mean
}

// pass sends packets through a weather that lasted for a stretch.
func pass(r *rand.Rand, packets int64, w weather, stretch time.Duration) tally {
	t := tally{expected: packets}
	if w.gone > 0 {
		t.lost = min(packets, int64(math.Round(float64(packets)*w.gone.Seconds()/stretch.Seconds())))
		t.runs = min(1, t.lost)
	}
	// Loss comes in runs, whose number is that of a Poisson process.
	left := packets - t.lost
	for range poisson(r, float64(left)*min(w.loss, 1)/w.run) {
		run := int64(1)
		for r.Float64() > 1/w.run {
			run++
		}
		run = min(run, packets-t.lost)
		t.lost += run
		t.runs += min(run, 1)
	}
	// Queues of one moment differ from those of the next.
	queue := w.queue.Seconds() * math.Exp(0.2*r.NormFloat64())
	slots := w.slots.Seconds()
	depth, late := playout(queue, slots)
	t.depth = seconds(depth)
	t.jitter = seconds(math.Hypot(queue, slots/3))
	t.oneWay = w.delay + seconds(queue+slots/2)
	t.discarded = min(poisson(r, float64(packets-t.lost)*late), packets-t.lost)
	t.runs += t.discarded
	return t
}

// playout is the depth of the modelled de-jitter buffer (internal/rtpflow,
// Playout: mean + 4 mean deviations of the delay variation, 20 ms at least), and
// the share of packets that come later, where the variation is an exponential
// wait of this mean and an even one of 0..slots, in seconds. The mean deviation of
// an exponential wait is 2/e of its mean, that of an even one a quarter of its
// width.
func playout(queue, slots float64) (depth, late float64) {
	if queue <= 0 {
		return max(leastDepth.Seconds(), slots), 0
	}
	depth = max(leastDepth.Seconds(), queue+slots/2+spreadDepth*math.Hypot(2/math.E*queue, slots/4))
	over := math.Exp(-depth / queue)
	if slots > 0 {
		over *= queue / slots * math.Expm1(slots/queue)
	}
	return depth, min(over, 1)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// add takes in another window's packets.
func (t *tally) add(o tally) {
	if o.expected == 0 {
		return
	}
	share := float64(o.expected) / float64(t.expected+o.expected)
	mean := func(a, b time.Duration) time.Duration { return a + time.Duration(share*float64(b-a)) }
	t.jitter, t.depth, t.oneWay = mean(t.jitter, o.jitter), mean(t.depth, o.depth), mean(t.oneWay, o.oneWay)
	t.expected += o.expected
	t.lost += o.lost
	t.discarded += o.discarded
	t.runs += o.runs
}

// direction gives the figures, with a score as the probe gives it.
func (t tally) direction(codec mos.Codec, roundTrip time.Duration, trusted bool) probe.Direction {
	d := probe.Direction{
		Evidence: probe.EvidenceStamps, Expected: t.expected, Received: t.expected - t.lost, Lost: t.lost, Discarded: t.discarded,
		Jitter: t.jitter, JitterMax: t.jitter, JitterMean: t.jitter, PlayoutDepth: t.depth,
		Variation: probe.Quantiles{Count: t.expected - t.lost, P50: t.depth / 4, P95: t.depth * 3 / 4, P99: t.depth, Max: t.depth},
		Burst:     probe.Burst{R: 1},
	}
	bad := d.LossRatio() + d.DiscardRatio()
	if t.runs > 0 {
		d.Burst = probe.Burst{Count: t.runs, R: float64(t.lost+t.discarded) / float64(t.runs) * (1 - bad)}
	}
	if !trusted || d.Expected < mos.MinExpected || d.Received == 0 {
		return d
	}
	path := mos.Path{Loss: bad, BurstR: d.Burst.R, Delay: roundTrip/2 + frame + lookAhead + t.depth}
	rated, range95 := mos.Rate(codec, path), mos.Interval(codec, path, uint64(t.lost+t.discarded), uint64(t.expected))
	d.Score = &probe.Score{
		Scale: rated.Scale.String(), R: rated.R, MOS: rated.MOS, MOSLow: range95.MOSLow, MOSHigh: range95.MOSHigh,
		MOSListening: mos.Listening(codec, path).MOS, DelayCost: rated.DelayCost, LossCost: rated.LossCost,
		CodecCost: rated.CodecCost, OneWayDelay: path.Delay,
	}
	return d
}

// passage is a window, and the packets of it.
type passage struct {
	probe.Window
	up, down tally
}

// windowOf makes the window of a stretch of a call. Only what arrives at the echo
// comes back.
func (s *site) windowOf(p path, codec mos.Codec, begin, from, to time.Time) passage {
	dice := p.dice(from)
	stretch := to.Sub(from)
	sent := int64(stretch / frame)
	out := passage{up: pass(dice, sent, p.weather(up, from, to), stretch)}
	out.down = pass(dice, sent-out.up.lost, p.weather(down, from, to), stretch)
	returned := out.down.expected - out.down.lost
	roundTrip := out.up.oneWay + out.down.oneWay
	late := s.lateShare(dice, from)
	w := &out.Window
	w.Start, w.Length, w.Sent, w.Returned = from.Sub(begin), stretch, sent, returned
	w.Trusted = late <= mostLate
	w.Uplink, w.Downlink = out.up.direction(codec, roundTrip, w.Trusted), out.down.direction(codec, roundTrip, w.Trusted)
	w.RTT = probe.Quantiles{Count: returned, Min: roundTrip, P50: roundTrip, P95: roundTrip, P99: roundTrip, Max: roundTrip}
	w.RTTs = histogram(returned, roundTrip)
	lateness := 200 * time.Microsecond
	if !w.Trusted {
		lateness = 12 * time.Millisecond
	}
	w.Self = probe.WindowSelf{SendLate: histogram(sent, lateness), ReceiveWake: histogram(returned, 100*time.Microsecond)}
	w.Audio = probe.Audio{State: probe.AudioOK, Checked: returned, Matched: returned}
	if returned == 0 {
		w.Audio = probe.Audio{State: probe.AudioNotChecked}
	}
	w.Echo = probe.EchoStamping
	return out
}

// mostLate is the share of packets that may leave late in a window or a call
// that is trusted: the p99 of probe.Trust.
const mostLate = 0.01

// histogram of packets that all took the same time: the rules read its sum and
// count alone.
func histogram(n int64, each time.Duration) probe.Histogram {
	if n == 0 {
		return probe.Histogram{}
	}
	bound := math.Exp2(math.Ceil(8*math.Log2(max(each.Seconds(), 1e-6))) / 8)
	return probe.Histogram{Count: n, Sum: time.Duration(n) * each, Buckets: []probe.Bucket{{Upper: bound, Count: n}}}
}
