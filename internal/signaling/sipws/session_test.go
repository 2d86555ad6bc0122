package sipws_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/signaling"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/internal/signaling/sipws"
)

// far is the Contact line of the fake server's answers.
const far = "Contact: <sip:echo@far.invalid;transport=ws>"

// early is another answer than the constant one.
var early = strings.Replace(signalingtest.Answer, "192.0.2.2", "192.0.2.3", 2)

func TestEarlyAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		config signalingtest.SIPConfig
		want   string
		pracks int
	}{
		"the same in the final response":           {signalingtest.SIPConfig{Early: signalingtest.Answer}, signalingtest.Answer, 0},
		"another one in the final response counts": {signalingtest.SIPConfig{Early: early}, signalingtest.Answer, 0},
		"none in the final response":               {signalingtest.SIPConfig{Early: early, Bare: true}, early, 0},
		"acknowledged, as the far end wants it":    {signalingtest.SIPConfig{Early: early, Bare: true, Reliable: true}, early, 1},
		"acknowledged with a password": {signalingtest.SIPConfig{Early: early, Bare: true, Reliable: true,
			Auth: auth(func(a *signalingtest.SIPAuth) { a.Uses = 1 })}, early, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s, session := called(t, c.config, account)
			if got := session.Answer(); got != c.want {
				t.Errorf("answer %q, want %q", got, c.want)
			}
			hangUp(t, session)
			pracks := s.Messages("PRACK")
			if len(pracks) != c.pracks {
				t.Fatalf("got %d PRACK, want %d", len(pracks), c.pracks)
			}
			if c.pracks == 0 {
				return
			}
			invites := s.Messages("INVITE")
			number, _, _ := strings.Cut(invites[len(invites)-1].Get("CSeq"), " ")
			has(t, pracks[0], "RAck: 4711 "+number+" INVITE", "To: tag=far1")
			if prack, bye := pracks[len(pracks)-1].Get("CSeq"), message(t, s, "BYE", 1).Get("CSeq"); prack >= bye {
				t.Errorf("PRACK has number %q, the later BYE %q", prack, bye)
			}
		})
	}
}

// I10: Kamailio pings with a payload after three idle minutes.
func TestPingsAreAnswered(t *testing.T) {
	s, session := called(t, signalingtest.SIPConfig{}, sipws.Options{})
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	for range 3 {
		if err := s.Ping(ctx); err != nil {
			t.Fatalf("ping: %v", err)
		}
	}
	s.Send("OPTIONS", s.Call(), 7, nil, "")
	message(t, s, "OPTIONS", 1)
	hangUp(t, session)
}

// A server that takes everything and says nothing any more is dead, though its
// TCP connection stands.
func TestDeadSocketIsNoticed(t *testing.T) {
	frozen := make(chan struct{})
	s, session := called(t, signalingtest.SIPConfig{Script: func(_ *signalingtest.SIPConn, m signalingtest.SIPMessage) bool {
		if m.Method() == "ACK" {
			<-frozen // nothing is read any more, not even pings
		}
		return false
	}}, sipws.Options{KeepAlive: 100 * time.Millisecond, Trace: &signaling.Trace{Deadlines: signaling.Deadlines{Hangup: patience}}})
	defer close(frozen)
	end := ended(t, session)
	if end.Err == nil || !strings.Contains(end.Error(), "did not answer a ping") {
		t.Errorf("got %v, want the silence told", end)
	}
	// The call goes on behind the server: it is hung up on a new connection.
	hangUp(t, session)
	if m := message(t, s, "BYE", 1); m.Conn != 2 || s.Sessions() != 0 {
		t.Errorf("BYE came on connection %d and %d calls are left, want 2 and 0", m.Conn, s.Sessions())
	}
}

func TestBrokenConnectionEndsTheSessionAndIsHungUpOnANewOne(t *testing.T) {
	s, session := called(t, signalingtest.SIPConfig{Auth: auth(func(a *signalingtest.SIPAuth) { a.Uses = 1 })},
		sipws.Options{Username: "probe", Password: "secret", Register: true})
	s.DropConnections()
	if end := ended(t, session); end.Err == nil || !strings.Contains(end.Reason, "connection broke") {
		t.Errorf("got %v, want the broken connection told", end)
	}
	hangUp(t, session)
	if s.Sessions() != 0 || s.Registered() != 0 || s.Opened() != 2 {
		t.Errorf("%d calls and %d registrations are left after %d connections", s.Sessions(), s.Registered(), s.Opened())
	}
}

// hurried has little time to hang up; enough of it for a busy host.
func hurried() sipws.Options {
	return sipws.Options{Trace: &signaling.Trace{Deadlines: signaling.Deadlines{Hangup: 4 * time.Second}}}
}

// A connection that died without a word is found out at the hang-up at the
// latest.
func TestHangUpOnASilentConnection(t *testing.T) {
	frozen := make(chan struct{})
	s, session := called(t, signalingtest.SIPConfig{Script: func(c *signalingtest.SIPConn, m signalingtest.SIPMessage) bool {
		if m.Method() == "BYE" && c.Number == 1 {
			<-frozen // not even pings are read any more
		}
		return false
	}}, hurried())
	hangUp(t, session)
	if s.Sessions() != 0 || s.Opened() != 2 {
		t.Errorf("%d calls are left after %d connections, want 0 after 2", s.Sessions(), s.Opened())
	}
	close(frozen)
}

// A server that takes its time to answer BYE, and is there, is waited for.
func TestSlowAnswerToBye(t *testing.T) {
	s, session := called(t, signalingtest.SIPConfig{Script: func(c *signalingtest.SIPConn, m signalingtest.SIPMessage) bool {
		if m.Method() != "BYE" {
			return false
		}
		time.AfterFunc(2*time.Second, func() { c.Write(m.Reply("200 OK", "", nil, "")) })
		return true
	}}, hurried())
	hangUp(t, session)
	if len(s.Messages("BYE")) != 1 || s.Opened() != 1 {
		t.Errorf("got %d BYE on %d connections, want 1 on 1", len(s.Messages("BYE")), s.Opened())
	}
}

func TestFarEndsFarewell(t *testing.T) {
	s, session := called(t, signalingtest.SIPConfig{Farewell: []string{`Reason: Q.850;cause=16;text="time is up"`, "X-VoiceQuality: 42 green"}}, sipws.Options{})
	s.HangUp()
	if end := ended(t, session); end.Err != nil || !strings.Contains(end.Reason, "time is up") {
		t.Errorf("got %v, want the far end's reason and no cause", end)
	}
	hangUp(t, session)
	if n := len(s.Messages("BYE")); n != 1 { // the 200 to theirs
		t.Errorf("got %d messages about BYE, want the answer alone", n)
	}
	opinions(t, session, "X-VoiceQuality: 42 green = 4.2")
}

// opinions checks what the far end said of the quality.
func opinions(t *testing.T, s signaling.Session, want ...string) {
	t.Helper()
	var got []string
	for _, o := range s.(signaling.OpinionSource).Opinions() {
		text := o.Source + ": " + o.Text
		if o.MOS != nil {
			text += " = " + strings.TrimRight(strings.TrimRight(time.Duration(*o.MOS*1e9).String(), "s"), "0")
		}
		got = append(got, text)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got opinions %q, want %q", got, want)
	}
}

func TestOpinionsInTheAnswerToByeAndInNotifications(t *testing.T) {
	s, session := called(t, signalingtest.SIPConfig{Farewell: []string{
		"X-RTP-Stat: PS=207;OS=49680;PR=314;OR=50240;PL=0;JI=600;LA=40", "X-VoiceQuality: N/A gray",
	}}, sipws.Options{})
	notify := strings.NewReplacer(";tag="+s.Call().Tag(), "", "BYE", "NOTIFY").
		Replace(s.Request("BYE", s.Call(), 5, []string{"Event: vq", "X-VoiceQuality: 38 yellow"}, ""))
	s.Call().Write(notify)
	if m := message(t, s, "NOTIFY", 1); m.Status() != "200" {
		t.Errorf("the notification was answered with %q", m.First)
	}
	hangUp(t, session)
	opinions(t, session, "X-VoiceQuality: 38 yellow = 3.8", "X-VoiceQuality: N/A gray", "X-RTP-Stat: PS=207;OS=49680;PR=314;OR=50240;PL=0;JI=600;LA=40")
}

// A far end that hangs up in the same breath as it answers is heard.
func TestByeRightBehindTheAnswer(t *testing.T) {
	var s *signalingtest.SIP
	s, session := called(t, signalingtest.SIPConfig{Script: func(c *signalingtest.SIPConn, m signalingtest.SIPMessage) bool {
		if !m.Request() || m.Method() != "INVITE" {
			return false
		}
		c.Write(m.Reply("200 OK", "far", []string{far}, signalingtest.Answer))
		c.Write("BYE " + m.Contact() + " SIP/2.0\r\nVia: SIP/2.0/WS far.invalid;branch=z9hG4bK-1\r\nMax-Forwards: 70\r\nFrom: " + m.Get("To") +
			";tag=far\r\nTo: " + m.Get("From") + "\r\nCall-ID: " + m.Get("Call-ID") + "\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n")
		return true
	}}, sipws.Options{})
	ended(t, session)
	hangUp(t, session)
	if m := message(t, s, "BYE", 1); m.Status() != "200" {
		t.Errorf("the BYE was answered with %q", m.First)
	}
}

func TestRequestsDuringACall(t *testing.T) {
	for name, c := range map[string]struct {
		method string
		lines  []string
		body   string
		want   string
		in     string // the answer
	}{
		"OPTIONS is answered":                      {"OPTIONS", nil, "", "200", "Allow: "},
		"UPDATE without SDP is a refresh":          {"UPDATE", []string{"Session-Expires: 600;refresher=uac"}, "", "200", "Session-Expires: 600;refresher=uac"},
		"a new offer is answered with what stands": {"INVITE", nil, signalingtest.Answer, "200", "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"},
		"hold is answered in kind":                 {"INVITE", nil, strings.Replace(signalingtest.Answer, "sendrecv", "sendonly", 1), "200", "a=recvonly\r\n"},
		"without an offer ours is sent again":      {"INVITE", nil, "", "200", "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"},
		"an offer of another ICE session is refused": {"INVITE", nil, signalingtest.Answer + "a=ice-ufrag:new\r\n", "488",
			"ice-ufrag would need another media session"},
		"an offer of other codecs is refused": {"UPDATE", nil, strings.Replace(signalingtest.Answer, "SAVPF 0", "SAVPF 9", 1), "488", "lacks the codec of this call, pcmu/8000"},
		"INFO is not known":                   {"INFO", nil, "", "481", "Allow: "},
	} {
		t.Run(name, func(t *testing.T) {
			s, session := called(t, signalingtest.SIPConfig{}, sipws.Options{})
			before := len(s.Messages(c.method))
			s.Send(c.method, s.Call(), 7, c.lines, c.body)
			m := message(t, s, c.method, before+1)
			if m.Status() != c.want || !strings.Contains(m.Text, c.in) {
				t.Errorf("got %s\nwant %s with %q", m.Text, c.want, c.in)
			}
			if m.Status() == "200" && c.method != "OPTIONS" && m.Contact() == "" {
				t.Errorf("a success without Contact:\n%s", m.Text)
			}
			if c.method == "INVITE" {
				s.Send("ACK", s.Call(), 7, nil, "")
			}
			hangUp(t, session)
		})
	}
}

// Behind the server an answer can be lost: it is repeated until it is
// acknowledged (RFC 3261, 13.3.1.4).
func TestAnswerToAnInviteIsRepeatedUntilItsAck(t *testing.T) {
	s, session := called(t, signalingtest.SIPConfig{}, sipws.Options{})
	s.Send("INVITE", s.Call(), 7, nil, signalingtest.Answer)
	again, first := message(t, s, "INVITE", 3), message(t, s, "INVITE", 2)
	if again.Text != first.Text {
		t.Errorf("the second answer differs:\n%s\nfrom the first\n%s", again.Text, first.Text)
	}
	hangUp(t, session)
}

// A repeated success means that the ACK was lost; one with another tag is
// another phone that picked up (RFC 3261, 13.2.2.4).
func TestFurtherAnswers(t *testing.T) {
	s, session := called(t, signalingtest.SIPConfig{}, sipws.Options{})
	invite := s.Messages("INVITE")[0]
	s.Call().Write(invite.Reply("200 OK", s.Call().Tag(), []string{far}, signalingtest.Answer))
	message(t, s, "ACK", 2)
	s.Call().Write(invite.Reply("200 OK", "other", []string{"Contact: <sip:other@far.invalid>"}, signalingtest.Answer))
	ack, bye := message(t, s, "ACK", 3), message(t, s, "BYE", 1)
	for _, m := range []signalingtest.SIPMessage{ack, bye} {
		if m.URI() != "sip:other@far.invalid" || !strings.HasSuffix(m.Get("To"), "tag=other") {
			t.Errorf("%s with To %q, want it for the other phone", m.First, m.Get("To"))
		}
	}
	select {
	case <-session.Done():
		t.Errorf("the call is over: %v", session.Err())
	default:
	}
	hangUp(t, session)
}

func TestRegistration(t *testing.T) {
	s, session := called(t, signalingtest.SIPConfig{Registered: true, Script: func(c *signalingtest.SIPConn, m signalingtest.SIPMessage) bool {
		if m.Method() == "REGISTER" && len(c.Server().Messages("REGISTER")) == 1 {
			c.Write(m.Reply("423 Interval Too Brief", "far", []string{"Min-Expires: 3600"}, ""))
			return true
		}
		return false
	}}, sipws.Options{Username: "probe@site.example", Register: true})
	m := message(t, s, "REGISTER", 2)
	if m.URI() != "sip:far.example:5066" {
		t.Errorf("REGISTER is for %q", m.URI())
	}
	has(t, m, "To: <sip:probe@site.example>", "From: <sip:probe@site.example>;tag=", "Expires: 3600", "Supported: path", "Supported: outbound",
		`Contact: ;transport=ws>;+sip.instance="<urn:uuid:`, "Contact: ;reg-id=1;expires=3600", "CSeq: 2 REGISTER")
	hangUp(t, session)
	has(t, message(t, s, "REGISTER", 3), "Expires: 0", "Call-ID: "+m.Get("Call-ID"))
	if s.Registered() != 0 {
		t.Error("the registration stayed")
	}
}

func TestRefusedRegistration(t *testing.T) {
	s, d := start(t, signalingtest.SIPConfig{Script: func(c *signalingtest.SIPConn, m signalingtest.SIPMessage) bool {
		c.Write(m.Reply("403 Forbidden", "far", nil, ""))
		return true
	}}, sipws.Options{Register: true})
	e := as[*signaling.StatusError](t, fails(t, d))
	if e.Code != 403 || e.Request != "REGISTER sip:far.example:5066" || len(s.Messages("INVITE")) != 0 {
		t.Errorf("got %v and %d INVITE", e, len(s.Messages("INVITE")))
	}
}

func TestServiceRoute(t *testing.T) {
	s, session := called(t, signalingtest.SIPConfig{Script: func(c *signalingtest.SIPConn, m signalingtest.SIPMessage) bool {
		if m.Method() != "REGISTER" {
			return false
		}
		c.Write(m.Reply("200 OK", "far", []string{"Contact: " + m.Get("Contact"), "Service-Route: <sip:edge.example;lr>"}, ""))
		return true
	}}, sipws.Options{Register: true})
	hangUp(t, session)
	has(t, message(t, s, "INVITE", 1), "Route: <sip:edge.example;lr>")
	if m := message(t, s, "BYE", 1); m.Get("Route") != "" {
		t.Errorf("the BYE has the route %q, which was for the INVITE", m.Get("Route"))
	}
}
