package impair

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseReadsEveryKey(t *testing.T) {
	tests := []struct {
		name, text string
		want       Profile
		printed    string
	}{
		{"nothing is clean", "", Profile{}, "clean"},
		{"clean is nothing", " clean ", Profile{}, "clean"},
		{"the example of the documentation", "loss=3%,burst=4,delay=80ms,jitter=20ms,seed=7",
			Profile{Loss: 0.03, Burst: 4, Delay: 80 * ms, Jitter: 20 * ms, Seed: 7},
			"loss=3%,burst=4,delay=80ms,jitter=20ms,seed=7"},
		{"any order and spaces", " seed=7, delay = 80ms ,loss=3%",
			Profile{Loss: 0.03, Delay: 80 * ms, Seed: 7}, "loss=3%,delay=80ms,seed=7"},
		{"everything at once",
			"loss=0.1%,burst=2.5,delay=1.5s,jitter=250us,dist=pareto,overtake,reorder=2%,hold=30ms,duplicate=100%," +
				"outage=2s+500ms/10s,rate=1.5Mbit,queue=100ms,seed=18446744073709551615",
			Profile{Loss: 0.001, Burst: 2.5, Delay: 1500 * ms, Jitter: 250 * time.Microsecond, Dist: Pareto, Overtake: true,
				Reorder: 0.02, Hold: 30 * ms, Duplicate: 1, Outage: Outage{2 * time.Second, 500 * ms, 10 * time.Second},
				Rate: 1_500_000, Queue: 100 * ms, Seed: math.MaxUint64},
			"loss=0.1%,burst=2.5,delay=1.5s,jitter=250µs,dist=pareto,overtake,reorder=2%,hold=30ms,duplicate=100%," +
				"outage=2s+500ms/10s,rate=1500kbit,queue=100ms,seed=18446744073709551615"},
		{"an outage that does not repeat", "outage=0s+1m", Profile{Outage: Outage{For: time.Minute}}, "outage=0s+1m0s"},
		{"a burst that waits for losses, as a ramp begins", "loss=0%,burst=4", Profile{Burst: 4}, "loss=0%,burst=4"},
		{"a rate that is not whole kilobits", "rate=64.001kbit", Profile{Rate: 64001}, "rate=64001bit"},
		{"the shortest burst that a loss can have", "loss=75%,burst=3", Profile{Loss: 0.75, Burst: 3}, "loss=75%,burst=3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
			if got.String() != tt.printed {
				t.Errorf("got  %s\nwant %s", got, tt.printed)
			}
		})
	}
}

func TestParseNamesKeyValueAndRemedy(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"a loss without a sign is ambiguous", "loss=3", "impairment loss=3 is not a percentage; hint: try loss=3%"},
		{"more than everything", "loss=101%", "impairment loss=101% is not between 0 and 100 %; hint: try loss=3%"},
		{"less than nothing", "loss=-1%", "impairment loss=-1% is not a percentage; hint: try loss=3%"},
		{"a loss that never happens", "loss=0.00000001%", "impairment loss=0.00000001% is too small to ever happen; hint: try loss=0.01%"},
		{"a number in disguise", "loss=NaN%", "impairment loss=NaN% is not a percentage; hint: try loss=3%"},
		{"a burst in words", "loss=1%,burst=many", "impairment burst=many is not a number of packets; hint: try burst=4"},
		{"a burst of less than one packet", "loss=1%,burst=0.5", "impairment burst=0.5 is not between 1 and 10000 packets; hint: try burst=4"},
		{"a burst that cannot give the loss", "loss=90%,burst=2", "impairment burst=2 is too short for a loss of 90%; hint: try burst=9"},
		{"a burst of total loss", "loss=100%,burst=2", "impairment burst=2 is too short for a loss of 100%; hint: try no burst"},
		{"a burst of nothing", "burst=4", "impairment burst does nothing without loss; hint: add loss=…"},
		{"a distribution of nothing", "dist=uniform", "impairment dist does nothing without jitter; hint: add jitter=…"},
		{"a queue before nothing", "queue=1s", "impairment queue does nothing without rate; hint: add rate=…"},
		{"a duration without a unit", "delay=80", "impairment delay=80 is not a duration; hint: try delay=80ms"},
		{"a delay that goes back", "delay=-1ms", "impairment delay=-1ms is not between 0 and 1m0s; hint: try delay=80ms"},
		{"a delay no call survives", "delay=61s", "impairment delay=1m1s is not between 0 and 1m0s; hint: try delay=80ms"},
		{"an unknown distribution", "jitter=1ms,dist=gauss", "impairment dist=gauss is not known; hint: try dist=exponential|uniform|normal|pareto"},
		{"a flag with a value", "jitter=1ms,overtake=yes", "impairment overtake=yes takes no value; hint: try overtake"},
		{"a key without its value", "delay", "impairment delay has no value; hint: the form is loss=3%,delay=80ms"},
		{"an outage without a length", "outage=2s", "impairment outage=2s is not a start, a length and perhaps a period; hint: try outage=2s+500ms or outage=2s+500ms/10s"},
		{"an outage that never ends", "outage=2s+5s/5s", "impairment outage=2s+5s/5s never ends, since it repeats before it is over; hint: try outage=2s+500ms/10s"},
		{"an outage that goes back", "outage=2s+-5s", "impairment outage=2s+-5s has no length or goes back in time; hint: try outage=2s+500ms"},
		{"a rate without a unit", "rate=64000", "impairment rate=64000 is not a number of bits per second; hint: try rate=64kbit"},
		{"a rate of a part of a bit", "rate=0.0001kbit", "impairment rate=0.0001kbit is not a number of bits per second; hint: try rate=64kbit"},
		{"a rate too low for a packet", "rate=999bit", "impairment rate=999bit is not between 1 kbit and 100 Gbit; hint: try rate=64kbit"},
		{"a seed in words", "seed=x", "impairment seed=x is not a whole number of at most 64 bits; hint: try seed=7"},
		{"a key twice", "delay=1ms,delay=2ms", "impairment delay is given twice; hint: keep one of them"},
		{"an unknown key", "latency=80ms", `impairment "latency" is not known; hint: use loss, burst, delay, jitter, dist, overtake, reorder, hold, duplicate, outage, rate, queue, seed`},
		{"a comma too many", "loss=3%,", `impairment "" is not known; hint: use loss, burst, delay, jitter, dist, overtake, reorder, hold, duplicate, outage, rate, queue, seed`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Parse(tt.text)
			if err == nil {
				t.Fatalf("%q was read as %+v", tt.text, p)
			}
			if err.Error() != tt.want {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
		})
	}
}

func TestValidateRefusesWhatTextCannotSay(t *testing.T) {
	tests := []struct {
		name string
		p    Profile
	}{
		{"a loss that is not a number", Profile{Loss: math.NaN()}},
		{"a burst that is not a number", Profile{Burst: math.NaN()}},
		{"an infinite burst", Profile{Burst: math.Inf(1)}},
		{"more duplicates than packets", Profile{Duplicate: 1.5}},
		{"fewer than no packets held back", Profile{Reorder: -0.1}},
		{"a distribution beyond the last", Profile{Dist: Pareto + 1}},
		{"a rate that sucks packets in", Profile{Rate: -64000}},
		{"an outage without an end", Profile{Outage: Outage{From: time.Second}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.p.Validate(); err == nil || !strings.Contains(err.Error(), "; hint: ") {
				t.Errorf("got %v", err)
			}
			// An invalid profile may do anything but panic.
			l := NewLink(tt.p)
			for i := range 100 {
				l.Packet(time.Duration(i)*20*ms, -1+i*1000)
			}
		})
	}
}

func TestProfileIsTextInJSON(t *testing.T) {
	text, err := json.Marshal(struct{ Up Profile }{mustParse(t, "loss=3%,seed=7")})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"Up":"loss=3%,seed=7"}`; string(text) != want {
		t.Errorf("got %s want %s", text, want)
	}
	var back struct{ Up Profile }
	if err := json.Unmarshal(text, &back); err != nil || back.Up != (Profile{Loss: 0.03, Seed: 7}) {
		t.Errorf("got %+v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`{"Up":"loss=3"}`), &back); err == nil {
		t.Error("a bad profile was read")
	}
}

func TestScheduleChangesTheProfileAtItsTimes(t *testing.T) {
	s, err := ParseSchedule("delay=10ms,seed=3; at=1s:delay=100ms ;at=2s:loss=100%;at=3s:clean")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.String(), "delay=10ms,seed=3;at=1s:delay=100ms;at=2s:loss=100%;at=3s:clean"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	l := s.Link()
	for _, step := range []struct {
		at   time.Duration
		want Fate
	}{
		{0, Fate{Delay: 10 * ms}},
		{time.Second - 1, Fate{Delay: 10 * ms}},
		{time.Second, Fate{Delay: 100 * ms}},
		{2*time.Second - 1, Fate{Delay: 100 * ms}},
		{2 * time.Second, Fate{Cause: Lost}},
		{3*time.Second - 1, Fate{Cause: Lost}},
		{3 * time.Second, Fate{}},
	} {
		if got := l.Packet(step.at, 172); got != step.want {
			t.Errorf("at %v: got %+v want %+v", step.at, got, step.want)
		}
	}
	// A link that begins in the middle is where the schedule is.
	if got := s.Link().Packet(2500*ms, 172).Cause; got != Lost {
		t.Errorf("a link that begins late: got %v want random", got)
	}
	if got := (Schedule{}).Link().Packet(0, 172); got != (Fate{}) {
		t.Errorf("no schedule: got %+v", got)
	}
}

func TestScheduleSeedIsThatOfTheFirstStep(t *testing.T) {
	s, err := ParseSchedule("seed=3;at=1s:loss=50%")
	if err != nil {
		t.Fatal(err)
	}
	l, want := s.Link(), NewLink(mustParse(t, "loss=50%,seed=3"))
	want.SetProfile(Profile{})
	l.Packet(0, 172)
	want.Packet(0, 172)
	want.SetProfile(Profile{Loss: 0.5})
	for i := range 200 {
		at := time.Second + time.Duration(i)*20*ms
		if got, want := l.Packet(at, 172), want.Packet(at, 172); got != want {
			t.Fatalf("packet %d: got %+v want %+v", i, got, want)
		}
	}
}

func TestParseScheduleNamesWhatIsWrong(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"a step without its time", "clean;loss=5%", "impairment at=0s is not after the step before it; hint: try rising times"},
		{"times that fall", "clean;at=2s:clean;at=1s:clean", "impairment at=1s is not after the step before it; hint: try rising times"},
		{"a time without a colon", "clean;at=2s", "impairment at=2s is not a time before a colon; hint: try at=10s:loss=5%"},
		{"a time that goes back", "at=-2s:clean", "impairment at=-2s is not a time before a colon; hint: try at=10s:loss=5%"},
		{"a second seed", "seed=1;at=2s:seed=2", "impairment seed=2 cannot change on the way; hint: try seed=… before the first semicolon"},
		{"a bad profile", "clean;at=2s:loss=5", "impairment loss=5 is not a percentage; hint: try loss=3%"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := ParseSchedule(tt.text)
			if err == nil {
				t.Fatalf("%q was read as %v", tt.text, s)
			}
			if err.Error() != tt.want {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
		})
	}
	for _, bad := range []Schedule{nil, {{At: 1}}, {{}, {At: 1, Profile: Profile{Loss: 2}}}} {
		if bad.Validate() == nil {
			t.Errorf("%v is valid", bad)
		}
	}
}

// FuzzParse holds that what can be read can be written and read again as the
// same, and that no text makes a link panic.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "clean", "loss=3%,burst=4,delay=80ms,jitter=20ms,seed=7", "loss=0.1%,jitter=1ms,dist=pareto,overtake",
		"reorder=33.3333%,hold=1us,duplicate=.5%", "outage=2s+500ms/10s,rate=1.5Mbit,queue=1ns", "loss=1.%",
		"seed=7;at=10s:loss=5%;at=20s:clean", "at=1h:delay=1ms", "loss=99.99999999999999999%,burst=1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSchedule(text)
		if err != nil {
			if !strings.Contains(err.Error(), "; hint: ") {
				t.Errorf("no hint: %v", err)
			}
			return
		}
		again, err := ParseSchedule(s.String())
		if err != nil {
			t.Fatalf("%q was written as %q: %v", text, s, err)
		}
		if len(again) != len(s) {
			t.Fatalf("%q has %d steps, %q %d", text, len(s), s, len(again))
		}
		for i := range s {
			if again[i] != s[i] {
				t.Fatalf("%q: got %+v want %+v", s, again[i], s[i])
			}
		}
		l := s.Link()
		l.Record(20)
		last := time.Duration(0)
		for i := range 20 {
			at := time.Duration(i) * 20 * ms
			f := l.Packet(at, 172)
			if f.Cause == Delivered && f.Delay < 0 {
				t.Fatalf("%q: packet %d arrives %v early", text, i, -f.Delay)
			}
			last = max(last, at+f.Delay)
		}
		if last > 5*time.Hour {
			t.Fatalf("%q: a packet takes %v", text, last)
		}
		checkAccount(t, l.Ledger())
	})
}
