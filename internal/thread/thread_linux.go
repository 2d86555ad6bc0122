package thread

import (
	"time"

	"golang.org/x/sys/unix"
)

// slice is the scheduling slice that is asked for: a thread with a short one is
// run sooner after it wakes.
const slice = 100 * time.Microsecond

// Do not make this SCHED_FIFO: a real-time thread that waits for a lock of the
// Go runtime, whose holder it has itself pushed off the processor, spins until
// the kernel throttles it; and the send clock was measured to be no more
// punctual with it.
func hurry() {
	attr := unix.SchedAttr{
		Size:    unix.SizeofSchedAttr,
		Policy:  unix.SCHED_NORMAL,
		Flags:   unix.SCHED_FLAG_RESET_ON_FORK,
		Nice:    -20,
		Runtime: uint64(slice),
	}
	if unix.SchedSetAttr(0, &attr, 0) == nil {
		return
	}
	if v, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err == nil {
		attr.Nice = int32(20 - v) // the system call returns 20 - niceness
		_ = unix.SchedSetAttr(0, &attr, 0)
	}
}
