package peer

import (
	"encoding/binary"

	"github.com/pion/stun/v4"
)

// isRoleConflict reports whether a packet tells the controlling side that the far
// end's agent wants to control too (RFC 8445, 7.3.1.1): it is a check of a
// controlling agent, or says so with error 487. Some endpoints settle the
// conflict and then never begin DTLS.
func isRoleConflict(packet []byte) bool {
	const bindingRequest, bindingError = 0x0001, 0x0111
	if len(packet) < 20 {
		return false
	}
	kind := binary.BigEndian.Uint16(packet)
	if kind != bindingRequest && kind != bindingError {
		return false
	}
	message := &stun.Message{Raw: append([]byte(nil), packet...)}
	if message.Decode() != nil {
		return false
	}
	var code stun.ErrorCodeAttribute
	if kind == bindingError {
		return code.GetFrom(message) == nil && code.Code == stun.CodeRoleConflict
	}
	return message.Contains(stun.AttrICEControlling)
}
