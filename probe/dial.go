package probe

import (
	"fmt"
	"net/url"

	"github.com/earshot-voip/earshot/internal/signaling"
	"github.com/earshot-voip/earshot/internal/signaling/janus"
	"github.com/earshot-voip/earshot/internal/signaling/sipws"
	"github.com/earshot-voip/earshot/internal/signaling/whip"
)

// newDialer picks the signalling adapter by the scheme of the target.
func newDialer(t Target, trace *signaling.Trace) (signaling.Dialer, error) {
	u, err := url.Parse(t.URL)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "http", "https":
		return whip.New(whip.Options{URL: t.URL, Token: t.Token, UserAgent: t.UserAgent, Trace: trace})
	case "janus+http", "janus+https", "janus+ws", "janus+wss":
		return janus.New(janus.Options{URL: t.URL, Token: t.Token, Secret: t.Password, UserAgent: t.UserAgent, Trace: trace})
	case "sip", "sips":
		return sipws.New(sipws.Options{
			Target: t.URL, Via: t.Via, Username: t.Username, Password: t.Password, Register: t.Register,
			UserAgent: t.UserAgent, Trace: trace,
		})
	}
	return nil, fmt.Errorf("no way to call %s: scheme %q is not supported", redact(u), u.Scheme)
}
