package agent

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/earshot-voip/earshot/probe"
)

func TestAPlanThatIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		stays := periodic("stays", time.Minute, 10*time.Second)
		lasts := lasting("lasts", time.Hour)
		changes := lasting("changes", time.Hour)
		goes := lasting("goes", time.Hour)
		a, w := start(t, l, Plan{Jobs: []Job{stays, lasts, changes, goes}})
		time.Sleep(10*time.Minute + 500*time.Millisecond)

		changed := changes
		changed.Target.Codec = "pcma"
		comes := periodic("comes", time.Minute, 10*time.Second)
		if err := a.Apply(Plan{Jobs: []Job{comes, stays, lasts, changed}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := l.of("lasts"); len(got) != 1 || got[0].end != never {
			t.Errorf("the call of a job that stayed was disturbed: %+v", got)
		}
		for _, name := range []string{"changes", "goes"} {
			if got := l.of(name)[0]; got.end != 10*time.Minute+500*time.Millisecond || !got.ended {
				t.Errorf("%s: got %+v, want the call to be ended and judged", name, got)
			}
			if got := w.ends(name); !slices.Equal(got, []string{"good"}) {
				t.Errorf("%s: got %v", name, got)
			}
		}
		if last := a.Status().Jobs[3].Last; last == nil || last.ID != l.of("changes")[0].id {
			t.Errorf("a job that changed forgot its last call: %+v", last)
		}
		time.Sleep(10 * time.Minute)
		onSlots(t, l, stays, 20*time.Minute)
		if n := len(l.of("changes")); n != 2 {
			t.Errorf("got %d calls of the job that changed", n)
		}
		if n := len(l.of("goes")); n != 1 {
			t.Errorf("a job that is gone is still called: %d calls", n)
		}
		var names []string
		for _, j := range a.Status().Jobs {
			names = append(names, j.Job.Name())
		}
		if want := []string{"comes", "stays", "lasts", "changes"}; !slices.Equal(names, want) {
			t.Errorf("the status lists %v, want %v", names, want)
		}
		end(t, a, w)

		told := slices.DeleteFunc(slices.Clone(w.events), func(e string) bool {
			return !strings.HasPrefix(e, "added") && !strings.HasPrefix(e, "removed")
		})
		slices.Sort(told)
		want := []string{"added changes", "added changes", "added comes", "added goes", "added lasts", "added stays", "removed goes"}
		if !slices.Equal(told, want) {
			t.Errorf("observers were told %v, want %v", told, want)
		}
	})
}

func TestAJobThatGoesAndComesBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		job := lasting("branch", time.Hour)
		a, w := start(t, l, Plan{Jobs: []Job{job}})
		time.Sleep(time.Minute)
		for _, jobs := range [][]Job{nil, {job}, nil, {job}} {
			if err := a.Apply(Plan{Jobs: jobs}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		calls := l.of("branch")
		if len(calls) != 2 || calls[0].end > calls[1].began {
			t.Errorf("got calls %+v, want one after the other", calls)
		}
		end(t, a, w)
		told := slices.DeleteFunc(slices.Clone(w.events), func(e string) bool { return strings.HasPrefix(e, "window") })
		want := []string{"added", "started", "ended", "removed", "added", "removed", "added", "started", "ended"}
		for i := range want {
			want[i] += " branch"
		}
		if !slices.Equal(told, want) {
			t.Errorf("observers were told\n%v, want\n%v", told, want)
		}
	})
}

func TestAPlanThatIsNoneChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		job := periodic("branch", time.Minute, 10*time.Second)
		a, w := start(t, l, Plan{Jobs: []Job{job}})
		err := a.Apply(Plan{Jobs: []Job{
			{Mode: Periodic, Every: time.Minute},
			{Mode: "sometimes", Target: probe.Target{Name: "x", URL: "http://far.end/"}},
			{Mode: Continuous, Target: probe.Target{Name: "x", URL: "http://far.end/"}},
			{Mode: Periodic, Target: probe.Target{Name: "y", URL: "gopher://far.end/"}},
		}})
		for _, want := range []string{
			`jobs[0] "": has no name`, `jobs[0] "": url: no target given`, `jobs[1] "x": mode: must be periodic or continuous, is "sometimes"`,
			`jobs[2] "x": is there twice`, `jobs[2] "x": renew: must be more than 0, is 0s`, `jobs[3] "y": every: must be more than 0, is 0s`,
			`jobs[3] "y": url: cannot call`,
		} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want it to say %q", err, want)
			}
		}
		time.Sleep(time.Hour)
		onSlots(t, l, job, time.Hour)
		end(t, a, w)
		if err := a.Apply(Plan{}); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v after Close", err)
		}
	})
}

func TestClosing(t *testing.T) {
	t.Run("judges calls that have media and drops those that have none", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLine()
			l.fate = func(target string, n int) fate {
				return map[string]fate{"talks": {}, "sets up": {setUp: time.Hour}, "hangs": {hangs: true}, "poor": {poor: true}}[target]
			}
			a, w := start(t, l, Plan{Jobs: []Job{
				lasting("talks", time.Hour), lasting("sets up", time.Hour), lasting("hangs", time.Hour), lasting("poor", time.Hour),
			}})
			time.Sleep(40 * time.Second)
			began := time.Now()
			end(t, a, w)
			if took := time.Since(began); took != 0 {
				t.Errorf("it took %v, though every call ends when it is asked to", took)
			}
			if w.dropped != 2 || w.count[probe.Good] != 1 || w.count[probe.Degraded] != 1 || len(w.count) != 2 {
				t.Errorf("%d calls were dropped and the others counted as %v", w.dropped, w.count)
			}
			if slices.ContainsFunc(w.events, func(e string) bool { return strings.HasPrefix(e, "removed") }) {
				t.Error("jobs were removed, though the plan still has them")
			}
		})
	})
	t.Run("cuts off what does not end in time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLine()
			l.fate = func(target string, n int) fate { return fate{deaf: target == "deaf"} }
			a, w := start(t, l, Plan{Jobs: []Job{lasting("talks", time.Hour), lasting("deaf", time.Hour)}})
			time.Sleep(time.Minute)
			began := time.Now()
			end(t, a, w)
			if took := time.Since(began); took != 10*time.Second {
				t.Errorf("it took %v, want the grace", took)
			}
			if w.dropped != 1 || w.count[probe.Good] != 1 || len(w.count) != 1 {
				t.Errorf("%d calls were dropped and the others counted as %v", w.dropped, w.count)
			}
		})
	})
	t.Run("names what does not end at all", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLine()
			l.fate = func(target string, n int) fate { return fate{stuck: target == "stuck"} }
			a, w := start(t, l, Plan{Jobs: []Job{lasting("talks", time.Hour), lasting("stuck", time.Hour)}})
			time.Sleep(time.Minute)
			began := time.Now()
			err := a.Close(10 * time.Second)
			if err == nil || err.Error() != "calls did not end: stuck" {
				t.Errorf("got %v", err)
			}
			if took := time.Since(began); took != 15*time.Second {
				t.Errorf("it took %v, want the grace and what cutting off may take", took)
			}
			time.Sleep(2 * time.Hour)
			w.check()
		})
	})
}

func TestAPanicIsOneFailedCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		l.fate = func(target string, n int) fate {
			return fate{panics: target == "odd" && n == 1, untried: target == "odd" && n == 2}
		}
		odd, even := periodic("odd", time.Minute, 10*time.Second), periodic("even", time.Minute, 10*time.Second)
		a, w := start(t, l, Plan{Jobs: []Job{odd, even}})
		time.Sleep(10 * time.Minute)
		onSlots(t, l, even, 10*time.Minute)
		got := w.ends("odd")
		if want := []string{"good", "internal_error", "internal_error", "good"}; !slices.Equal(got[:4], want) {
			t.Errorf("got %v, want to begin with %v", got, want)
		}
		r := w.results["odd"][1]
		if r.ID != l.of("odd")[1].id || len(r.Steps) != len(probe.Layers) || r.Summary == "" || r.Failure.Hint == "" || !strings.Contains(r.Failure.Err.Error(), "as the test wants it") {
			t.Errorf("the result of the call is not whole: %+v", r)
		}
		if n := a.Status().Panics; n != 2 {
			t.Errorf("got %d defects counted, want 2", n)
		}
		end(t, a, w)
	})
}

func TestStatusOfWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		lasts, periodic := lasting("lasts", time.Hour), periodic("often", time.Minute, 10*time.Second)
		a, w := start(t, l, Plan{Jobs: []Job{lasts, periodic}, Budget: Budget{ParallelCalls: 7, BytesPerDay: 1 << 40}})
		slot := spread("often", time.Minute)
		time.Sleep(5*time.Minute + slot + 6*time.Second)
		s := a.Status()
		if s.Running != 2 || s.Waiting != 0 || s.ParallelCalls != 7 || s.BytesPerDay != 1<<40 || len(s.Jobs) != 2 {
			t.Errorf("got %+v", s)
		}
		first, second := s.Jobs[0], s.Jobs[1]
		if len(first.Calls) != 1 || first.Calls[0].Windows < 60 || first.Calls[0].Last == nil || first.Last != nil {
			t.Errorf("got %+v", first)
		}
		if len(second.Calls) != 1 || second.Calls[0].Windows != 1 || second.Last == nil || !second.Next.IsZero() {
			t.Errorf("got %+v", second)
		}
		if calls := l.of("often"); second.Calls[0].ID != calls[len(calls)-1].id || second.Calls[0].Started != l.began.Add(5*time.Minute+slot) {
			t.Errorf("got call %+v, the line has %+v", second.Calls[0], calls[len(calls)-1])
		}
		time.Sleep(20 * time.Second)
		if got, want := a.Status().Jobs[1].Next, l.began.Add(6*time.Minute+slot); !got.Equal(want) {
			t.Errorf("the next call is announced for %v, want %v", got, want)
		}
		end(t, a, w)
	})
}

// What the agent sets itself is not part of what a job is.
func TestWhatMakesJobsTheSame(t *testing.T) {
	one := periodic("a", time.Minute, 10*time.Second)
	for name, change := range map[string]func(*Job){
		"its interval":   func(j *Job) { j.Every++ },
		"its mode":       func(j *Job) { j.Mode = Continuous },
		"a secret":       func(j *Job) { j.Target.Token = "new" },
		"an ICE server":  func(j *Job) { j.Target.ICEServers = []probe.ICEServer{{URL: "stun:x"}} },
		"a limit":        func(j *Job) { j.Target.Limits.Loss = 0.5 },
		"its deadlines":  func(j *Job) { j.Target.Deadlines.ICE = time.Minute },
		"an authority":   func(j *Job) { j.Target.RootCAs = pool(t, 1) },
		"its site":       func(j *Job) { j.Target.Site = "rome" },
		"where it goes":  func(j *Job) { j.Target.URL += "/x" },
		"its DSCP value": func(j *Job) { j.Target.DSCP = "cs0" },
	} {
		other := one
		change(&other)
		if same(one, other) {
			t.Errorf("a job of which %s changed counts as the same", name)
		}
	}
	twin := periodic("a", time.Minute, 10*time.Second)
	if !same(one, twin) {
		t.Error("two equal jobs differ")
	}
	twin.Renew++
	if !same(one, twin) {
		t.Error("a job on schedule is not the same when lasting calls are renewed otherwise")
	}
	twin = one
	still, stays := lasting("b", time.Hour), lasting("b", time.Hour)
	stays.Every, stays.Target.Duration, stays.Target.Timeout = time.Hour, time.Hour, time.Hour
	if !same(still, stays) {
		t.Error("a lasting job is not the same when the schedule of others changes")
	}
	if stays.Renew++; same(still, stays) {
		t.Error("a lasting job whose renewal changed counts as the same")
	}
	one.Target.RootCAs, twin.Target.RootCAs = pool(t, 1), pool(t, 1)
	if !same(one, twin) {
		t.Error("two pools with the same authority differ")
	}
	twin.Target.RootCAs = pool(t, 2)
	if same(one, twin) {
		t.Error("two pools with other authorities are the same")
	}
}

// A field of a job that nobody compares would be a reload without effect.
func TestEveryFieldOfAJobCanBeCompared(t *testing.T) {
	own := []string{"ID", "OnStep", "OnWindow", "OnLive", "End", "Log", "Resolver", "UserAgent"}
	target := reflect.TypeFor[probe.Target]()
	for i := range target.NumField() {
		f := target.Field(i)
		if f.Type.Kind() == reflect.Func && !slices.Contains(own, f.Name) {
			t.Errorf("probe.Target.%s is a function, which cannot be compared", f.Name)
		}
	}
}
