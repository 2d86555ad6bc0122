// Package pace is the send clock of a process: it calls each call's sender at
// absolute slots, first + n·frame, all from one place.
//
// Go's own timers are 0.6 ms late in the median, more under load, and far more
// with hundreds of tickers. On Linux the clock is a thread of its own that
// sleeps to absolute times. Calls are spread over the frame, so that many of
// them do not fire in the same instant.
//
// A slot that could not be kept is skipped and counted, never caught up: a
// burst after a stall of this host would look like jitter of the network.
package pace

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
)

// Slot is one moment at which a ticker should have run. All times are on the
// clock of internal/mono.
type Slot struct {
	N      int64         // 0 for the ticker's first slot; skipped slots count
	Due    time.Duration // when it should have run: first + N·frame, exactly
	Now    time.Duration // when it ran, read just before; never before Due
	Missed int64         // slots skipped just before this one
}

// Clock calls the functions of its tickers, one after the other. Its methods
// may be called from anywhere, also from within such a function.
type Clock struct {
	sleep  sleeper
	done   chan struct{} // closed when the loop has ended
	closed atomic.Bool

	mu     sync.Mutex               // held to change wheels, never to read them
	wheels atomic.Pointer[[]*wheel] // one for each length of frame in use; copied on change
}

// sleeper waits for the clock's loop. One goroutine calls until.
type sleeper interface {
	// enter prepares the goroutine that will call until; leave undoes it.
	enter()
	leave()

	// until returns at or after t, or soon after a wake that was not yet
	// answered; forever waits for a wake alone.
	until(t time.Duration)

	// wake makes until return. It may be called from anywhere, at any time.
	wake()
}

const forever = time.Duration(1<<63 - 1)

// New starts a clock. It sleeps without using the processor until its first
// ticker starts.
func New() *Clock { return start(newSleeper()) }

var (
	shared     *Clock
	sharedOnce sync.Once
)

// Default returns the clock that the whole process shares. It is never closed.
func Default() *Clock {
	sharedOnce.Do(func() { shared = New() })
	return shared
}

func start(s sleeper) *Clock {
	c := &Clock{sleep: s, done: make(chan struct{})}
	c.wheels.Store(new([]*wheel))
	go c.run()
	return c
}

// Close stops the clock and waits for its thread to end. Tickers that were not
// stopped are not called again. It must not be called from within a ticker's
// function.
func (c *Clock) Close() {
	c.closed.Store(true)
	c.sleep.wake()
	<-c.done
}

// Start calls fn at each slot of a new ticker, on the clock's thread. The
// first slot is less than one frame away, in the least crowded part of the
// frame. fn must be quick, 10 µs rather than 100: all other tickers wait for
// it. It panics if frame is not positive.
func (c *Clock) Start(frame time.Duration, fn func(Slot)) *Ticker {
	if frame <= 0 {
		panic("pace: frame must be positive")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.wheel(frame)
	t := &Ticker{clock: c, wheel: w, fn: fn, last: -1}
	w.add(t, mono.Now())
	c.sleep.wake()
	return t
}

// wheel returns the wheel for frame, making one if there is none. c.mu is held.
func (c *Clock) wheel(frame time.Duration) *wheel {
	old := *c.wheels.Load()
	for _, w := range old {
		if w.frame == frame {
			return w
		}
	}
	w := newWheel(frame)
	wheels := append(slices.Clone(old), w)
	c.wheels.Store(&wheels)
	return w
}

// drop takes t off its wheel, and an empty wheel off the clock.
func (c *Clock) drop(t *Ticker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !t.wheel.remove(t) || t.wheel.tickers > 0 {
		return
	}
	wheels := slices.DeleteFunc(slices.Clone(*c.wheels.Load()), func(w *wheel) bool { return w == t.wheel })
	c.wheels.Store(&wheels)
}

// run is the clock's thread. It takes no lock but a ticker's own, so that who
// starts and stops tickers cannot delay who sends.
func (c *Clock) run() {
	defer close(c.done)
	c.sleep.enter()
	defer c.sleep.leave()
	for !c.closed.Load() {
		now := mono.Now()
		next := forever
		for _, w := range *c.wheels.Load() {
			next = min(next, w.turn(now))
		}
		if next > now {
			c.sleep.until(next)
		}
	}
}

// Ticker calls a function at each of its slots.
type Ticker struct {
	clock *Clock
	wheel *wheel
	place int           // index of its bucket in the wheel
	first time.Duration // when slot 0 is due
	fn    func(Slot)

	mu      sync.Mutex // held while fn runs
	last    int64      // the last slot that ran, -1 before the first
	stopped bool
}

// Stop ends the ticker. When it returns, fn is not running and will not run
// again. It must not be called from within fn. A second Stop does nothing.
func (t *Ticker) Stop() {
	t.clock.drop(t)
	t.mu.Lock()
	t.stopped = true
	t.mu.Unlock()
}

// run calls fn if a slot is due that has not run yet.
func (t *Ticker) run() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return
	}
	now := mono.Now()
	n := floorDiv(now-t.first, t.wheel.frame)
	if n <= t.last {
		return
	}
	s := Slot{N: n, Due: t.first + time.Duration(n)*t.wheel.frame, Now: now, Missed: n - t.last - 1}
	t.last = n
	t.fn(s)
}
