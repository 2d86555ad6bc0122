package farend

import "math"

// companding is a law of G.711, by the values of its codes: full scale is 1. A
// value is encoded as the code with the nearest one, found in a list of all.
type companding struct {
	values [256]float64
	codes  [1 << 14]byte // by the upper 14 bits of a sample
}

// The values follow from the characteristic of the Recommendation: eight segments
// on each side, each of 16 steps, each step the double of those of the segment
// before. Mu-law has its origin between two codes of value 0; A-law's first two
// segments have one step.
var (
	muLaw = newCompanding(func(code byte) float64 {
		code ^= 0xff
		step, segment := float64(code&15), float64(code>>4&7)
		return sign(code, -1) * ((step+16.5)*math.Exp2(segment+1) - 33) / 8192
	})
	aLaw = newCompanding(func(code byte) float64 {
		code ^= 0x55
		step, segment := float64(code&15), float64(code>>4&7)
		if segment == 0 {
			return sign(code, 1) * (step + 0.5) / 2048
		}
		return sign(code, 1) * (step + 16.5) * math.Exp2(segment-1) / 2048
	})
)

// sign gives the sign that a set upper bit stands for.
func sign(code byte, set float64) float64 {
	if code&0x80 != 0 {
		return set
	}
	return -set
}

func newCompanding(value func(code byte) float64) *companding {
	c := &companding{}
	for code := range c.values {
		c.values[code] = value(byte(code))
	}
	for i := range c.codes {
		x, best := (float64(i)+0.5)/(1<<13)-1, math.Inf(1)
		for code, v := range c.values {
			if d := math.Abs(v - x); d < best {
				best, c.codes[i] = d, byte(code)
			}
		}
	}
	return c
}

func (c *companding) decode(code byte) float64 { return c.values[code] }

func (c *companding) encode(s float64) byte {
	return c.codes[min(max(int(math.Floor((s+1)*(1<<13))), 0), len(c.codes)-1)]
}
