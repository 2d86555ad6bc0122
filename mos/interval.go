package mos

import "math"

// MinExpected is the number of expected packets below which a loss ratio, and
// with it a score, says nothing. [Interval] computes for fewer as well; it is
// the caller who does not publish a score for them.
const MinExpected = 20

// z95 is the 97.5 % point of the standard normal distribution.
const z95 = 1.959963984540054

// Range is a 95 % interval: the loss ratio that the counts allow, 0..1, and the
// MOS it leads to. More loss is less MOS, so MOSLow belongs to LossHigh.
type Range struct {
	LossLow, LossHigh float64
	MOSLow, MOSHigh   float64
}

// Interval returns what lost of expected packets allow to say about the score
// of p with c: the bounds of Wilson's interval on the loss ratio take the place
// of p.Loss. It holds the score of the counted ratio itself. More lost than
// expected counts as all lost; with nothing expected everything is possible.
//
// Wilson takes losses to be independent of each other: with bursts the true
// interval is wider.
func Interval(c Codec, p Path, lost, expected uint64) Range {
	low, high := Wilson(lost, expected)
	at := func(loss float64) float64 {
		p.Loss = loss
		return Rate(c, p).MOS
	}
	return Range{LossLow: low, LossHigh: high, MOSLow: at(high), MOSHigh: at(low)}
}

// Wilson returns the 95 % score interval (E. B. Wilson, 1927, without
// continuity correction) for a ratio of which hits in n trials were seen.
// More hits than trials count as all; no trials give 0 and 1.
func Wilson(hits, n uint64) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	hits = min(hits, n)
	trials := float64(n)
	ratio := float64(hits) / trials
	z2 := z95 * z95 / trials
	centre := ratio + z2/2
	reach := math.Sqrt(z2 * (ratio*(1-ratio) + z2/4))
	low, high = (centre-reach)/(1+z2), (centre+reach)/(1+z2)
	if hits == n {
		high = 1 // exactly, whatever rounding made of it
	}
	return low, high
}
