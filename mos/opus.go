package mos

import (
	"fmt"
	"strconv"
	"strings"
)

// RateMode says whether an encoder varies its bit rate with the sound.
type RateMode uint8

// The rate modes. The zero RateMode is VBR, the default of Opus in WebRTC.
const (
	VBR RateMode = iota // variable bit rate; its average is what is named
	CBR                 // constant bit rate
)

// String returns vbr or cbr.
func (m RateMode) String() string {
	if m == CBR {
		return "cbr"
	}
	return "vbr"
}

// opusSource is where all values of Opus are from. No Recommendation has any.
const opusSource = "Alahmadi, Pocta, Melvin: ACM TOMM 17(4) art. 133, 2021, doi 10.1145/3458751 (instrumental fit, not an ITU value)"

// opusPoint is one fitted bit rate.
type opusPoint struct{ kbit, ie, bplRandom, bplBursty float64 }

// opusCurve is one audio bandwidth and rate mode, by rising bit rate.
type opusCurve struct {
	scale Scale
	mode  RateMode
	rows  []opusPoint
}

// opus holds the fit as its authors printed it. Super-wideband audio is on the
// fullband scale.
var opus = []opusCurve{
	{NB, VBR, []opusPoint{
		{6, 23.00233478, 24.5644848, 15.35503534},
		{7, 21.25545861, 22.45885046, 14.42549516},
		{8, 16.02443357, 20.25866692, 13.47963008},
		{9, 11.73674352, 18.90829837, 12.44222463},
	}},
	{NB, CBR, []opusPoint{
		{6, 46.26834316, 8.939710714, 5.655040056},
		{7, 31.73480382, 18.17914283, 11.76446295},
		{8, 19.24547807, 15.12823436, 10.1315844},
		{9, 13.20879771, 17.23921027, 11.36427122},
		{10, 6.197366255, 15.32972957, 10.47043983},
		{11, 2.030115291, 15.95164784, 10.73313709},
	}},
	{WB, VBR, []opusPoint{
		{11, 28.41322299, 23.93979569, 20.11987374},
		{12, 23.29505705, 22.2151863, 18.90376092},
		{13, 19.958882, 19.49608704, 16.91955649},
	}},
	{WB, CBR, []opusPoint{
		{12, 29.76435108, 24.80947978, 20.77703993},
		{13, 26.16108167, 23.0047189, 19.372252},
		{14, 20.77194577, 17.5623101, 15.84824707},
		{15, 18.06274989, 18.73740804, 16.09740659},
	}},
	{FB, VBR, []opusPoint{
		{14, 38.06, 16.51, 9.13},
		{15, 34.12, 15, 7.9},
		{16, 30.16302131, 11.83, 10.06},
		{19, 23.80720462, 10.67, 8.92},
		{22, 20.22332357, 10.47, 8.57},
		{25, 20.20905481, 11.28, 9.18},
		{28, 18.47734739, 10.63, 8.91},
		{31, 16.82867498, 10.44, 8.82},
		{34, 14.75893036, 10.12, 8.54},
		{37, 12.07782849, 10.38, 8.3},
		{40, 10.66596559, 9.79, 8.04},
	}},
	{FB, CBR, []opusPoint{
		{16, 36.88067115, 13.3, 10.8},
		{19, 29.58016175, 10.74, 8.93},
		{22, 23.38003477, 10.01, 8.46},
		{25, 22.64371205, 10.57, 8.74},
		{28, 23.65242842, 11.67, 9.98},
		{31, 21.74245539, 11.51, 9.58},
		{34, 20.62029481, 11.78, 9.69},
		{37, 16.22868955, 10.62, 8.99},
		{40, 15.89845959, 11.35, 9.37},
	}},
}

// Opus returns the codec values for Opus at a bit rate in kbit/s. The scale
// stands for the audio bandwidth: NB for narrowband, WB for wideband and FB for
// super-wideband, which G.107.2 scores. Between two fitted bit rates the values
// are interpolated linearly; outside of them there is an error that wraps
// [ErrNoValue] and names the range.
//
// No ITU value for Opus exists. These are from one peer-reviewed paper, and
// scores made with them are provisional.
func Opus(s Scale, m RateMode, kbitPerSecond float64) (Codec, error) {
	for _, c := range opus {
		if c.scale == s && c.mode == m {
			return c.at(kbitPerSecond)
		}
	}
	return Codec{}, fmt.Errorf("opus on scale %d in rate mode %d: %w", s, m, ErrNoValue)
}

// OpusRange returns the smallest and largest bit rate, in kbit/s, for which
// [Opus] has values; 0 and 0 if it has none.
func OpusRange(s Scale, m RateMode) (low, high float64) {
	for _, c := range opus {
		if c.scale == s && c.mode == m {
			return c.rows[0].kbit, c.rows[len(c.rows)-1].kbit
		}
	}
	return 0, 0
}

// at interpolates the curve.
func (c opusCurve) at(kbit float64) (Codec, error) {
	for i, p := range c.rows {
		if kbit == p.kbit {
			return c.codec(p), nil
		}
		if i == 0 || !(kbit > c.rows[i-1].kbit) || kbit > p.kbit {
			continue
		}
		q := c.rows[i-1]
		part := (kbit - q.kbit) / (p.kbit - q.kbit)
		between := func(a, b float64) float64 { return a + (b-a)*part }
		return c.codec(opusPoint{
			kbit, between(q.ie, p.ie), between(q.bplRandom, p.bplRandom), between(q.bplBursty, p.bplBursty),
		}), nil
	}
	return Codec{}, fmt.Errorf("opus %s %s at %s kbit/s: %w outside of %s..%s kbit/s", c.bandwidth(), c.mode,
		number(kbit), ErrNoValue, number(c.rows[0].kbit), number(c.rows[len(c.rows)-1].kbit))
}

// bandwidth returns the audio bandwidth of the curve.
func (c opusCurve) bandwidth() string {
	if c.scale == FB {
		return "swb"
	}
	return c.scale.String()
}

// codec names a point of the curve.
func (c opusCurve) codec(p opusPoint) Codec {
	return Codec{
		Name: fmt.Sprintf("opus-%s-%s-%s", c.bandwidth(), c.mode, number(p.kbit)),
		Title: fmt.Sprintf("Opus, %s audio, %s, %s kbit/s", c.bandwidth(), strings.ToUpper(c.mode.String()),
			number(p.kbit)),
		Scale: c.scale, KbitPerSecond: p.kbit, Ie: p.ie, Bpl: p.bplRandom, BplBursty: p.bplBursty,
		Condition: "random loss", Source: opusSource,
	}
}

// number writes x without needless digits.
func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
