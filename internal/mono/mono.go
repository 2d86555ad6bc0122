// Package mono is the one clock of the process: monotonic time since the
// process started, as a time.Duration.
//
// Every time inside a call (slots, departures, arrivals) is on this clock, so
// that times taken in different packages can be subtracted. A step of the wall
// clock cannot enter it.
package mono

import "time"

var epoch = time.Now()

// Now returns the monotonic time since the process started. It costs one
// clock read (about 50 ns), so take it once per batch, not once per packet.
func Now() time.Duration { return time.Since(epoch) }

// Of returns t on this clock. t must carry a monotonic reading, as time.Now
// gives it.
func Of(t time.Time) time.Duration { return t.Sub(epoch) }
