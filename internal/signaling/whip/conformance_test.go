package whip_test

import (
	"testing"

	"github.com/earshot-voip/earshot/internal/signaling"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/internal/signaling/whip"
)

// endpoint is a fake WHIP endpoint that knows how it is dialled.
type endpoint struct {
	*signalingtest.WHIP
	ca *signalingtest.CA
}

func (e endpoint) Dialer(t testing.TB, trace *signaling.Trace) signaling.Dialer {
	t.Helper()
	if e.ca != nil {
		trace.RootCAs = e.ca.Pool()
	}
	d, err := whip.New(whip.Options{URL: e.URL, Trace: trace})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConformance(t *testing.T) {
	ca := signalingtest.NewCA(t)
	certificate := ca.Valid()
	for name, c := range map[string]struct{ tls, http2 bool }{
		"over HTTP":                {},
		"over HTTPS with HTTP/1.1": {tls: true},
		"over HTTPS with HTTP/2":   {tls: true, http2: true},
	} {
		t.Run(name, func(t *testing.T) {
			signalingtest.Run(t, signalingtest.Harness{
				Start: func(t testing.TB, b signalingtest.Behaviour) signalingtest.Peer {
					config := signalingtest.WHIPConfig{Behaviour: b, HTTP2: c.http2}
					e := endpoint{}
					if c.tls {
						config.Certificate, e.ca = &certificate, ca
					}
					e.WHIP = signalingtest.NewWHIP(t, config)
					return e
				},
				Refusals: signalingtest.HTTPRefusals,
				Garbage:  signalingtest.WHIPGarbage,
			})
		})
	}
}
