package probe_test

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/farend"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/probe"
)

// serverFailures are those that a STUN or TURN server is the reason of.
var serverFailures = []failureRow{
	{"the only TURN server is of another family than this host's address", probe.LayerGather, probe.CodeNoRelay, "",
		throughTURN(nil, func(_ *testing.T, s *scene) {
			s.target.ICEServers[0].URL = "turn:[::1]:9?transport=udp"
			s.target.LocalAddress = loopback
		})},
	{"the TURN server refuses the password", probe.LayerGather, probe.CodeTURNUnauthorized, "",
		throughTURN(nil, func(_ *testing.T, s *scene) { s.target.ICEServers[0].Password = "wrong" })},
	{"the TURN server refuses the password over TLS", probe.LayerGather, probe.CodeTURNUnauthorized, "",
		throughTLS(func(ca *signalingtest.CA) tls.Certificate { return ca.Valid() }, func(_ *testing.T, s *scene) {
			s.target.ICEServers[0].Password = "wrong"
		})},
	{"the TURN server has no relay left", probe.LayerGather, probe.CodeTURNQuota, "",
		throughTURN(&farend.TURNConfig{Full: true}, nil)},
	{"the TURN server is a STUN server", probe.LayerGather, probe.CodeTURNRefused, "",
		throughTURN(nil, func(t *testing.T, s *scene) {
			s.target.ICEServers[0].URL = "turn:" + farend.STUNServer(t, farend.Refusing).String() + "?transport=udp"
		})},
	{"the TURN server's name does not exist", probe.LayerGather, probe.CodeTURNNotFound, "",
		throughTURN(nil, func(t *testing.T, s *scene) {
			s.target.Resolver = signalingtest.NewResolver(t, signalingtest.Zone{})
			s.target.ICEServers[0].URL = "turn:nowhere.earshot.test.:3478?transport=udp"
		})},
	{"nothing listens on the TURN server's TCP port", probe.LayerGather, probe.CodeTURNUnreachable, "",
		throughTURN(nil, func(t *testing.T, s *scene) {
			s.target.ICEServers[0].URL = "turn:" + farend.ClosedPort(t).String() + "?transport=tcp"
		})},
	{"the TURN server is silent over UDP", probe.LayerGather, probe.CodeTURNNoResponse, "",
		throughTURN(nil, func(t *testing.T, s *scene) {
			s.target.ICEServers[0].URL = "turn:" + farend.DeadPort(t).String() + "?transport=udp"
			s.target.Deadlines.Gather, s.target.Deadlines.Check = soon, soon
		})},
	{"the TURN server is silent over TCP", probe.LayerGather, probe.CodeTURNNoResponse, "",
		throughTURN(nil, func(t *testing.T, s *scene) {
			s.target.ICEServers[0].URL = "turn:" + farend.Mute(t).String() + "?transport=tcp"
			s.target.Deadlines.Gather, s.target.Deadlines.Check = soon, soon
		})},
	{"the TURN server's certificate has expired", probe.LayerGather, probe.CodeTURNTLSExpired, "",
		throughTLS(func(ca *signalingtest.CA) tls.Certificate {
			return ca.Issue(time.Now().Add(-48*time.Hour), time.Now().Add(-time.Hour), "127.0.0.1")
		}, nil)},
	{"the TURN server's certificate is for another name", probe.LayerGather, probe.CodeTURNTLSWrongName, "",
		throughTLS(func(ca *signalingtest.CA) tls.Certificate {
			return ca.Issue(time.Now().Add(-time.Hour), time.Now().Add(time.Hour), "other.earshot.test")
		}, nil)},
	{"nobody here knows the authority of the TURN server's certificate (I24)", probe.LayerGather, probe.CodeTURNTLSUnknownAuthority, "",
		throughTLS(func(ca *signalingtest.CA) tls.Certificate { return ca.Valid() }, func(t *testing.T, s *scene) {
			s.target.RootCAs = signalingtest.NewCA(t).Pool()
		})},
	{"the TURN server's port for TLS speaks without it", probe.LayerGather, probe.CodeTURNTLSRefused, "",
		throughTURN(nil, func(t *testing.T, s *scene) {
			s.target.ICEServers[0].URL = "turns:" + farend.Curt(t).String() + "?transport=tcp"
		})},
	{"the TURN server does not answer the TLS handshake", probe.LayerGather, probe.CodeTURNTLSTimeout, "",
		throughTURN(nil, func(t *testing.T, s *scene) {
			s.target.ICEServers[0].URL = "turns:" + farend.Mute(t).String() + "?transport=tcp"
			s.target.Deadlines.TLS, s.target.Deadlines.Check = soon, soon
		})},
	{"the TURN server does not relay to the far end", probe.LayerICE, probe.CodeTURNPeerRefused, "",
		throughTURN(&farend.TURNConfig{RefusePeers: true}, func(_ *testing.T, s *scene) { s.target.Deadlines.ICE = soon })},
	{"the direct path is dead, and the TURN server refuses the password", probe.LayerICE, probe.CodeTURNUnauthorized, "",
		deadEnd(func(t *testing.T, s *scene) {
			s.target.ICEServers = []probe.ICEServer{{URL: farend.NewTURN(t, farend.TURNConfig{}).UDP, Username: farend.TURNUser, Password: "wrong"}}
			s.target.Deadlines.ICE = soon
		})},
	{"the direct path is dead, and so is the STUN server", probe.LayerICE, probe.CodeSTUNNoResponse, "",
		deadEnd(func(t *testing.T, s *scene) {
			s.target.ICEServers = []probe.ICEServer{{URL: "stun:" + farend.DeadPort(t).String()}}
			s.target.Deadlines.ICE, s.target.Deadlines.Gather, s.target.Deadlines.Check = soon, soon, soon
		})},
	{"the TURN server breaks the connection during the call", probe.LayerICE, probe.CodeTURNLost, probe.LayerMedia,
		lostTURN(4*patience, func(s *farend.TURN) string { return s.TCP })}, // long before consent is
	{"the TURN server falls silent during the call", probe.LayerICE, probe.CodeTURNLost, probe.LayerMedia,
		lostTURN(6*time.Second, func(s *farend.TURN) string { return s.UDP })},
}

// throughTURN is a call that must go through a TURN server.
func throughTURN(c *farend.TURNConfig, change func(*testing.T, *scene)) func(*testing.T, *scene) {
	return echoed(echo.Config{}, func(t *testing.T, s *scene) {
		s.target.Relay = probe.RelayOnly
		s.target.ICEServers = []probe.ICEServer{{Username: farend.TURNUser, Password: farend.TURNPassword}}
		if c != nil {
			s.target.ICEServers[0].URL = farend.NewTURN(t, *c).UDP
		} else {
			s.target.ICEServers[0].URL = farend.NewTURN(t, farend.TURNConfig{}).UDP
		}
		s.also = namesTheServer
		if change != nil {
			change(t, s)
		}
	})
}

// throughTLS is a call that must go through a TURN server over TLS.
func throughTLS(issue func(*signalingtest.CA) tls.Certificate, change func(*testing.T, *scene)) func(*testing.T, *scene) {
	return throughTURN(nil, func(t *testing.T, s *scene) {
		ca := signalingtest.NewCA(t)
		certificate := issue(ca)
		s.target.RootCAs = ca.Pool()
		s.target.ICEServers[0].URL = farend.NewTURN(t, farend.TURNConfig{Certificate: &certificate}).TLS
		if change != nil {
			change(t, s)
		}
	})
}

// lostTURN is a call whose TURN server ends in the middle of it.
func lostTURN(consent time.Duration, url func(*farend.TURN) string) func(*testing.T, *scene) {
	return throughTURN(nil, func(t *testing.T, s *scene) {
		server := farend.NewTURN(t, farend.TURNConfig{})
		s.target.ICEServers[0].URL = url(server)
		s.target.Duration = 2 * patience
		s.target.Deadlines.Consent, s.target.Deadlines.Check = consent, soon
		s.target.OnLive = onMedia(server.Close)
	})
}

// namesTheServer checks that a person learns which server it was.
func namesTheServer(t *testing.T, r *probe.Result) {
	t.Helper()
	text := r.Failure.Err.Error()
	if !strings.Contains(text, "turn") || !strings.Contains(text, ":") {
		t.Errorf("the error does not name the server: %s", text)
	}
	t.Log(text)
}

func throughServer(url string) []probe.ICEServer {
	return []probe.ICEServer{{URL: url, Username: farend.TURNUser, Password: farend.TURNPassword}}
}
