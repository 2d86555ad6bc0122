package audio

import "math"

// lowpass is a symmetric filter of an odd number of taps: it delays nothing.
type lowpass []float32

// newLowpass designs a windowed sinc (Blackman) that lets through what is under
// cutoff, a share of the sample rate.
func newLowpass(taps int, cutoff float64) lowpass {
	h := make(lowpass, taps)
	var sum float64
	for i := range h {
		x := float64(i - taps/2)
		w := 2 * math.Pi * float64(i+1) / float64(taps+1)
		v := 2 * cutoff * (0.42 - 0.5*math.Cos(w) + 0.08*math.Cos(2*w))
		if x != 0 {
			v *= math.Sin(2*math.Pi*cutoff*x) / (2 * math.Pi * cutoff * x)
		}
		h[i] = float32(v)
		sum += v
	}
	for i := range h {
		h[i] /= float32(sum)
	}
	return h
}

var (
	halve   = newLowpass(31, 0.22)  // 16 to 8 kHz
	quarter = newLowpass(47, 0.105) // 8 to 2 kHz
)

// decimate appends every factor-th sample of src, filtered, to dst. Beyond its
// ends src is silent.
func (h lowpass) decimate(dst, src []float32, factor int) []float32 {
	half := len(h) / 2
	for centre := 0; centre < len(src); centre += factor {
		first := centre - half
		taps, from := h, first
		if first < 0 {
			taps, from = h[-first:], 0
		}
		window := src[from:min(first+len(h), len(src))]
		var sum float32
		for i, s := range window {
			sum += taps[i] * s
		}
		dst = append(dst, sum)
	}
	return dst
}
