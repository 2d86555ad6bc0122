package pace

import (
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/earshot-voip/earshot/internal/mono"
	"github.com/earshot-voip/earshot/internal/thread"
)

// From linux/futex.h, which x/sys/unix does not carry.
const (
	futexWake       = 1
	futexWaitBitset = 9 // its timeout is absolute, on CLOCK_MONOTONIC
	futexPrivate    = 128
	futexMatchAny   = 0xffffffff
	leastTimerSlack = 1 // ns; 0 would mean the default of 50 µs
)

// futexSleeper is a thread of its own that sleeps in a futex to an absolute
// time: one system call for each sleep, which a wake can cut short.
type futexSleeper struct {
	woken  uint32        // 1 while a wake has not been answered; the futex
	offset time.Duration // CLOCK_MONOTONIC less mono.Now
}

func newSleeper() sleeper { return &futexSleeper{} }

// enter locks the goroutine to its thread and makes that thread punctual.
func (s *futexSleeper) enter() {
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, leastTimerSlack, 0, 0, 0)
	thread.Hurry()

	var ts unix.Timespec
	before := mono.Now()
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) == nil {
		s.offset = time.Duration(ts.Nano()) - before
	}
}

// leave keeps the thread locked: it ends with its goroutine, so that nothing
// else inherits its priority.
func (s *futexSleeper) leave() {}

func (s *futexSleeper) until(t time.Duration) {
	var timeout *unix.Timespec
	if t != forever {
		ts := unix.NsecToTimespec(int64(t + s.offset))
		timeout = &ts
	}
	for atomic.SwapUint32(&s.woken, 0) == 0 {
		_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&s.woken)),
			futexWaitBitset|futexPrivate, 0, uintptr(unsafe.Pointer(timeout)), 0, futexMatchAny)
		if errno == unix.ETIMEDOUT {
			return
		}
	}
}

func (s *futexSleeper) wake() {
	if atomic.SwapUint32(&s.woken, 1) == 0 {
		unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&s.woken)), futexWake|futexPrivate, 1, 0, 0, 0)
	}
}
