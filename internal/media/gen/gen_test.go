package main

import (
	"math"
	"testing"
)

// The codes for nothing, for one step below it and for both ends of the range
// are those of ITU-T G.711, tables 1a to 2b.
func TestG711CodesOfKnownValues(t *testing.T) {
	tests := []struct {
		name   string
		encode func(int16) byte
		sample int16
		want   byte
	}{
		{"mu-law: zero has all bits set", encodeMu, 0, 0xff},
		{"mu-law: full scale up", encodeMu, 32767, 0x80},
		{"mu-law: full scale down", encodeMu, -32768, 0x00},
		{"mu-law: the second segment starts at 31 of 8159", encodeMu, 31 * 4, 0xef},
		{"mu-law: the first segment ends under it", encodeMu, 31*4 - 1, 0xf0},
		{"A-law: the lowest positive step", encodeA, 0, 0xd5},
		{"A-law: the lowest negative step", encodeA, -1, 0x55},
		{"A-law: full scale up", encodeA, 32767, 0xaa},
		{"A-law: full scale down", encodeA, -32768, 0x2a},
		{"A-law: the third segment starts at 64 of 4096", encodeA, 64 * 8, 0xf5},
		{"A-law: the second segment ends under it", encodeA, 64*8 - 1, 0xca},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.encode(tt.sample); got != tt.want {
				t.Errorf("got %#02x want %#02x", got, tt.want)
			}
		})
	}
}

// Every sample comes back as the nearest value of its law, or one no further
// away than half of the step it lies in.
func TestG711ComesBackWithinHalfAStep(t *testing.T) {
	laws := []struct {
		name   string
		encode func(int16) byte
		decode func(byte) int16
		finest float64 // step at zero, of 32768
	}{
		{"mu-law", encodeMu, decodeMu, 8},
		{"A-law", encodeA, decodeA, 16},
	}
	for _, law := range laws {
		for s := -32000; s <= 32000; s++ {
			got := float64(law.decode(law.encode(int16(s))))
			step := max(law.finest, math.Abs(float64(s))/16+law.finest)
			if math.Abs(got-float64(s)) > step/2+4 {
				t.Fatalf("%s: %d came back as %v", law.name, s, got)
			}
		}
	}
}

// A tone of amplitude a has the level 20 log a - 3.01 dBov. Silence after it
// must not count, apart from the 0.2 s of hangover.
func TestSpeechLevelOfATone(t *testing.T) {
	const rate, seconds = 8000, 10
	amplitude := 0.1
	tone := make([]float64, 2*seconds*rate)
	for i := range seconds * rate {
		tone[i] = amplitude * math.Sin(2*math.Pi*440*float64(i)/rate)
	}
	want := 20*math.Log10(amplitude) - 10*math.Log10(2)
	level, activity := speechLevel(tone[:seconds*rate], rate)
	if math.Abs(level-want) > 0.05 || math.Abs(activity-1) > 0.02 {
		t.Errorf("tone: got %.3f dBov, %.3f active want %.3f, 1", level, activity, want)
	}
	level, activity = speechLevel(tone, rate)
	if math.Abs(level-want) > 0.25 || math.Abs(activity-0.515) > 0.015 {
		t.Errorf("tone and silence: got %.3f dBov, %.3f active want %.3f, 0.515", level, activity, want)
	}
	if level, activity = speechLevel(make([]float64, rate), rate); !math.IsInf(level, -1) || activity != 0 {
		t.Errorf("silence: got %v dBov, %v active want -Inf, 0", level, activity)
	}
}

// What is more than 15.9 dB quieter is a pause, what is less is speech.
func TestSpeechLevelLeavesOutPausesWithNoise(t *testing.T) {
	const rate, seconds = 8000, 10
	for _, tt := range []struct {
		name               string
		quieter            float64 // dB
		wantLoud, activity float64 // against the loud half
	}{
		{"noise in a pause does not count", 24, 0, 0.515},
		{"quiet speech counts", 8, 10 * math.Log10((1+math.Pow(10, -0.8))/2), 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tone := make([]float64, 2*seconds*rate)
			for i := range tone {
				tone[i] = 0.1 * math.Sin(2*math.Pi*440*float64(i)/rate)
				if i >= seconds*rate {
					tone[i] *= math.Pow(10, -tt.quieter/20)
				}
			}
			level, activity := speechLevel(tone, rate)
			if want := -23.01 + tt.wantLoud; math.Abs(level-want) > 0.3 || math.Abs(activity-tt.activity) > 0.03 {
				t.Errorf("got %.2f dBov, %.3f active want %.2f, %.3f", level, activity, want, tt.activity)
			}
		})
	}
}

func TestOggPacketsSpanSegmentsAndPages(t *testing.T) {
	page := func(table []byte, body int) []byte {
		p := append([]byte("OggS"), make([]byte, 22)...)
		p = append(append(p, byte(len(table))), table...)
		return append(p, make([]byte, body)...)
	}
	stream := append(page([]byte{10, 255, 45, 255}, 565), page([]byte{255, 0, 7}, 262)...)
	packets, err := oggPackets(stream)
	if err != nil {
		t.Fatal(err)
	}
	want := []int{10, 300, 510, 7}
	if len(packets) != len(want) {
		t.Fatalf("got %d packets want %d", len(packets), len(want))
	}
	for i, p := range packets {
		if len(p) != want[i] {
			t.Errorf("packet %d: got %d bytes want %d", i, len(p), want[i])
		}
	}
	if _, err := oggPackets(stream[:len(stream)-1]); err == nil {
		t.Error("a page without its end was read")
	}
}
