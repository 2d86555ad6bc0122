package mos

import (
	"math"
	"time"
)

// Setting is a parameter of a [Narrowband] or [Wideband] connection. The zero
// Setting is the default of the Recommendation; [Set] gives another value,
// which may be 0.
type Setting struct {
	value float64
	set   bool
}

// Set returns a Setting of value x in the unit that the parameter's comment
// names. The value is used as it is, also outside the Recommendation's range.
func Set(x float64) Setting { return Setting{x, true} }

// or returns the setting's value, or the default if it has none.
func (s Setting) or(standard float64) float64 {
	if s.set {
		return s.value
	}
	return standard
}

// Narrowband holds the parameters of a connection by G.107, except those that
// are in [Codec] and [Path]. The zero Narrowband is the Recommendation's
// default connection. Levels are in dB, noise in dBm0p or dB(A) as in G.107.
type Narrowband struct {
	SLR  Setting // send loudness rating, default 8
	RLR  Setting // receive loudness rating, default 2
	STMR Setting // sidetone masking rating, default 15
	LSTR Setting // listener sidetone rating, default STMR + Dr
	Ds   Setting // D-value of the telephone at the send side, default 3
	Dr   Setting // D-value of the telephone at the receive side, default 3; counts through LSTR only
	TELR Setting // talker echo loudness rating, default 65
	WEPL Setting // weighted echo path loss, default 110
	QDU  Setting // quantization distortion units, default 1
	Nc   Setting // circuit noise at the 0 dBr point, default -70 dBm0p
	Nfor Setting // noise floor at the receive side, default -64 dBmp
	Ps   Setting // room noise at the send side, default 35 dB(A)
	Pr   Setting // room noise at the receive side, default 35 dB(A)

	// T is the mean one-way delay of the echo path. 0, the default, is a path
	// whose echo is perfectly controlled; with echo it is usually the path's
	// Delay. Below 0 counts as 0.
	T time.Duration
	// Tr is the round-trip delay in the four-wire loop, usually 2 T. Default 0;
	// below 0 counts as 0.
	Tr time.Duration
}

// Terms are the intermediate results and the rating of an E-model. A term that
// a scale does not have is 0.
type Terms struct {
	Scale Scale

	No float64 // sum of all noise, dBm0p
	Ro float64 // basic signal-to-noise ratio; on WB and FB the constant 129 or 148

	Iolr float64 // too low overall loudness rating
	Ist  float64 // non-optimum sidetone
	Iq   float64 // quantizing distortion
	Is   float64 // simultaneous impairments: Iolr + Ist + Iq

	Idte float64 // talker echo
	Idle float64 // listener echo
	Idd  float64 // absolute delay
	Id   float64 // delay impairments: Idte + Idle + Idd

	IeEff float64 // codec and loss: Ie,eff
	A     float64 // advantage

	R float64 // Ro - Is - Id - Ie,eff + A
}

// MOS returns the mean opinion score of the rating, see [Scale.MOS].
func (t Terms) MOS() float64 { return t.Scale.MOS(t.R) }

// Terms computes G.107 for a codec and a path. The codec's scale is not looked
// at: its Ie and Bpl are taken for narrowband values. Codec and path are
// brought into range as [Rate] does.
func (n Narrowband) Terms(c Codec, p Path) Terms {
	c, p = c.tidy(NB), p.tidy()
	slr, rlr := n.SLR.or(8), n.RLR.or(2)
	t := Terms{Scale: NB, No: n.noise(-64)}
	t.Ro = 15 - 1.5*(slr+t.No)

	t.Iolr = loudness(slr+rlr, rlr, t.No)
	t.Ist = n.sidetone()
	t.Iq = quantizing(n.QDU.or(1), t.Ro)
	t.Is = t.Iolr + t.Ist + t.Iq

	t.Idte = n.talkerEcho(t.No, t.Ist)
	t.Idle = listenerEcho(t.Ro, n.WEPL, n.Tr)
	t.Idd = delayImpairment(p.Delay, p.Sensitivity)
	t.Id = t.Idte + t.Idle + t.Idd

	t.IeEff = c.Ie + lossImpairment(c, p, NB.ceiling())
	t.A = p.Advantage
	t.R = t.Ro - t.Is - t.Id - t.IeEff + t.A
	return t
}

// noise is No: circuit noise, room noise at both sides and the noise floor,
// added as powers. floor is the default of Nfor.
func (n Narrowband) noise(floor float64) float64 {
	slr, rlr, ds := n.SLR.or(8), n.RLR.or(2), n.Ds.or(3)
	ps, pr := n.Ps.or(35), n.Pr.or(35)
	lstr := n.LSTR.or(n.STMR.or(15) + n.Dr.or(3))

	olr := slr + rlr
	nos := ps - slr - ds - 100 + 0.004*square(ps-olr-ds-14)
	pre := pr + 10*math.Log10(1+power((10-lstr)/10))
	nor := rlr - 121 + pre + 0.008*square(pre-35)
	nfo := n.Nfor.or(floor) + rlr
	return 10 * math.Log10(power(n.Nc.or(-70)/10)+power(nos/10)+power(nor/10)+power(nfo/10))
}

// loudness is Iolr: speech that arrives too quietly.
func loudness(olr, rlr, no float64) float64 {
	x := (olr + 0.2*(64+no-rlr)) / 8
	return 20 * (math.Pow(1+math.Pow(x, 8), 1.0/8) - x)
}

// sidetone is Ist.
func (n Narrowband) sidetone() float64 {
	stmro := -10 * math.Log10(power(-n.STMR.or(15)/10)+math.Exp(-ms(n.T)/4)*power(-n.TELR.or(65)/10))
	term := func(shift, width, e float64) float64 {
		return math.Pow(1+math.Pow((stmro+shift)/width, e), 1/e)
	}
	return 12*term(-13, 6, 8) - 28*term(1, 19.4, 35) - 13*term(-3, 33, 13) + 29
}

// quantizing is Iq, from the quantization distortion units of the connection.
func quantizing(qdu, ro float64) float64 {
	q := 37 - 15*math.Log10(qdu)
	g := 1.07 + 0.258*q + 0.0602*q*q
	y := (ro-100)/15 + 46/8.4 - g/9
	z := 46.0/30 - g/40
	return 15 * math.Log10(1+power(y)+power(z))
}

// talkerEcho is Idte, the talker hearing himself, with the corrections for
// sidetone that is unusually loud or weak.
func (n Narrowband) talkerEcho(no, ist float64) float64 {
	t := ms(n.T)
	if t < 1 {
		return 0
	}
	terv := echoRating(n.TELR, t)
	stmr := n.STMR.or(15)
	if stmr < 9 {
		terv += ist / 2
	}
	roe := -1.5 * (no - n.RLR.or(2))
	re := 80 + 2.5*(terv-14)
	idte := echo(roe, re, t)
	if stmr > 20 {
		idte = math.Hypot(idte, ist)
	}
	return idte
}

// echoRating is TERV without corrections: the loudness of the talker echo
// weighed by its delay, t in ms.
func echoRating(telr Setting, t float64) float64 {
	return telr.or(65) - 40*math.Log10((1+t/10)/(1+t/150)) + 6*math.Exp(-0.3*t*t)
}

// echo is Idte from Roe and Re, for an echo delay of t ms.
func echo(roe, re, t float64) float64 {
	half := (roe - re) / 2
	return (half + math.Sqrt(half*half+100) - 1) * -math.Expm1(-t)
}

// listenerEcho is Idle, the listener hearing the talker twice.
func listenerEcho(ro float64, wepl Setting, tr time.Duration) float64 {
	rle := 10.5 * (wepl.or(110) + 7) * math.Pow(ms(tr)+1, -0.25)
	half := (ro - rle) / 2
	root := math.Sqrt(half*half + 169)
	if half < 0 {
		// The same number as half + root, without the cancellation that eats
		// it when the echo is far away.
		return 169 / (root - half)
	}
	return half + root
}

// ms returns d in milliseconds, 0 when it is negative.
func ms(d time.Duration) float64 { return float64(max(d, 0)) / float64(time.Millisecond) }

// power returns ten to the x.
func power(x float64) float64 { return math.Pow(10, x) }

func square(x float64) float64 { return x * x }
