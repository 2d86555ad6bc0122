package mos

import (
	"fmt"
	"math"
	"strings"
)

// Scale is one of the three scales of the E-model. A MOS of 4.3 on one of them
// and a MOS of 4.3 on another are different statements.
type Scale uint8

// The scales. The zero Scale is NB.
const (
	NB Scale = iota // narrowband, 300..3400 Hz, G.107, R up to 93.2 without advantage
	WB              // wideband, 50..7000 Hz, G.107.1, R up to 129
	FB              // fullband, 20..20000 Hz, G.107.2, R up to 148
)

// scales holds what tells the scales apart.
var scales = [...]struct {
	name, recommendation string
	factor               float64 // R of the scale over R narrowband: 1, 1.29, 1.48
	ceiling              float64 // Ie,eff under total loss without bursts: 95, not rescaled in G.107.1, or 132
}{
	NB: {"nb", "ITU-T G.107", 1, 95},
	WB: {"wb", "ITU-T G.107.1", 1.29, 95},
	FB: {"fb", "ITU-T G.107.2", 1.48, 132},
}

// best holds the rating of a perfect path on each scale, computed from the
// Recommendations' defaults.
var best = [...]float64{
	NB: Narrowband{}.Terms(Codec{}, Path{}).R,
	WB: Wideband{}.Terms(Codec{}, Path{}).R,
	FB: FullbandTerms(Codec{}, Path{}).R,
}

// ParseScale returns the scale named nb, wb or fb, in any case.
func ParseScale(name string) (Scale, error) {
	for s := range scales {
		if strings.EqualFold(name, scales[s].name) {
			return Scale(s), nil
		}
	}
	return NB, fmt.Errorf("scale %q: must be nb, wb or fb", name)
}

// known returns s, or NB for a scale that does not exist.
func (s Scale) known() Scale {
	if int(s) < len(scales) {
		return s
	}
	return NB
}

// String returns nb, wb or fb.
func (s Scale) String() string { return scales[s.known()].name }

// MarshalText writes the scale as nb, wb or fb.
func (s Scale) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads nb, wb or fb.
func (s *Scale) UnmarshalText(text []byte) error {
	parsed, err := ParseScale(string(text))
	if err == nil {
		*s = parsed
	}
	return err
}

// Recommendation returns the ITU-T Recommendation that defines the scale.
func (s Scale) Recommendation() string { return scales[s.known()].recommendation }

// Factor returns by how much ratings and delay costs of the scale are
// stretched against narrowband: 1, 1.29 or 1.48.
func (s Scale) Factor() float64 { return scales[s.known()].factor }

// ceiling returns the 95 or 132 of Ie,eff = Ie + (95 - Ie) Ppl/(...).
func (s Scale) ceiling() float64 { return scales[s.known()].ceiling }

// Best returns the rating of a perfect path with a codec that costs nothing:
// 93.206 (NB), 128.846 (WB, which keeps the constant listener echo term of
// 0.154) or 148 (FB).
func (s Scale) Best() float64 { return best[s.known()] }

// MOS returns the mean opinion score of rating r on scale s, 1..4.5: the
// polynomial of G.107 Annex B on r/Factor, with its dip to 0.989 between 0 and
// 80 - sqrt(5400) = 6.515 lifted to 1.
// NaN gives 1.
func (s Scale) MOS(r float64) float64 {
	r /= s.Factor()
	switch {
	case !(r > 0):
		return 1
	case r >= 100:
		return 4.5
	}
	return max(1, 1+0.035*r+r*(r-60)*(100-r)*7e-6)
}

// R returns the rating that has this MOS on scale s, by the closed form of
// G.107 Annex B (Ferrari). It is the inverse of MOS between 1 and 4.5. A score
// of 1 or less, or NaN, gives the highest rating that has MOS 1 (6.515 times
// Factor); a score of 4.5 or more the lowest that has 4.5 (100 times Factor).
func (s Scale) R(mos float64) float64 {
	mos = clamp(mos, 1, 4.5)
	// The Recommendation writes atan2(x, y), with the arguments the other way
	// round from Go's.
	x := 18566 - 6750*mos
	y := 15 * math.Sqrt(-903522+1113960*mos-202500*mos*mos)
	h := math.Atan2(y, x) / 3
	return s.Factor() * 20 / 3 * (8 - math.Sqrt(226)*math.Cos(h+math.Pi/3))
}

// GoodOrBetter returns the share of users, 0..1, who would call a connection
// with rating r good or better (GoB, G.107 Annex B, on r/Factor).
func (s Scale) GoodOrBetter(r float64) float64 { return normal((r/s.Factor() - 60) / 16) }

// PoorOrWorse returns the share of users, 0..1, who would call a connection
// with rating r poor or worse (PoW, G.107 Annex B, on r/Factor).
func (s Scale) PoorOrWorse(r float64) float64 { return normal((45 - r/s.Factor()) / 16) }

// normal is the distribution function of the standard normal distribution.
func normal(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

// Category is a band of user satisfaction from G.109, best first.
type Category uint8

// The categories, with the narrowband rating at which each begins.
const (
	VerySatisfied            Category = iota // R 90 and more
	Satisfied                                // R 80 and more
	SomeDissatisfied                         // R 70 and more
	ManyDissatisfied                         // R 60 and more
	NearlyAllDissatisfied                    // R 50 and more
	ConnectionNotRecommended                 // below R 50
)

// Category returns the G.109 category of rating r on scale s. G.109 knows the
// narrowband scale; on the others the bands are stretched by Factor, as the
// ratings are for their MOS. A rating on the limit belongs to the better band;
// NaN is not recommended.
func (s Scale) Category(r float64) Category {
	r /= s.Factor()
	for c, limit := range [...]float64{90, 80, 70, 60, 50} {
		if r >= limit {
			return Category(c)
		}
	}
	return ConnectionNotRecommended
}

// String returns the category in words, such as "some users dissatisfied".
func (c Category) String() string {
	names := [...]string{
		"very satisfied", "satisfied", "some users dissatisfied", "many users dissatisfied",
		"nearly all users dissatisfied", "not recommended",
	}
	return names[min(int(c), len(names)-1)]
}
