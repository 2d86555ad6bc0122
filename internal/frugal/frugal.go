// Package frugal sets how much memory a process that places calls may hold beside
// what it uses.
package frugal

import (
	"os"
	"runtime/debug"
)

// collectAt is how much garbage, in percent of what is in use, starts a collection.
// Go's default of 100 doubles the memory of a call; packets make no garbage, so
// that collecting earlier costs little (bench/density).
const collectAt = 50

// Memory makes the garbage collector of this process collect earlier than Go does
// by default, unless the environment says how early (GOGC).
func Memory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
}
