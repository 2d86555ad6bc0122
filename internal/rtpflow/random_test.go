package rtpflow

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// compare reports what differs between the figures and the oracle.
func compare(t *testing.T, what string, got Figures, want oracleFigures) {
	t.Helper()
	type counts struct{ expected, received, lost, duplicated, reordered, late, discarded int64 }
	g := counts{got.Expected, got.Received, got.Lost, got.Duplicated, got.Reordered, got.Late, got.Discarded}
	w := counts{want.expected, want.received, want.lost, want.duplicated, want.reordered, want.late, want.discarded}
	if g != w {
		t.Errorf("%s: got %+v, want %+v", what, g, w)
	}
	if got.Jitter.Samples != want.jitterN || !near(float64(got.Jitter.Last), want.jitterLast, 2) ||
		!near(float64(got.Jitter.Max), want.jitterMax, 2) || !near(float64(got.Jitter.Mean), want.jitterMean, 2) {
		t.Errorf("%s: got jitter %+v, want %d samples, last %v, max %v, mean %v", what, got.Jitter,
			want.jitterN, want.jitterLast, want.jitterMax, want.jitterMean)
	}
	if got.Bursts.Count != want.bursts.Count || got.Bursts.Duration != want.bursts.Duration ||
		got.Bursts.GapDuration != want.bursts.GapDuration || !near(got.Bursts.Density, want.bursts.Density, 1e-12) ||
		!near(got.Bursts.GapDensity, want.bursts.GapDensity, 1e-12) || !near(got.Bursts.BurstR, want.bursts.BurstR, 1e-9) {
		t.Errorf("%s: got bursts %+v, want %+v", what, got.Bursts, want.bursts)
	}
	if !near(float64(got.Playout.Mean), want.depthMean, 300) || !near(float64(got.Playout.Max), want.depthMax, 300) {
		t.Errorf("%s: got playout %+v, want mean %v, max %v", what, got.Playout, want.depthMean, want.depthMax)
	}
	compareQuantiles(t, what+": variation", got.Variation, want.variation)
}

func compareQuantiles(t *testing.T, what string, got Quantiles, sorted []time.Duration) {
	t.Helper()
	if got.Count != int64(len(sorted)) {
		t.Errorf("%s: got %d samples, want %d", what, got.Count, len(sorted))
		return
	}
	if len(sorted) == 0 {
		return
	}
	for _, q := range []struct {
		name string
		got  time.Duration
		want time.Duration
	}{{"p50", got.P50, rank(sorted, 0.50)}, {"p95", got.P95, rank(sorted, 0.95)}, {"p99", got.P99, rank(sorted, 0.99)}} {
		if !near(float64(q.got), float64(q.want), float64(q.want)/64+18) {
			t.Errorf("%s: got %s %v, want %v", what, q.name, q.got, q.want)
		}
	}
	if !near(float64(got.Max), float64(sorted[len(sorted)-1]), 18) || !near(float64(got.Min), float64(sorted[0]), 18) {
		t.Errorf("%s: got %v..%v, want %v..%v", what, got.Min, got.Max, sorted[0], sorted[len(sorted)-1])
	}
}

// randomStream makes the calls of one random stream of up to 25 s: loss in
// runs, duplicates (also of the neighbours of lost packets), reordering up to
// past the grace, outages, wraps of both counters, pauses, timestamp jumps,
// and restarts of the sequence and of the source.
func randomStream(rng *rand.Rand) []oracleCall {
	var calls []oracleCall
	n := 50 + rng.IntN(500)
	lossRate, runOn := rng.Float64()*0.15, rng.Float64()*0.8
	dupRate, lateRate := rng.Float64()*0.1, rng.Float64()*0.1
	spread := time.Duration(rng.Int64N(int64(60 * time.Millisecond)))
	if rng.IntN(4) == 0 {
		spread, lossRate = 0, 0
	}
	seq, stamp, ssrc := uint16(rng.Uint32()), rng.Uint32(), rng.Uint32()|1
	if rng.IntN(2) == 0 {
		seq = uint16(65536 - rng.IntN(200))
	}
	if rng.IntN(2) == 0 {
		stamp = uint32(1<<32 - rng.Int64N(50000))
	}
	at := time.Duration(rng.Int64N(int64(time.Hour)))
	begin, media := at, time.Duration(0)
	place, losing, calm, rebase, fresh := int64(0), false, 3, false, false
	counting, came := false, int64(0)
	for i := 0; i < n; i++ {
		// Rows stay under 30 s, so that one floor holds.
		early := at-begin < 14*time.Second
		if early && calm == 0 && i < n-20 && rng.IntN(250) == 0 {
			// Whatever is on its way comes before what follows.
			pause := 3 * time.Second
			at += pause
			media += pause
			stamp += uint32(pause/time.Millisecond) * 8
			calm = 3
			switch rng.IntN(4) {
			case 0: // silence: the clock goes on
			case 1: // timestamp jump
				stamp += 8000 * uint32(10+rng.IntN(1000))
				fresh = true
			case 2: // new source
				ssrc, seq, stamp = ssrc+2, uint16(rng.Uint32()), rng.Uint32()
				rebase = true
			case 3: // sequence jumps back or ahead by a lot
				seq += uint16(10000 + rng.IntN(40000))
				rebase = true
			}
			losing = false
			if rebase {
				// What was lost right before a restart cannot be known.
				place = came + 1
			}
		}
		if early && calm == 0 && i < n-200 && rng.IntN(400) == 0 {
			// An outage of up to 3 s.
			gap := rng.IntN(150)
			for range gap {
				seq++
				place++
				stamp += 160
				at += DefaultFrame
				media += DefaultFrame
			}
		}
		if losing {
			losing = rng.Float64() < runOn
		} else {
			losing = rng.Float64() < lossRate
		}
		lost := losing && calm == 0 && i < n-2
		p := &oraclePacket{place: place, media: media, seq: seq, stamp: stamp, ssrc: ssrc, rebase: rebase, fresh: fresh}
		if !lost {
			came = place
			arrival := at
			if calm == 0 && i < n-1 {
				if spread > 0 {
					arrival += time.Duration(rng.Int64N(int64(spread)))
				}
				if rng.Float64() < lateRate {
					arrival += time.Duration(rng.Int64N(int64(1500 * time.Millisecond)))
				}
			}
			if i == n-1 {
				arrival = at + 2*time.Second
			}
			calls = append(calls, oracleCall{at: arrival, packet: p})
			counting, rebase, fresh = true, false, false
			for calm == 0 && rng.Float64() < dupRate {
				q := *p
				q.rebase, q.fresh = false, false
				calls = append(calls, oracleCall{at: arrival + time.Duration(rng.Int64N(int64(time.Second))), packet: &q})
			}
			if calm == 0 && rng.IntN(100) == 0 {
				alien := oraclePacket{foreign: true, ssrc: ssrc ^ 0x80000000, seq: uint16(rng.Uint32())}
				calls = append(calls, oracleCall{at: arrival, packet: &alien})
			}
		}
		if counting {
			place++
		}
		calm = max(calm-1, 0)
		seq++
		stamp += 160
		at += DefaultFrame
		media += DefaultFrame
		if rng.IntN(60) == 0 {
			calls = append(calls, oracleCall{at: at})
		}
		if rng.IntN(150) == 0 {
			calls = append(calls, oracleCall{at: at, cut: true})
		}
	}
	sortCalls(calls)
	return calls
}

// settleRestarts drops ticks and cuts between the first packet of a restarted
// row and the second, which confirms it: until then the first is not part of
// the stream.
func settleRestarts(calls []oracleCall) []oracleCall {
	var out []oracleCall
	waiting := false
	for _, c := range calls {
		if waiting && c.packet == nil {
			continue
		}
		waiting = c.packet != nil && c.packet.rebase
		out = append(out, c)
	}
	return out
}

func TestReceiverAgainstOracle(t *testing.T) {
	streams := 3000
	if testing.Short() {
		streams = 300
	}
	const grace = time.Second
	for i := range streams {
		rng := rand.New(rand.NewPCG(uint64(i), 7))
		calls := settleRestarts(randomStream(rng))
		r := NewReceiver(Config{Frame: DefaultFrame})
		classes, windows, whole := oracleReceiver(calls, DefaultFrame, grace, r.size)
		var got []Class
		for _, c := range calls {
			switch {
			case c.cut:
				r.Cut(c.at)
			case c.packet == nil:
				r.Tick(c.at)
			default:
				p := c.packet
				a := r.Packet(c.at, Header{SequenceNumber: p.seq, Timestamp: p.stamp, SSRC: p.ssrc}.AppendTo(nil))
				got = append(got, a.Class)
				if a.Class != Foreign && (uint16(a.Seq) != p.seq || uint32(a.Timestamp) != p.stamp) {
					t.Fatalf("stream %d: got extended %x %x of %x %x", i, a.Seq, a.Timestamp, p.seq, p.stamp)
				}
			}
		}
		r.Finish(calls[len(calls)-1].at)
		for k := range classes {
			if got[k] != classes[k] {
				t.Errorf("stream %d, packet %d: got %v, want %v", i, k, got[k], classes[k])
				break
			}
		}
		compare(t, fmt.Sprintf("stream %d", i), r.Total(), whole)
		for w := range windows {
			span, ok := r.Closed()
			if !ok {
				t.Errorf("stream %d: got %d windows, want %d", i, w, len(windows))
				break
			}
			compare(t, fmt.Sprintf("stream %d window %d", i, w), span.Figures, windows[w])
		}
		if _, ok := r.Closed(); ok {
			t.Errorf("stream %d: got a window too many", i)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
}
