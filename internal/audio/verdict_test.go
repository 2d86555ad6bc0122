package audio

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// bounds hold what must be found. A zero value of most is not looked at.
type bounds struct {
	state        State
	matched      float64    // least share of ours
	intact       bool       // most of ours by samples or payloads
	gain, within float64    // dB; within 0: not looked at
	muted, other [2]float64 // shares, least and most
	clipping     [2]float64
	level        float64       // dBov, to within 0.5; 0: not looked at
	extra        time.Duration // delay beyond that of the path
	missing      [2]time.Duration
}

func noiseOf(dbov float64, seed uint64) func(int64, []byte) []back {
	r := rand.New(rand.NewPCG(seed, 1))
	return bySample(func(float32) float32 { return float32(r.NormFloat64() * math.Pow(10, dbov/20)) })
}

func gained(db float64) func(int64, []byte) []back {
	factor := float32(math.Pow(10, db/20))
	return bySample(func(s float32) float32 { return s * factor })
}

func intactly(_ int64, payload []byte) []back { return same(payload) }

const farVoice = "../farend/voice/other.raw"

// altered rows are far ends and what must be said of them.
func verdicts(t testing.TB) []struct {
	name, codec string
	far         func(int64, []byte) []back
	want        bounds
} {
	random := rand.New(rand.NewPCG(5, 6))
	file := func(name string) func(int64, []byte) []back {
		return placed(readFile(t, "testdata", "altered", name+".raw"))
	}
	nearly := [2]float64{0, 0.03}
	return []struct {
		name, codec string
		far         func(int64, []byte) []back
		want        bounds
	}{
		{"the clip itself", "pcmu", intactly, bounds{state: OK, matched: 1, intact: true, within: 0.01}},
		{"the clip itself, A-law", "pcma", intactly, bounds{state: OK, matched: 1, intact: true, within: 0.01}},
		{"the clip itself, Opus", "opus", intactly, bounds{state: OK, matched: 1, intact: true, within: 0.01}},
		{"half of the packets are lost", "pcmu", func(_ int64, payload []byte) []back {
			return []back{{payload: payload, payloadType: -1, lose: random.IntN(2) == 0}}
		}, bounds{state: OK, matched: 1, intact: true, missing: [2]time.Duration{4 * time.Second, 6 * time.Second}}},

		{"nothing comes back", "pcmu", func(int64, []byte) []back { return nil }, bounds{state: Silent}},
		{"silence", "pcmu", silenced(func(int64) bool { return true }), bounds{state: Silent, muted: [2]float64{1, 1}}},
		{"silence in A-law", "pcma", func(_ int64, p []byte) []back { return same(repeat(0xd5, len(p))) }, bounds{state: Silent, muted: [2]float64{1, 1}}},
		{"the idle noise of a line, -66 dBov", "pcmu", noiseOf(-66, 1), bounds{state: Silent, muted: [2]float64{1, 1}}},
		{"Opus that sends nothing (DTX)", "opus", func(position int64, _ []byte) []back {
			if position%20 != 0 {
				return nil
			}
			return []back{{payload: []byte{0x48}, payloadType: -1, skip: 19}}
		}, bounds{state: Silent, muted: [2]float64{1, 1}}},
		{"encoded comfort noise, -52 dBov", "pcmu", noiseOf(-52, 2), bounds{state: ComfortNoise, level: -52}},
		{"comfort noise packets", "pcmu", func(position int64, _ []byte) []back {
			if position%10 != 0 {
				return nil
			}
			return []back{{payload: []byte{55}, payloadType: NoisePayload, skip: 9}}
		}, bounds{state: ComfortNoise, level: -55}},

		{"another voice", "pcmu", playing(readFile(t, farVoice)), bounds{state: Wrong, other: [2]float64{1, 1}}},
		{"another voice from afar, -47 dBov", "pcmu", chain(playing(readFile(t, farVoice)), gained(-25)), bounds{state: Wrong, level: -47.5}},
		{"the clip backwards", "pcmu", playing(backwards(t)), bounds{state: Wrong, other: [2]float64{1, 1}}},
		{"a dial tone", "pcmu", playing(tone(425, 0.2)), bounds{state: Wrong, other: [2]float64{1, 1}}},
		{"loud noise", "pcmu", noiseOf(-20, 3), bounds{state: Wrong, other: [2]float64{1, 1}}},
		{"one frame over and over", "pcmu", func(position int64, p []byte) []back {
			return same(clipFrame(t, "pcmu", 100))
		}, bounds{state: Wrong, other: [2]float64{0.9, 1}}},
		{"random bytes in place of Opus", "opus", func(_ int64, p []byte) []back {
			out := make([]byte, len(p))
			for i := range out {
				out[i] = byte(random.Uint32())
			}
			return same(out)
		}, bounds{state: Wrong, other: [2]float64{0.9, 1}}},
		{"the clip, then silence for most of the time", "pcmu", then(intactly, 40, silenced(func(int64) bool { return true })),
			bounds{state: Silent, muted: [2]float64{0.9, 1}}},

		{"a copy 1.5 s late", "pcmu", delayed(75), bounds{state: OK, matched: 0.99, intact: true, muted: nearly, extra: 1500 * time.Millisecond}},
		{"a copy 5 s late", "pcmu", delayed(250), bounds{state: OK, matched: 0.97, intact: true, muted: nearly, extra: 5 * time.Second}},
		{"cut anew 7 samples later", "pcmu", recut(7, 160), bounds{state: OK, matched: 0.99, intact: true, within: 0.01, gain: 0, extra: 875 * time.Microsecond}},
		{"in packets of 30 ms", "pcmu", recut(0, 240), bounds{state: OK, matched: 0.99, intact: true, within: 0.01, extra: 15 * time.Millisecond}},
		{"in packets of 10 ms", "pcmu", recut(0, 80), bounds{state: OK, matched: 0.99, intact: true, within: 0.01}},
		{"every second frame is silent", "pcmu", silenced(func(p int64) bool { return p%2 == 1 }),
			bounds{state: OK, matched: 0.45, muted: [2]float64{0.4, 0.5}, missing: [2]time.Duration{4 * time.Second, 6 * time.Second}}},
		{"half of the frames are silent, at random", "pcmu", silenced(func(int64) bool { return random.IntN(2) == 0 }),
			bounds{state: OK, matched: 0.4, muted: [2]float64{0.3, 0.6}, missing: [2]time.Duration{4 * time.Second, 6 * time.Second}}},
		{"half of the frames are silent, and A-law on the way", "pcmu", chain(tandem(), silenced(func(int64) bool { return random.IntN(2) == 0 })),
			bounds{state: OK, matched: 0.4, muted: [2]float64{0.4, 0.6}, missing: [2]time.Duration{4 * time.Second, 6 * time.Second}}},
		{"A-law on the way", "pcmu", tandem(), bounds{state: OK, matched: 0.99, within: 0.1, muted: nearly, other: nearly}},
		{"6 dB louder", "pcmu", gained(6), bounds{state: OK, matched: 0.99, gain: 6, within: 0.2, muted: nearly, other: nearly}},
		{"20 dB quieter", "pcmu", gained(-20), bounds{state: OK, matched: 0.99, gain: -20, within: 0.3, muted: nearly, other: nearly}},
		{"clipped by 20 dB", "pcmu", gained(20), bounds{state: OK, matched: 0.99, clipping: [2]float64{0.02, 0.3}, other: nearly}},
		{"with noise 15 dB under it", "pcmu", noisy(-41), bounds{state: OK, matched: 0.9}},
		{"upside down", "pcmu", bySample(func(s float32) float32 { return -s }), bounds{state: OK, matched: 0.99, within: 0.1, other: nearly}},
		{"through GSM", "pcmu", file("gsm"), bounds{state: OK, matched: 0.97, within: 1.5, other: nearly}},
		{"through G.726 at 16 kbit/s", "pcmu", file("g726_16"), bounds{state: OK, matched: 0.97, within: 1, other: nearly}},
		{"through G.723.1", "pcmu", file("g723_1"), bounds{state: OK, matched: 0.97, within: 1, other: nearly, extra: 7500 * time.Microsecond}},
		{"through Opus at 6 kbit/s", "pcmu", file("opus_6"), bounds{state: OK, matched: 0.97, within: 4, other: nearly}},
		{"through Speex at 4 kbit/s", "pcmu", file("speex_4"), bounds{state: OK, matched: 0.94, within: 3, other: [2]float64{0, 0.06}, extra: 10 * time.Millisecond}},
		{"a gateway to G.711 that encodes Opus again", "opus", gateway(t), bounds{state: OK, matched: 0.97, within: 1.5, other: nearly}},
	}
}

// Each row is a call of ten seconds with a delay of 123 ms in windows of five, and
// must be right in each window too, at the latest from the second on.
func TestVerdicts(t *testing.T) {
	for _, row := range verdicts(t) {
		t.Run(row.name, func(t *testing.T) {
			const delay = 123 * time.Millisecond
			c := newCall(t, row.codec, delay)
			var f Findings
			var gaps Gaps
			frames := 250
			if strings.HasPrefix(row.name, "through ") {
				frames = 145 // the files hold six seconds
			}
			for window := range 2 {
				c.run(frames, row.far)
				g := c.hear(f.Lag)
				f.Add(&g)
				for _, gap := range g.Gaps {
					gaps.Add(gap)
				}
				if window > 0 && g.State() != row.want.state && row.want.extra < 5*time.Second {
					t.Errorf("window %d: got %v want %v: %+v", window, g.State(), row.want.state, g)
				}
			}
			f = f.Call()
			t.Log(describe(&f))
			row.want.check(t, &f, delay)
			if f.Recognised < f.Matched {
				d, _, _ := f.Delay()
				gaps = c.rec.Gaps(c.sent, d)
			}
			if missing, n := gaps.Missing(frameTime); row.want.missing[1] > 0 && (missing < row.want.missing[0] || missing > row.want.missing[1] || n == 0) {
				t.Errorf("missing: got %v in %d gaps want %v", missing, n, row.want.missing)
			}
		})
	}
}

func (b bounds) check(t *testing.T, f *Findings, path time.Duration) {
	t.Helper()
	if got := f.State(); got != b.state {
		t.Errorf("got %v want %v", got, b.state)
	}
	share := func(n int64) float64 { return float64(n) / float64(max(f.Checked, 1)) }
	if got := share(f.Ours()); got < b.matched {
		t.Errorf("ours: got %.3f want %.3f", got, b.matched)
	}
	if intact := 2*(f.Matched+f.SampleExact) > f.Checked; b.state == OK && b.matched > 0.9 && intact != b.intact {
		t.Errorf("%d frames bit for bit and %d sample for sample of %d", f.Matched, f.SampleExact, f.Checked)
	}
	if got, ok := f.Gain(); b.within > 0 && (!ok || math.Abs(got-b.gain) > b.within) {
		t.Errorf("gain: got %.2f dB, %v want %.2f", got, ok, b.gain)
	}
	if got, ok := f.Level(); got > 0.1 || b.level != 0 && (!ok || math.Abs(got-b.level) > 0.5) {
		t.Errorf("level: got %.2f dBov, %v want %.2f", got, ok, b.level)
	}
	for _, one := range []struct {
		name string
		got  float64
		want [2]float64
	}{
		{"muted", share(f.Muted), b.muted},
		{"other", share(f.Checked - f.Ours() - f.Muted - f.Hiss), b.other},
		{"clipped", f.Clipped / max(f.Heard, 1), b.clipping},
	} {
		if one.want[1] > 0 && (one.got < one.want[0] || one.got > one.want[1]) {
			t.Errorf("%s: got %.4f want %v", one.name, one.got, one.want)
		}
	}
	if b.clipping[1] == 0 && b.state != Wrong && f.Clipped > 0.002*f.Heard {
		t.Errorf("%.4f of it is clipped", f.Clipped/f.Heard)
	}
	delay, accuracy, ok := f.Delay()
	if b.state != OK {
		return
	}
	if off := (delay - path - b.extra).Abs(); !ok || (off > accuracy+time.Millisecond || accuracy > 2*time.Millisecond) {
		t.Errorf("delay: got %v ± %v, %v want %v", delay, accuracy, ok, path+b.extra)
	}
}

func describe(f *Findings) string {
	level, _ := f.Level()
	active, _ := f.ActiveLevel()
	gain, _ := f.Gain()
	delay, accuracy, _ := f.Delay()
	return fmt.Sprintf("%v: %d checked, %d exact, %d by ear (%d sample exact), %d muted, %d hiss, %d other, %d lost; %.1f dBov, active %.1f, gain %.1f, clipped %.4f; %v ± %v late; tail %v",
		f.State(), f.Checked, f.Matched, f.Recognised, f.SampleExact, f.Muted, f.Hiss, f.Other, f.Lost,
		level, active, gain, f.Clipped/max(f.Heard, 1), delay, accuracy, f.Tail)
}
