package pace

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
)

const frame = 20 * time.Millisecond

// sleepers are the ways to sleep that this platform can run.
var sleepers = map[string]func() sleeper{"native": newSleeper, "portable": newTimerSleeper}

func TestSlotsAreExactAndNeverEarly(t *testing.T) {
	const short, want = 5 * time.Millisecond, 20
	for name, sleeper := range sleepers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(sleeper())
			defer c.Close()
			slots := make([]chan Slot, 12)
			for i := range slots {
				slots[i] = make(chan Slot, 10*want)
				begun := mono.Now()
				ticker := c.Start(short, func(s Slot) { slots[i] <- s })
				defer ticker.Stop()
				if wait := ticker.first - begun; wait < 0 || wait > short+short/2 {
					t.Errorf("first slot is due %v after the start, frame is %v", wait, short)
				}
			}
			for i := range slots {
				var first time.Duration
				next := int64(0)
				for range want {
					s := <-slots[i]
					if s.N == 0 {
						first = s.Due
					}
					if s.N != next+s.Missed || s.Missed < 0 {
						t.Errorf("ticker %d: got slot %d with %d missed, want %d and the missed", i, s.N, s.Missed, next)
					}
					if first != 0 && s.Due != first+time.Duration(s.N)*short {
						t.Errorf("ticker %d slot %d: due %v, want %v", i, s.N, s.Due, first+time.Duration(s.N)*short)
					}
					if s.Now < s.Due || s.Now >= s.Due+short {
						t.Errorf("ticker %d slot %d ran at %v, due at %v with a frame of %v", i, s.N, s.Now, s.Due, short)
					}
					next = s.N + 1
				}
			}
		})
	}
}

func TestTickersAreSpreadOverTheFrame(t *testing.T) {
	c := New()
	defer c.Close()
	phases := map[time.Duration]int{}
	tickers := make([]*Ticker, 0, 400)
	for range 400 {
		ticker := c.Start(frame, func(Slot) {})
		tickers = append(tickers, ticker)
		phases[ticker.first%frame]++
	}
	if len(phases) != 40 {
		t.Errorf("400 tickers share %d phases, want 40", len(phases))
	}
	for phase, n := range phases {
		if n != 10 || phase%(500*time.Microsecond) != 0 {
			t.Errorf("phase %v has %d tickers, want 10 on a multiple of 500 µs", phase, n)
		}
	}
	left := tickers[17].first % frame
	tickers[17].Stop()
	tickers[17].Stop()
	if got := c.Start(frame, func(Slot) {}).first % frame; got != left {
		t.Errorf("a new ticker got phase %v, want the least crowded, %v", got, left)
	}
}

func TestFewTickersDoNotShareAnInstant(t *testing.T) {
	c := New()
	defer c.Close()
	seen := map[time.Duration]bool{}
	for range 40 {
		seen[c.Start(frame, func(Slot) {}).first%frame] = true
	}
	if len(seen) != 40 {
		t.Errorf("40 tickers fire in %d instants, want 40", len(seen))
	}
}

func TestStalledFunctionMissesSlotsAndDoesNotCatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(newTimerSleeper())
		defer c.Close()
		// The second ticker is due half a millisecond after the first.
		var stalls, other []Slot
		slow := c.Start(frame, func(s Slot) {
			stalls = append(stalls, s)
			if s.N == 2 {
				time.Sleep(3*frame + frame/2)
			}
		})
		quick := c.Start(frame, func(s Slot) { other = append(other, s) })
		if quick.first-slow.first != 500*time.Microsecond {
			t.Fatalf("tickers are %v apart, want 500µs", quick.first-slow.first)
		}
		time.Sleep(slow.first - mono.Now() + 8*frame - 2*time.Millisecond)
		slow.Stop()
		quick.Stop()

		half := frame / 2
		check := func(name string, got []Slot, first time.Duration, want []Slot) {
			t.Helper()
			if len(got) != len(want) {
				t.Fatalf("%s: got %d slots %v, want %d", name, len(got), got, len(want))
			}
			for i, w := range want {
				w.Now += first + time.Duration(w.N)*frame // the table holds the lateness
				w.Due = first + time.Duration(w.N)*frame
				if got[i] != w {
					t.Errorf("%s: slot %d: got %+v want %+v", name, i, got[i], w)
				}
			}
		}
		check("stalling", stalls, slow.first, []Slot{{N: 0}, {N: 1}, {N: 2}, {N: 5, Missed: 2, Now: half}, {N: 6}, {N: 7}})
		check("other", other, quick.first, []Slot{{N: 0}, {N: 1}, {N: 5, Missed: 3, Now: half - 500*time.Microsecond}, {N: 6}, {N: 7}})
	})
}

func TestStopWaitsForTheFunction(t *testing.T) {
	c := New()
	defer c.Close()
	running, release := make(chan struct{}), make(chan struct{})
	ticker := c.Start(time.Millisecond, func(s Slot) {
		if s.N == 0 || s.Missed == s.N {
			close(running)
			<-release
		}
	})
	<-running
	var stopped atomic.Bool
	joined := make(chan struct{})
	go func() {
		defer close(joined)
		ticker.Stop()
		stopped.Store(true)
	}()
	time.Sleep(20 * time.Millisecond)
	if stopped.Load() {
		t.Error("Stop returned while the function ran")
	}
	close(release)
	<-joined
}

func TestStoppedTickerDoesNotRunAgain(t *testing.T) {
	for name, sleeper := range sleepers {
		t.Run(name, func(t *testing.T) {
			c := start(sleeper())
			defer c.Close()
			var callers sync.WaitGroup
			for range 8 {
				callers.Go(func() {
					for i := range 40 {
						var stopped atomic.Bool
						ran := make(chan struct{}, 1000)
						ticker := c.Start(time.Millisecond, func(Slot) {
							if stopped.Load() {
								t.Error("the function ran after Stop")
							}
							ran <- struct{}{}
						})
						if i%2 == 0 {
							<-ran
						}
						ticker.Stop()
						stopped.Store(true)
					}
				})
			}
			callers.Wait()
			if n := len(*c.wheels.Load()); n != 0 {
				t.Errorf("%d wheels are left after the last ticker", n)
			}
		})
	}
}

func TestStopByANeighbourCountsAtOnce(t *testing.T) {
	c := New()
	defer c.Close()
	const short = 500 * time.Microsecond // one bucket, in which the tickers run in order
	var second atomic.Pointer[Ticker]
	var stopped atomic.Bool
	ran, done := make(chan struct{}, 1), make(chan struct{})
	first := c.Start(short, func(Slot) {
		if ticker := second.Load(); ticker != nil && len(ran) == 1 && !stopped.Load() {
			ticker.Stop()
			stopped.Store(true)
			close(done)
		}
	})
	defer first.Stop()
	second.Store(c.Start(short, func(Slot) {
		if stopped.Load() {
			t.Error("the function ran after Stop")
		}
		select {
		case ran <- struct{}{}:
		default:
		}
	}))
	<-done
	time.Sleep(3 * short)
}

func TestTickersMayStartWithinAFunction(t *testing.T) {
	c := New()
	defer c.Close()
	inner := make(chan Slot, 1)
	var once sync.Once
	defer c.Start(time.Millisecond, func(Slot) {
		once.Do(func() {
			c.Start(3*time.Millisecond, func(s Slot) {
				if s.N == 0 {
					inner <- s
				}
			})
		})
	}).Stop()
	<-inner
}

func TestCloseJoinsTheClock(t *testing.T) {
	c := New()
	var closed atomic.Bool
	ran := make(chan struct{}, 100)
	c.Start(time.Millisecond, func(Slot) {
		if closed.Load() {
			t.Error("the function ran after Close")
		}
		select {
		case ran <- struct{}{}:
		default:
		}
	})
	<-ran
	c.Close()
	closed.Store(true)
	time.Sleep(5 * time.Millisecond)
	New().Close() // a clock that sleeps without a ticker
}

func TestClockSleepsWithoutTickers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &countingSleeper{sleeper: newTimerSleeper()}
		c := start(s)
		defer c.Close()
		ticker := c.Start(frame, func(Slot) {})
		time.Sleep(100 * frame)
		ticker.Stop()
		if n := s.sleeps.Load(); n < 100 || n > 110 {
			t.Errorf("slept %d times in 100 frames", n)
		}
		time.Sleep(frame) // the slot that was being waited for
		before := s.sleeps.Load()
		time.Sleep(time.Hour)
		if n := s.sleeps.Load() - before; n != 0 {
			t.Errorf("woke %d times in an hour without tickers", n)
		}
	})
}

type countingSleeper struct {
	sleeper
	sleeps atomic.Int64
}

func (s *countingSleeper) until(t time.Duration) {
	s.sleeps.Add(1)
	s.sleeper.until(t)
}

func TestSleepersWakeAndKeepTime(t *testing.T) {
	for name, sleeper := range sleepers {
		t.Run(name, func(t *testing.T) {
			s := sleeper()
			joined := make(chan struct{})
			go func() {
				defer close(joined)
				s.enter()
				defer s.leave()
				for range 5 {
					due := mono.Now() + 2*time.Millisecond
					if s.until(due); mono.Now() < due {
						t.Error("woke before the time")
					}
				}
				s.until(mono.Now() - time.Second) // is over at once
				s.wake()
				s.until(forever) // a wake that came first counts
				go func() {
					time.Sleep(5 * time.Millisecond)
					s.wake()
				}()
				s.until(forever)
			}()
			<-joined
		})
	}
}

func TestLongFramesHaveABoundedWheel(t *testing.T) {
	for _, row := range []struct {
		name    string
		frame   time.Duration
		buckets int
	}{
		{"one nanosecond has one bucket", 1, 1},
		{"2.5 ms has a bucket each half millisecond", 2500 * time.Microsecond, 5},
		{"60 ms has the most buckets", 60 * time.Millisecond, 120},
		{"an hour has no more", time.Hour, 120},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := len(newWheel(row.frame).buckets); got != row.buckets {
				t.Errorf("got %d buckets want %d", got, row.buckets)
			}
		})
	}
}

func TestSlotDoesNotAllocate(t *testing.T) {
	c := New()
	c.Close() // the test turns the wheel itself
	var ran int
	ticker := c.Start(time.Nanosecond, func(Slot) { ran++ })
	time.Sleep(time.Millisecond)
	if n := testing.AllocsPerRun(100, func() { ticker.wheel.turn(mono.Now()) }); n != 0 {
		t.Errorf("a slot allocates %v times", n)
	}
	if ran < 100 {
		t.Errorf("ran %d times, want 100 and more", ran)
	}
}
