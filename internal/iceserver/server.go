// Package iceserver speaks with STUN and TURN servers (RFC 8489, RFC 8656): it
// reads their URLs, reaches them over UDP, TCP or TLS, asks what address this
// host has from outside, and has them relay.
//
// Most callers call [Bind] for a STUN server and [Allocate] for a TURN server.
// What fails is an [*Error], which names the server and what it did.
package iceserver

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/pion/stun/v4"
)

// Server is a STUN or TURN server as users write it.
type Server struct {
	URL                string // RFC 7064 or RFC 7065: "turn:host:3478?transport=udp"
	Username, Password string // long-term credentials of a TURN server
}

// Transport is how a server is reached.
type Transport string

// The transports. TLS is over TCP; TURN over DTLS is not supported.
const (
	UDP Transport = "udp"
	TCP Transport = "tcp"
	TLS Transport = "tls"
)

// Location is what a server's URL says.
type Location struct {
	TURN      bool // relays; false: tells addresses only
	Transport Transport
	Host      string
	Port      uint16
}

// Locate reads the URL. Its error says what is wrong with it and what is
// expected.
func (s Server) Locate() (Location, error) {
	u, err := stun.ParseURI(s.URL)
	if err != nil {
		return Location{}, fmt.Errorf("%q is no STUN or TURN URL (%w); expected like stun:host:3478 or turn:host:3478?transport=udp", s.URL, err)
	}
	if u.Port < 1 || u.Port > 65535 {
		return Location{}, fmt.Errorf("%q has no port from 1 to 65535", s.URL)
	}
	l := Location{Host: u.Host, Port: uint16(u.Port)}
	switch {
	case u.Scheme == stun.SchemeTypeSTUN:
		l.Transport = UDP
	case u.Scheme == stun.SchemeTypeSTUNS:
		return Location{}, fmt.Errorf("%s: what a STUN server says of a TLS connection is of no use to media; expected a URL of stun: or turns: instead", s.URL)
	case u.Scheme == stun.SchemeTypeTURN && u.Proto == stun.ProtoTypeTCP:
		l.TURN, l.Transport = true, TCP
	case u.Scheme == stun.SchemeTypeTURN:
		l.TURN, l.Transport = true, UDP
	case u.Proto == stun.ProtoTypeUDP:
		return Location{}, fmt.Errorf("%s: TURN over DTLS is not supported; expected ?transport=tcp", s.URL)
	default:
		l.TURN, l.Transport = true, TLS
	}
	return l, nil
}

// Address returns host:port.
func (l Location) Address() string { return net.JoinHostPort(l.Host, strconv.Itoa(int(l.Port))) }

// String returns the URL in full, without credentials.
func (l Location) String() string {
	switch {
	case !l.TURN:
		return "stun:" + l.Address()
	case l.Transport == TLS:
		return "turns:" + l.Address() + "?transport=tcp"
	}
	return "turn:" + l.Address() + "?transport=" + string(l.Transport)
}

// Over returns the same server reached in another way, on the same port.
func (l Location) Over(t Transport) Location {
	l.Transport = t
	return l
}

// Family is IPv4 or IPv6.
type Family uint8

// The families.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

// FamilyOf returns the family of an address.
func FamilyOf(a netip.Addr) Family {
	if a.Unmap().Is4() {
		return IPv4
	}
	return IPv6
}

// Families returns the families of a host's addresses that lead anywhere and are
// wanted.
func Families(addresses []net.Addr, wanted func(net.IP) bool) []Family {
	var list []Family
	for _, a := range addresses {
		prefix, ok := a.(*net.IPNet)
		if !ok || prefix.IP.IsLinkLocalUnicast() || !wanted(prefix.IP) {
			continue
		}
		address, _ := netip.AddrFromSlice(prefix.IP)
		if family := FamilyOf(address); !slices.Contains(list, family) {
			list = append(list, family)
		}
	}
	slices.Sort(list)
	return list
}

// network is how package net calls a protocol of the family: "udp4", "tcp6".
func (f Family) network(protocol string) string { return protocol + strconv.Itoa(int(f)) }

// String returns "IPv4" or "IPv6".
func (f Family) String() string { return f.network("IPv") }
