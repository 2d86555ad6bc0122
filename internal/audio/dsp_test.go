package audio

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"testing"
)

// The transform is that of the definition.
func TestTransform(t *testing.T) {
	const n = 64
	random := rand.New(rand.NewPCG(1, 2))
	x := make([]complex64, n)
	for i := range x {
		x[i] = complex(random.Float32()-0.5, random.Float32()-0.5)
	}
	want := make([]complex128, n)
	for k := range want {
		for i, v := range x {
			want[k] += complex128(v) * cmplx.Rect(1, -2*math.Pi*float64(k*i)/n)
		}
	}
	newTransform(n).forward(x)
	for k := range want {
		if cmplx.Abs(complex128(x[k])-want[k]) > 1e-5 {
			t.Errorf("%d: got %v want %v", k, x[k], want[k])
		}
	}
}

// A tone that a filter lets through keeps its level and its place; one beyond the
// new rate's half is gone, or it would fold back.
func TestDecimation(t *testing.T) {
	for _, row := range []struct {
		name         string
		filter       lowpass
		rate, factor int
		pass, stop   float64 // Hz
	}{
		{"16 to 8 kHz", halve, 16000, 2, 2500, 5500},
		{"8 to 2 kHz", quarter, 8000, 4, 500, 1400},
	} {
		t.Run(row.name, func(t *testing.T) {
			want := sine(row.rate/row.factor, 1, row.pass, 0.5)
			got := row.filter.decimate(nil, sine(row.rate, 1, row.pass, 0.5), row.factor)
			if len(got) != len(want) {
				t.Fatalf("got %d samples want %d", len(got), len(want))
			}
			edge := len(row.filter)
			if r := ratioOf(got[edge:len(got)-edge], want[edge:len(want)-edge]); r < 30 {
				t.Errorf("%v Hz comes out %.1f dB over its difference to what it should be", row.pass, r)
			}
			stopped := row.filter.decimate(nil, sine(row.rate, 1, row.stop, 0.5), row.factor)
			if level := levelOf(power(stopped[edge : len(stopped)-edge])); level > -9-45 {
				t.Errorf("%v Hz comes out at %.1f dBov, it went in at -9", row.stop, level)
			}
		})
	}
}

// The clip in Opus says what the clip in G.711 says, 6.5 ms later for the encoder's
// look-ahead and 5 ms for the decoder: an end-to-end check of decoding, resampling
// and correlation against a clip that never saw Opus.
func TestTheTwoClipsStandSideBySide(t *testing.T) {
	pcm := readClip(t, "opus")
	if len(pcm) != 894*fineFrame {
		t.Fatalf("got %d samples", len(pcm))
	}
	codec := codecOf(t, "pcmu")
	ref, err := referenceOf(codec.Clip())
	if err != nil {
		t.Fatal(err)
	}
	line := &timeline{}
	line.reset(codec)
	copy(line.pcm, pcm)
	line.mark(0, len(line.pcm), present)
	line.finish(len(line.pcm))
	m := &match{ref: ref, line: line}
	if !m.locate(0, false) {
		t.Fatal("the one clip is not found in the other")
	}
	lag := m.blocks[0].lag
	if lag > len(ref.fine)/2 {
		lag -= len(ref.fine)
	}
	late := -1000 * float64(lag) / fineRate
	t.Logf("%.2f ms later, surely alike %.2f, gain %.2f dB", late, m.sureness(), decibels(m.gain()))
	if late < 6 || late > 13 || m.sureness() < 0.99 || math.Abs(decibels(m.gain())) > 0.5 {
		t.Errorf("the clips lie %.2f ms apart, %.2f of the blocks are alike, gain %.2f dB", late, m.sureness(), decibels(m.gain()))
	}
}
