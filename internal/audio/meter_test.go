package audio

import (
	"math"
	"testing"

	"github.com/earshot-voip/earshot/internal/media"
)

func sine(rate int, seconds, hertz, amplitude float64) []float32 {
	pcm := make([]float32, int(seconds*float64(rate)))
	for i := range pcm {
		pcm[i] = float32(amplitude * math.Sin(2*math.Pi*hertz*float64(i)/float64(rate)))
	}
	return pcm
}

// measured is the active level and the activity of samples.
func measured(rate int, pcm []float32) (dbov, activity float64) {
	m := newMeter(rate)
	m.add(pcm)
	active := m.activity()
	return decibels(m.energy / active), active / float64(m.n)
}

// The overload point is a square wave at full scale; a sine of full scale is
// 3.01 dB under it.
func TestMeterOfKnownSignals(t *testing.T) {
	square := make([]float32, 80000)
	for i := range square {
		square[i] = float32(1 - 2*(i/8%2))
	}
	half := append(sine(8000, 10, 1000, 0.1), make([]float32, 80000)...)
	for _, row := range []struct {
		name            string
		pcm             []float32
		level, activity float64
	}{
		{"a square wave at full scale is 0 dBov", square, 0, 1},
		{"a sine at full scale", sine(8000, 10, 1000, 1), -3.01, 1},
		{"a sine of a tenth", sine(8000, 10, 1000, 0.1), -23.01, 1},
		{"a sine of a hundredth at 16 kHz", sine(8000, 10, 300, 0.01), -43.01, 1},
		// 10 s and the hangover, less what the envelope takes to rise.
		{"a pause does not count, but for the hangover", half, -23.01 - 10*math.Log10(10.2/10), 0.51},
	} {
		level, activity := measured(8000, row.pcm)
		if math.Abs(level-row.level) > 0.15 || math.Abs(activity-row.activity) > 0.02 {
			t.Errorf("%s: got %.2f dBov, %.3f active want %.2f, %.3f", row.name, level, activity, row.level, row.activity)
		}
	}
	m := newMeter(8000)
	m.add(make([]float32, 8000))
	if got := m.activity(); got != 0 {
		t.Errorf("silence: got %v active samples", got)
	}
}

// slowly follows ITU-T P.56, 6.1.2 and 6.2, step by step and one threshold after
// the other, and finds the crossing by halving, as the Recommendation's annex
// suggests.
func slowly(rate int, pcm []float32) (dbov, activity float64) {
	const tau, hang = 0.03, 0.2
	g := math.Exp(-1 / (float64(rate) * tau))
	var p, q, sq float64
	envelope := make([]float64, len(pcm))
	for i, x := range pcm {
		p = g*p + (1-g)*math.Abs(float64(x))
		q = g*q + (1-g)*p
		envelope[i] = q
		sq += float64(x) * float64(x)
	}
	count := func(threshold float64) float64 {
		active, hung := 0, int(hang*float64(rate))
		for _, q := range envelope {
			if q >= threshold {
				active, hung = active+1, 0
			} else if hung < int(hang*float64(rate)) {
				active, hung = active+1, hung+1
			}
		}
		return float64(active)
	}
	low, high := -100.0, 0.0 // of the threshold in dB
	for range 60 {
		middle := (low + high) / 2
		a := count(math.Pow(10, middle/20))
		if a > 0 && 10*math.Log10(sq/a)-middle >= 15.9 {
			low = middle
		} else {
			high = middle
		}
	}
	a := count(math.Pow(10, low/20))
	return 10 * math.Log10(sq/a), a / float64(len(pcm))
}

// On speech, whole and in pieces, the meter says what the definition says: it
// knows the activity at thresholds 6 dB apart and draws lines between them.
func TestMeterFollowsTheDefinition(t *testing.T) {
	pcm := readClip(t, "pcmu")
	for _, row := range []struct {
		name   string
		pieces [][2]int // of seconds
		gain   float64
	}{
		{"the whole clip", [][2]int{{0, 17}}, 1},
		{"five seconds", [][2]int{{3, 8}}, 1},
		{"one second", [][2]int{{6, 7}}, 1},
		{"quiet", [][2]int{{0, 17}}, 0.05},
		{"the second half 13 dB quieter is speech", [][2]int{{3, 8}, {-3, 8}}, math.Pow(10, -13.0/20)},
		{"the second half 19 dB quieter is not", [][2]int{{3, 8}, {-3, 8}}, math.Pow(10, -19.0/20)},
	} {
		t.Run(row.name, func(t *testing.T) {
			var piece []float32
			for _, p := range row.pieces {
				gain := row.gain
				if p[0] > 0 && len(row.pieces) > 1 {
					gain = 1 // the negative piece alone is quieter
				}
				for _, s := range pcm[8000*max(p[0], -p[0]) : 8000*p[1]] {
					piece = append(piece, s*float32(gain))
				}
			}
			level, activity := measured(8000, piece)
			wantLevel, wantActivity := slowly(8000, piece)
			t.Logf("%.3f dBov, %.4f active", level, activity)
			if math.Abs(level-wantLevel) > 0.2 || math.Abs(activity-wantActivity) > 0.035 {
				t.Errorf("got %.3f dBov, %.4f active want %.3f, %.4f", level, activity, wantLevel, wantActivity)
			}
		})
	}
}

// The manifest holds what the generator's own meter found.
func TestMeterOfTheClips(t *testing.T) {
	for _, name := range []string{"pcmu", "pcma"} {
		level, _ := measured(8000, readClip(t, name))
		codec, _ := media.Lookup(name)
		if want := codec.Clip().ActiveLevelDBOV(); math.Abs(level-want) > 0.05 {
			t.Errorf("%s: got %.2f dBov want %.2f", name, level, want)
		}
	}
}

func readClip(t testing.TB, name string) []float32 {
	t.Helper()
	codec, err := media.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	pcm, err := decodeClip(codec.Clip())
	if err != nil {
		t.Fatal(err)
	}
	return pcm
}

func BenchmarkMeter(b *testing.B) {
	pcm := readClip(b, "pcmu")[:5*8000]
	for b.Loop() {
		newMeter(8000).add(pcm)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(pcm)), "ns/sample")
}
