package main

// G.711 by its definition: a sign, a segment that doubles the step each time,
// and four bits within the segment. Samples are 16 bits; the codec sees the
// upper 14 (mu-law) or 13 (A-law) of them.

func encodeMu(sample int16) byte {
	const bias, limit = 33, 8158 // in 14-bit units
	sign, magnitude := byte(0x80), int(sample)>>2
	if sample < 0 {
		sign, magnitude = 0, -int(sample)>>2
	}
	magnitude = min(magnitude, limit) + bias
	segment := 0
	for magnitude>>(segment+6) > 0 {
		segment++
	}
	step := magnitude >> (segment + 1) & 0x0f
	return sign | ^byte(segment<<4|step)&0x7f
}

func decodeMu(code byte) int16 {
	code = ^code
	segment, step := int(code>>4&7), int(code&0x0f)
	magnitude := ((2*step+33)<<segment - 33) << 2
	if code&0x80 != 0 {
		return int16(-magnitude)
	}
	return int16(magnitude)
}

func encodeA(sample int16) byte {
	sign, magnitude := byte(0x80), int(sample)>>3
	if sample < 0 {
		sign, magnitude = 0, ^int(sample)>>3
	}
	segment := 0
	for magnitude>>(segment+5) > 0 {
		segment++
	}
	step := magnitude >> max(segment, 1) & 0x0f
	return (sign | byte(segment<<4|step)) ^ 0x55
}

func decodeA(code byte) int16 {
	code ^= 0x55
	segment, step := int(code>>4&7), int(code&0x0f)
	magnitude := 2*step + 1
	if segment > 0 {
		magnitude = (magnitude + 32) << (segment - 1)
	}
	if code&0x80 == 0 {
		return int16(-magnitude << 3)
	}
	return int16(magnitude << 3)
}

func encodeAll(samples []float64, encode func(int16) byte) []byte {
	codes := make([]byte, len(samples))
	for i, s := range samples {
		codes[i] = encode(toInt16(s))
	}
	return codes
}

func decodeAll(codes []byte, decode func(byte) int16) []float64 {
	samples := make([]float64, len(codes))
	for i, c := range codes {
		samples[i] = float64(decode(c)) / 32768
	}
	return samples
}
