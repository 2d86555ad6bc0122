package main

import (
	"encoding/hex"
	"strings"
	"testing"
)

func TestPacketsAreNamed(t *testing.T) {
	const cookie = "2112a442000102030405060708090a0b"
	tests := []struct{ name, packet, want string }{
		{"a check", "00010000" + cookie, "STUN check"},
		{"a check with other attributes", "00010008" + cookie + "0024000400000001", "STUN check"},
		{"a check that nominates", "0001000c" + cookie + "002400040000000100250000", "STUN check that nominates"},
		{"a response", "01010000" + cookie, "STUN response"},
		{"an attribute that claims too much", "00010008" + cookie + "0024ffff00000001", "STUN check"},
		{"a hello", "16feff00000000000000000004" + "01000000", "DTLS ClientHello"},
		{"two records", "16fefd00000000000000010004" + "02000000" + "14fefd0000000000000002000101", "DTLS ServerHello, ChangeCipherSpec"},
		{"an encrypted record", "16fefd0001000000000000000401020304", "DTLS Finished"},
		{"a record cut off", "16fefd00000000000000010044" + "02000000", "DTLS "},
		{"media", "80000001000000000000000700", "RTP"},
		{"a report", "80c80001000000000000000700", "RTCP"},
		{"nothing", "", "?"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := hex.DecodeString(tt.packet)
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(b); got != tt.want {
				t.Errorf("got %q want %q", got, tt.want)
			}
		})
	}
}

func TestTheLeastIsASumOfSteps(t *testing.T) {
	for secure, want := range map[bool]float64{false: 6, true: 7} {
		sum := 0.0
		for _, s := range steps(secure) {
			sum += s.least
		}
		if sum != want {
			t.Errorf("secure %v: %v round trips, want %v", secure, sum, want)
		}
	}
	if !strings.Contains(why, "ICE: two") {
		t.Error("the reasons do not fit the table")
	}
}
