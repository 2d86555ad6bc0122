package capture

import (
	"encoding/binary"

	"github.com/gopacket/gopacket/layers"
)

// flow is one direction between two UDP ports. IPv4 addresses are mapped into
// IPv6. It holds no pointers, so that maps of it cost the collector nothing.
type flow struct {
	source, destination         [16]byte
	sourcePort, destinationPort uint16
}

// datagram is what the walk finds in a frame.
type datagram struct {
	flow
	payload []byte // as much of the UDP payload as was captured
	size    int    // bytes of UDP payload on the wire
	partial bool   // the first fragment of a larger packet
}

// outcome says how far the walk came.
type outcome uint8

const (
	foundUDP outcome = iota
	unknownLink
	notIP
	notUDP
	fragment  // of a packet, behind its first one
	cutShort  // the capture holds too little of the frame
	malformed // lengths that contradict each other
	outcomes
)

// Protocol numbers of the IP header (RFC 1700, RFC 8200, RFC 7045).
const (
	protocolHopByHop    = 0
	protocolUDP         = 17
	protocolRouting     = 43
	protocolFragment    = 44
	protocolAH          = 51
	protocolDestination = 60
	protocolMobility    = 135
	protocolHIP         = 139
	protocolShim6       = 140
)

const (
	etherIPv4  = 0x0800
	etherIPv6  = 0x86dd
	etherVLAN  = 0x8100
	etherQinQ  = 0x88a8
	etherOldQ  = 0x9100
	etherPPPoE = 0x8864

	mostTags       = 4
	mostExtensions = 16
)

// Numbers under which raw IP goes besides layers.LinkTypeRaw: the DLT of
// OpenBSD and of the other BSDs, which some writers put into files.
const (
	linkRawBSD     = 12
	linkRawOpenBSD = 14
)

// walk finds the UDP datagram in a frame. It is written by hand because it
// runs for every packet and gopacket's decoding layers, which it is tested
// against, take five times as long (see the benchmarks).
func walk(link layers.LinkType, frame []byte, d *datagram) outcome {
	switch link {
	case layers.LinkTypeEthernet:
		if len(frame) < 14 {
			return cutShort
		}
		return walkEther(binary.BigEndian.Uint16(frame[12:]), frame[14:], d)
	case layers.LinkTypeLinuxSLL:
		if len(frame) < 16 {
			return cutShort
		}
		return walkEther(binary.BigEndian.Uint16(frame[14:]), frame[16:], d)
	case layers.LinkTypeLinuxSLL2:
		if len(frame) < 20 {
			return cutShort
		}
		return walkEther(binary.BigEndian.Uint16(frame), frame[20:], d)
	case layers.LinkTypeNull, layers.LinkTypeLoop:
		if len(frame) < 4 {
			return cutShort
		}
		if !familyIsIP(frame) {
			return notIP
		}
		return walkIP(frame[4:], d)
	case layers.LinkTypeRaw, layers.LinkTypeIPv4, layers.LinkTypeIPv6, linkRawBSD, linkRawOpenBSD:
		return walkIP(frame, d)
	}
	return unknownLink
}

// familyIsIP reads the address family before a loopback packet. It is in the
// byte order of the machine that captured, and the number of IPv6 is the one
// of its system.
func familyIsIP(frame []byte) bool {
	family := binary.LittleEndian.Uint32(frame)
	if family > 0xffff {
		family = binary.BigEndian.Uint32(frame)
	}
	switch family {
	case 2, 10, 24, 28, 30:
		return true
	}
	return false
}

// walkEther goes on behind an Ethernet type.
func walkEther(kind uint16, b []byte, d *datagram) outcome {
	for range mostTags {
		switch kind {
		case etherIPv4, etherIPv6:
			return walkIP(b, d)
		case etherVLAN, etherQinQ, etherOldQ:
			if len(b) < 4 {
				return cutShort
			}
			kind, b = binary.BigEndian.Uint16(b[2:]), b[4:]
		case etherPPPoE:
			if len(b) < 8 {
				return cutShort
			}
			switch binary.BigEndian.Uint16(b[6:]) {
			case 0x0021, 0x0057: // IPv4, IPv6
				return walkIP(b[8:], d)
			}
			return notIP
		default:
			return notIP
		}
	}
	switch kind {
	case etherIPv4, etherIPv6:
		return walkIP(b, d)
	}
	return notIP
}

func walkIP(b []byte, d *datagram) outcome {
	if len(b) == 0 {
		return cutShort
	}
	switch b[0] >> 4 {
	case 4:
		return walkIPv4(b, d)
	case 6:
		return walkIPv6(b, d)
	}
	return notIP
}

func walkIPv4(b []byte, d *datagram) outcome {
	if len(b) < 20 {
		return cutShort
	}
	header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 {
		total = len(b) // left to the network card (segmentation offload)
	}
	if header < 20 || total < header {
		return malformed
	}
	if b[9] != protocolUDP {
		return notUDP
	}
	place := binary.BigEndian.Uint16(b[6:])
	if place&0x1fff != 0 {
		return fragment
	}
	if len(b) < header {
		return cutShort
	}
	d.partial = place&0x2000 != 0
	d.source, d.destination = mapped(b[12:16]), mapped(b[16:20])
	return walkUDP(b[header:min(total, len(b))], total-header, d)
}

func mapped(b []byte) (a [16]byte) {
	a[10], a[11] = 0xff, 0xff
	copy(a[12:], b)
	return a
}

func walkIPv6(b []byte, d *datagram) outcome {
	if len(b) < 40 {
		return cutShort
	}
	total, next := int(binary.BigEndian.Uint16(b[4:])), b[6]
	copy(d.source[:], b[8:24])
	copy(d.destination[:], b[24:40])
	d.partial = false
	b = b[40:]
	if total == 0 {
		total = len(b) // a jumbogram, or left to the network card
	}
	b = b[:min(total, len(b))]
	for range mostExtensions {
		size := 8
		switch next {
		case protocolUDP:
			return walkUDP(b, total, d)
		case protocolHopByHop, protocolRouting, protocolDestination, protocolMobility, protocolHIP, protocolShim6:
			if len(b) < 8 {
				return cutShort
			}
			size += int(b[1]) * 8
		case protocolAH:
			if len(b) < 8 {
				return cutShort
			}
			size += int(b[1]) * 4
		case protocolFragment:
			if len(b) < 8 {
				return cutShort
			}
			place := binary.BigEndian.Uint16(b[2:])
			if place>>3 != 0 {
				return fragment
			}
			d.partial = place&1 != 0
		default:
			return notUDP
		}
		if size > total {
			return malformed
		}
		if size > len(b) {
			return cutShort
		}
		next, b, total = b[0], b[size:], total-size
	}
	return malformed
}

// walkUDP takes what was captured of a UDP packet and its size on the wire.
func walkUDP(b []byte, total int, d *datagram) outcome {
	if total < 8 {
		return malformed
	}
	if len(b) < 8 {
		return cutShort
	}
	d.sourcePort, d.destinationPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	length := int(binary.BigEndian.Uint16(b[4:]))
	switch {
	case length == 0:
		length = total // a jumbogram, or left to the network card
	case length < 8, length > total && !d.partial:
		return malformed
	}
	d.size = length - 8
	d.payload = b[8:min(length, len(b))]
	return foundUDP
}
