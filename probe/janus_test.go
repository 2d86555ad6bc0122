package probe_test

import (
	"strings"
	"testing"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/probe"
)

// janusFailures are those of calls to a Janus gateway.
var janusFailures = []failureRow{
	{"the gateway refuses the API secret", probe.LayerSignaling, probe.CodeUnauthorized, "",
		gatewayed(signalingtest.JanusConfig{Secret: "right"}, func(_ *testing.T, s *scene, _ *signalingtest.Janus) { s.target.Password = "wrong" })},
	{"the gateway has no EchoTest", probe.LayerSignaling, probe.CodeNotFound, "",
		gatewayed(signalingtest.JanusConfig{Behaviour: signalingtest.Behaviour{Refuse: 460}}, nil)},
	{"the gateway hangs up", probe.LayerMedia, probe.CodeRemoteHangup, "",
		gatewayed(signalingtest.JanusConfig{}, func(_ *testing.T, s *scene, g *signalingtest.Janus) {
			s.target.Duration = 2 * patience
			s.target.OnLive = onMedia(g.HangUp)
		})},
	{"the connection to the gateway breaks during the call", probe.LayerSignaling, probe.CodeDropped, probe.LayerMedia,
		gatewayed(signalingtest.JanusConfig{}, func(_ *testing.T, s *scene, g *signalingtest.Janus) {
			s.target.URL, s.target.Duration = g.HTTP, 2*patience
			s.target.OnLive = onMedia(g.DropConnections)
		})},
	{"the gateway answers garbage", probe.LayerSignaling, probe.CodeBadAnswer, "",
		gatewayed(signalingtest.JanusConfig{Behaviour: signalingtest.Behaviour{Garbage: "another JSON"}}, nil)},
}

// startJanus starts a fake gateway whose calls are answered by a real far end, and
// returns a call to it. A gateway's media is elsewhere than its signalling, so
// loopback is asked for.
func startJanus(t *testing.T, f far, c signalingtest.JanusConfig) (*signalingtest.Janus, probe.Target) {
	t.Helper()
	c.Answer = f.answer
	g := signalingtest.NewJanus(t, c)
	call := target(g.WebSocket)
	call.LocalAddress = loopback
	return g, call
}

// gatewayed calls a real echo behind a fake gateway.
func gatewayed(c signalingtest.JanusConfig, change func(*testing.T, *scene, *signalingtest.Janus)) func(*testing.T, *scene) {
	return func(t *testing.T, s *scene) {
		_, s.far, _ = startEcho(t, echo.Config{})
		g, call := startJanus(t, s.far, c)
		s.target = call
		if change != nil {
			change(t, s, g)
		}
	}
}

func TestACallToAGatewayGoesThroughItsEchoTest(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"HTTP", "WebSocket"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			_, f, _ := startEcho(t, echo.Config{})
			g, call := startJanus(t, f, signalingtest.JanusConfig{Secret: "sesame", Token: "t0ken"})
			if transport == "HTTP" {
				call.URL = g.HTTP
			}
			call.Password, call.Token = "sesame", "t0ken"
			r := place(t, t.Context(), call)
			checkGood(t, r)
			checkFarEndTold(t, f)
			if detail := step(t, r, probe.LayerSignaling).Detail; !strings.HasPrefix(detail, "EchoTest of ") {
				t.Errorf("signalling says %q", detail)
			}
			if g.Sessions() != 0 || g.Ends() != 1 {
				t.Errorf("%d sessions are left, %d were ended", g.Sessions(), g.Ends())
			}
		})
	}
}

func TestGatewayTargetsAreChecked(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"janus+ftp://gw.example/":       `url: scheme "janus+ftp" is not janus+`,
		"janus+ws://me:pw@gw.example/":  "url: gateway URL has user information",
		"janus+wss://":                  "url: gateway URL has no host",
		"janus+http://gw.example/?a=pw": "url: gateway URL has a query",
	} {
		err := probe.Target{URL: url, Via: "wss://x/"}.Validate()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pw") ||
			!strings.Contains(err.Error(), "via: is for sip targets alone") {
			t.Errorf("%s: got %v, want %q and a word on via", url, err, want)
		}
	}
	if err := (probe.Target{URL: "janus+wss://gw.example/", Password: "x", Token: "y"}).Validate(); err != nil {
		t.Error(err)
	}
}
