package sipws_test

import (
	"testing"

	"github.com/earshot-voip/earshot/internal/signaling"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/internal/signaling/sipws"
)

var account = sipws.Options{Username: "probe", Password: "secret"}

func auth(change func(*signalingtest.SIPAuth)) *signalingtest.SIPAuth {
	a := &signalingtest.SIPAuth{Username: "probe", Password: "secret", Realm: "far.example"}
	if change != nil {
		change(a)
	}
	return a
}

// The fake server computes what it wants to hear by RFC 7616 itself. I12: BYE is
// challenged too where every nonce is good for one request.
func TestPasswordIsGivenForEveryRequest(t *testing.T) {
	for name, c := range map[string]struct {
		auth                 *signalingtest.SIPAuth
		invites, acks, hangs int
	}{
		"by MD5, one nonce for all":       {auth(nil), 2, 2, 1},
		"by SHA-256":                      {auth(func(a *signalingtest.SIPAuth) { a.Algorithms = []string{"SHA-256"} }), 2, 2, 1},
		"by the better of two":            {auth(func(a *signalingtest.SIPAuth) { a.Algorithms = []string{"SHA-256", "MD5"} }), 2, 2, 1},
		"by the first that is known":      {auth(func(a *signalingtest.SIPAuth) { a.Algorithms = []string{"AKAv1-MD5", "MD5"} }), 2, 2, 1},
		"from a line with two challenges": {auth(func(a *signalingtest.SIPAuth) { a.Algorithms, a.OneLine = []string{"X", "SHA-256"}, true }), 2, 2, 1},
		"to a proxy":                      {auth(func(a *signalingtest.SIPAuth) { a.Proxy = true }), 2, 2, 1},
		"without qop":                     {auth(func(a *signalingtest.SIPAuth) { a.NoQOP = true }), 2, 2, 1},
		"a nonce for each request, so BYE is refused once": {auth(func(a *signalingtest.SIPAuth) { a.Uses = 1 }), 2, 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s, session := called(t, signalingtest.SIPConfig{Auth: c.auth}, account)
			hangUp(t, session)
			if got := [3]int{len(s.Messages("INVITE")), len(s.Messages("ACK")), len(s.Messages("BYE"))}; got != [3]int{c.invites, c.acks, c.hangs} {
				t.Errorf("got %d INVITE, ACK and BYE, want %d, %d and %d", got, c.invites, c.acks, c.hangs)
			}
			if s.Sessions() != 0 || s.Ends() != 1 {
				t.Errorf("%d calls are left and %d were ended, want 0 and 1", s.Sessions(), s.Ends())
			}
			first, second := message(t, s, "INVITE", 1), message(t, s, "INVITE", 2)
			if first.Get("Call-ID") != second.Get("Call-ID") || first.Branch() == second.Branch() {
				t.Errorf("the second INVITE has Call-ID %q and branch %q, the first %q and %q",
					second.Get("Call-ID"), second.Branch(), first.Get("Call-ID"), first.Branch())
			}
			has(t, second, "CSeq: 2 INVITE")
			header := "Authorization"
			if c.auth.Proxy {
				header = "Proxy-Authorization"
			}
			if ack := message(t, s, "ACK", 2); ack.Get(header) != second.Get(header) {
				t.Errorf("the ACK has other credentials (%q) than its INVITE (%q)", ack.Get(header), second.Get(header))
			}
		})
	}
}

// A stale nonce is no wrong password: the same password is given for the next.
func TestStaleNonce(t *testing.T) {
	s, session := called(t, signalingtest.SIPConfig{Auth: auth(func(a *signalingtest.SIPAuth) { a.Uses = 2 })}, sipws.Options{
		Username: "probe", Password: "secret", Register: true,
	})
	hangUp(t, session)
	if s.Registered() != 0 || s.Sessions() != 0 {
		t.Errorf("%d registrations and %d calls are left", s.Registered(), s.Sessions())
	}
}

func TestPasswordThatIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		options sipws.Options
		auth    *signalingtest.SIPAuth
		invites int
	}{
		"a wrong one is given once":                    {sipws.Options{Username: "probe", Password: "wrong"}, auth(nil), 2},
		"none is not given":                            {sipws.Options{}, auth(nil), 1},
		"one for an unknown algorithm is not given":    {account, auth(func(a *signalingtest.SIPAuth) { a.Algorithms = []string{"AKAv1-MD5"} }), 1},
		"a wrong one at a proxy is given once as well": {sipws.Options{Username: "probe", Password: "wrong"}, auth(func(a *signalingtest.SIPAuth) { a.Proxy = true }), 2},
	} {
		t.Run(name, func(t *testing.T) {
			s, d := start(t, signalingtest.SIPConfig{Auth: c.auth}, c.options)
			e := as[*signaling.StatusError](t, fails(t, d))
			want := 401
			if c.auth.Proxy {
				want = 407
			}
			if e.Code != want || len(s.Messages("INVITE")) != c.invites {
				t.Errorf("got %d after %d INVITE, want %d after %d", e.Code, len(s.Messages("INVITE")), want, c.invites)
			}
		})
	}
}

// A proxy and the server behind it each want their own password.
func TestTwoRealms(t *testing.T) {
	s, session := called(t, signalingtest.SIPConfig{
		Auth: auth(func(a *signalingtest.SIPAuth) { a.Proxy = true }),
		Script: func(c *signalingtest.SIPConn, m signalingtest.SIPMessage) bool {
			if m.Method() == "ACK" || m.Get("Authorization") != "" {
				return false
			}
			c.Write(m.Reply("401 Unauthorized", "far", []string{`WWW-Authenticate: Digest realm="inner, \"Digest\"", nonce="n", qop="auth", algorithm=SHA-256`}, ""))
			return true
		},
	}, account)
	hangUp(t, session)
	has(t, message(t, s, "INVITE", 3), `Authorization: realm="inner`, `Proxy-Authorization: realm="far.example"`)
}
