package impair

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
)

// DefaultLimit is how many datagrams a Queue holds if its maker does not say:
// 80 s of one call's packets.
const DefaultLimit = 4096

// Deliver takes a datagram that is due. due is the time it was pushed with, on
// the clock of internal/mono; the call comes later than that, by a timer's
// lateness (about 1 ms). data is the receiver's until it returns.
type Deliver func(due time.Duration, data []byte, tag uint64)

// Queue holds datagrams until they are due. It has no goroutine or timer per
// datagram and reuses its buffers. Push may be called from any goroutine, Run
// from one.
type Queue struct {
	limit int
	wake  chan struct{}

	mu     sync.Mutex
	waits  byDue
	spare  []*datagram
	pushed uint64
	served bool
	popped time.Duration // due time of the last datagram that was taken out, if any was
}

// NewQueue makes a queue for at most limit datagrams; 0 is DefaultLimit.
func NewQueue(limit int) *Queue {
	if limit <= 0 {
		limit = DefaultLimit
	}
	return &Queue{limit: limit, wake: make(chan struct{}, 1)}
}

// Push puts a copy of data in the queue. It reports false, and keeps nothing, if
// the queue is full. What is due at the same time leaves in the order pushed.
func (q *Queue) Push(due time.Duration, data []byte, tag uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waits) >= q.limit {
		return false
	}
	q.push(due, data, tag)
	return true
}

// Len is the number of datagrams that wait.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waits)
}

// Run hands out what is due, in order, on the calling goroutine, until ctx ends.
// What waits then stays in the queue.
func (q *Queue) Run(ctx context.Context, deliver Deliver) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var done *datagram
	for ctx.Err() == nil {
		q.recycle(done)
		next, wait := q.pop()
		if done = next; next != nil {
			deliver(next.due, next.data, next.tag)
			continue
		}
		if wait > 0 {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-q.wake:
		}
	}
	q.recycle(done)
}

// push needs the lock and a free place.
func (q *Queue) push(due time.Duration, data []byte, tag uint64) {
	var d *datagram
	if n := len(q.spare); n > 0 {
		d = q.spare[n-1]
		q.spare = q.spare[:n-1]
	} else {
		d = new(datagram)
	}
	d.due, d.tag, d.order = due, tag, q.pushed
	d.data = append(d.data[:0], data...)
	q.pushed++
	heap.Push(&q.waits, d)
	if q.waits[0] == d {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
}

// recycle takes back a datagram that was delivered; nil is none.
func (q *Queue) recycle(d *datagram) {
	if d == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.spare = append(q.spare, d)
}

// pop returns the next datagram that is due, or how long until one is; 0 if
// none waits.
func (q *Queue) pop() (*datagram, time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waits) == 0 {
		return nil, 0
	}
	if wait := q.waits[0].due - mono.Now(); wait > 0 {
		return nil, wait
	}
	d := heap.Pop(&q.waits).(*datagram)
	q.served, q.popped = true, d.due
	return d, 0
}

type datagram struct {
	due   time.Duration
	order uint64
	tag   uint64
	data  []byte
}

// byDue is a heap with the earliest datagram at its top.
type byDue []*datagram

func (h byDue) Len() int      { return len(h) }
func (h byDue) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h byDue) Less(i, j int) bool {
	if h[i].due != h[j].due {
		return h[i].due < h[j].due
	}
	return h[i].order < h[j].order
}
func (h *byDue) Push(x any) { *h = append(*h, x.(*datagram)) }
func (h *byDue) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
