package sipws_test

import (
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/internal/signaling/sipws"
)

// I16: intervals under 90 s are refused; a server that wants more is heeded.
func TestSessionIntervalIsRaised(t *testing.T) {
	s, session := called(t, signalingtest.SIPConfig{MinSE: 7200}, sipws.Options{SessionExpires: time.Second})
	hangUp(t, session)
	has(t, message(t, s, "INVITE", 1), "Session-Expires: 90")
	has(t, message(t, s, "INVITE", 2), "Session-Expires: 7200", "Min-SE: 7200", "CSeq: 2 INVITE")
	if n := len(s.Messages("ACK")); n != 2 {
		t.Errorf("got %d ACK, want one for each INVITE", n)
	}
}

func TestSessionIsRefreshed(t *testing.T) {
	for name, c := range map[string]struct{ allow, method string }{
		"by UPDATE where it is known": {"Allow: INVITE, BYE, UPDATE", "UPDATE"},
		"else by INVITE":              {"Allow: INVITE, BYE", "INVITE"},
	} {
		t.Run(name, func(t *testing.T) {
			s, session := called(t, signalingtest.SIPConfig{Lines: []string{far, "Session-Expires: 1;refresher=uac", c.allow}}, sipws.Options{})
			n := 1
			if c.method == "INVITE" {
				n = 2
			}
			m := message(t, s, c.method, n)
			has(t, m, "To: ;tag=far", "Session-Expires: 1")
			if c.method == "INVITE" {
				if m.Body != signalingtest.Offer {
					t.Errorf("the refresh has the offer %q", m.Body)
				}
				has(t, message(t, s, "ACK", 2), "CSeq: "+strings.Replace(m.Get("CSeq"), "INVITE", "ACK", 1))
			}
			hangUp(t, session)
		})
	}
}

// A far end that promised to refresh and does not is gone (RFC 4028, 10).
func TestSessionThatIsNotRefreshedIsOver(t *testing.T) {
	s, session := called(t, signalingtest.SIPConfig{Lines: []string{far, "Session-Expires: 1;refresher=uas"}}, sipws.Options{})
	if end := ended(t, session); !strings.Contains(end.Reason, "not refreshed in time") {
		t.Errorf("got %v", end)
	}
	hangUp(t, session)
	message(t, s, "BYE", 1)
}

// Its refreshes keep the session alive.
func TestFarEndRefreshes(t *testing.T) {
	s, session := called(t, signalingtest.SIPConfig{Lines: []string{far, "x: 2;refresher=uas"}}, sipws.Options{})
	s.Send("UPDATE", s.Call(), 7, []string{"Session-Expires: 3600;refresher=uac"}, "")
	has(t, message(t, s, "UPDATE", 1), "Require: timer", "Session-Expires: 3600;refresher=uac")
	time.Sleep(2 * time.Second) // the first interval is over
	select {
	case <-session.Done():
		t.Errorf("the session is over: %v", session.Err())
	default:
	}
	hangUp(t, session)
}

func TestCallThatTheFarEndForgotIsOver(t *testing.T) {
	_, session := called(t, signalingtest.SIPConfig{
		Lines: []string{far, "Session-Expires: 1;refresher=uac", "Allow: UPDATE"},
		Script: func(c *signalingtest.SIPConn, m signalingtest.SIPMessage) bool {
			if m.Method() != "UPDATE" && m.Method() != "BYE" {
				return false
			}
			c.Write(m.Reply("481 Call/Transaction Does Not Exist", "", nil, ""))
			return true
		},
	}, sipws.Options{})
	if end := ended(t, session); !strings.Contains(end.Reason, "481") {
		t.Errorf("got %v", end)
	}
	hangUp(t, session) // a call that the far end no longer knows is hung up
}
