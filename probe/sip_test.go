package probe_test

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/farend"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/probe"
)

func TestACallBySIPOverTLSClimbsAllTenLayers(t *testing.T) {
	t.Parallel()
	for _, codec := range []string{"pcmu", "opus"} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			ca := signalingtest.NewCA(t)
			certificate := ca.Valid("sip.earshot.test")
			_, f, _ := startEcho(t, echo.Config{})
			server, call := startSIP(t, f, signalingtest.SIPConfig{Certificate: &certificate, Auth: sipAccount, Registered: true,
				Farewell: []string{"X-VoiceQuality: 42 green"}})
			via, err := url.Parse(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			call.URL, call.Name = "sips:echo@far.earshot.test", ""
			call.Via = "wss://sip.earshot.test.:" + via.Port() + via.Path
			call.RootCAs, call.LocalAddress, call.Codec = ca.Pool(), loopback, codec
			call.Username, call.Password, call.Register = "probe", "right", true
			call.Resolver = signalingtest.NewResolver(t, signalingtest.Zone{
				Addresses: map[string][]netip.Addr{"sip.earshot.test.": {loopback}},
			})
			var told []probe.Layer
			call.OnStep = func(s probe.Step) { told = append(told, s.Layer) }
			r := place(t, t.Context(), call)
			checkGood(t, r)
			checkFarEndTold(t, f)
			if !slices.Equal(told, ladder) {
				t.Errorf("the observer was told of %v, want each layer once in the order of the ladder", told)
			}
			if r.Name != "echo@far.earshot.test" || r.Target != call.URL || len(r.Certificates) != 1 {
				t.Errorf("got name %q, target %q and certificates %v", r.Name, r.Target, r.Certificates)
			}
			if detail := step(t, r, probe.LayerSignaling).Detail; !strings.Contains(detail, "INVITE sips:echo@far.earshot.test: 200 OK") {
				t.Errorf("signalling says %q", detail)
			}
			if len(r.Opinions) != 1 || r.Opinions[0].MOS == nil || *r.Opinions[0].MOS != 4.2 {
				t.Errorf("got opinions %+v, want the far end's", r.Opinions)
			}
			if server.Sessions() != 0 || server.Registered() != 0 {
				t.Errorf("left behind: %d calls, %d registrations", server.Sessions(), server.Registered())
			}
			eventually(t, "no connection is left", func() bool { return server.Connections() == 0 })
		})
	}
}

// I9: a phone that rings for a while gets a call like any other, and so does one
// that answers early and again (with the same answer) when it is picked up.
func TestALateAnswerBySIPMakesAGoodCall(t *testing.T) {
	t.Parallel()
	for name, reliable := range map[string]bool{"ringing": false, "early answer": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, f, _ := startEcho(t, echo.Config{})
			config := signalingtest.SIPConfig{Behaviour: signalingtest.Behaviour{Hold: true}}
			var call probe.Target
			var server *signalingtest.SIP
			if reliable {
				// The answer comes before it is known, so it is made when the INVITE comes.
				var sdp string
				var end func()
				config.Script = func(c *signalingtest.SIPConn, m signalingtest.SIPMessage) bool {
					if !m.Request() {
						return false
					}
					switch m.Method() {
					case "INVITE":
						var err error
						if sdp, end, err = f.answer(m.Body); err != nil {
							t.Error(err)
						}
						c.Write(m.Reply("183 Session Progress", "far", []string{"Contact: <sip:echo@far.invalid>", "Require: 100rel", "RSeq: 1"}, sdp))
					case "PRACK":
						c.Write(m.Reply("200 OK", "", nil, ""))
						time.Sleep(2 * time.Second)
						c.Write(server.Messages("INVITE")[0].Reply("200 OK", "far", []string{"Contact: <sip:echo@far.invalid>"}, ""))
					case "BYE":
						end()
						c.Write(m.Reply("200 OK", "", nil, ""))
					}
					return true
				}
			}
			server, call = startSIP(t, f, config)
			if !reliable {
				time.AfterFunc(2*time.Second, server.Release)
			}
			r := place(t, t.Context(), call)
			checkGood(t, r)
			checkFarEndTold(t, f)
			if took := step(t, r, probe.LayerSignaling).Took; took < time.Second {
				t.Errorf("signalling took %v, the answer alone took 2s", took)
			}
		})
	}
}

// A far end made of pion answers as DTLS client; one that is told to wait makes
// this side the client (I29).
func TestBothDTLSRolesBySIP(t *testing.T) {
	t.Parallel()
	for role, edit := range map[string]farend.Edit{
		"server": nil,
		"client": farend.Replace("^a=setup:active", "a=setup:passive"),
	} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			var f far
			if edit == nil {
				f = startPion(t, farend.PionConfig{Reports: 100 * time.Millisecond})
			} else {
				_, f, _ = startEcho(t, echo.Config{})
				tamper := farend.Tamper{Offer: farend.Replace("^a=setup:actpass", "a=setup:active")}
				f = far{farend.CountSessions(tamper.Handler(t, f)), f.calls}
			}
			_, call := startSIP(t, f, signalingtest.SIPConfig{})
			r := place(t, t.Context(), call)
			checkFarEndTold(t, f)
			if detail := step(t, r, probe.LayerDTLS).Detail; r.Failure != nil || !strings.Contains(detail, "this side is the "+role) {
				t.Errorf("got failure %v and %q, want this side as the %s", r.Failure, detail, role)
			}
		})
	}
}

func TestSIPTargetsAreChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		target probe.Target
		want   []string
	}{
		"a SIP address without a way to it":      {probe.Target{URL: "sip:echo@far.example"}, []string{"via: no WebSocket server"}},
		"everything wrong is said at once":       {probe.Target{URL: "sip:a:s3cret@far.example", Via: "http://x/", Username: "a\"b", Password: "s3cret"}, []string{"url: SIP address holds a password", "via: scheme \"http\"", "username: "}},
		"a password for nobody":                  {probe.Target{URL: "sip:a@far.example", Via: "wss://x/", Password: "s3cret"}, []string{"password: needs a username"}},
		"sips in clear":                          {probe.Target{URL: "sips:a@far.example", Via: "ws://x/"}, []string{"via: a sips address"}},
		"a way to what needs none":               {probe.Target{URL: "http://far.example/", Via: "ws://x/", Username: "u", Register: true}, []string{"via: is for sip", "username: is for sip", "register: is for sip"}},
		"a SIP address that is no URL":           {probe.Target{URL: "sip:%zz@far.example", Via: "ws://x/"}, nil},
		"a SIP address with a port":              {probe.Target{URL: "sip:echo@far.example:5066;user=phone", Via: "ws://x:8088/ws"}, nil},
		"a scheme that there is no way for":      {probe.Target{URL: "tel:+123"}, []string{"must be http, https, sip, sips, or janus+"}},
		"a SIP address with a control character": {probe.Target{URL: "sip:a\x7f@far.example", Via: "ws://x/"}, []string{"url: SIP address has characters"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.target.Validate()
			text := fmt.Sprint(err)
			if (err == nil) != (c.want == nil) || strings.Contains(text, "s3cret") {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if c.want != nil && strings.Count(text, "\n")+1 != len(c.want) {
				t.Errorf("got %d problems, want %d: %v", strings.Count(text, "\n")+1, len(c.want), err)
			}
			for _, w := range c.want {
				if !strings.Contains(text, w) {
					t.Errorf("%q is not in %q", w, text)
				}
			}
		})
	}
}
