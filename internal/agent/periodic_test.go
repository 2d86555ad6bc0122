package agent

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// start begins an agent on a line within a bubble, where time passes as soon as
// everybody waits.
func start(t *testing.T, l *line, p Plan) (*Agent, *witness) {
	t.Helper()
	w := newWitness(t)
	return startWith(t, l, p, w), w
}

func startWith(t *testing.T, l *line, p Plan, o Observer) *Agent {
	t.Helper()
	a := New(Config{Call: l.call, Observer: o})
	if err := a.Apply(p); err != nil {
		t.Fatal(err)
	}
	return a
}

// end closes the agent and checks what observers were told.
func end(t *testing.T, a *Agent, w *witness) {
	t.Helper()
	if err := a.Close(10 * time.Second); err != nil {
		t.Error(err)
	}
	synctest.Wait()
	w.check()
	if s := a.Status(); s.Running != 0 || s.Waiting != 0 {
		t.Errorf("after the end %d calls run and %d wait", s.Running, s.Waiting)
	}
}

// onSlots checks that calls began at the slots of their name, each of them once.
func onSlots(t *testing.T, l *line, j Job, until time.Duration) {
	t.Helper()
	var want []time.Duration
	for at := spread(j.Name(), j.Every); at < until; at += j.Every {
		want = append(want, at)
	}
	if got := l.starts(j.Name()); !slices.Equal(got, want) {
		t.Errorf("%s was called at\n%v, want\n%v", j.Name(), got, want)
	}
}

func TestADayOfCallsIsOnSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		jobs := many(20, func(name string) Job { return periodic(name, time.Minute, 10*time.Second) })
		a, w := start(t, l, Plan{Jobs: jobs})
		time.Sleep(day)
		for _, j := range jobs {
			onSlots(t, l, j, day)
		}
		s := a.Status()
		for _, j := range s.Jobs {
			if j.Skipped != 0 || j.Late != 0 {
				t.Errorf("%s: %d slots skipped, the last start late by %v", j.Job.Name(), j.Skipped, j.Late)
			}
		}
		// 20 jobs, 10 s of media a minute, 50 packets a second each way of 80 bytes
		// of payload and 28 + 60 + 16 of headers.
		if got, want := s.BytesToday, int64(20*24*60*10*100*(80+104)); got < want*99/100 || got > want {
			t.Errorf("got %d bytes today, want %d but for the calls that run", got, want)
		}
		end(t, a, w)
		if good := w.count["good"]; good < 20*(24*60-1) || len(w.count) != 1 {
			t.Errorf("got %v", w.count)
		}
	})
}

func TestATargetThatHangsDelaysNoOther(t *testing.T) {
	tests := []struct {
		name    string
		hanging int
		budget  int
		fate    fate
	}{
		{"one, until its deadlines", 1, 6, fate{hangs: true}},
		{"half of them, until their deadlines", 10, 10, fate{hangs: true}},
		{"one, whatever it is told", 1, 6, fate{stuck: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLine()
				hangs := map[string]bool{}
				l.fate = func(target string, n int) fate {
					if hangs[target] && (n > 0 || tt.hanging == 1) {
						return tt.fate
					}
					return fate{}
				}
				jobs := many(20, func(name string) Job { return periodic(name, time.Minute, 10*time.Second) })
				for _, j := range jobs[:tt.hanging] {
					hangs[j.Name()] = true
				}
				a, w := start(t, l, Plan{Jobs: jobs, Budget: Budget{ParallelCalls: tt.budget}})
				time.Sleep(time.Hour)
				for _, j := range jobs[tt.hanging:] {
					starts := l.starts(j.Name())
					if len(starts) != 60 {
						t.Errorf("%s was called %d times in an hour", j.Name(), len(starts))
					}
					for i, at := range starts {
						slot := spread(j.Name(), time.Minute) + time.Duration(i)*time.Minute
						// A call of another may have to end before there is a place.
						if late := at - slot; late < 0 || late > 10*time.Second {
							t.Errorf("call %d to %s was late by %v", i, j.Name(), late)
						}
					}
				}
				if most := l.peak(); most > tt.budget+tt.hanging {
					t.Errorf("%d calls at once, the budget is %d", most, tt.budget)
				}
				l.turn(nil)
				time.Sleep(2 * time.Hour) // what is stuck has ended
				end(t, a, w)
			})
		})
	}
}

// The place of a call that ought to have ended by itself goes to others.
func TestACallThatNeverEndsLosesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		l.fate = func(target string, n int) fate { return fate{stuck: target == "stuck"} }
		stuck, other := periodic("stuck", time.Minute, 10*time.Second), periodic("other", time.Minute, 10*time.Second)
		a, w := start(t, l, Plan{Jobs: []Job{stuck, other}, Budget: Budget{ParallelCalls: 1}})
		time.Sleep(time.Hour)
		if n := len(l.of("stuck")); n != 1 {
			t.Errorf("a target whose call has not ended was called %d times", n)
		}
		// Its deadlines are over after a minute, and a minute more is its reserve.
		if n := len(l.of("other")); n < 57 {
			t.Errorf("the other was called %d times in an hour", n)
		}
		l.turn(nil)
		time.Sleep(2 * time.Hour)
		end(t, a, w)
	})
}

func TestTheBudgetOfParallelCallsHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		jobs := many(40, func(name string) Job { return periodic(name, time.Minute, 10*time.Second) })
		a, w := start(t, l, Plan{Jobs: jobs, Budget: Budget{ParallelCalls: 8}}) // 40 · 10 s need 6.7
		time.Sleep(time.Hour)
		if most := l.peak(); most != 8 {
			t.Errorf("%d calls at once, the budget is 8 and they are many enough to fill it", most)
		}
		for _, j := range jobs {
			if n := len(l.of(j.Name())); n < 58 {
				t.Errorf("%s was called %d times in an hour", j.Name(), n)
			}
		}
		// A smaller budget holds for the calls that begin from then on.
		if err := a.Apply(Plan{Jobs: jobs, Budget: Budget{ParallelCalls: 3}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		l.peak()
		time.Sleep(10 * time.Minute)
		if most := l.peak(); most != 3 {
			t.Errorf("%d calls at once, the budget is 3", most)
		}
		if waiting := a.Status().Waiting; waiting == 0 {
			t.Error("nobody waits, though the budget is too small")
		}
		end(t, a, w)
	})
}

func TestNeverTwoCallsOfATargetAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		l.fate = func(_ string, n int) fate { return fate{setUp: 100 * time.Second, broken: n%2 == 0} }
		a, w := start(t, l, Plan{Jobs: []Job{periodic("slow", time.Minute, 10*time.Second)}})
		time.Sleep(6 * time.Hour)
		calls := l.of("slow")
		for i := range len(calls) - 1 {
			if calls[i].end > calls[i+1].began {
				t.Fatalf("call %d ended at %v, the next began at %v", i, calls[i].end, calls[i+1].began)
			}
		}
		// Each takes two slots.
		if s := a.Status().Jobs[0]; len(calls) < 175 || s.Skipped < 175 {
			t.Errorf("got %d calls and %d slots skipped in 360 minutes", len(calls), s.Skipped)
		}
		end(t, a, w)
	})
}

func TestCallsAfterABadOne(t *testing.T) {
	phase := spread("branch", time.Minute)
	at := func(s ...float64) []time.Duration {
		list := seconds(s...)
		for i := range list {
			list[i] += phase
		}
		return list
	}
	t.Run("are at once and then on schedule", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLine()
			l.fate = func(_ string, n int) fate { return fate{poor: n == 1, broken: n == 5} }
			a, w := start(t, l, Plan{Jobs: []Job{periodic("branch", time.Minute, 10*time.Second)}})
			time.Sleep(phase + 5*time.Minute - time.Second)
			// Degraded from 60 s to 70 s; broken at 180 s.
			if got, want := l.starts("branch"), at(0, 60, 71, 120, 180, 240, 241); !slices.Equal(got, want) {
				t.Errorf("called at %v, want %v", got, want)
			}
			if s := a.Status(); s.Retests != 2 || s.RetestsDenied != 0 {
				t.Errorf("got %d calls beside the schedule, %d denied; want 2 and none", s.Retests, s.RetestsDenied)
			}
			end(t, a, w)
		})
	})
	t.Run("are not placed because this host is busy", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLine()
			l.fate = func(string, int) fate { return fate{noisy: true} }
			job := periodic("branch", time.Minute, 10*time.Second)
			a, w := start(t, l, Plan{Jobs: []Job{job}})
			time.Sleep(10 * time.Minute)
			onSlots(t, l, job, 10*time.Minute)
			end(t, a, w)
		})
	})
	t.Run("stay within the traffic of a day", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLine()
			// Each call on schedule is bad, each look after it good.
			l.fate = func(_ string, n int) fate { return fate{poor: n%2 == 0} }
			job := periodic("branch", time.Minute, 10*time.Second)
			plan := Plan{Jobs: []Job{job}}
			plan.Budget.BytesPerDay = plan.BytesPerDay() + 3*job.bytes(10*time.Second)
			a, w := start(t, l, plan)
			time.Sleep(day)
			s := a.Status()
			if s.Retests != 3 || s.RetestsDenied < 700 {
				t.Errorf("got %d calls beside the schedule and %d denied, want 3", s.Retests, s.RetestsDenied)
			}
			if s.BytesToday > plan.Budget.BytesPerDay || s.BytesPerDay != plan.Budget.BytesPerDay {
				t.Errorf("got %d of %d bytes", s.BytesToday, s.BytesPerDay)
			}
			if n := len(l.of("branch")); n != 24*60+3 {
				t.Errorf("got %d calls: the schedule itself is not cut", n)
			}
			// A day later there is room again.
			time.Sleep(time.Hour)
			if s := a.Status(); s.Retests < 4 || s.Retests > 6 {
				t.Errorf("got %d calls beside the schedule after a day and an hour", s.Retests)
			}
			end(t, a, w)
		})
	})
}
