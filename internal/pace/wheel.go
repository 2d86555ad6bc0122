package pace

import (
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// subSlot is how far apart buckets are: tickers of one bucket run in a row
// after one sleep. Shorter spreads calls further and wakes the thread more
// often.
const subSlot = 500 * time.Microsecond

// maxBuckets bounds a wheel of long frames, since each turn looks at all.
const maxBuckets = 120

// wheel holds the tickers of one length of frame, in buckets spread evenly
// over it. Bucket i is due i·frame/len(buckets) past each multiple of frame.
type wheel struct {
	frame   time.Duration
	tickers int // in all buckets; guarded by the clock's mutex
	buckets []bucket
}

type bucket struct {
	// tickers is replaced, never changed, so that the loop reads it unlocked.
	tickers atomic.Pointer[[]*Ticker]

	// ran is the last multiple of the frame that was run. It is the loop's own.
	ran int64
}

func newWheel(frame time.Duration) *wheel {
	w := &wheel{frame: frame, buckets: make([]bucket, min(max(int(frame/subSlot), 1), maxBuckets))}
	for i := range w.buckets {
		w.buckets[i].tickers.Store(new([]*Ticker))
		w.buckets[i].ran = math.MinInt64
	}
	return w
}

// phase returns how far into the frame bucket i is due.
func (w *wheel) phase(i int) time.Duration {
	return w.frame * time.Duration(i) / time.Duration(len(w.buckets))
}

// due returns when bucket i is due for the first time after now.
func (w *wheel) due(i int, now time.Duration) time.Duration {
	phase := w.phase(i)
	return phase + time.Duration(floorDiv(now-phase, w.frame)+1)*w.frame
}

// add puts t into the bucket with the fewest tickers, of these the one that is
// due first once a sub-slot has passed, which leaves time to wake the thread.
func (w *wheel) add(t *Ticker, now time.Duration) {
	now += subSlot
	least := -1
	for i := range w.buckets {
		n, due := len(*w.buckets[i].tickers.Load()), w.due(i, now)
		if least < 0 || n < least || n == least && due < t.first {
			least, t.place, t.first = n, i, due
		}
	}
	b := &w.buckets[t.place]
	tickers := append(slices.Clone(*b.tickers.Load()), t)
	b.tickers.Store(&tickers)
	w.tickers++
}

// remove takes t out of its bucket and reports whether it was there.
func (w *wheel) remove(t *Ticker) bool {
	b := &w.buckets[t.place]
	old := *b.tickers.Load()
	i := slices.Index(old, t)
	if i < 0 {
		return false
	}
	tickers := slices.Concat(old[:i], old[i+1:])
	b.tickers.Store(&tickers)
	w.tickers--
	return true
}

// turn runs what is due and returns when the next bucket is, forever if all
// are empty.
func (w *wheel) turn(now time.Duration) time.Duration {
	next := forever
	for i := range w.buckets {
		b := &w.buckets[i]
		tickers := *b.tickers.Load()
		if len(tickers) == 0 {
			continue
		}
		due := w.due(i, now)
		if round := floorDiv(due, w.frame); round != b.ran {
			b.ran = round
			for _, t := range tickers {
				t.run()
			}
		}
		next = min(next, due)
	}
	return next
}

// floorDiv returns a/b rounded down, also for negative a.
func floorDiv(a, b time.Duration) int64 {
	q := int64(a / b)
	if a%b < 0 {
		q--
	}
	return q
}
