package capture

import "encoding/binary"

// kind is what a UDP payload looks like by its first bytes.
type kind uint8

const (
	kindOther kind = iota
	kindRTP
	kindRTCP
	kindSTUN
	kindDTLS
	kindCut // RTP by its first byte, with a header that was not captured
	kinds
)

const rtpHeader = 12

// record is all that is kept of an RTP packet: what the core reads.
type record struct {
	at        int64 // ns since the first packet of the capture
	timestamp uint32
	sequence  uint16
	size      uint16 // bytes of payload, with padding and authentication tag
	kind      uint8  // payload type
	marker    bool
	untimed   bool // the capture does not say when it came
}

// classify tells RTP from what shares its port (RFC 7983, 7) and from RTCP
// (RFC 5761, 4), and reads its header into r. Padding is not looked at: in SRTP
// the last byte is part of the authentication tag.
func classify(d *datagram, r *record) (k kind, source uint32) {
	b := d.payload
	if len(b) == 0 {
		return kindOther, 0
	}
	switch first := b[0]; {
	case first < 4:
		if len(b) >= 8 && binary.BigEndian.Uint32(b[4:]) == 0x2112a442 {
			return kindSTUN, 0
		}
		return kindOther, 0
	case first >= 20 && first < 64:
		// A DTLS record says its version, 254.255 or 254.253, behind its type.
		if len(b) >= 3 && b[1] == 254 && (b[2] == 255 || b[2] == 253) {
			return kindDTLS, 0
		}
		return kindOther, 0
	case first>>6 != 2:
		return kindOther, 0
	}
	if len(b) >= 2 && b[1] >= 192 && b[1] < 224 {
		return kindRTCP, 0
	}
	if d.size < rtpHeader {
		return kindOther, 0
	}
	if len(b) < rtpHeader {
		return kindCut, 0
	}
	header := rtpHeader + int(b[0]&15)*4
	if b[0]&0x10 != 0 {
		if len(b) >= header+4 {
			header += int(binary.BigEndian.Uint16(b[header+2:])) * 4
		}
		header += 4
	}
	if d.size < header {
		return kindOther, 0
	}
	r.kind = b[1] & 0x7f
	r.marker = b[1]&0x80 != 0
	r.sequence = binary.BigEndian.Uint16(b[2:])
	r.timestamp = binary.BigEndian.Uint32(b[4:])
	r.size = uint16(min(d.size-header, 0xffff))
	return kindRTP, binary.BigEndian.Uint32(b[8:])
}
