// Package mos is the ITU-T E-model: it turns what a network did to a call into
// a transmission rating R and a mean opinion score, on three scales that are
// not comparable with each other: narrowband (G.107), wideband (G.107.1) and
// fullband (G.107.2).
//
// Most people call [Rate] with a [Codec] from [Lookup] or [Opus] and a [Path]
// measured on the network. The [Score] says what was lost and to what: delay,
// packet loss or the codec. [Interval] adds what the number of packets allows
// to say. Who wants every term of the model fills a [Narrowband] or [Wideband]
// and asks for its [Terms].
//
// # What the score assumes
//
// One-way delay is the Ta of the Recommendations: mouth to ear, with packet
// time, look-ahead and de-jitter buffer in it, and with perfect echo control
// (T = Tr = 0). [Narrowband] and [Wideband] take talker and listener echo when
// they are known. Loss counts what the listener did not hear: packets lost on
// the way and packets discarded because they came too late.
//
// MOS is never below 1: the polynomial of G.107 Annex B dips to 0.989 for
// ratings from 0 to 6.5, and that dip is lifted, so that MOS never falls when R
// rises.
//
// # What it promises
//
// [Rate] is total: no input makes it panic, and what lies outside the model is
// brought inside by the rules written at [Path] and [Codec]. It does not
// allocate, keeps no state and may be called from anywhere. The score never
// rises when loss, delay or burstiness grows, and its MOS stays within 1..4.5.
package mos

import (
	"math"
	"time"
)

// Bounds to which [Rate] and the Terms methods bring a [Path].
const (
	// MaxBurstR is the largest burst ratio of G.107. Larger ones count as this.
	MaxBurstR = 8
	// MaxAdvantage is the largest advantage factor of G.107 (a place that is
	// hard to reach, by several satellite hops).
	MaxAdvantage = 20
)

// Path is what a network does to one direction of a call. The zero Path is a
// perfect one.
type Path struct {
	// Loss is the share of packets that were not heard, 0..1: lost and
	// discarded ones over expected ones. Below 0 counts as 0, above 1 as 1 and
	// NaN as 1.
	Loss float64
	// BurstR is the burst ratio: the mean run of lost packets over the mean run
	// that random loss of the same ratio would have, 1 for random loss. Below 1
	// and NaN count as 1, above MaxBurstR as MaxBurstR. G.107 defines it; on
	// the wideband and fullband scale it is an extension, made the same way.
	// G.107 means ratios over 2 for losses under 2 % only.
	BurstR float64
	// Delay is the one-way delay mouth to ear (Ta): network, packet time,
	// look-ahead and playout buffer. Neither a round trip nor the network's
	// share alone. Below 0 counts as 0.
	Delay time.Duration
	// Sensitivity says how much the talkers mind delay.
	Sensitivity Sensitivity
	// Advantage is A of G.107, 0..MaxAdvantage R points: what users forgive for
	// an access they could not have otherwise. Below 0 and NaN count as 0.
	// The wideband and fullband scale have no advantage and ignore it.
	Advantage float64
}

// tidy returns p with every field inside the model's range.
func (p Path) tidy() Path {
	if math.IsNaN(p.Loss) {
		p.Loss = 1
	}
	p.Loss = clamp(p.Loss, 0, 1)
	p.BurstR = clamp(p.BurstR, 1, MaxBurstR)
	p.Delay = max(p.Delay, 0)
	p.Advantage = clamp(p.Advantage, 0, MaxAdvantage)
	return p
}

// clamp brings x into low..high; NaN becomes low.
func clamp(x, low, high float64) float64 {
	if !(x > low) {
		return low
	}
	return min(x, high)
}

// Score is the rating of a path with a codec and what it is made of:
//
//	R = Scale.Best() - DelayCost - LossCost - CodecCost + advantage
//
// where the advantage is that of the path, on the narrowband scale only.
// All but MOS are in points of R on the score's own scale.
type Score struct {
	Scale Scale
	// R is the transmission rating. It is not limited: it goes below 0 for a
	// hopeless path and above Scale.Best with an advantage.
	R float64
	// MOS is Scale.MOS(R), 1..4.5.
	MOS float64
	// DelayCost is Idd: what the delay costs, 0..50 times Scale.Factor.
	DelayCost float64
	// LossCost is Ie,eff - Ie: what lost packets cost with this codec.
	LossCost float64
	// CodecCost is Ie: what the codec costs without any loss.
	CodecCost float64
}

// Rate scores a path with a codec on the codec's scale, for conversation.
// Terminals and everything else not named by c and p are those the
// Recommendation takes by default; the path has no echo. A scale that does not
// exist is taken for NB.
//
// Rate does not allocate.
func Rate(c Codec, p Path) Score {
	s := c.Scale.known()
	c, p = c.tidy(s), p.tidy()
	score := Score{
		Scale:     s,
		DelayCost: s.Factor() * delayImpairment(p.Delay, p.Sensitivity),
		CodecCost: c.Ie,
		LossCost:  lossImpairment(c, p, s.ceiling()),
	}
	score.R = s.Best() - score.DelayCost - score.LossCost - score.CodecCost
	if s == NB {
		score.R += p.Advantage
	}
	score.MOS = s.MOS(score.R)
	return score
}

// Listening scores a path for somebody who only listens: [Rate] without the
// delay.
func Listening(c Codec, p Path) Score {
	p.Delay = 0
	return Rate(c, p)
}

// Category returns the category of the score's rating, see [Scale.Category].
func (s Score) Category() Category { return s.Scale.Category(s.R) }
