package rtpflow

import (
	"math"
	"slices"
	"time"
)

// Marks are the round bounds, in seconds, among those of Buckets: a cumulative
// count up to any of them is exact.
var Marks = []float64{
	0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
	0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 1, 2,
}

const (
	// bucketSchema is the resolution: each octave of seconds has 2^schema
	// bounds that grow by the factor 2^(1/8), as in a native histogram of
	// Prometheus of that schema.
	bucketSchema = 3
	// bucketLow and bucketHigh are the exponents of the first bound (0.95 µs)
	// and of the last but infinity (64 s).
	bucketLow  = -20
	bucketHigh = 6
	// cellBits is how many bits of the mantissa lead to the bound where the
	// search begins.
	cellBits = 4
)

// bucketBounds are the upper bounds, inclusive, in seconds; the last is +Inf.
// bucketCells holds the first bound of each cell of exponent and mantissa.
var bucketBounds, bucketCells = func() (bounds []float64, cells []uint8) {
	for k := bucketLow << bucketSchema; k <= bucketHigh<<bucketSchema; k++ {
		octave, step := k>>bucketSchema, k&(1<<bucketSchema-1)
		bounds = append(bounds, math.Ldexp(math.Exp2(float64(step)/(1<<bucketSchema)), octave))
	}
	bounds = append(append(bounds, Marks...), math.Inf(1))
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	for i := range (bucketHigh - bucketLow) << cellBits {
		octave, step := bucketLow+i>>cellBits, i&(1<<cellBits-1)
		least := math.Ldexp(1+float64(step)/(1<<cellBits), octave)
		at, _ := slices.BinarySearch(bounds, least)
		cells = append(cells, uint8(at))
	}
	return bounds, cells
}()

// Bucket counts durations over the bound of the bucket before, up to and with
// its own.
type Bucket struct {
	Upper float64 // seconds
	Count int64
}

// Buckets counts durations by fixed bounds, exactly and in constant memory: the
// bounds of a native histogram (0.95 µs to 64 s, each 2^(1/8) times the one
// before), with Marks among them. Negative durations count as 0. The zero value
// is empty; Add does not allocate.
type Buckets struct {
	count  int64
	sum    time.Duration
	counts [256]uint32
}

// Add counts one duration.
func (b *Buckets) Add(d time.Duration) {
	d = max(d, 0)
	b.count++
	b.sum += d
	b.counts[boundOf(float64(d)/1e9)]++
}

// boundOf is the index of the first bound that is not under v.
func boundOf(v float64) int {
	raw := math.Float64bits(v)
	i := 0
	switch exponent := int(raw>>52) - 1023; {
	case exponent >= bucketHigh:
		i = len(bucketBounds) - 2
	case exponent >= bucketLow:
		i = int(bucketCells[(exponent-bucketLow)<<cellBits|int(raw>>(52-cellBits))&(1<<cellBits-1)])
	}
	for v > bucketBounds[i] {
		i++
	}
	return i
}

// Count and Sum are of all that was added.
func (b *Buckets) Count() int64       { return b.count }
func (b *Buckets) Sum() time.Duration { return b.sum } // negative durations count as 0

// Filled lists the buckets that are not empty, in order.
func (b *Buckets) Filled() []Bucket {
	if b.count == 0 {
		return nil
	}
	var list []Bucket
	for i, n := range b.counts {
		if n > 0 {
			list = append(list, Bucket{Upper: bucketBounds[i], Count: int64(n)})
		}
	}
	return list
}

// Reset empties it.
func (b *Buckets) Reset() { *b = Buckets{} }
