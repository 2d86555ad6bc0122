package audio

// law is the decoder of a G.711 variant: the sample of each code, full scale 1.
type law [256]float32

var (
	muLaw = newLaw(expandMu)
	aLaw  = newLaw(expandA)
)

func newLaw(expand func(code byte) int) *law {
	var l law
	for code := range l {
		l[code] = float32(expand(byte(code))) / fullScale
	}
	return &l
}

// fullScale is the overload point, on the scale of 16-bit samples.
const fullScale = 32768

// expandMu decodes a mu-law code to the 16-bit scale (ITU-T G.711, table 2a): all
// bits are inverted; a sign, a segment that doubles the step, four bits within
// it. Of 14 bits, every segment is shifted by the bias of 33.
func expandMu(code byte) int {
	code = ^code
	magnitude := (2*int(code&15)+33)<<(code>>4&7) - 33
	if code&0x80 != 0 {
		return -magnitude << 2
	}
	return magnitude << 2
}

// expandA decodes an A-law code to the 16-bit scale (ITU-T G.711, table 1a):
// even bits are inverted, the first two segments have one step. Of 13 bits.
func expandA(code byte) int {
	code ^= 0x55
	magnitude := 2*int(code&15) + 1
	if segment := code >> 4 & 7; segment > 0 {
		magnitude = (magnitude + 32) << (segment - 1)
	}
	if code&0x80 == 0 {
		return -magnitude << 3
	}
	return magnitude << 3
}

// decode appends the samples of a payload.
func (l *law) decode(pcm []float32, payload []byte) []float32 {
	for _, code := range payload {
		pcm = append(pcm, l[code])
	}
	return pcm
}
