package udp

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

// control is what the kernel says about a packet beside its data.
type control struct {
	stamp   time.Duration // when it was received, wall clock since 1970; 0 unknown
	dropped uint32        // packets dropped at the socket before this one
	tos     int16         // type of service or traffic class, -1 unknown
	ttl     int16         // time to live or hop limit, -1 unknown
}

// parseControl reads control messages (cmsg(3)). What is damaged, too short or
// unknown is passed over.
func parseControl(b []byte) control {
	c := control{tos: -1, ttl: -1}
	for len(b) >= unix.SizeofCmsghdr {
		hdr, data, rest, err := unix.ParseOneSocketControlMessage(b)
		if err != nil {
			break
		}
		b = rest
		switch hdr.Level {
		case unix.SOL_SOCKET:
			switch hdr.Type {
			case unix.SO_TIMESTAMPNS:
				c.stamp = parseTimespec(data)
			case unix.SO_RXQ_OVFL:
				if len(data) >= 4 {
					c.dropped = binary.NativeEndian.Uint32(data)
				}
			}
		case unix.IPPROTO_IP:
			switch hdr.Type {
			case unix.IP_TOS:
				if len(data) >= 1 {
					c.tos = int16(data[0])
				}
			case unix.IP_TTL:
				c.ttl = parseOctet(data)
			}
		case unix.IPPROTO_IPV6:
			switch hdr.Type {
			case unix.IPV6_TCLASS:
				c.tos = parseOctet(data)
			case unix.IPV6_HOPLIMIT:
				c.ttl = parseOctet(data)
			}
		}
	}
	return c
}

// parseOctet reads a C int that holds one octet; -1 if it does not.
func parseOctet(b []byte) int16 {
	if len(b) < 4 {
		return -1
	}
	v := int32(binary.NativeEndian.Uint32(b))
	if v < 0 || v > 255 {
		return -1
	}
	return int16(v)
}

// parseTimespec reads seconds and nanoseconds, of 64 bits or, on systems of 32
// bits, of 32 each; 0 if it is neither.
func parseTimespec(b []byte) time.Duration {
	var sec, nsec int64
	switch len(b) {
	case 16:
		sec, nsec = int64(binary.NativeEndian.Uint64(b)), int64(binary.NativeEndian.Uint64(b[8:]))
	case 8:
		sec, nsec = int64(int32(binary.NativeEndian.Uint32(b))), int64(int32(binary.NativeEndian.Uint32(b[4:])))
	}
	const lastSecond = (1<<63-1)/1_000_000_000 - 1
	if sec < 0 || sec > lastSecond || nsec < 0 || nsec >= 1e9 {
		return 0
	}
	return time.Duration(sec*1e9 + nsec)
}
