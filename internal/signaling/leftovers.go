package signaling

import (
	"errors"
	"sync"
)

// Leftovers are sessions that failed dials may have left at the far end: what
// every adapter ends behind its caller's back until Close. The zero value is
// empty; its methods may be called from any goroutine.
type Leftovers struct {
	running sync.WaitGroup

	mu     sync.Mutex
	stayed []error
}

// End lets undo end one of them, in a goroutine of its own. Its error says what
// may have stayed behind.
func (l *Leftovers) End(undo func() error) {
	l.running.Go(func() {
		if err := undo(); err != nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.stayed = append(l.stayed, err)
		}
	})
}

// Wait returns when all of them are ended, with what may have stayed behind.
func (l *Leftovers) Wait() error {
	l.running.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.stayed...)
}
