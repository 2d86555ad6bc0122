package config

import (
	"encoding"
	"testing"
	"time"
)

func TestValues(t *testing.T) {
	duration := func(d time.Duration) encoding.TextMarshaler { return Duration{d} }
	tests := []struct {
		text string
		into encoding.TextUnmarshaler
		want any
		back string
	}{
		{"10s", new(Duration), Duration{10 * time.Second}, "10s"},
		{"1h0m0s", new(Duration), Duration{time.Hour}, "1h"},
		{"90m", new(Duration), Duration{90 * time.Minute}, "1h30m"},
		{"1500ms", new(Duration), Duration{1500 * time.Millisecond}, "1.5s"},
		{"2d", new(Duration), Duration{48 * time.Hour}, "48h"},
		{"1d12h", new(Duration), Duration{36 * time.Hour}, "36h"},
		{"1000", new(Size), Size(1000), "1KB"},
		{"1001", new(Size), Size(1001), "1001"},
		{"20GB", new(Size), Size(20e9), "20GB"},
		{"1.5 GB", new(Size), Size(1.5e9), "1500MB"},
		{"1GiB", new(Size), Size(1 << 30), "1073741824"},
		{"2tb", new(Size), Size(2e12), "2TB"},
	}
	for _, tt := range tests {
		if err := tt.into.UnmarshalText([]byte(tt.text)); err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		var back encoding.TextMarshaler
		switch v := tt.into.(type) {
		case *Duration:
			back = duration(v.Duration)
			if any(*v) != tt.want {
				t.Errorf("%s: got %v want %v", tt.text, *v, tt.want)
			}
		case *Size:
			back = *v
			if any(*v) != tt.want {
				t.Errorf("%s: got %v want %v", tt.text, *v, tt.want)
			}
		}
		if got, err := back.MarshalText(); err != nil || string(got) != tt.back {
			t.Errorf("%s is written as %s (%v), want %s", tt.text, got, err, tt.back)
		}
	}
	var s Share
	for text, want := range map[string]Share{"3%": 0.03, "0.03": 0.03, " 12.5 % ": 0.125, "100%": 1} {
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s: got %v (%v) want %v", text, s, err, want)
		}
	}
}

func TestValuesThatAreNone(t *testing.T) {
	for text, into := range map[string]encoding.TextUnmarshaler{
		"":        new(Duration),
		"10":      new(Duration),
		"10 s":    new(Duration),
		"-1s":     new(Duration),
		"0s":      new(Duration),
		"d":       new(Duration),
		"99999d":  new(Duration),
		"1d-2h":   new(Duration),
		"GB":      new(Size),
		"-5MB":    new(Size),
		"0MB":     new(Size),
		"5 KM":    new(Size),
		"9999TB9": new(Size),
		"1e30":    new(Size),
		"NaN":     new(Size),
		"4%%":     new(Share),
		"101%":    new(Share),
		"3":       new(Share),
		"0":       new(Share),
		"half":    new(Share),
	} {
		if err := into.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken for a %T: %v", text, into, into)
		}
	}
}
