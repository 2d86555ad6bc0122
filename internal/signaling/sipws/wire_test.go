package sipws_test

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/signaling"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/internal/signaling/sipws"
)

// What an INVITE says of this side (RFC 7118, 5; RFC 5626; RFC 4028).
func TestInviteOnTheWire(t *testing.T) {
	ca := signalingtest.NewCA(t)
	certificate := ca.Valid()
	trace := &signaling.Trace{RootCAs: ca.Pool()}
	s, session := called(t, signalingtest.SIPConfig{Certificate: &certificate},
		sipws.Options{Username: "probe+1", UserAgent: "earshot/1", Trace: trace})
	m := message(t, s, "INVITE", 1)
	if want := "INVITE " + target + " SIP/2.0"; m.First != want {
		t.Errorf("got %q, want %q", m.First, want)
	}
	has(t, m, "From: <sip:probe+1@far.example>;tag=", "To: <sip:echo@far.example:5066>", "CSeq: 1 INVITE", "Max-Forwards: 70",
		"Supported: 100rel", "Supported: timer", "Supported: outbound", "Allow: UPDATE", "User-Agent: earshot/1",
		"Content-Type: application/sdp", "Session-Expires: 1800")
	via := regexp.MustCompile(`^SIP/2\.0/WSS [0-9a-f]+\.invalid;branch=z9hG4bK[0-9a-f]{16,}$`)
	if !via.MatchString(m.Get("Via")) {
		t.Errorf("got Via %q, want %v", m.Get("Via"), via)
	}
	contact := regexp.MustCompile(`^<sip:[0-9a-f]+@[0-9a-f]+\.invalid;transport=ws;ob>$`)
	if !contact.MatchString(m.Get("Contact")) {
		t.Errorf("got Contact %q, want %v", m.Get("Contact"), contact)
	}
	if m.Body != signalingtest.Offer {
		t.Errorf("got the offer %q", m.Body)
	}
	has(t, message(t, s, "ACK", 1), "CSeq: 1 ACK", "Call-ID: "+m.Get("Call-ID"))
	hangUp(t, session)
	has(t, message(t, s, "BYE", 1), "CSeq: 2 BYE", "Call-ID: "+m.Get("Call-ID"), "From: "+m.Get("From"))
}

// I11: the path of the WebSocket is that of via.
func TestPathIsThatOfVia(t *testing.T) {
	s, _ := start(t, signalingtest.SIPConfig{}, sipws.Options{})
	elsewhere := strings.TrimSuffix(s.URL, "/ws") + "/elsewhere"
	e := as[*signaling.StatusError](t, fails(t, dialer(t, s, sipws.Options{Via: elsewhere})))
	if e.Code != 404 || e.Request != "GET "+elsewhere {
		t.Errorf("got %v, want 404 to GET %s", e, elsewhere)
	}
}

func TestServerMustSpeakSIP(t *testing.T) {
	_, d := start(t, signalingtest.SIPConfig{Subprotocol: "mqtt"}, sipws.Options{})
	if e := as[*signaling.ExchangeError](t, fails(t, d)); e.Kind != signaling.KindProtocol {
		t.Errorf("got kind %q (%v), want protocol", e.Kind, e)
	}
}

// I28: whatever the far end's Contact says, everything of a call goes to the
// socket that the call came on, and is addressed to that Contact.
func TestRequestsOfACallStayOnItsSocket(t *testing.T) {
	const contact = "sip:echo@192.0.2.1:5090;transport=udp"
	for name, c := range map[string]struct{ lines, routes []string }{
		"without Record-Route": {[]string{"Contact: <" + contact + ">"}, nil},
		"with Record-Route, in reverse order": {[]string{"Contact: Echo <" + contact + ">;expires=60",
			"Record-Route: <sip:b.example;lr>, <sip:a.example;transport=ws;lr=on;r2=on>", "Record-Route: <sip:edge.example:8443;lr;ftag=x>"},
			[]string{"<sip:edge.example:8443;lr;ftag=x>", "<sip:a.example;transport=ws;lr=on;r2=on>", "<sip:b.example;lr>"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, session := called(t, signalingtest.SIPConfig{Lines: c.lines}, sipws.Options{})
			hangUp(t, session)
			if s.Opened() != 1 {
				t.Errorf("%d connections were opened, want 1", s.Opened())
			}
			for _, method := range []string{"ACK", "BYE"} {
				m := message(t, s, method, 1)
				if m.URI() != contact || !slices.Equal(m.All("Route"), c.routes) {
					t.Errorf("%s to %q by %q, want %q by %q", method, m.URI(), m.All("Route"), contact, c.routes)
				}
			}
		})
	}
}

// I27: the far end sees a CANCEL for what it was asked, port included.
func TestCancelIsForTheInvite(t *testing.T) {
	s, d := start(t, signalingtest.SIPConfig{Behaviour: signalingtest.Behaviour{Hold: true}}, sipws.Options{})
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		<-s.Offers()
		stop()
	}()
	if _, err := d.Dial(ctx, signalingtest.Offer); err == nil {
		t.Fatal("dial went well, want it canceled")
	}
	if err := d.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	invite, cancel := message(t, s, "INVITE", 1), message(t, s, "CANCEL", 1)
	if cancel.URI() != target {
		t.Errorf("CANCEL is for %q, want %q", cancel.URI(), target)
	}
	for _, name := range []string{"Via", "From", "To", "Call-ID"} {
		if cancel.Get(name) != invite.Get(name) {
			t.Errorf("%s of the CANCEL is %q, that of the INVITE %q", name, cancel.Get(name), invite.Get(name))
		}
	}
	has(t, cancel, "CSeq: 1 CANCEL")
	ack := message(t, s, "ACK", 1) // of the 487, in the transaction of the INVITE
	if ack.Branch() != invite.Branch() || !strings.Contains(ack.Get("To"), "tag=far") {
		t.Errorf("the ACK has branch %q and To %q", ack.Branch(), ack.Get("To"))
	}
	if s.Sessions() != 0 || s.Ends() != 1 {
		t.Errorf("%d calls ring on, %d were taken back, want 0 and 1", s.Sessions(), s.Ends())
	}
}

// A call that is answered just when it is given up is hung up.
func TestAnswerThatCrossesTheCancelIsHungUp(t *testing.T) {
	s, d := start(t, signalingtest.SIPConfig{Script: func(c *signalingtest.SIPConn, m signalingtest.SIPMessage) bool {
		switch m.Method() {
		case "INVITE":
			c.Write(m.Reply("180 Ringing", "far", nil, ""))
			return true
		case "CANCEL":
			c.Write(m.Reply("481 Call/Transaction Does Not Exist", "far", nil, ""))
			invite := c.Server().Messages("INVITE")[0]
			c.Write(invite.Reply("200 OK", "far", []string{"Contact: <sip:echo@far.invalid>"}, signalingtest.Answer))
			return true
		case "BYE":
			c.Write(m.Reply("200 OK", "", nil, ""))
			return true
		}
		return false
	}}, sipws.Options{Trace: &signaling.Trace{Deadlines: signaling.Deadlines{Answer: soon, Hangup: patience}}})
	if e := as[*signaling.ExchangeError](t, fails(t, d)); e.Kind != signaling.KindTimeout {
		t.Errorf("got kind %q, want timeout", e.Kind)
	}
	if len(s.Messages("ACK")) != 1 || len(s.Messages("BYE")) != 1 {
		t.Errorf("got %d ACK and %d BYE, want one of each", len(s.Messages("ACK")), len(s.Messages("BYE")))
	}
}

// Without a provisional response there may be no CANCEL (RFC 3261, 9.1); that
// nobody knows of the call is said.
func TestSilentServerIsNotCanceled(t *testing.T) {
	signalingtest.NoLeaks(t)
	s := signalingtest.NewSIP(t, signalingtest.SIPConfig{Script: func(_ *signalingtest.SIPConn, _ signalingtest.SIPMessage) bool { return true }})
	d := dialer(t, s, sipws.Options{Trace: &signaling.Trace{Deadlines: signaling.Deadlines{Answer: soon, Hangup: soon}}})
	if _, err := d.Dial(context.Background(), signalingtest.Offer); as[*signaling.ExchangeError](t, err).Kind != signaling.KindTimeout {
		t.Errorf("got %v, want a timeout", err)
	}
	if err := d.Close(); err == nil || !strings.Contains(err.Error(), "may have stayed behind") {
		t.Errorf("close says %v, want that a call may have stayed", err)
	}
	if n := len(s.Messages("CANCEL")); n != 0 {
		t.Errorf("%d CANCEL were sent, want none", n)
	}
}

func TestRedirectIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		lines  []string
		kind   signaling.Kind
		target string
	}{
		"to an address": {[]string{"Contact: <sip:other@elsewhere.example:5070>;q=0.5"}, signaling.KindNotFollowed, "sip:other@elsewhere.example:5070"},
		"to nowhere":    {nil, signaling.KindNoTarget, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, d := start(t, signalingtest.SIPConfig{Script: func(c2 *signalingtest.SIPConn, m signalingtest.SIPMessage) bool {
				if m.Method() == "INVITE" {
					c2.Write(m.Reply("302 Moved Temporarily", "far", c.lines, ""))
				}
				return m.Method() == "INVITE"
			}}, sipws.Options{})
			e := as[*signaling.RedirectError](t, fails(t, d))
			if e.Code != 302 || e.Kind != c.kind || e.Target != c.target {
				t.Errorf("got %d to %q of kind %q, want 302 to %q of kind %q", e.Code, e.Target, e.Kind, c.target, c.kind)
			}
			message(t, s, "ACK", 1)
		})
	}
}

func TestRefusalCarriesTheFarEndsWords(t *testing.T) {
	_, d := start(t, signalingtest.SIPConfig{Script: func(c *signalingtest.SIPConn, m signalingtest.SIPMessage) bool {
		if m.Method() == "INVITE" {
			c.Write(m.Reply("488 Not Acceptable Here", "far", []string{`Reason: Q.850;cause=88;text="INCOMPATIBLE_DESTINATION"`, "Retry-After: 18000;duration=3600"}, ""))
		}
		return m.Method() == "INVITE"
	}}, sipws.Options{})
	e := as[*signaling.StatusError](t, fails(t, d))
	if e.Code != 488 || e.Reason != "Not Acceptable Here" || !strings.Contains(e.Body, "INCOMPATIBLE_DESTINATION") || e.RetryAfter != 5*time.Hour {
		t.Errorf("got %+v", e)
	}
	if e.Request != "INVITE sip:echo@far.example:5066" {
		t.Errorf("got request %q", e.Request)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, c := range map[string]struct{ target, via, want string }{
		"no SIP address":              {"http://far.example/", "ws://far.example/", "neither sip nor sips"},
		"an address without a domain": {"sip:echo@", "ws://far.example/", "sip:user@domain"},
		"an address with a password":  {"sip:echo:s3cret@far.example", "ws://far.example/", "holds a password"},
		"an address with a break":     {"sip:echo@far.example\r\nX: y", "ws://far.example/", "must be escaped"},
		"an address with headers":     {"sip:echo@far.example?Subject=x", "ws://far.example/", "header fields"},
		"no server":                   {target, "", "no WebSocket server"},
		"a server of another scheme":  {target, "https://far.example/", "neither ws nor wss"},
		"a server without a host":     {target, "wss:///ws", "no host"},
		"a server with a password":    {target, "wss://a:s3cret@far.example/ws", "user information"},
		"sips in clear":               {"sips:echo@far.example", "ws://far.example/ws", "encrypted"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sipws.New(sipws.Options{Target: c.target, Via: c.via})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %v, want %q in it and no secret", err, c.want)
			}
		})
	}
	for _, good := range []string{"sip:echo@far.example", "sip:far.example", "sip:600@[2001:db8::1]:5080", "sips:+33123@far.example;user=phone", "SIP:a%20b@far.example"} {
		if _, err := sipws.New(sipws.Options{Target: good, Via: "wss://far.example/ws"}); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}
