package main

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/rtpflow"
	"github.com/earshot-voip/earshot/probe"
)

// measured sends packets with such waits through the probe's own core, one by one.
func measured(r *rand.Rand, packets int, queue, slots time.Duration) rtpflow.Figures {
	type arrival struct {
		at  time.Duration
		raw []byte
	}
	list := make([]arrival, packets)
	for i := range list {
		raw := append(rtpflow.Header{SSRC: 7}.AppendTo(nil), make([]byte, 160)...)
		binary.BigEndian.PutUint16(raw[2:], uint16(i))
		binary.BigEndian.PutUint32(raw[4:], uint32(i*160))
		wait := r.ExpFloat64()*float64(queue) + r.Float64()*float64(slots)
		list[i] = arrival{time.Duration(i)*frame + time.Duration(wait), raw}
	}
	slices.SortStableFunc(list, func(a, b arrival) int { return int(a.at - b.at) })
	core := rtpflow.NewReceiver(rtpflow.Config{Frame: frame})
	for _, a := range list {
		core.Packet(a.at, a.raw)
	}
	core.Finish(list[len(list)-1].at + 2*time.Second)
	return core.Total()
}

func TestFiguresAreThoseOfTheCore(t *testing.T) {
	near := func(t *testing.T, what string, got, want, relative, absolute float64) {
		t.Helper()
		if math.Abs(got-want) > relative*want+absolute {
			t.Errorf("%s: got %.5g, the core says %.5g", what, got, want)
		}
	}
	for _, row := range []struct {
		name         string
		queue, slots time.Duration
	}{
		{"a quiet line", 300 * time.Microsecond, 0},
		{"a busy line", 3 * ms, 0},
		{"a line that is full", 8 * ms, 0},
		{"a radio link", ms, 10 * ms},
		{"a busy radio link", 3 * ms, 15 * ms},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			const packets = 60_000
			core := measured(r, packets, row.queue, row.slots)
			var own tally
			for range packets / 250 {
				own.add(pass(r, 250, weather{queue: row.queue, slots: row.slots, run: 1}, windowLength))
			}
			near(t, "jitter in ms", own.jitter.Seconds()*1e3, core.Jitter.Mean.Seconds()*1e3, 0.3, 0.02)
			near(t, "depth of the playout buffer in ms", own.depth.Seconds()*1e3, core.Playout.Mean.Seconds()*1e3, 0.25, 0.5)
			near(t, "share of packets that come too late", float64(own.discarded)/packets, core.DiscardRatio(), 0.5, 0.003)
		})
	}
}

func TestLossIsThatOfTheWeather(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var sum tally
	for range 4000 {
		sum.add(pass(r, 250, weather{loss: 0.02, run: 3}, windowLength))
	}
	if got := float64(sum.lost) / float64(sum.expected); math.Abs(got-0.02) > 0.001 {
		t.Errorf("loss: got %.4f, want 0.02", got)
	}
	if got := float64(sum.lost) / float64(sum.runs); math.Abs(got-3) > 0.15 {
		t.Errorf("packets lost in a row: got %.2f, want 3", got)
	}
}

func TestAnOutageTakesWhatIsSentInIt(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	got := pass(r, 250, weather{gone: 2 * time.Second, run: 1}, windowLength)
	if got.lost != 100 || got.runs != 1 {
		t.Errorf("lost %d in %d runs, want 100 in 1", got.lost, got.runs)
	}
	d := got.direction(modelOf("opus"), 40*ms, true)
	if d.Score == nil || d.Score.MOS > 1.5 {
		t.Errorf("a window with two of five seconds lost: got score %+v", d.Score)
	}
	gone := pass(r, 250, weather{gone: windowLength, run: 1}, windowLength).direction(modelOf("opus"), 40*ms, true)
	if gone.Received != 0 || gone.Score != nil {
		t.Errorf("a window of which nothing arrived: received %d, score %+v", gone.Received, gone.Score)
	}
	if untrusted := got.direction(modelOf("opus"), 40*ms, false); untrusted.Score != nil {
		t.Errorf("a window that is not trusted has a score: %+v", untrusted.Score)
	}
}

func TestACleanWindowIsGood(t *testing.T) {
	for _, codec := range []string{"opus", "pcmu"} {
		d := pass(rand.New(rand.NewPCG(7, 8)), 250, weather{queue: 300 * time.Microsecond, run: 1}, windowLength).direction(modelOf(codec), 40*ms, true)
		if d.Score == nil || d.Score.MOS < 4 || d.Lost+d.Discarded != 0 {
			t.Errorf("%s: got %+v, score %+v", codec, d, d.Score)
		}
	}
}

func TestHistogramsHoldBoundsOfTheExporter(t *testing.T) {
	for _, each := range []time.Duration{time.Microsecond, 130 * time.Microsecond, 47 * ms, 3 * time.Second} {
		h := histogram(250, each)
		want := probe.Histogram{Count: 250, Sum: 250 * each, Buckets: h.Buckets}
		bound := h.Buckets[0].Upper
		k := 8 * math.Log2(bound)
		if h.Count != want.Count || h.Sum != want.Sum || len(h.Buckets) != 1 || math.Abs(k-math.Round(k)) > 1e-9 || bound < each.Seconds() || bound > each.Seconds()*1.0906 {
			t.Errorf("%v: got %+v", each, h)
		}
	}
}
