package probe_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/probe"
)

// sipFailures are those of calls by SIP.
var sipFailures = []failureRow{
	{"the SIP server refuses the password", probe.LayerSignaling, probe.CodeUnauthorized, "",
		sipped(signalingtest.SIPConfig{Auth: sipAccount}, func(_ *testing.T, s *scene, _ *signalingtest.SIP) {
			s.target.Username, s.target.Password = "probe", "wrong"
		})},
	{"the SIP server lets only who is registered call", probe.LayerSignaling, probe.CodeUnauthorized, "",
		sipped(signalingtest.SIPConfig{Registered: true}, nil)},
	{"the path of the SIP server is wrong", probe.LayerSignaling, probe.CodeNotFound, "",
		sipped(signalingtest.SIPConfig{}, func(_ *testing.T, s *scene, _ *signalingtest.SIP) { s.target.Via += "/elsewhere" })},
	{"the SIP server does not know the address", probe.LayerSignaling, probe.CodeNotFound, "", refusedBySIP(404)},
	{"nobody is registered at the called address", probe.LayerSignaling, probe.CodeNobodyThere, "", refusedBySIP(480)},
	{"the called address is busy", probe.LayerSignaling, probe.CodeBusy, "", refusedBySIP(486)},
	{"the called address declines", probe.LayerSignaling, probe.CodeDeclined, "", refusedBySIP(603)},
	{"the called address does not pick up", probe.LayerSignaling, probe.CodeNoAnswer, "", refusedBySIP(408)},
	{"the SIP server has failed", probe.LayerSignaling, probe.CodeUnavailable, "", refusedBySIP(500)},
	{"the called address accepts nothing of the offer (I6)", probe.LayerSignaling, probe.CodeNotAcceptable, "",
		func(t *testing.T, s *scene) {
			refusedBySIP(488)(t, s)
			s.also = func(t *testing.T, r *probe.Result) {
				if text := r.Failure.Err.Error(); !strings.Contains(text, "private addresses alone were offered") {
					t.Errorf("the error does not say what was offered: %s", text)
				}
			}
		}},
	{"the SIP server points elsewhere", probe.LayerSignaling, probe.CodeRedirected, "", refusedBySIP(302)},
	{"the phone rings and rings", probe.LayerSignaling, probe.CodeNoAnswer, "",
		sipped(signalingtest.SIPConfig{Behaviour: signalingtest.Behaviour{Hold: true}}, func(_ *testing.T, s *scene, server *signalingtest.SIP) {
			s.target.Deadlines.Signaling = soon
			s.also = func(t *testing.T, _ *probe.Result) {
				if server.Created() != 1 || server.Sessions() != 0 || server.Ends() != 1 {
					t.Errorf("the phone rings on: %d calls of %d, %d taken back", server.Sessions(), server.Created(), server.Ends())
				}
			}
		})},
	{"the connection to the SIP server breaks during the call", probe.LayerSignaling, probe.CodeDropped, probe.LayerMedia,
		sipped(signalingtest.SIPConfig{}, func(_ *testing.T, s *scene, server *signalingtest.SIP) {
			s.target.Duration = 2 * patience
			s.target.OnLive = onMedia(server.DropConnections)
		})},
	{"the far end hangs up by SIP", probe.LayerMedia, probe.CodeRemoteHangup, "",
		sipped(signalingtest.SIPConfig{}, func(_ *testing.T, s *scene, server *signalingtest.SIP) {
			s.target.Duration = 2 * patience
			s.target.OnLive = onMedia(server.HangUp)
		})},
	{"the caller is interrupted while the phone rings", probe.LayerSignaling, probe.CodeCanceled, "",
		sipped(signalingtest.SIPConfig{Behaviour: signalingtest.Behaviour{Hold: true}}, func(t *testing.T, s *scene, server *signalingtest.SIP) {
			var cancel context.CancelFunc
			s.ctx, cancel = context.WithCancel(t.Context())
			go func() {
				<-server.Offers()
				cancel()
			}()
			s.also = func(t *testing.T, _ *probe.Result) {
				if server.Sessions() != 0 || server.Ends() != 1 {
					t.Errorf("the phone rings on: %d calls, %d taken back", server.Sessions(), server.Ends())
				}
			}
		})},
}

// startSIP starts a fake SIP server whose calls are answered by a real far end,
// and returns a call to it.
func startSIP(t *testing.T, f far, c signalingtest.SIPConfig) (*signalingtest.SIP, probe.Target) {
	t.Helper()
	if f.Sessions != nil {
		c.Answer = f.answer
	}
	s := signalingtest.NewSIP(t, c)
	call := target("sip:echo@far.earshot.test")
	call.Via = s.URL
	return s, call
}

// answer asks the far end for an answer as an HTTP client would.
func (f far) answer(offer string) (sdp string, end func(), err error) {
	request := httptest.NewRequest(http.MethodPost, "/echo", strings.NewReader(offer))
	request.Header.Set("Content-Type", "application/sdp")
	answer := httptest.NewRecorder()
	f.ServeHTTP(answer, request)
	if answer.Code != http.StatusCreated {
		return "", nil, fmt.Errorf("%d %s", answer.Code, strings.TrimSpace(answer.Body.String()))
	}
	location := answer.Header().Get("Location")
	return answer.Body.String(), func() {
		f.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodDelete, location, nil))
	}, nil
}

// sipped calls a real echo behind a fake SIP server.
func sipped(c signalingtest.SIPConfig, change func(*testing.T, *scene, *signalingtest.SIP)) func(*testing.T, *scene) {
	return func(t *testing.T, s *scene) {
		_, s.far, _ = startEcho(t, echo.Config{})
		server, call := startSIP(t, s.far, c)
		s.target = call
		if change != nil {
			change(t, s, server)
		}
	}
}

// refusedBySIP calls a SIP server that refuses with a status.
func refusedBySIP(status int) func(*testing.T, *scene) {
	return func(t *testing.T, s *scene) {
		_, s.target = startSIP(t, far{}, signalingtest.SIPConfig{Behaviour: signalingtest.Behaviour{Refuse: status}})
	}
}

var sipAccount = &signalingtest.SIPAuth{Username: "probe", Password: "right", Realm: "earshot.test", Algorithms: []string{"SHA-256", "MD5"}}
