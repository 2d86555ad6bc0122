package pace

import (
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
)

// timerSleeper sleeps on Go's timers, for platforms without a better way.
type timerSleeper struct {
	timer *time.Timer
	woken chan struct{}
}

func newTimerSleeper() sleeper { return &timerSleeper{woken: make(chan struct{}, 1)} }

func (s *timerSleeper) enter() {
	s.timer = time.NewTimer(time.Hour)
	s.timer.Stop()
}

func (s *timerSleeper) leave() { s.timer.Stop() }

func (s *timerSleeper) until(t time.Duration) {
	if t == forever {
		<-s.woken
		return
	}
	s.timer.Reset(t - mono.Now())
	select {
	case <-s.timer.C:
	case <-s.woken:
	}
}

func (s *timerSleeper) wake() {
	select {
	case s.woken <- struct{}{}:
	default: // a wake is waiting already
	}
}
