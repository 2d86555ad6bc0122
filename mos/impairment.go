package mos

import (
	"fmt"
	"math"
	"time"
)

// Sensitivity is the delay sensitivity class of a conversation (G.107, table of
// sT and mT). The zero Sensitivity is the default class.
type Sensitivity uint8

// The delay sensitivity classes. Only G.107 has them; on the wideband and
// fullband scale the other two are an extension, made the same way.
const (
	DefaultSensitivity Sensitivity = iota // sT 1, mT 100 ms
	LowSensitivity                        // sT 0.55, mT 120 ms
	VeryLowSensitivity                    // sT 0.4, mT 150 ms
)

var sensitivities = [...]struct {
	name  string
	slope float64       // sT
	least time.Duration // mT: the delay up to which nothing is noticed
}{
	DefaultSensitivity: {"default", 1, 100 * time.Millisecond},
	LowSensitivity:     {"low", 0.55, 120 * time.Millisecond},
	VeryLowSensitivity: {"very-low", 0.4, 150 * time.Millisecond},
}

// ParseSensitivity returns the class named default, low or very-low.
func ParseSensitivity(name string) (Sensitivity, error) {
	for c := range sensitivities {
		if sensitivities[c].name == name {
			return Sensitivity(c), nil
		}
	}
	return DefaultSensitivity, fmt.Errorf("delay sensitivity %q: must be default, low or very-low", name)
}

// known returns c, or the default class for one that does not exist.
func (c Sensitivity) known() Sensitivity {
	if int(c) < len(sensitivities) {
		return c
	}
	return DefaultSensitivity
}

// String returns default, low or very-low.
func (c Sensitivity) String() string { return sensitivities[c.known()].name }

// delayImpairment is Idd of G.107 for one-way delay ta, 0..50 R points on the
// narrowband scale. It tends to 50 for a delay without end.
func delayImpairment(ta time.Duration, class Sensitivity) float64 {
	k := sensitivities[class.known()]
	if ta <= k.least {
		return 0
	}
	x := math.Log2(float64(ta) / float64(k.least))
	e := 6 * k.slope
	root := func(x float64) float64 { return math.Pow(1+math.Pow(x, e), 1/e) }
	return max(0, 25*(root(x)-3*root(x/3)+2))
}

// lossImpairment is Ie,eff - Ie for a tidy codec and path: what loss adds to
// the codec's own impairment. ceiling is 95 (G.107, G.107.1) or 132 (G.107.2).
// It exceeds ceiling - Ie when loss is both heavy and bursty; R is then far
// below 0.
func lossImpairment(c Codec, p Path, ceiling float64) float64 {
	percent := 100 * p.Loss
	return (ceiling - c.Ie) * percent / (percent/p.BurstR + c.Bpl)
}
