package rig

import "time"

// Usage is what a process has used since it started, and its memory now.
type Usage struct {
	At       time.Time
	CPU      time.Duration // user and system
	Resident int64         // bytes
	Own      int64         // of these, what is in no file: the rest can be given up and read again
}

// Load is the share of one core that a process used between two moments, and
// how long that was.
func Load(from, to Usage) (share float64, span time.Duration) {
	span = to.At.Sub(from.At)
	if span <= 0 {
		return 0, 0
	}
	return float64(to.CPU-from.CPU) / float64(span), span
}

// UsageOf is what a process has used so far.
func UsageOf(pid int) (Usage, error) { return usageOf(pid) }
