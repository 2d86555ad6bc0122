package farend

import (
	_ "embed"
	"math"
	"math/rand/v2"

	"github.com/pion/rtp"
)

// Alteration changes what a far end returns. It makes for each call a function
// that changes each packet in place, in order; false: the packet is not sent.
// Those of this package are for G.711 mu-law.
type Alteration func() func(*rtp.Packet) bool

//go:embed voice/other.raw
var otherVoice []byte

// Voice returns somebody else's words.
func Voice() func(*rtp.Packet) bool {
	at := 0
	return func(p *rtp.Packet) bool {
		for i := range p.Payload {
			p.Payload[i] = otherVoice[at%len(otherVoice)]
			at++
		}
		return true
	}
}

// NoisePackets returns comfort noise packets (RFC 3389) of a level under overload
// in decibels.
func NoisePackets(level byte) Alteration {
	return func() func(*rtp.Packet) bool {
		return func(p *rtp.Packet) bool {
			p.PayloadType, p.Payload = 13, []byte{level}
			return true
		}
	}
}

// Numbered returns the packets under another payload type.
func Numbered(payloadType uint8) Alteration {
	return func() func(*rtp.Packet) bool {
		return func(p *rtp.Packet) bool {
			p.PayloadType = payloadType
			return true
		}
	}
}

// Hiss returns encoded noise of a level in dBov.
func Hiss(dbov float64) Alteration {
	return func() func(*rtp.Packet) bool {
		noise := rand.New(rand.NewPCG(1, 2))
		return samples(func(float64) float64 { return noise.NormFloat64() * math.Pow(10, dbov/20) })
	}
}

// SilentAfter returns silence when so many packets have come back intact.
func SilentAfter(packets int) Alteration {
	return Silenced(func(n int) bool { return n >= packets })
}

// Silenced returns silence in the packets, counted from 0, for which it is so.
func Silenced(so func(n int) bool) Alteration {
	return func() func(*rtp.Packet) bool {
		n := -1
		return func(p *rtp.Packet) bool {
			if n++; so(n) {
				for i := range p.Payload {
					p.Payload[i] = 0xff
				}
			}
			return true
		}
	}
}

// Dropped does not send the packets, counted from 0, for which it is so.
func Dropped(so func(n int) bool) Alteration {
	return func() func(*rtp.Packet) bool {
		n := -1
		return func(*rtp.Packet) bool {
			n++
			return !so(n)
		}
	}
}

// Later returns each payload so many packets later, and silence before the first.
func Later(packets int) Alteration {
	return func() func(*rtp.Packet) bool {
		var kept [][]byte
		return func(p *rtp.Packet) bool {
			kept = append(kept, p.Payload)
			if len(kept) <= packets {
				p.Payload = make([]byte, len(p.Payload))
				for i := range p.Payload {
					p.Payload[i] = 0xff
				}
				return true
			}
			p.Payload, kept = kept[0], kept[1:]
			return true
		}
	}
}

// Shifted cuts the audio anew, so many samples later.
func Shifted(by int) Alteration {
	return func() func(*rtp.Packet) bool {
		held := make([]byte, by)
		for i := range held {
			held[i] = 0xff
		}
		return func(p *rtp.Packet) bool {
			all := append(held, p.Payload...)
			copy(p.Payload, all)
			held = append([]byte{}, all[len(p.Payload):]...)
			return true
		}
	}
}

// Amplified changes the level, in decibels; what does not fit is clipped.
func Amplified(db float64) Alteration {
	factor := math.Pow(10, db/20)
	return func() func(*rtp.Packet) bool { return samples(func(s float64) float64 { return s * factor }) }
}

// Tandem encodes in A-law and back on the way, as a gateway between two networks
// does.
func Tandem() func(*rtp.Packet) bool {
	return samples(func(s float64) float64 { return aLaw.decode(aLaw.encode(s)) })
}

// samples changes audio sample by sample, full scale 1.
func samples(change func(float64) float64) func(*rtp.Packet) bool {
	return func(p *rtp.Packet) bool {
		for i, code := range p.Payload {
			p.Payload[i] = muLaw.encode(change(muLaw.decode(code)))
		}
		return true
	}
}
