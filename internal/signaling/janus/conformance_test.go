package janus_test

import (
	"strings"
	"testing"

	"github.com/earshot-voip/earshot/internal/signaling"
	"github.com/earshot-voip/earshot/internal/signaling/janus"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
)

// gateway is a fake Janus that knows how it is dialled.
type gateway struct {
	*signalingtest.Janus
	url string
	ca  *signalingtest.CA
}

func (g gateway) Dialer(t testing.TB, trace *signaling.Trace) signaling.Dialer {
	t.Helper()
	if g.ca != nil {
		trace.RootCAs = g.ca.Pool()
	}
	d, err := janus.New(janus.Options{URL: g.url, Trace: trace})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConformance(t *testing.T) {
	ca := signalingtest.NewCA(t)
	certificate := ca.Valid()
	for name, c := range map[string]struct{ tls, socket bool }{
		"over HTTP":              {},
		"over HTTPS":             {tls: true},
		"over WebSocket":         {socket: true},
		"over WebSocket and TLS": {socket: true, tls: true},
	} {
		t.Run(name, func(t *testing.T) {
			signalingtest.Run(t, signalingtest.Harness{
				Start: func(t testing.TB, b signalingtest.Behaviour) signalingtest.Peer {
					config := signalingtest.JanusConfig{Behaviour: b}
					g := gateway{}
					if c.tls {
						config.Certificate, g.ca = &certificate, ca
					}
					g.Janus = signalingtest.NewJanus(t, config)
					g.url = g.HTTP
					if c.socket {
						g.url = g.WebSocket
					}
					return g
				},
				Refusals:     signalingtest.JanusRefusals,
				Garbage:      signalingtest.JanusGarbage,
				RemoteHangup: true,
				Cancels:      true,
			})
		})
	}
}

func TestURLs(t *testing.T) {
	for _, row := range []struct{ in, want, err string }{
		{"janus+http://gw.example:8088/janus", "http://gw.example:8088/janus", ""},
		{"janus+https://gw.example", "https://gw.example/janus", ""},
		{"janus+ws://gw.example:8188", "ws://gw.example:8188/", ""},
		{"janus+wss://gw.example/ws/", "wss://gw.example/ws", ""},
		{"http://gw.example/janus", "", `scheme "http" is not janus+`},
		{"janus+ftp://gw.example/", "", `scheme "janus+ftp"`},
		{"janus+ws:///x", "", "no host"},
		{"janus+ws://me:secret@gw.example/", "", "user information"},
		{"janus+ws://gw.example/?apisecret=x", "", "query"},
		{"janus+ws://gw.exämple/", "", "xn--"},
		{"janus+ws://gw.example:port/", "", "parse gateway URL"},
	} {
		got, err := janus.ParseURL(row.in)
		if row.err != "" {
			if err == nil || !strings.Contains(err.Error(), row.err) || strings.Contains(err.Error(), "secret@") {
				t.Errorf("%s: got error %v, want %q", row.in, err, row.err)
			}
			continue
		}
		if err != nil || got.String() != row.want {
			t.Errorf("%s: got %v, %v; want %s", row.in, got, err, row.want)
		}
	}
}
