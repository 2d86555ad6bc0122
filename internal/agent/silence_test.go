package agent

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/earshot-voip/earshot/probe"
)

// silentWindows notes when windows of silence were told of, and in which order
// with others.
type silentWindows struct {
	Nobody
	l  *line
	mu sync.Mutex
	at []time.Duration
	// streak is how many came in a row at last, most how many ever did: what pages.
	streak, most int
}

func (s *silentWindows) Window(_ Job, _ string, w probe.Window) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !Silent(&w) {
		s.streak = 0
		return
	}
	s.at = append(s.at, s.l.now())
	s.streak++
	s.most = max(s.most, s.streak)
}

// told returns what was noted until now.
func (s *silentWindows) told() (at []time.Duration, streak, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.at), s.streak, s.most
}

// quietAfter is what becomes of a call whose media stops for good.
func quietAfter(media time.Duration) fate {
	return fate{quiet: func(sent time.Duration) bool { return sent >= media }}
}

// placedForSilence checks that a call was placed when the one before it had been
// silent for as long as it may be, and not much later.
func placedForSilence(t *testing.T, began, silentSince time.Duration) {
	t.Helper()
	if silence := began - silentSince; silence < silenceLimit || silence > silenceLimit+startSpread {
		t.Errorf("another call was placed after %v of silence, want %v and a little", silence, silenceLimit)
	}
}

// A firewall or a media server may drop the media of one call and still let its
// connectivity checks through: a fresh call works.
func TestACallOfWhichNothingComesBackIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		const mute = 10 * time.Minute
		l.fate = func(_ string, n int) fate {
			if n == 0 {
				return quietAfter(mute)
			}
			return fate{setUp: time.Second}
		}
		s := &silentWindows{l: l}
		w := newWitness(t)
		a := startWith(t, l, Plan{Jobs: []Job{lasting("branch", time.Hour)}}, Observers{w, s})
		time.Sleep(20 * time.Minute)
		calls := l.of("branch")
		if len(calls) != 2 {
			t.Fatalf("got calls %+v, want a second one in place of the silent one", calls)
		}
		placedForSilence(t, calls[1].began, calls[0].began+mute)
		// It is set up in a second and has a window 5 s later.
		if up := calls[1].began + 6*time.Second; !calls[0].ended || calls[0].end != up {
			t.Errorf("the first call ended at %v, want it to be ended when the other one has media, at %v", calls[0].end, up)
		}
		if _, streak, most := s.told(); most < 3 || streak != 0 {
			t.Errorf("%d silent windows in a row and %d at the end, want a page and its end", most, streak)
		}
		end(t, a, w)
		if got, want := w.ends("branch"), []string{"media_stopped", "good"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v: each call counts once", got, want)
		}
	})
}

// That calls failed before this one is over and done with.
func TestASilentCallIsReplacedAlsoAfterFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		const mute = 10 * time.Minute
		l.fate = func(_ string, n int) fate {
			switch {
			case n < 3:
				return fate{broken: true}
			case n == 3:
				return quietAfter(mute)
			}
			return fate{}
		}
		w := newWitness(t)
		a := startWith(t, l, Plan{Jobs: []Job{lasting("branch", time.Hour)}}, w)
		time.Sleep(20 * time.Minute)
		calls := l.of("branch")
		if len(calls) != 5 {
			t.Fatalf("got calls %+v, want a fifth one in place of the silent one", calls)
		}
		placedForSilence(t, calls[4].began, calls[3].began+mute)
		end(t, a, w)
	})
}

// The calls of all jobs are silent at once when a firewall forgets them: they are
// not placed again at once.
func TestSilentCallsAreReplacedOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		const outage = 10 * time.Minute
		l.fate = func(_ string, n int) fate {
			if n == 0 {
				return fate{quiet: func(time.Duration) bool { return l.now() >= outage }}
			}
			return fate{}
		}
		jobs := many(20, func(name string) Job { return lasting(name, time.Hour) })
		a, w := start(t, l, Plan{Jobs: jobs})
		time.Sleep(outage + 2*time.Minute)
		last := map[time.Duration]int{}
		for _, j := range jobs {
			at := l.starts(j.Name())
			if len(at) != 2 {
				t.Fatalf("%s was called %d times, want twice", j.Name(), len(at))
			}
			// Windows of 5 s that begin when the call did, and so at no round time.
			last[(at[1]-at[0]-outage).Truncate(time.Second)]++
		}
		if len(last) < 5 {
			t.Errorf("20 jobs call again in %d different seconds of silence: %v", len(last), last)
		}
		end(t, a, w)
	})
}

// Where fresh calls get no media either, the silent one stays up and tells of it
// in every window, and others are tried less and less often.
func TestASilenceThatLastsIsToldOfAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		const mute, outage = 10 * time.Minute, 30 * time.Minute
		l.fate = func(_ string, n int) fate {
			switch {
			case n == 0:
				return quietAfter(mute)
			case l.now() < mute+outage:
				return fate{dead: true}
			}
			return fate{}
		}
		s := &silentWindows{l: l}
		w := newWitness(t)
		a := startWith(t, l, Plan{Jobs: []Job{lasting("branch", 2*time.Hour)}}, Observers{w, s})
		time.Sleep(mute + outage + 5*time.Minute)
		calls := l.of("branch")
		tries := calls[1:]
		// Half as long apart as they have been failing, then 60 seconds, and 4 seconds each.
		if len(tries) < 25 || len(tries) > 45 {
			t.Errorf("%d calls were tried in half an hour", len(tries))
		}
		for i := 6; i < len(tries)-1; i++ {
			if gap := tries[i+1].began - tries[i].end; gap < 45*time.Second || gap > 75*time.Second {
				t.Errorf("try %d was %v after the one before", i+1, gap)
			}
		}
		if last := tries[len(tries)-1]; calls[0].end < last.began || calls[0].end > last.began+10*time.Second {
			t.Errorf("the silent call ended at %v, want it to stay until the call of %v has media", calls[0].end, last.began)
		}
		at, streak, _ := s.told()
		for i := range len(at) - 1 {
			if gap := at[i+1] - at[i]; gap > 5*time.Second {
				t.Errorf("no word of the silence between %v and %v: an alert would be over", at[i], at[i+1])
			}
		}
		if streak != 0 {
			t.Errorf("%d silent windows in a row when media is back", streak)
		}
		end(t, a, w)
		want := append(slices.Repeat([]string{"media_none"}, len(tries)-1), "media_stopped", "good")
		if got := w.ends("branch"); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v: each call counts once", got, want)
		}
	})
}

// Pauses that are over by themselves cost no call, however many there are.
func TestAShortSilenceReplacesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		l.fate = func(string, int) fate {
			return fate{quiet: func(sent time.Duration) bool { return sent%(4*time.Minute) >= 4*time.Minute-silenceLimit+5*time.Second }}
		}
		a, w := start(t, l, Plan{Jobs: []Job{lasting("branch", 2*time.Hour)}})
		time.Sleep(22 * time.Minute)
		if n := len(l.of("branch")); n != 1 {
			t.Errorf("got %d calls, want one", n)
		}
		end(t, a, w)
		if got := w.ends("branch"); !slices.Equal(got, []string{"good"}) {
			t.Errorf("got %v", got)
		}
	})
}

// A successor is up when media has come back, not when a window of it has closed.
func TestASuccessorWithoutMediaReplacesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		l.fate = func(_ string, n int) fate { return fate{dead: n == 1} }
		a, w := start(t, l, Plan{Jobs: []Job{lasting("branch", time.Hour)}})
		time.Sleep(90 * time.Minute)
		if first := l.of("branch")[0]; !first.ended || first.end < l.of("branch")[2].began {
			t.Errorf("the first call ended at %v, want it to stay until a successor has media", first.end)
		}
		end(t, a, w)
		if got := w.ends("branch"); !slices.Equal(got, []string{"media_none", "good", "good"}) {
			t.Errorf("got %v", got)
		}
	})
}
