package agent

import (
	"sync"
	"time"
)

// traffic keeps account of what calls send and receive in a sliding day, and
// says whether there is room for one beside the schedule. Its methods may be
// called from anywhere.
type traffic struct {
	mu       sync.Mutex
	schedule int64 // bytes a day that the plan takes by itself
	budget   int64 // bytes a day; 0: no bound
	all      daily
	beside   daily // of calls beside the schedule
	reserved int64 // for those of them that run
	retests  int64
	denied   int64
}

// plan sets what the schedule takes and what the budget is.
func (t *traffic) plan(p Plan) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.schedule, t.budget = p.BytesPerDay(), p.Budget.BytesPerDay
}

// reserve asks for room for a call beside the schedule. What is left for those
// is the budget without what the schedule takes by itself, so that both
// together stay within it.
func (t *traffic) reserve(now time.Duration, bytes int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.budget > 0 && t.schedule+t.beside.sum(now)+t.reserved+bytes > t.budget {
		t.denied++
		return false
	}
	t.retests++
	t.reserved += bytes
	return true
}

// settle gives back what was reserved: what the call took is in the account.
func (t *traffic) settle(bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reserved -= bytes
}

// add accounts for bytes that were sent or received.
func (t *traffic) add(now time.Duration, bytes int64, retest bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all.add(now, bytes)
	if retest {
		t.beside.add(now, bytes)
	}
}

// status fills in the account.
func (t *traffic) status(now time.Duration, s *Status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.BytesToday, s.BytesPerDay = t.all.sum(now), t.budget
	s.Retests, s.RetestsDenied = t.retests, t.denied
}

// daily is a sum over the last 24 hours, to a quarter of an hour.
type daily struct {
	slots [97]int64 // the running quarter, and a day before it
	last  int64     // the quarter that was added to last
}

const quarter = 15 * time.Minute

func (d *daily) add(now time.Duration, n int64) {
	d.forget(now)
	d.slots[d.last%int64(len(d.slots))] += n
}

func (d *daily) sum(now time.Duration) int64 {
	d.forget(now)
	var sum int64
	for _, n := range d.slots {
		sum += n
	}
	return sum
}

// forget empties the quarters that have begun since the last time.
func (d *daily) forget(now time.Duration) {
	q := int64(now / quarter)
	if q-d.last >= int64(len(d.slots)) {
		d.slots = [97]int64{}
		d.last = q
	}
	for d.last < q {
		d.last++
		d.slots[d.last%int64(len(d.slots))] = 0
	}
}
