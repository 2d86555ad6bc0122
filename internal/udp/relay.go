package udp

import "encoding/binary"

// TURN ChannelData, RFC 8656 section 12.4:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-------------------------------+-------------------------------+
//	|  channel 0x4000..0x4FFF       |  length of the data           |
//	+-------------------------------+-------------------------------+
//	|  data, over UDP perhaps followed by padding                   |
const (
	channelHeader         = 4
	firstChannel          = 0x4000
	lastChannel           = 0x4FFF
	firstMedia, lastMedia = 128, 191 // first byte of RTP and RTCP, RFC 7983
)

// relayedMedia returns the RTP or RTCP packet inside ChannelData, and its
// channel. ok is false for anything else.
func relayedMedia(b []byte) (inner []byte, channel uint16, ok bool) {
	if len(b) <= channelHeader {
		return nil, 0, false
	}
	channel = binary.BigEndian.Uint16(b)
	length := int(binary.BigEndian.Uint16(b[2:]))
	if channel < firstChannel || channel > lastChannel || length == 0 || length > len(b)-channelHeader {
		return nil, 0, false
	}
	inner = b[channelHeader : channelHeader+length]
	if inner[0] < firstMedia || inner[0] > lastMedia {
		return nil, 0, false
	}
	return inner, channel, true
}
