package probe

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pion/stun/v4"
)

// validate reports a server URL that is not one (RFC 7064, RFC 7065), or a TURN
// server without credentials, which no server accepts.
func (s ICEServer) validate() error {
	u, err := stun.ParseURI(s.URL)
	if err != nil {
		return fmt.Errorf("%q is no STUN or TURN URL (%w); expected like stun:host:3478 or turn:host:3478?transport=udp", s.URL, err)
	}
	if isTURN(u.Scheme) && (s.Username == "" || s.Password == "") {
		return fmt.Errorf("%s needs a username and a password", s.URL)
	}
	return nil
}

func isTURN(s stun.SchemeType) bool {
	return s == stun.SchemeTypeTURN || s == stun.SchemeTypeTURNS
}

func hasTURN(servers []ICEServer) bool {
	return slices.ContainsFunc(servers, func(s ICEServer) bool { return strings.HasPrefix(strings.ToLower(s.URL), "turn") })
}
