package agent

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/earshot-voip/earshot/probe"
)

func TestAContinuousCallIsRenewedWithoutAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		l.fate = func(string, int) fate { return fate{setUp: 3 * time.Second} }
		jobs := many(20, func(name string) Job { return lasting(name, time.Hour) })
		a, w := start(t, l, Plan{Jobs: jobs, Budget: Budget{ParallelCalls: 20}})
		time.Sleep(10 * time.Hour)
		var renewals []time.Duration
		for _, j := range jobs {
			calls := l.of(j.Name())
			if n := len(calls); n < 10 || n > 11 {
				t.Errorf("%s: %d calls in ten hours", j.Name(), n)
			}
			for i := range len(calls) - 1 {
				old, next := calls[i], calls[i+1]
				// The next one is set up in 3 s and has a window 5 s later.
				if old.end != next.began+8*time.Second || !old.ended {
					t.Fatalf("%s: call %d ended at %v, the next began at %v; want it to end 8 s later", j.Name(), i, old.end, next.began)
				}
				if lived := next.began - old.began; i > 0 && lived != time.Hour {
					t.Fatalf("%s: call %d was renewed after %v", j.Name(), i, lived)
				}
			}
			renewals = append(renewals, calls[1].began)
		}
		if spread := slices.Max(renewals) - slices.Min(renewals); spread < 15*time.Minute {
			t.Errorf("all calls are renewed within %v", spread)
		}
		if most := l.peak(); most > 22 {
			t.Errorf("%d calls at once for 20 jobs", most)
		}
		end(t, a, w)
		if got := w.count[probe.Good]; got < 200 || len(w.count) != 1 {
			t.Errorf("got verdicts %v", w.count)
		}
		// Ten hours less the first seconds hold 7200 windows; the overlaps add two for each renewal.
		for _, j := range jobs {
			if n := w.windows[j.Name()]; n < 7190 || n > 7230 {
				t.Errorf("%s: %d windows in ten hours", j.Name(), n)
			}
		}
	})
}

func TestALostCallIsPlacedAgain(t *testing.T) {
	t.Run("at once after a long life", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLine()
			l.fate = func(_ string, n int) fate {
				if n == 0 {
					return fate{dies: 10*time.Minute + 2*time.Second}
				}
				return fate{}
			}
			a, w := start(t, l, Plan{Jobs: []Job{lasting("branch", time.Hour)}})
			time.Sleep(20 * time.Minute)
			calls := l.of("branch")
			if len(calls) != 2 || calls[1].began != calls[0].end {
				t.Fatalf("got calls %+v, want a second one at the moment in which the first died", calls)
			}
			if got, want := w.ends("branch"), []string{"ice_consent_lost"}; !slices.Equal(got, want) {
				t.Errorf("got %v want %v", got, want)
			}
			end(t, a, w)
		})
	})
	t.Run("less and less often when calls end at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLine()
			l.fate = func(_ string, n int) fate { return fate{broken: n < 20} }
			a, w := start(t, l, Plan{Jobs: []Job{lasting("branch", time.Hour)}})
			time.Sleep(time.Hour)
			at := l.starts("branch")
			if len(at) != 21 {
				t.Fatalf("got %d calls, want 20 that fail and one that stays", len(at))
			}
			for i := range len(at) - 1 {
				ideal := min(max((at[i]-at[0])/2, time.Second), time.Minute)
				if gap := at[i+1] - at[i]; gap < ideal*3/4 || gap > ideal*5/4 {
					t.Errorf("gap %d is %v, want %v give or take a quarter", i, gap, ideal)
				}
			}
			end(t, a, w)
			if got := w.ends("branch"); len(got) != 21 || got[20] != "good" {
				t.Errorf("got %v", got)
			}
		})
	})
	t.Run("jobs do not come back in step", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLine()
			l.fate = func(_ string, n int) fate { return fate{broken: l.now() < 10*time.Minute} }
			jobs := many(20, func(name string) Job { return lasting(name, time.Hour) })
			a, w := start(t, l, Plan{Jobs: jobs})
			time.Sleep(20 * time.Minute)
			seen := map[time.Duration]int{}
			for _, j := range jobs {
				at := l.starts(j.Name())
				back := at[len(at)-1]
				if back < 10*time.Minute || back > 11*time.Minute+15*time.Second {
					t.Errorf("%s is back at %v", j.Name(), back)
				}
				seen[back.Truncate(time.Second)]++
			}
			if len(seen) < 12 {
				t.Errorf("20 jobs come back in %d different seconds: %v", len(seen), seen)
			}
			end(t, a, w)
		})
	})
}

func TestACallWhoseSuccessorFailsStaysUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		l.fate = func(_ string, n int) fate { return fate{broken: n > 0 && n < 5} }
		a, w := start(t, l, Plan{Jobs: []Job{lasting("branch", time.Hour)}})
		time.Sleep(2 * time.Hour)
		calls := l.of("branch")
		if len(calls) < 6 || calls[0].end <= calls[5].began || !calls[0].ended {
			t.Fatalf("the first call did not last until the fifth attempt to replace it: %+v", calls)
		}
		end(t, a, w)
		if got, want := w.ends("branch")[:5], []string{"ice_no_pair", "ice_no_pair", "ice_no_pair", "ice_no_pair", "good"}; !slices.Equal(got, want) {
			t.Errorf("got %v want %v", got, want)
		}
	})
	// That calls failed before it makes nobody wait longer for the next attempt.
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		l.fate = func(_ string, n int) fate { return fate{broken: n == 0 || n == 2} }
		a, w := start(t, l, Plan{Jobs: []Job{lasting("branch", time.Hour)}})
		time.Sleep(2 * time.Hour)
		at := l.starts("branch")
		if gap := at[3] - at[2]; gap > leastBackOff*5/4 {
			t.Errorf("the second attempt to replace the call is %v after the first", gap)
		}
		end(t, a, w)
	})
	// The far end may be gone for good: the call ends by itself in the end.
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		l.fate = func(_ string, n int) fate { return fate{broken: n > 0} }
		a, w := start(t, l, Plan{Jobs: []Job{lasting("branch", time.Hour)}})
		time.Sleep(4 * time.Hour)
		if first := l.of("branch")[0]; first.ended || first.end-first.began != 2*time.Hour {
			t.Errorf("got %+v, want a call of two hours that ends by itself", first)
		}
		end(t, a, w)
	})
}

func TestACallThatDiesWhileItIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		renewal := time.Hour/2 + spread("branch", time.Hour/2)
		l.fate = func(_ string, n int) fate {
			if n == 0 {
				return fate{dies: renewal + 2*time.Second} // the successor has no window yet
			}
			return fate{}
		}
		a, w := start(t, l, Plan{Jobs: []Job{lasting("branch", time.Hour)}})
		time.Sleep(renewal + time.Hour/2)
		if n := len(l.of("branch")); n != 2 {
			t.Errorf("got %d calls: the successor is there already, no other is needed", n)
		}
		time.Sleep(time.Hour)
		if n := len(l.of("branch")); n != 3 {
			t.Errorf("got %d calls, want the successor to be renewed in its turn", n)
		}
		end(t, a, w)
	})
}
