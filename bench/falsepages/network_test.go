package main

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestDuringFindsWhatALookAtEachFinds(t *testing.T) {
	d := draw{rand.New(rand.NewPCG(1, 1)), monday, 7}
	e := d.events(habits{blips: 50, outages: 20, swells: 10, detours: 3})
	found := 0
	for range 5000 {
		from := monday.Add(time.Duration(d.Int64N(int64(7 * 24 * time.Hour))))
		to := from.Add(time.Duration(d.Int64N(int64(time.Minute)) + 1))
		var got, want []event
		for one := range e.during(from, to) {
			got = append(got, *one)
		}
		for _, one := range e.list {
			if one.from.Before(to) && one.to().After(from) {
				want = append(want, one)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%v to %v: got %v, want %v", from, to, got, want)
		}
		found += len(got)
	}
	if found == 0 {
		t.Error("nothing was found at all")
	}
}

func TestEventsComeAsOftenAsTheyShould(t *testing.T) {
	for _, office := range []bool{false, true} {
		d := draw{rand.New(rand.NewPCG(2, 2)), monday, 7 * 40}
		times := d.poisson(10, office)
		if perDay := float64(len(times)) / (7 * 40); math.Abs(perDay-10) > 1 {
			t.Errorf("office %v: got %.1f a day, want 10", office, perDay)
		}
		nights := slices.DeleteFunc(slices.Clone(times), func(at time.Time) bool { return at.Hour() >= 6 })
		if share := float64(len(nights)) / float64(len(times)); office != (share < 0.15) {
			t.Errorf("office %v: %.0f %% of it is at night", office, 100*share)
		}
	}
}

func TestNoNoiseIsLongerThanItMayBe(t *testing.T) {
	sites, _ := world(plan{Seed: 1, Span: 30 * 24 * time.Hour}, monday)
	for _, s := range sites {
		for _, p := range s.paths {
			for _, l := range p {
				for _, e := range l.list {
					if (e.kind == outage || e.kind == blip) && (e.span > mostNoise || e.span <= 0) {
						t.Errorf("%s: %s of %v", l.name, e.kind, e.span)
					}
				}
			}
		}
	}
}

func TestEveryKindOfNoiseIsDescribed(t *testing.T) {
	_, out := world(plan{Seed: 1, Span: 30 * 24 * time.Hour}, monday)
	for k := range out.Noise {
		if described[k] == "" {
			t.Errorf("the page does not say what a %s is", k)
		}
	}
	if len(out.Noise) != len(described) {
		t.Errorf("in a month there is %v, described are %v", out.Noise, described)
	}
}

func TestLoadIsThatOfOfficeHours(t *testing.T) {
	l := newLeg("x", 1, line{}, habits{}, monday, 1)
	mean := func(hour int) (sum float64) {
		for minute := range 60 {
			sum += l.load(monday.Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute))
		}
		return sum / 60
	}
	if night, noon := mean(3), mean(10); night > 0.15 || noon < 0.4 {
		t.Errorf("load at 3:00 %.2f, at 10:00 %.2f", night, noon)
	}
	if sunday := l.load(monday.Add(-14 * time.Hour)); sunday > 0.15 {
		t.Errorf("load on a Sunday %.2f", sunday)
	}
}

func TestDeadTellsOutagesThatTouch(t *testing.T) {
	at := func(s float64) time.Time { return monday.Add(seconds(s)) }
	one := &leg{events: newEvents([]event{{kind: outage, way: both, from: at(10), span: 5 * time.Second}})}
	two := &leg{events: newEvents([]event{{kind: outage, way: up, from: at(14), span: 4 * time.Second}, {kind: blip, way: up, from: at(30), span: 4 * time.Second}})}
	p := path{one, two}
	for _, row := range []struct {
		at          float64
		since, till float64
		dead        bool
	}{
		{9.9, 0, 0, false}, {10, 10, 18, true}, {12, 10, 18, true}, {17.9, 10, 18, true}, {18, 0, 0, false}, {31, 0, 0, false},
	} {
		since, until, dead := p.dead(at(row.at))
		if dead != row.dead || dead && (!since.Equal(at(row.since)) || !until.Equal(at(row.till))) {
			t.Errorf("at %v s: got %v, %v to %v", row.at, dead, since.Sub(monday), until.Sub(monday))
		}
	}
}

// The control shows something only if its noise is that of the run it is for.
func TestAnIncidentLeavesTheNoiseAsItIs(t *testing.T) {
	p := plan{Seed: 1, Span: 24 * time.Hour}
	without, _ := world(p, monday)
	p.Incident = &theIncident
	with, _ := world(p, monday)
	differ := map[string]int{}
	for i, s := range without {
		for name, way := range s.paths {
			for at := monday.Add(9 * time.Hour); at.Before(monday.Add(11 * time.Hour)); at = at.Add(windowLength) {
				a := s.windowOf(way, s.codecs[name], at, at, at.Add(windowLength))
				b := with[i].windowOf(with[i].paths[name], s.codecs[name], at, at, at.Add(windowLength))
				if !reflect.DeepEqual(a, b) {
					differ[s.name]++
				}
			}
		}
	}
	// Five paths, and 120 windows of five seconds in ten minutes.
	if n := differ[theIncident.Site]; len(differ) != 1 || n < 5*118 || n > 5*120 {
		t.Errorf("windows that differ: %v, want about 600 of %s", differ, theIncident.Site)
	}
}
