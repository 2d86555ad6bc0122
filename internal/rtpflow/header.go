package rtpflow

import "encoding/binary"

const (
	headerSize = 12
	// profileOneByte and profileTwoByte mark the two forms of RFC 8285, 4.2
	// and 4.3; the low four bits of the two-byte form are application bits.
	profileOneByte = 0xBEDE
	profileTwoByte = 0x1000
)

// Header is the fixed RTP header (RFC 3550, 5.1) and where the rest lies.
type Header struct {
	SSRC           uint32
	Timestamp      uint32
	SequenceNumber uint16
	PayloadType    uint8
	Marker         bool
}

// AppendTo appends the 12 bytes of a header without contributing sources or
// extension.
func (h Header) AppendTo(dst []byte) []byte { return h.append(dst, 0x80) }

// AppendStamped appends the header with the echo stamp as its extension under
// the given id, in the two-byte form: StampedHeaderSize bytes.
func (h Header) AppendStamped(dst []byte, id uint8, s *Stamp) []byte {
	return AppendStampExtension(h.append(dst, 0x90), id, s)
}

func (h Header) append(dst []byte, first byte) []byte {
	second := h.PayloadType & 0x7f
	if h.Marker {
		second |= 0x80
	}
	dst = append(dst, first, second)
	dst = binary.BigEndian.AppendUint16(dst, h.SequenceNumber)
	dst = binary.BigEndian.AppendUint32(dst, h.Timestamp)
	return binary.BigEndian.AppendUint32(dst, h.SSRC)
}

// Parse reads an RTP datagram: its fixed header into h, and where its payload
// lies (without padding). extension is the header extension with its four
// bytes of profile and length, nil if there is none. Parse accepts what
// rtp.Packet accepts, and asks for version 2 besides. The slices are parts of
// raw.
func (h *Header) Parse(raw []byte) (payload, extension []byte, ok bool) {
	if len(raw) < headerSize || raw[0]>>6 != 2 {
		return nil, nil, false
	}
	h.Marker = raw[1]&0x80 != 0
	h.PayloadType = raw[1] & 0x7f
	h.SequenceNumber = binary.BigEndian.Uint16(raw[2:])
	h.Timestamp = binary.BigEndian.Uint32(raw[4:])
	h.SSRC = binary.BigEndian.Uint32(raw[8:])
	if raw[0] == 0x80 {
		return raw[headerSize:], nil, true
	}
	return parseRest(raw)
}

// parseRest handles contributing sources, header extension and padding.
func parseRest(raw []byte) (payload, extension []byte, ok bool) {
	n := headerSize + int(raw[0]&0x0f)*4
	if len(raw) < n {
		return nil, nil, false
	}
	if raw[0]&0x10 != 0 {
		if len(raw) < n+4 {
			return nil, nil, false
		}
		end := n + 4 + int(binary.BigEndian.Uint16(raw[n+2:]))*4
		if len(raw) < end {
			return nil, nil, false
		}
		extension = raw[n:end:end]
		n = end
	}
	end := len(raw)
	if raw[0]&0x20 != 0 {
		padding := int(raw[end-1])
		if padding == 0 || end-padding < n {
			return nil, nil, false
		}
		end -= padding
	}
	return raw[n:end:end], extension, true
}

// FindExtension returns the data of the element with the given id in a header
// extension as Parse returns it, nil if it holds none. It reads the one-byte
// and the two-byte form.
func FindExtension(extension []byte, id uint8) []byte {
	if len(extension) < 4 || id == 0 {
		return nil
	}
	profile, data := binary.BigEndian.Uint16(extension), extension[4:]
	switch {
	case profile == profileOneByte:
		return findOneByte(data, id)
	case profile&0xfff0 == profileTwoByte:
		return findTwoByte(data, id)
	}
	return nil
}

func findOneByte(data []byte, id uint8) []byte {
	for len(data) > 0 {
		if data[0] == 0 {
			data = data[1:]
			continue
		}
		element, size := data[0]>>4, int(data[0]&0x0f)+1
		if element == 15 || element == 0 || len(data) < 1+size {
			return nil
		}
		if element == id {
			return data[1 : 1+size]
		}
		data = data[1+size:]
	}
	return nil
}

func findTwoByte(data []byte, id uint8) []byte {
	for len(data) > 0 {
		if data[0] == 0 {
			data = data[1:]
			continue
		}
		if len(data) < 2 {
			return nil
		}
		size := int(data[1])
		if len(data) < 2+size {
			return nil
		}
		if data[0] == id {
			return data[2 : 2+size]
		}
		data = data[2+size:]
	}
	return nil
}
