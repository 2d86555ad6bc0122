package iceserver

import (
	"strings"
	"testing"
)

func TestLocate(t *testing.T) {
	for _, row := range []struct{ url, want string }{
		{"stun:stun.example.com", "stun:stun.example.com:3478"},
		{"stun:[2001:db8::1]:3479", "stun:[2001:db8::1]:3479"},
		{"turn:turn.example.com", "turn:turn.example.com:3478?transport=udp"},
		{"turn:turn.example.com:80?transport=tcp", "turn:turn.example.com:80?transport=tcp"},
		{"turns:turn.example.com", "turns:turn.example.com:5349?transport=tcp"},
		{"turns:turn.example.com:443?transport=tcp", "turns:turn.example.com:443?transport=tcp"},
	} {
		l, err := Server{URL: row.url, Username: "u", Password: "secret"}.Locate()
		if err != nil || l.String() != row.want {
			t.Errorf("%s: got %s, %v, want %s", row.url, l, err, row.want)
		}
	}
	for _, row := range []struct{ url, hint string }{
		{"turns:turn.example.com?transport=udp", "?transport=tcp"},
		{"stuns:stun.example.com", "stun: or turns:"},
		{"http://turn.example.com", "expected like"},
		{"turn.example.com:3478", "expected like"},
		{"turn:turn.example.com:99999", "port"},
		{"", "expected like"},
	} {
		if _, err := (Server{URL: row.url}).Locate(); err == nil || !strings.Contains(err.Error(), row.hint) {
			t.Errorf("%q: got %v, want an error that says %q", row.url, err, row.hint)
		}
	}
}
