package main

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/bench/internal/relay"
)

// event is a packet that the relay saw.
type event struct {
	at   time.Duration
	up   bool
	what string
}

// mostEvents is how many packets of the watched call are shown.
const mostEvents = 60

// note keeps the packets of the first call until its first echoed packet.
func (s *scene) note(e relay.Event) {
	if e.Flow != 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.watched || len(s.events) == mostEvents {
		return
	}
	what := describe(e.Data)
	s.events = append(s.events, event{e.At, e.Direction == relay.Up, what})
	if what == "RTP" && e.Direction == relay.Down {
		s.watched = false
	}
}

// watch begins or ends the watching.
func (s *scene) watch(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watched = on
}

// ladder draws the kept packets, each at the time at which it left its end; at
// the other it arrives half a round trip later.
func (s *scene) ladder() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.events) == 0 {
		return "none"
	}
	var b strings.Builder
	start := s.events[0].at
	last, same := "", 0
	for _, e := range s.events {
		line := fmt.Sprintf("%5.2f          echo leaves <- %s", trips(e.at-start), e.what)
		if e.up {
			line = fmt.Sprintf("%5.2f  caller leaves -> %s", trips(e.at-start), e.what)
		}
		if line[5:] == last {
			if same++; same > 1 {
				continue // one more of the same says it
			}
		} else {
			same = 0
		}
		last = line[5:]
		b.WriteString(line + "\n")
	}
	return b.String()
}

// describe names a packet by its first bytes (RFC 7983, 7).
func describe(b []byte) string {
	switch {
	case len(b) >= 20 && b[0] <= 3:
		return stun(b)
	case len(b) >= 13 && b[0] >= 20 && b[0] <= 63:
		return "DTLS " + strings.Join(records(b), ", ")
	case len(b) >= 12 && b[0] >= 128 && b[0] <= 191:
		if b[1]&0x7f >= 64 && b[1]&0x7f <= 95 {
			return "RTCP"
		}
		return "RTP"
	}
	return "?"
}

// stun names a message's class (RFC 8489, 5) and whether it nominates.
func stun(b []byte) string {
	const request, success, useCandidate = 0x0001, 0x0101, 0x0025
	kind := binary.BigEndian.Uint16(b)
	name := fmt.Sprintf("STUN %04x", kind)
	switch kind {
	case request:
		name = "STUN check"
	case success:
		return "STUN response"
	}
	for a := b[20:]; len(a) >= 4; {
		if binary.BigEndian.Uint16(a) == useCandidate {
			return name + " that nominates"
		}
		size := 4 + (int(binary.BigEndian.Uint16(a[2:]))+3)&^3
		if size > len(a) {
			break
		}
		a = a[size:]
	}
	return name
}

// records names the records of a datagram (RFC 6347, 4.1 and 4.2.2).
func records(b []byte) []string {
	messages := map[byte]string{
		1: "ClientHello", 2: "ServerHello", 3: "HelloVerifyRequest", 11: "Certificate", 12: "ServerKeyExchange",
		13: "CertificateRequest", 14: "ServerHelloDone", 15: "CertificateVerify", 16: "ClientKeyExchange", 4: "NewSessionTicket",
	}
	var names []string
	for len(b) >= 13 {
		size := 13 + int(binary.BigEndian.Uint16(b[11:]))
		epoch := binary.BigEndian.Uint16(b[3:])
		if size > len(b) {
			break
		}
		switch {
		case b[0] == 20:
			names = append(names, "ChangeCipherSpec")
		case b[0] == 21:
			names = append(names, "Alert")
		case b[0] == 22 && epoch > 0:
			names = append(names, "Finished")
		case b[0] == 22 && size > 13:
			name := messages[b[13]]
			if name == "" {
				name = fmt.Sprintf("handshake %d", b[13])
			}
			names = append(names, name)
		default:
			names = append(names, fmt.Sprintf("record %d", b[0]))
		}
		b = b[size:]
	}
	return names
}
