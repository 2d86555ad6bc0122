package rtpflow

import (
	"math"
	"math/bits"
	"time"
)

const (
	// histogramSub is the number of buckets in each octave, as a power of
	// two: a bucket is 1/32 of its octave wide, its middle at most 1/64 off.
	histogramSub = 5
	// histogramLow is the end of the linear part (1024 ns), histogramHigh of
	// the whole (2^36 ns, 68.7 s), as powers of two.
	histogramLow     = 10
	histogramHigh    = 36
	histogramBuckets = (histogramHigh - histogramLow + 1) << histogramSub
)

// Histogram counts durations in log-linear buckets in constant memory.
// Quantiles of 1 µs to 68 s are within 1/64 of a value that was added; less is
// within 16 ns, more counts as 68 s. Minimum, maximum and sum are exact.
// Negative durations count as 0. The zero value is empty.
type Histogram struct {
	count    int64
	sum      time.Duration
	min, max time.Duration
	buckets  [histogramBuckets]uint32
}

// Add counts one duration.
func (h *Histogram) Add(d time.Duration) {
	d = max(d, 0)
	if d < h.min || h.count == 0 {
		h.min = d
	}
	h.max = max(h.max, d)
	h.count++
	h.sum += d
	h.buckets[bucketOf(d)]++
}

// addOver counts how far each sample lies over a floor, as Add would.
func (h *Histogram) addOver(samples []int64, floor int64) {
	least, most, sum := int64(math.MaxInt64), int64(0), int64(0)
	for _, s := range samples {
		d := max(s-floor, 0)
		least, most = min(least, d), max(most, d)
		sum += d
		h.buckets[bucketOf(time.Duration(d))]++
	}
	if h.count == 0 || time.Duration(least) < h.min {
		h.min = time.Duration(least)
	}
	h.max = max(h.max, time.Duration(most))
	h.sum += time.Duration(sum)
	h.count += int64(len(samples))
}

// Merge adds all that other counted.
func (h *Histogram) Merge(other *Histogram) {
	if other.count == 0 {
		return
	}
	if h.count == 0 || other.min < h.min {
		h.min = other.min
	}
	h.max = max(h.max, other.max)
	h.count += other.count
	h.sum += other.sum
	for i, n := range other.buckets {
		h.buckets[i] += n
	}
}

// Reset empties the histogram.
func (h *Histogram) Reset() { *h = Histogram{} }

// Quantiles summarises what was added. A quantile p is the value of rank
// ceil(p·n), as the middle of its bucket, within minimum and maximum.
func (h *Histogram) Quantiles() Quantiles { return quantiles(h, nil) }

// quantiles summarises two histograms as one; b may be nil.
func quantiles(a, b *Histogram) Quantiles {
	q := Quantiles{Count: a.count, Min: a.min, Max: a.max, Sum: a.sum}
	if b != nil && b.count > 0 {
		if q.Count == 0 || b.min < q.Min {
			q.Min = b.min
		}
		q.Max, q.Sum = max(q.Max, b.max), q.Sum+b.sum
		q.Count += b.count
	}
	if q.Count == 0 {
		return q
	}
	targets := [...]struct {
		rank int64
		to   *time.Duration
	}{
		{(q.Count*50 + 99) / 100, &q.P50},
		{(q.Count*95 + 99) / 100, &q.P95},
		{(q.Count*99 + 99) / 100, &q.P99},
	}
	var seen int64
	next := 0
	for i := range a.buckets {
		seen += int64(a.buckets[i])
		if b != nil {
			seen += int64(b.buckets[i])
		}
		for next < len(targets) && seen >= targets[next].rank {
			*targets[next].to = min(max(bucketMiddle(i), q.Min), q.Max)
			next++
		}
		if next == len(targets) {
			break
		}
	}
	return q
}

func bucketOf(d time.Duration) int {
	if d < 1<<histogramLow {
		return int(d >> (histogramLow - histogramSub))
	}
	octave := bits.Len64(uint64(d)) - 1
	if octave >= histogramHigh {
		return histogramBuckets - 1
	}
	return (octave-histogramLow+1)<<histogramSub + int(d>>(octave-histogramSub))&(1<<histogramSub-1)
}

func bucketMiddle(i int) time.Duration {
	octave, sub := i>>histogramSub, time.Duration(i&(1<<histogramSub-1))
	if octave == 0 {
		return sub<<(histogramLow-histogramSub) + 1<<(histogramLow-histogramSub-1)
	}
	width := octave + histogramLow - 1 - histogramSub
	return (1<<histogramSub+sub)<<width + 1<<width/2
}
