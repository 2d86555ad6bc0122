package audio

import (
	"math"
	"math/bits"
)

// transform is a fast Fourier transform of a fixed length, a power of two.
type transform struct {
	turns []complex64 // e to the -2 pi i k/n, for the lower half of k
	shift int         // so that a reversed index fits the length
}

func newTransform(n int) *transform {
	t := &transform{turns: make([]complex64, n/2), shift: 64 - bits.TrailingZeros(uint(n))}
	for k := range t.turns {
		sin, cos := math.Sincos(-2 * math.Pi * float64(k) / float64(n))
		t.turns[k] = complex(float32(cos), float32(sin))
	}
	return t
}

// forward transforms x in place: radix 2, decimation in time.
func (t *transform) forward(x []complex64) {
	n := len(x)
	for i := range x {
		if j := int(bits.Reverse64(uint64(i)) >> t.shift); j > i {
			x[i], x[j] = x[j], x[i]
		}
	}
	for half := 1; half < n; half *= 2 {
		step := n / (2 * half)
		for start := 0; start < n; start += 2 * half {
			low, high := x[start:start+half], x[start+half:start+2*half]
			for k, turn := 0, 0; k < half; k, turn = k+1, turn+step {
				a, b := low[k], high[k]*t.turns[turn]
				low[k], high[k] = a+b, a-b
			}
		}
	}
}
