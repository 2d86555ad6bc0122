//go:build !linux

package pace

func newSleeper() sleeper { return newTimerSleeper() }
