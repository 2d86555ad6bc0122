package probe_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/farend"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/probe"
)

// named calls a name that a fake DNS server answers for.
func named(host string, zone signalingtest.Zone) func(*testing.T, *scene) {
	return func(t *testing.T, s *scene) {
		s.target = target("http://" + host + "./echo") // the dot keeps search lists out
		s.target.LocalAddress = loopback
		s.target.Resolver = signalingtest.NewResolver(t, zone)
		if zone.Silent {
			s.target.Deadlines.Resolve = soon
		}
	}
}

// certificate is what a server shows, and whom the caller trusts.
type certificate struct {
	served  tls.Certificate
	trusted *x509.CertPool
}

// secured calls an echo over HTTPS with a certificate.
func secured(issue func(*testing.T, *signalingtest.CA) certificate) func(*testing.T, *scene) {
	return func(t *testing.T, s *scene) {
		c := issue(t, signalingtest.NewCA(t))
		_, s.far, _ = startEcho(t, echo.Config{})
		s.target = target(farend.ServeTLS(t, s.far, c.served) + "/echo")
		s.target.RootCAs = c.trusted
	}
}

// echoed calls a real echo.
func echoed(c echo.Config, change func(*testing.T, *scene)) func(*testing.T, *scene) {
	return func(t *testing.T, s *scene) {
		_, s.far, _ = startEcho(t, c)
		s.target = target(farend.Serve(t, s.far) + "/echo")
		if change != nil {
			change(t, s)
		}
	}
}

// impaired calls a real echo that impairs what it gets and sends.
func impaired(up, down string, change func(*testing.T, *scene)) func(*testing.T, *scene) {
	return func(t *testing.T, s *scene) {
		echoed(echo.Config{Up: schedule(t, up), Down: schedule(t, down)}, change)(t, s)
	}
}

// tampered calls a real echo past a tamper.
func tampered(c farend.Tamper, change func(*testing.T, *scene)) func(*testing.T, *scene) {
	return func(t *testing.T, s *scene) {
		_, s.far, _ = startEcho(t, echo.Config{})
		s.target = target(farend.Serve(t, c.Handler(t, s.far)) + "/echo")
		if change != nil {
			change(t, s)
		}
	}
}

// relayed calls a real echo whose media goes through a relay.
func relayed(filter farend.Filter, change func(*testing.T, *scene, *farend.Relay)) func(*testing.T, *scene) {
	return relayedTo(echo.Config{}, filter, change)
}

// relayedTo is relayed with an echo of one's own.
func relayedTo(c echo.Config, filter farend.Filter, change func(*testing.T, *scene, *farend.Relay)) func(*testing.T, *scene) {
	return func(t *testing.T, s *scene) {
		_, s.far, _ = startEcho(t, c)
		relay := farend.NewRelay(t)
		relay.SetFilter(filter)
		s.target = target(farend.Serve(t, relay.Between(t, s.far)) + "/echo")
		change(t, s, relay)
	}
}

// pionic calls a far end made of pion/webrtc.
func pionic(c farend.PionConfig, change func(*testing.T, *scene)) func(*testing.T, *scene) {
	return func(t *testing.T, s *scene) {
		s.far = startPion(t, c)
		s.target = target(farend.Serve(t, s.far) + "/echo")
		if change != nil {
			change(t, s)
		}
	}
}

// silentFor gives up a call in which no media has come back for so long.
func silentFor(d time.Duration) func(*testing.T, *scene) {
	return func(_ *testing.T, s *scene) {
		s.target.Duration, s.target.Deadlines.FirstMedia = 2*patience, d
	}
}

// codecOnly asks for one codec alone.
func codecOnly(_ *testing.T, s *scene) { s.target.CodecOnly = true }

// otherCodec checks that the error names what came.
func otherCodec(t *testing.T, s *scene) {
	silentFor(2*time.Second)(t, s)
	s.also = func(t *testing.T, r *probe.Result) {
		if text := r.Failure.Err.Error(); !strings.Contains(text, "payload type 8") || !strings.Contains(text, "PCMU") || r.Downlink.Score != nil {
			t.Errorf("got %q, downlink score %+v", text, r.Downlink.Score)
		}
	}
}

// unheard checks that packets which brought nothing of ours earn no score.
func unheard(_ *testing.T, s *scene) {
	s.also = func(t *testing.T, r *probe.Result) {
		if r.Uplink.Score != nil || r.Downlink.Score != nil {
			t.Errorf("a call in which nothing was heard has scores: %+v, %+v", r.Uplink.Score, r.Downlink.Score)
		}
		for _, w := range r.Windows {
			if w.Audio.State == probe.AudioOK || w.Uplink.Score != nil || w.Downlink.Score != nil {
				t.Errorf("a window in which nothing was heard is %+v, with scores %+v, %+v", w.Audio, w.Uplink.Score, w.Downlink.Score)
			}
		}
	}
}

// oneWay is silentFor, and checks that the audio is said to be so.
func oneWay(d time.Duration) func(*testing.T, *scene) {
	return func(t *testing.T, s *scene) {
		silentFor(d)(t, s)
		s.also = func(t *testing.T, r *probe.Result) {
			if r.Audio.State != probe.AudioOneWay || r.Downlink.Score != nil {
				t.Errorf("got audio %+v, downlink score %+v", r.Audio, r.Downlink.Score)
			}
		}
	}
}

// deadEnd calls an echo where the candidates of both sides lead nowhere.
func deadEnd(change func(*testing.T, *scene)) func(*testing.T, *scene) {
	return func(t *testing.T, s *scene) {
		nowhere := farend.Candidates(farend.DeadPort(t))
		tampered(farend.Tamper{Offer: nowhere, Answer: nowhere}, change)(t, s)
	}
}

// held calls an echo whose answer is held back until the caller has given up.
func held(change func(*scene)) func(*testing.T, *scene) {
	return func(t *testing.T, s *scene) {
		heldWith(t, s, func() {})
		change(s)
	}
}

// heldWith is held; asked runs when the far end has created its session.
func heldWith(t *testing.T, s *scene, asked func()) {
	givenUp := make(chan struct{})
	tampered(farend.Tamper{Hold: func() {
		asked()
		select {
		case <-givenUp:
		case <-t.Context().Done():
		}
	}}, nil)(t, s)
	s.target.OnStep = onStep(probe.LayerSignaling, probe.StateFailed, func() { close(givenUp) })
	s.also = func(t *testing.T, _ *probe.Result) {
		if n := s.far.Created(); n != 1 {
			t.Errorf("the far end created %d sessions, want 1", n)
		}
	}
}

// crowded calls an echo that takes one call and has one.
func crowded(t *testing.T, s *scene) {
	_, s.far, _ = startEcho(t, echo.Config{MaxCalls: 1})
	url := farend.Serve(t, s.far) + "/echo"
	talking := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	first := target(url)
	first.Duration = 4 * patience
	first.OnLive = onMedia(func() { close(talking) })
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, _ = probe.Run(ctx, first) // the second call is what is looked at
	}()
	select {
	case <-talking:
	case <-over:
		t.Fatal("the first call did not come up")
	}
	s.target = target(url)
	s.target.OnStep = onStep(probe.LayerSignaling, probe.StateFailed, func() {
		cancel()
		<-over
	})
}

// otherFingerprint announces a certificate that nobody has.
var otherFingerprint = farend.Replace(`^a=fingerprint:\S+ \S+`, "a=fingerprint:sha-256 "+strings.TrimSuffix(strings.Repeat("11:", 32), ":"))

// bothPassive tells each side that the other one begins the handshake.
var bothPassive = farend.Tamper{
	Offer:  farend.Replace("^a=setup:actpass", "a=setup:active"),
	Answer: farend.Replace("^a=setup:passive", "a=setup:active"),
}

// bothWait checks that the error names the role that this side took.
func bothWait(_ *testing.T, s *scene) {
	s.target.Deadlines.DTLS = soon
	s.also = func(t *testing.T, r *probe.Result) {
		if text := r.Failure.Err.Error(); !strings.Contains(text, "as server") || !strings.Contains(text, "active") {
			t.Errorf("the error does not name the roles: %s", text)
		}
	}
}
