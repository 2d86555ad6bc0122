package main

import (
	"testing"
	"time"

	"github.com/earshot-voip/earshot/bench/internal/relay"
	"github.com/earshot-voip/earshot/internal/impair"
)

func ms(v float64) time.Duration { return time.Duration(v * float64(time.Millisecond)) }

// at is a packet that entered at in ms and left at out.
func at(in float64, out ...float64) passage {
	p := passage{in: ms(in)}
	for _, o := range out {
		p.out = append(p.out, ms(o))
	}
	return p
}

// The worked call: five packets up, of which one is lost, one comes twice and one
// is overtaken; all that arrives goes back at once with 10 ms of delay, but for
// the second datagram, which is lost.
func worked() (up, down []passage) {
	up = []passage{at(0, 5), at(20), at(40, 70, 90), at(60, 65), at(80, 85)}
	down = []passage{at(5, 15), at(65), at(70, 80), at(85, 95), at(90, 100)}
	return up, down
}

func TestTruthOfAWorkedCall(t *testing.T) {
	got, err := newTruth(worked())
	if err != nil {
		t.Fatal(err)
	}
	// Up, in order of arrival: transits 5, (5), 30, 5, 50, where the one in
	// parentheses never came back. |D| = 25, 25, 45.
	// J = 25/16, then + (25-J)/16, then + (45-J)/16; by hand:
	j1 := 25.0 / 16
	j2 := j1 + (25-j1)/16
	j3 := j2 + (45-j2)/16
	want := truth{
		up:   direction{offered: 5, lost: 1, duplicated: 1, reordered: 1, jitter: ms((j1 + j2 + j3) / 3)},
		down: direction{offered: 5, lost: 1},
		// Round trips: 5+10, 30+10, 5+10; the copy is not a second journey.
		rtt: ms(15),
	}
	if got.up.jitter-want.up.jitter > time.Microsecond || want.up.jitter-got.up.jitter > time.Microsecond {
		t.Errorf("jitter %v want %v", got.up.jitter, want.up.jitter)
	}
	got.up.jitter = want.up.jitter
	if got != want {
		t.Errorf("got %+v want %+v", got, want)
	}
}

func TestBooksThatDoNotFitAreAnError(t *testing.T) {
	up, down := worked()
	if _, err := newTruth(up, down[1:]); err == nil {
		t.Error("a datagram that the echo never returned is not noticed")
	}
}

func TestLedgersAndBooksReadAlike(t *testing.T) {
	ledger := impair.Ledger{Packets: []impair.Record{
		{Tag: 65535, At: ms(0), Fate: impair.Fate{Delay: ms(30), Duplicated: true, CopyDelay: ms(20)}},
		{Tag: 0, At: ms(20), Fate: impair.Fate{Cause: impair.Lost}},
		{Tag: 1, At: ms(40), Fate: impair.Fate{Delay: ms(7)}},
	}}
	book := []relay.Record{
		{Sequence: 65535, In: ms(0), Out: []time.Duration{ms(20), ms(30)}},
		{Sequence: 0, In: ms(20)},
		{Sequence: 1, In: ms(40), Out: []time.Duration{ms(47)}},
	}
	a, b := fromLedger(ledger), fromBook(book)
	if len(a) != len(b) {
		t.Fatalf("%d and %d packets", len(a), len(b))
	}
	for i := range a {
		if a[i].sequence != b[i].sequence || a[i].in != b[i].in || len(a[i].out) != len(b[i].out) {
			t.Errorf("packet %d: %+v and %+v", i, a[i], b[i])
			continue
		}
		for k := range a[i].out {
			if a[i].out[k] != b[i].out[k] {
				t.Errorf("packet %d: %+v and %+v", i, a[i], b[i])
			}
		}
	}
}

func TestEveryNetworkCanBeRead(t *testing.T) {
	seeds := map[uint64]string{}
	for _, n := range rows {
		up, down, err := n.schedules()
		if err != nil {
			t.Errorf("%s: %v", n.name, err)
			continue
		}
		for _, s := range []impair.Schedule{up, down} {
			seed := s[0].Profile.Seed
			if other, taken := seeds[seed]; taken && seed != 0 {
				t.Errorf("%s and %s have one seed: their losses are the same", n.name, other)
			}
			seeds[seed] = n.name
		}
	}
}
