package web

import "testing"

func TestThePageNamesTheCodecThatWasAskedForAndNotTaken(t *testing.T) {
	for want, c := range map[string]*docCodec{
		"PCMU, 8 kHz clock, 20 ms a packet; opus was asked for": {Name: "PCMU", ClockRate: 8000, Frame: 0.02, Asked: "opus"},
		"opus, 48 kHz clock, 20 ms a packet":                    {Name: "opus", ClockRate: 48000, Frame: 0.02, Asked: "opus"},
		"PCMA, 8 kHz clock, 20 ms a packet":                     {Name: "PCMA", ClockRate: 8000, Frame: 0.02}, // of an older history
		"unknown":                                               nil,
	} {
		if got := codecText(c); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
