package history

import (
	"sync"
	"time"

	"github.com/earshot-voip/earshot/probe"
)

// item waits to be written: a call, or a point of a window.
type item struct {
	result *probe.Result
	told   bool   // the call's windows have been points before it ended
	name   string // of the target, of a point
	point  Point
}

func (i item) good() bool { return i.result == nil || i.result.Verdict == probe.Good }

// pointsPerCall is how many windows take the room of one call in the queue.
const pointsPerCall = 16

// queue holds what waits, bounded. What it is handed is a plain value that
// nobody changes.
type queue struct {
	limit int // in points
	wake  chan struct{}

	mu      sync.Mutex
	items   []item
	room    int // taken, in points
	taken   int // items that the writer has in hand
	dropped int64
	in, out int64 // handed over; written or dropped
}

func (q *queue) init(calls int) {
	q.limit = calls * pointsPerCall
	q.wake = make(chan struct{}, 1)
}

func (i item) weight() int {
	if i.result == nil {
		return 1
	}
	return pointsPerCall
}

// put hands an item over without blocking. When there is no room, calls that
// are not good take the place of the oldest others.
func (q *queue) put(i item) {
	q.mu.Lock()
	q.in++
	for q.room+i.weight() > q.limit && !i.good() && q.evict() {
	}
	if q.room+i.weight() > q.limit {
		q.dropped++
		q.out++
		q.mu.Unlock()
		return
	}
	q.items = append(q.items, i)
	q.room += i.weight()
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// evict drops the oldest good call or point.
func (q *queue) evict() bool {
	for k, i := range q.items {
		if i.good() {
			q.items = append(q.items[:k], q.items[k+1:]...)
			q.room -= i.weight()
			q.dropped++
			q.out++
			return true
		}
	}
	return false
}

// take gives the writer up to n items, which still count as waiting.
func (q *queue) take(n int) []item {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = min(n, len(q.items))
	batch := append([]item(nil), q.items[:n]...)
	q.items = append(q.items[:0], q.items[n:]...)
	clear(q.items[len(q.items):cap(q.items)]) // results are large
	for _, i := range batch {
		q.room -= i.weight()
	}
	q.taken = n
	return batch
}

// finish tells that the writer is done with what it took.
func (q *queue) finish(written bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.out += int64(q.taken)
	if !written {
		q.dropped += int64(q.taken)
	}
	q.taken = 0
}

func (q *queue) state() (waiting int, dropped int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) + q.taken, q.dropped
}

// handedOver counts what was ever put, settled what became of it. Nearly
// first in, first out: eviction settles an item early.
func (q *queue) handedOver() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.in
}

func (q *queue) settled() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.out
}

// pause waits for d, or less when stop is closed; false: stopped.
func pause(d time.Duration, stop <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-stop:
		return false
	}
}
