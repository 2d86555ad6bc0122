package mos

import "time"

// Wideband holds the parameters of a connection by G.107.1 (06/2019), except
// those that are in [Codec] and [Path]. The zero Wideband is the default
// connection, without echo.
type Wideband struct {
	TELR Setting // talker echo loudness rating, default 65 dB
	WEPL Setting // weighted echo path loss, default 110 dB; Set(math.Inf(1)) takes listener echo out

	// Roe is the rating from which the talker echo is subtracted. The text of
	// 06/2019 gives it as -1.5 (No - RLR) without saying what No is; the
	// default is 106.21, with the noise sum of G.107 and a noise floor of -96.
	// Set(129) is the reading of G.1070. The two differ by at most 1.23 points
	// of R at 500 ms. Without echo it does not matter.
	Roe Setting

	T  time.Duration // mean one-way delay of the echo path, default 0; below 0 counts as 0
	Tr time.Duration // round-trip delay in the four-wire loop, default 0; below 0 counts as 0
}

// wideband is the Ro of G.107.1.
const wideband = 129

// wbNoiseFloor is the Nfor, in dBmp, of the wideband noise sum behind Roe.
const wbNoiseFloor = -96

// Terms computes G.107.1 for a codec and a path. The codec's scale is not
// looked at: its Ie and Bpl are taken for wideband values. Codec and path are
// brought into range as [Rate] does. There is no advantage on this scale, and
// BurstR and the delay sensitivity are extensions.
func (w Wideband) Terms(c Codec, p Path) Terms {
	c, p = c.tidy(WB), p.tidy()
	t := Terms{Scale: WB, Ro: wideband}
	t.Idte = w.talkerEcho()
	t.Idle = listenerEcho(t.Ro, w.WEPL, w.Tr)
	t.Idd = WB.Factor() * delayImpairment(p.Delay, p.Sensitivity)
	t.Id = t.Idte + t.Idle + t.Idd
	t.IeEff = c.Ie + lossImpairment(c, p, WB.ceiling())
	t.R = t.Ro - t.Id - t.IeEff
	return t
}

// talkerEcho is Idte,WB.
func (w Wideband) talkerEcho() float64 {
	t := ms(w.T)
	if t < 1 {
		return 0
	}
	k := 18.0
	if t < 100 {
		k = 0.08*t + 10
	}
	terv := echoRating(w.TELR, t) + k
	roe := w.Roe.or(-1.5 * (Narrowband{}.noise(wbNoiseFloor) - 2))
	return echo(roe, 80+3*(terv-14), t)
}
