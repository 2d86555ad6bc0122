package sipws_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/earshot-voip/earshot/internal/signaling"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/internal/signaling/sipws"
)

// server is a fake SIP server that knows how it is called.
type server struct {
	*signalingtest.SIP
	ca      *signalingtest.CA
	options sipws.Options
}

func (s server) Dialer(t testing.TB, trace *signaling.Trace) signaling.Dialer {
	t.Helper()
	if s.ca != nil {
		trace.RootCAs = s.ca.Pool()
	}
	o := s.options
	o.Target, o.Via, o.Trace = "sip:echo@far.example", s.URL, trace
	d, err := sipws.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConformance(t *testing.T) {
	ca := signalingtest.NewCA(t)
	certificate := ca.Valid()
	auth := func(algorithm string, proxy bool) *signalingtest.SIPAuth {
		return &signalingtest.SIPAuth{Username: "probe", Password: "secret", Realm: "far.example", Algorithms: []string{algorithm}, Proxy: proxy, Uses: 1}
	}
	account := sipws.Options{Username: "probe", Password: "secret"}
	registered := sipws.Options{Username: "probe", Password: "secret", Register: true}
	for name, c := range map[string]struct {
		config  signalingtest.SIPConfig
		options sipws.Options
		tls     bool
	}{
		"over ws":  {},
		"over wss": {tls: true},
		"with a password on every request, each nonce for one": {config: signalingtest.SIPConfig{Auth: auth("MD5", false)}, options: account},
		"registered, behind a proxy with a password":           {config: signalingtest.SIPConfig{Auth: auth("SHA-256", true), Registered: true}, options: registered},
	} {
		t.Run(name, func(t *testing.T) {
			refusals := signalingtest.SIPRefusals
			if c.config.Auth != nil { // a further challenge is met, not returned
				refusals = slices.DeleteFunc(slices.Clone(refusals), func(code int) bool { return code == http.StatusUnauthorized || code == http.StatusProxyAuthRequired })
			}
			signalingtest.Run(t, signalingtest.Harness{
				Start: func(t testing.TB, b signalingtest.Behaviour) signalingtest.Peer {
					config := c.config
					config.Behaviour = b
					s := server{options: c.options}
					if c.tls {
						config.Certificate, s.ca = &certificate, ca
					}
					s.SIP = signalingtest.NewSIP(t, config)
					return s
				},
				Refusals:     refusals,
				Garbage:      signalingtest.SIPGarbage,
				RemoteHangup: true,
				Cancels:      true,
			})
		})
	}
}
