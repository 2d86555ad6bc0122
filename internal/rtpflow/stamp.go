package rtpflow

import (
	"encoding/binary"
	"time"
)

// StampURN names the echo stamp in SDP (a=extmap).
const StampURN = "urn:earshot:params:rtp-hdrext:echo-stamp"

const (
	// StampSize is the size of a stamp's data in bytes.
	StampSize = 40
	// StampedHeaderSize is the size of an RTP header with a stamp: 12 bytes,
	// 4 of profile and length, 2 of id and size, the stamp, 2 of padding.
	StampedHeaderSize = headerSize + 4 + stampWords*4

	stampWords = (2 + StampSize + 3) / 4

	// clockBits is the width of the arrival time on the wire.
	clockBits = 48
)

// Stamp is what a stamping echo says with each packet it returns. On the wire
// it is an element of the two-byte form of RFC 8285, big endian:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                             index                             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|           sequence            |            highest            |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                        arrival (48 bits)                      |
//	+                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                               |          duplicates           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                             hold                              |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                       recent (64 bits)                        |
//	|                                                               |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|             block             |           reordered           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                       history (64 bits)                       |
//	|                                                               |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
type Stamp struct {
	// Recent has bit i set if uplink packet Highest-i has arrived.
	Recent uint64
	// History has bit i set if uplink packet 64*Block+i has arrived. Before
	// the first block is complete it is the block in progress.
	History uint64
	// Arrival is when the returned packet reached the echo, since the echo's
	// session began, modulo 2^48 ns (78 hours).
	Arrival time.Duration
	// Hold is the time between that arrival and the departure of this packet.
	Hold time.Duration
	// Index counts the packets that the echo sent before this one.
	Index uint32
	// Sequence is the uplink sequence number that this packet returns,
	// Highest the highest that the echo had seen.
	Sequence, Highest uint16
	// Duplicates and Reordered count uplink packets so far, modulo 2^16.
	Duplicates, Reordered uint16
	// Block numbers the block of History. The echo may count cycles of the
	// sequence number from another start than the sender, so only the number
	// modulo 1024 means the same to both.
	Block uint16
}

// AppendTo appends the StampSize bytes of the stamp. A hold that does not fit
// saturates.
func (s *Stamp) AppendTo(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, s.Index)
	dst = binary.BigEndian.AppendUint16(dst, s.Sequence)
	dst = binary.BigEndian.AppendUint16(dst, s.Highest)
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.Arrival)<<(64-clockBits)|uint64(s.Duplicates))
	dst = binary.BigEndian.AppendUint32(dst, uint32(min(max(s.Hold, 0), 1<<32-1)))
	dst = binary.BigEndian.AppendUint64(dst, s.Recent)
	dst = binary.BigEndian.AppendUint16(dst, s.Block)
	dst = binary.BigEndian.AppendUint16(dst, s.Reordered)
	return binary.BigEndian.AppendUint64(dst, s.History)
}

// Unmarshal reads a stamp from an element's data and reports whether it is
// one: StampSize bytes, or more, of which the first StampSize are read.
func (s *Stamp) Unmarshal(data []byte) bool {
	if len(data) < StampSize {
		return false
	}
	data = data[:StampSize]
	s.Index = binary.BigEndian.Uint32(data)
	s.Sequence = binary.BigEndian.Uint16(data[4:])
	s.Highest = binary.BigEndian.Uint16(data[6:])
	arrival := binary.BigEndian.Uint64(data[8:])
	s.Arrival = time.Duration(arrival >> (64 - clockBits))
	s.Duplicates = uint16(arrival)
	s.Hold = time.Duration(binary.BigEndian.Uint32(data[16:]))
	s.Recent = binary.BigEndian.Uint64(data[20:])
	s.Block = binary.BigEndian.Uint16(data[28:])
	s.Reordered = binary.BigEndian.Uint16(data[30:])
	s.History = binary.BigEndian.Uint64(data[32:])
	return true
}

// AppendStampExtension appends a whole header extension that holds the stamp
// under the given id: profile, length, element and padding, 48 bytes. The
// header before it must have its X bit set.
func AppendStampExtension(dst []byte, id uint8, s *Stamp) []byte {
	dst = binary.BigEndian.AppendUint16(dst, profileTwoByte)
	dst = binary.BigEndian.AppendUint16(dst, stampWords)
	dst = append(dst, id, StampSize)
	dst = s.AppendTo(dst)
	return append(dst, 0, 0)
}
