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
	histogramOctaves = histogramHigh - histogramLow + 1
)

// Histogram counts durations in log-linear buckets in constant memory.
// Quantiles of 1 µs to 68 s are within 1/64 of a value that was added; less is
// within 16 ns, more counts as 68 s. Minimum, maximum and sum are exact.
// Negative durations count as 0. The zero value is empty. It must not be copied.
//
// An octave is allocated when the first duration falls into it, and kept: a call
// has six histograms, and what it counts keeps to a few octaves of the 27. So a
// duration of a magnitude that was there before allocates nothing.
type Histogram struct {
	count    int64
	sum      time.Duration
	min, max time.Duration
	octaves  [histogramOctaves]*octave
}

// octave holds the buckets between one power of two and the next.
type octave [1 << histogramSub]uint32

// bucket returns the bucket of a duration that is not negative.
func (h *Histogram) bucket(d time.Duration) *uint32 {
	i, sub := bucketOf(d)
	o := h.octaves[i]
	if o == nil {
		o = new(octave)
		h.octaves[i] = o
	}
	return &o[sub]
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
	*h.bucket(d)++
}

// addOver counts how far each sample lies over a floor, as Add would.
func (h *Histogram) addOver(samples []int64, floor int64) {
	least, most, sum := int64(math.MaxInt64), int64(0), int64(0)
	for _, s := range samples {
		d := max(s-floor, 0)
		least, most = min(least, d), max(most, d)
		sum += d
		*h.bucket(time.Duration(d))++
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
	for i, from := range other.octaves {
		if from == nil {
			continue
		}
		if h.octaves[i] == nil {
			h.octaves[i] = new(octave)
		}
		for sub, n := range from {
			h.octaves[i][sub] += n
		}
	}
}

// Reset empties the histogram.
func (h *Histogram) Reset() {
	for _, o := range h.octaves {
		if o != nil {
			*o = octave{}
		}
	}
	*h = Histogram{octaves: h.octaves}
}

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
	for i := range histogramOctaves {
		of := [2]*octave{a.octaves[i], nil}
		if b != nil {
			of[1] = b.octaves[i]
		}
		for sub := range len(octave{}) {
			for _, o := range of {
				if o != nil {
					seen += int64(o[sub])
				}
			}
			for next < len(targets) && seen >= targets[next].rank {
				*targets[next].to = min(max(bucketMiddle(i, sub), q.Min), q.Max)
				next++
			}
		}
	}
	return q
}

// bucketOf gives the octave of a duration and its bucket in that; octave 0 is
// the linear part.
func bucketOf(d time.Duration) (octave, sub int) {
	if d < 1<<histogramLow {
		return 0, int(d >> (histogramLow - histogramSub))
	}
	power := bits.Len64(uint64(d)) - 1
	if power >= histogramHigh {
		return histogramOctaves - 1, 1<<histogramSub - 1
	}
	return power - histogramLow + 1, int(d>>(power-histogramSub)) & (1<<histogramSub - 1)
}

func bucketMiddle(octave, sub int) time.Duration {
	if octave == 0 {
		return time.Duration(sub)<<(histogramLow-histogramSub) + 1<<(histogramLow-histogramSub-1)
	}
	width := octave + histogramLow - 1 - histogramSub
	return time.Duration(1<<histogramSub+sub)<<width + 1<<width/2
}
