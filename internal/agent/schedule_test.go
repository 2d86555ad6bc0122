package agent

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// play runs a schedule for a while: call says how long a call takes and how it
// went. It returns when calls began.
func play(s *schedule, from, until time.Duration, call func(began time.Duration, d due) (time.Duration, outcome)) (began []time.Duration) {
	now := from
	for {
		d := s.next()
		if d.at >= until {
			return began
		}
		now = max(now, d.at)
		began = append(began, now)
		s.begin(now)
		took, o := call(now, d)
		now += took
		s.end(now, took, o)
	}
}

func well(time.Duration, due) (time.Duration, outcome) { return 10 * time.Second, fine }

func TestScheduleDoesNotDrift(t *testing.T) {
	s := newSchedule("paris", time.Minute, 12*time.Second, 0)
	began := play(s, 0, 30*day, well)
	phase := spread("paris", time.Minute)
	for i, at := range began {
		if want := phase + time.Duration(i)*time.Minute; at != want {
			t.Fatalf("call %d began at %v, want %v", i, at, want)
		}
	}
	if want := 30 * 24 * 60; len(began) != want || s.skipped != 0 {
		t.Errorf("got %d calls in 30 days and %d slots skipped, want %d and none", len(began), s.skipped, want)
	}
}

func TestJobsAreSpreadOverTheInterval(t *testing.T) {
	const jobs, parts = 1000, 10
	var in [parts]int
	for i := range jobs {
		at := spread(fmt.Sprintf("site-%d", i), time.Minute)
		if at < 0 || at >= time.Minute {
			t.Fatalf("phase %v is not within the interval", at)
		}
		in[at*parts/time.Minute]++
	}
	// Of a fair spread each tenth holds 100 ± 9.5; four standard deviations are 38.
	for i, n := range in {
		if n < 62 || n > 138 {
			t.Errorf("tenth %d of the interval holds %d of %d jobs: %v", i, n, jobs, in)
		}
	}
	// It is the same in every process, and the same that FNV-1a and splitmix64 give elsewhere.
	if got, want := spread("contact-centre-echo", time.Minute), 31986*time.Millisecond; got.Truncate(time.Millisecond) != want {
		t.Errorf("got %v want %v", got, want)
	}
}

func TestAFirstCallDoesNotWaitForAFarSlot(t *testing.T) {
	for i := range 100 {
		s := newSchedule(fmt.Sprint("site", i), 6*time.Hour, 12*time.Second, 0)
		began := play(s, 0, 3*day, well)
		slots := began
		if began[0] >= time.Minute {
			t.Fatalf("the first call began after %v", began[0])
		}
		if s.phase > time.Minute {
			slots = began[1:]
		}
		if want := 12; len(slots) != want || slots[0] != s.phase || slots[11] != s.phase+11*6*time.Hour {
			t.Fatalf("got slots %v, want %d from %v on", slots, want, s.phase)
		}
	}
}

// slotsOf is a schedule whose slots are at whole minutes.
func slotsOf(every time.Duration) *schedule {
	s := newSchedule("", every, 12*time.Second, 0)
	s.phase, s.slot, s.early = 0, 0, never
	return s
}

func seconds(list ...float64) (out []time.Duration) {
	for _, s := range list {
		out = append(out, time.Duration(s*float64(time.Second)))
	}
	return out
}

func TestAfterABadCall(t *testing.T) {
	tests := []struct {
		name  string
		every time.Duration
		until time.Duration
		call  func(time.Duration, due) (time.Duration, outcome)
		want  []time.Duration
	}{
		{
			"a target that refuses is called at once, then ever less often, then on schedule", time.Minute, 3 * time.Minute,
			func(time.Duration, due) (time.Duration, outcome) { return 0, bad },
			// Gaps of 1, 2, 4, 8, 16 s; the next, 32 s, is longer than half the interval.
			seconds(0, 1, 3, 7, 15, 31, 60, 120),
		},
		{
			"a good call ends it", time.Minute, 2 * time.Minute,
			func(at time.Duration, _ due) (time.Duration, outcome) {
				if at < 3*time.Second {
					return 0, bad
				}
				return 10 * time.Second, fine
			},
			seconds(0, 1, 3, 60),
		},
		{
			"the next bad call after a good one is looked at anew", time.Minute, 2*time.Minute + 5*time.Second,
			func(at time.Duration, d due) (time.Duration, outcome) {
				if !d.retest {
					return 0, bad
				}
				return 10 * time.Second, fine
			},
			seconds(0, 1, 60, 61, 120, 121),
		},
		{
			"none is placed that could not end before the next slot", time.Minute, 3 * time.Minute,
			func(time.Duration, due) (time.Duration, outcome) { return 35 * time.Second, bad },
			seconds(0, 60, 120),
		},
		{
			"an untrusted call is no reason to call more", time.Minute, 3 * time.Minute,
			func(time.Duration, due) (time.Duration, outcome) { return 10 * time.Second, unknown },
			seconds(0, 60, 120),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := slotsOf(tt.every)
			if got := play(s, 0, tt.until, tt.call); !slices.Equal(got, tt.want) {
				t.Errorf("calls began at\n%v, want\n%v", got, tt.want)
			}
			if s.skipped != 0 {
				t.Errorf("%d slots were skipped", s.skipped)
			}
		})
	}
}

func TestACallThatTakesLongerThanTheInterval(t *testing.T) {
	tests := []struct {
		name    string
		takes   time.Duration
		want    []time.Duration
		skipped int64 // with those of the last call
	}{
		{"by a little: the slot is served late", 70 * time.Second, seconds(0, 70, 140, 210, 300), 1},
		{"by more than half: the slot is left out", 100 * time.Second, seconds(0, 120, 240), 3},
		{"by several: as many are left out", 350 * time.Second, seconds(0, 360), 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := slotsOf(time.Minute)
			end := tt.want[len(tt.want)-1] + time.Second
			got := play(s, 0, end, func(time.Duration, due) (time.Duration, outcome) { return tt.takes, fine })
			if !slices.Equal(got, tt.want) || s.skipped != tt.skipped {
				t.Errorf("calls began at %v and %d slots were left out, want %v and %d", got, s.skipped, tt.want, tt.skipped)
			}
		})
	}
}
