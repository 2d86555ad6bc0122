package media

import "bytes"

// Silence returns the payload of one frame of digital silence: the quietest
// code of G.711, which is its positive zero (G.711 tables 1b and 2b: all ones on
// the wire for the µ-law; the A-law has every even bit inverted), and for Opus a
// 20 ms frame of CELT that carries no energy (RFC 6716, 3.1 and 4.3: the silence
// flag is the first symbol of the frame). It is nil if c is not a codec of
// [Lookup].
func (c Codec) Silence() []byte {
	switch c.Name {
	case "PCMU":
		return bytes.Repeat([]byte{0xff}, int(c.TicksPerFrame))
	case "PCMA":
		return bytes.Repeat([]byte{0xd5}, int(c.TicksPerFrame))
	case "opus":
		return []byte{0xf8, 0xff, 0xfe}
	}
	return nil
}
