package signalingtest

import (
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// NoLeaks fails the test if goroutines that did not run at the time of the call
// still run at its end. Call it before anything that registers a clean-up, and
// not in tests that run in parallel with others.
func NoLeaks(t testing.TB) {
	before := goroutines()
	t.Cleanup(func() {
		var left []string
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
			after := goroutines()
			maps.DeleteFunc(after, func(id, _ string) bool { _, old := before[id]; return old })
			left = slices.Sorted(maps.Values(after))
			if len(left) == 0 {
				return
			}
		}
		t.Errorf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
	})
}

// goroutines returns the stack of every goroutine but the caller's, by its
// number.
func goroutines() map[string]string {
	buffer := make([]byte, 64<<10)
	for {
		n := runtime.Stack(buffer, true)
		if n < len(buffer) {
			buffer = buffer[:n]
			break
		}
		buffer = make([]byte, 2*len(buffer))
	}
	all := make(map[string]string)
	for i, stack := range strings.Split(string(buffer), "\n\n") {
		id, _, ok := strings.Cut(strings.TrimPrefix(stack, "goroutine "), " ")
		if ok && i > 0 {
			all[id] = stack
		}
	}
	return all
}
