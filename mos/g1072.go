package mos

// fullband is the Ro of G.107.2.
const fullband = 148

// FullbandTerms computes G.107.2 (06/2019) for a codec and a path. The codec's
// scale is not looked at: its Ie and Bpl are taken for fullband values. Codec
// and path are brought into range as [Rate] does. G.107.2 has neither echo nor
// advantage, and BurstR and the delay sensitivity are extensions.
func FullbandTerms(c Codec, p Path) Terms {
	c, p = c.tidy(FB), p.tidy()
	t := Terms{Scale: FB, Ro: fullband}
	t.Idd = FB.Factor() * delayImpairment(p.Delay, p.Sensitivity)
	t.Id = t.Idd
	t.IeEff = c.Ie + lossImpairment(c, p, FB.ceiling())
	t.R = t.Ro - t.Id - t.IeEff
	return t
}
