package probe_test

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/farend"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/probe"
)

// soon is a deadline for what never happens.
const soon = 400 * time.Millisecond

// scene is what a failure is provoked with.
type scene struct {
	target probe.Target
	ctx    context.Context
	far    far                                 // zero: no call can come into being
	also   func(t *testing.T, r *probe.Result) // more to check
}

// failureRow provokes a failure.
type failureRow struct {
	name  string
	layer probe.Layer
	code  probe.Code
	rung  probe.Layer // the step that ran when it broke, when that is not the layer
	set   func(t *testing.T, s *scene)
}

// allFailures provoke every failure code for real.
func allFailures() []failureRow {
	return slices.Concat(failures, serverFailures, sipFailures, janusFailures)
}

var failures = []failureRow{
	{"the name does not exist", probe.LayerResolve, probe.CodeNameNotFound, probe.LayerSignaling,
		named("nowhere.earshot.test", signalingtest.Zone{})},
	{"the name has no address of this host's kind", probe.LayerResolve, probe.CodeNameNotFound, probe.LayerSignaling,
		named("six.earshot.test", signalingtest.Zone{Addresses: map[string][]netip.Addr{"six.earshot.test.": {netip.MustParseAddr("::1")}}})},
	{"the DNS server is silent", probe.LayerResolve, probe.CodeResolveTimeout, probe.LayerSignaling,
		named("any.earshot.test", signalingtest.Zone{Silent: true})},
	{"the DNS server has failed", probe.LayerResolve, probe.CodeResolveFailed, probe.LayerSignaling,
		named("any.earshot.test", signalingtest.Zone{Code: dnsmessage.RCodeServerFailure})},

	{"nothing listens on the port", probe.LayerConnect, probe.CodeConnectRefused, probe.LayerSignaling,
		func(t *testing.T, s *scene) { s.target = target("http://" + farend.ClosedPort(t).String() + "/echo") }},
	{"the connection is never answered", probe.LayerConnect, probe.CodeConnectTimeout, probe.LayerSignaling,
		func(t *testing.T, s *scene) {
			s.target = target("http://" + farend.FullListener(t).String() + "/echo")
			s.target.Deadlines.Connect = soon
		}},
	{"there is no route to the target", probe.LayerConnect, probe.CodeConnectUnreachable, probe.LayerSignaling,
		func(t *testing.T, s *scene) {
			s.target = target("http://[::1]:9/echo") // an IPv4 address cannot reach it
			s.target.LocalAddress = loopback
		}},

	{"the certificate has expired", probe.LayerTLS, probe.CodeTLSExpired, probe.LayerSignaling,
		secured(func(_ *testing.T, ca *signalingtest.CA) certificate {
			return certificate{ca.Issue(time.Now().Add(-48*time.Hour), time.Now().Add(-time.Hour), "127.0.0.1"), ca.Pool()}
		})},
	{"the certificate is not valid yet", probe.LayerTLS, probe.CodeTLSExpired, probe.LayerSignaling,
		secured(func(_ *testing.T, ca *signalingtest.CA) certificate {
			return certificate{ca.Issue(time.Now().Add(time.Hour), time.Now().Add(48*time.Hour), "127.0.0.1"), ca.Pool()}
		})},
	{"the certificate is for another name", probe.LayerTLS, probe.CodeTLSWrongName, probe.LayerSignaling,
		secured(func(_ *testing.T, ca *signalingtest.CA) certificate {
			return certificate{ca.Issue(time.Now().Add(-time.Hour), time.Now().Add(time.Hour), "other.earshot.test"), ca.Pool()}
		})},
	{"nobody here knows the certificate's authority", probe.LayerTLS, probe.CodeTLSUnknownAuthority, probe.LayerSignaling,
		secured(func(t *testing.T, ca *signalingtest.CA) certificate {
			return certificate{ca.Valid(), signalingtest.NewCA(t).Pool()}
		})},
	{"the port speaks plain HTTP", probe.LayerTLS, probe.CodeTLSRefused, probe.LayerSignaling,
		func(t *testing.T, s *scene) {
			_, s.far, _ = startEcho(t, echo.Config{})
			s.target = target(strings.Replace(farend.Serve(t, s.far), "http:", "https:", 1) + "/echo")
		}},
	{"the port closes during the handshake", probe.LayerTLS, probe.CodeTLSRefused, probe.LayerSignaling,
		func(t *testing.T, s *scene) { s.target = target("https://" + farend.Curt(t).String() + "/echo") }},
	{"TLS is silent after the connect", probe.LayerTLS, probe.CodeTLSTimeout, probe.LayerSignaling,
		func(t *testing.T, s *scene) {
			s.target = target("https://" + farend.Mute(t).String() + "/echo")
			s.target.Deadlines.TLS = soon
		}},

	{"the token is missing", probe.LayerSignaling, probe.CodeUnauthorized, "",
		echoed(echo.Config{Token: "right"}, nil)},
	{"the token is wrong", probe.LayerSignaling, probe.CodeUnauthorized, "",
		echoed(echo.Config{Token: "right"}, func(_ *testing.T, s *scene) { s.target.Token = "wrong" })},
	{"the path is wrong", probe.LayerSignaling, probe.CodeNotFound, "",
		echoed(echo.Config{Path: "/elsewhere"}, nil)},
	{"the endpoint has as many calls as it takes", probe.LayerSignaling, probe.CodeUnavailable, "", crowded},
	{"the offer is refused as such", probe.LayerSignaling, probe.CodeRefused, "",
		tampered(farend.Tamper{Offer: farend.Drop("a=ice-ufrag:")}, nil)},
	{"the endpoint points elsewhere", probe.LayerSignaling, probe.CodeRedirected, "",
		tampered(farend.Tamper{Before: func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "http://elsewhere.earshot.test/echo", http.StatusFound)
			return true
		}}, nil)},
	{"a web page comes in place of an answer", probe.LayerSignaling, probe.CodeBadAnswer, "",
		tampered(farend.Tamper{Before: func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Location", "/echo/1")
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, "<html><body>It works!</body></html>")
			return true
		}}, nil)},
	{"something that is not HTTP answers", probe.LayerSignaling, probe.CodeBadAnswer, "",
		tampered(farend.Tamper{Before: func(w http.ResponseWriter, _ *http.Request) bool {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, "220 mail.earshot.test ESMTP ready\r\n")
				_ = conn.Close()
			}
			return true
		}}, nil)},
	{"the answer has no audio", probe.LayerSignaling, probe.CodeBadAnswer, "",
		tampered(farend.Tamper{Answer: farend.Replace("^m=audio ", "m=video ")}, nil)},
	{"the answer rejects the audio", probe.LayerSignaling, probe.CodeBadAnswer, "",
		tampered(farend.Tamper{Answer: farend.Replace(`^m=audio \d+ `, "m=audio 0 ")}, nil)},
	{"the answer has no fingerprint", probe.LayerSignaling, probe.CodeBadAnswer, "",
		tampered(farend.Tamper{Answer: farend.Drop("a=fingerprint:")}, nil)},
	{"the far end finds no codec in the offer", probe.LayerSignaling, probe.CodeNoCommonCodec, "",
		tampered(farend.Tamper{Offer: farend.Replace(`(PCMU/8000|PCMA/8000|opus/48000/2)`, "AMR/8000")}, nil)},
	{"the far end lacks the only codec that was asked for", probe.LayerSignaling, probe.CodeNoCommonCodec, "",
		tampered(farend.Tamper{Offer: farend.Replace(`PCMU/8000`, "AMR/8000")}, codecOnly)},
	{"the answer has a codec that this side cannot send", probe.LayerSignaling, probe.CodeNoCommonCodec, "",
		tampered(farend.Tamper{Answer: farend.Replace(`PCMU/8000`, "AMR/8000")}, nil)},
	{"the answer has a codec that was not offered", probe.LayerSignaling, probe.CodeNoCommonCodec, "",
		tampered(farend.Tamper{Answer: farend.Replace(`PCMU/8000`, "PCMA/8000")}, codecOnly)},
	{"the answer does not come in time", probe.LayerSignaling, probe.CodeNoAnswer, "",
		held(func(s *scene) { s.target.Deadlines.Signaling = soon })},
	{"the connection closes before the answer", probe.LayerSignaling, probe.CodeSignalingLost, "",
		tampered(farend.Tamper{Before: func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }}, nil)},

	{"the local address is not this host's", probe.LayerGather, probe.CodeNoCandidate, "",
		echoed(echo.Config{}, func(_ *testing.T, s *scene) { s.target.LocalAddress = netip.MustParseAddr("192.0.2.1") })},

	{"no packet gets through to the candidates", probe.LayerICE, probe.CodeNoPair, "",
		deadEnd(func(_ *testing.T, s *scene) { s.target.Deadlines.ICE = soon })},
	{"the path goes dark during the call", probe.LayerICE, probe.CodeConsentLost, probe.LayerMedia,
		relayed(nil, func(t *testing.T, s *scene, r *farend.Relay) {
			s.target.Duration = 2 * patience
			s.target.Deadlines.Consent = 6 * time.Second
			s.target.OnLive = onMedia(func() { r.SetFilter(farend.DropAll) })
			s.also = func(t *testing.T, r *probe.Result) {
				if r.RoundTrip.Sent == 0 || r.RoundTrip.Returned == 0 {
					t.Errorf("the figures of the call until then are lost: %+v", r.RoundTrip)
				}
			}
		})},

	{"the answer announces another certificate", probe.LayerDTLS, probe.CodeFingerprint, "",
		tampered(farend.Tamper{Answer: otherFingerprint}, nil)},
	{"the far end refuses this side's certificate", probe.LayerDTLS, probe.CodeDTLSFailed, "",
		tampered(farend.Tamper{Offer: otherFingerprint}, nil)},
	{"DTLS packets vanish", probe.LayerDTLS, probe.CodeDTLSSilent, "",
		relayed(farend.DropKind(farend.DTLS), func(_ *testing.T, s *scene, _ *farend.Relay) { s.target.Deadlines.DTLS = soon })},
	{"both sides wait for the other's handshake (I5, echo)", probe.LayerDTLS, probe.CodeDTLSSilent, "",
		tampered(bothPassive, bothWait)},
	{"both sides wait for the other's handshake (I5, pion)", probe.LayerDTLS, probe.CodeDTLSSilent, "",
		func(t *testing.T, s *scene) {
			s.far = startPion(t, farend.PionConfig{})
			s.target = target(farend.Serve(t, bothPassive.Handler(t, s.far)) + "/echo")
			bothWait(t, s)
		}},

	{"no media gets to the far end", probe.LayerMedia, probe.CodeNoMedia, "",
		impaired("loss=100%", "", silentFor(2*time.Second))},
	{"no media gets to the far end, and the call is over before that is sure", probe.LayerMedia, probe.CodeNoMedia, "",
		impaired("loss=100%", "", nil)},
	{"a far end takes media and says nothing", probe.LayerMedia, probe.CodeNoMedia, "",
		pionic(farend.PionConfig{Mode: farend.Nothing}, silentFor(time.Second))},
	{"media gets to the far end and not back", probe.LayerMedia, probe.CodeOneWay, "",
		impaired("", "loss=100%", oneWay(3*time.Second))},
	{"a far end returns nothing but reports", probe.LayerMedia, probe.CodeOneWay, "",
		pionic(farend.PionConfig{Mode: farend.Nothing, Reports: 200 * time.Millisecond},
			oneWay(2*time.Second))},
	{"media comes back in another codec that was agreed on", probe.LayerMedia, probe.CodeOtherCodec, "",
		pionic(farend.PionConfig{Reports: 200 * time.Millisecond, Alter: farend.Numbered(8)}, otherCodec)},
	{"media stops during the call", probe.LayerMedia, probe.CodeMediaStopped, "",
		relayed(func(p farend.Packet) farend.Fate { return farend.Fate{Drop: p.Kind == farend.RTP && p.N >= 10} },
			func(_ *testing.T, s *scene, _ *farend.Relay) { s.target.Duration = 4 * time.Second })},
	{"the far end hangs up", probe.LayerMedia, probe.CodeRemoteHangup, "",
		echoed(echo.Config{MaxDuration: time.Second}, func(_ *testing.T, s *scene) { s.target.Duration = 2 * patience })},
	{"the far end hangs up with RTCP, and its DTLS alert is lost", probe.LayerMedia, probe.CodeRemoteHangup, "",
		relayedTo(echo.Config{MaxDuration: 2 * time.Second}, nil, func(_ *testing.T, s *scene, r *farend.Relay) {
			s.target.Duration = 2 * patience
			s.target.OnLive = onMedia(func() { r.SetFilter(farend.DropKind(farend.DTLS)) })
		})},
	{"the far end hangs up with DTLS", probe.LayerMedia, probe.CodeRemoteHangup, "",
		pionic(farend.PionConfig{HangUpAfter: 25}, func(_ *testing.T, s *scene) { s.target.Duration = 2 * patience })},

	{"silence comes back", probe.LayerAudio, probe.CodeSilent, "",
		pionic(farend.PionConfig{Mode: farend.Silence}, unheard)},
	{"something else comes back", probe.LayerAudio, probe.CodeWrongContent, "",
		pionic(farend.PionConfig{Mode: farend.Noise}, unheard)},
	{"somebody else is heard", probe.LayerAudio, probe.CodeWrongContent, "",
		pionic(farend.PionConfig{Alter: farend.Voice}, unheard)},
	{"comfort noise packets come back", probe.LayerAudio, probe.CodeComfortNoise, "",
		pionic(farend.PionConfig{Alter: farend.NoisePackets(50)}, unheard)},
	{"a soft hiss comes back", probe.LayerAudio, probe.CodeComfortNoise, "",
		pionic(farend.PionConfig{Alter: farend.Hiss(-52)}, unheard)},
	{"the echo falls silent and its packets go on", probe.LayerAudio, probe.CodeAudioStopped, "",
		pionic(farend.PionConfig{Alter: farend.SilentAfter(60)}, func(_ *testing.T, s *scene) {
			s.target.Duration, s.target.Window = 7*time.Second, time.Second
			s.also = func(t *testing.T, r *probe.Result) {
				heard := slices.DeleteFunc(slices.Clone(r.Windows), func(w probe.Window) bool { return w.Audio.State == probe.AudioNotChecked })
				if r.Audio.State != probe.AudioSilent || len(heard) < 2 || heard[0].Audio.State != probe.AudioOK ||
					heard[len(heard)-1].Audio.State != probe.AudioSilent {
					t.Errorf("got audio %+v, windows %+v", r.Audio, heard)
				}
			}
		})},

	{"the caller is interrupted while it connects", probe.LayerConnect, probe.CodeCanceled, probe.LayerSignaling,
		func(t *testing.T, s *scene) {
			s.target = target("http://" + farend.FullListener(t).String() + "/echo")
			var cancel context.CancelFunc
			s.ctx, cancel = context.WithCancel(t.Context())
			s.target.OnStep = onStep(probe.LayerGather, probe.StateOK, cancel)
		}},
	{"the caller is interrupted before the answer", probe.LayerSignaling, probe.CodeCanceled, "",
		func(t *testing.T, s *scene) {
			var cancel context.CancelFunc
			s.ctx, cancel = context.WithCancel(t.Context())
			heldWith(t, s, cancel)
		}},
	{"the caller is interrupted during ICE", probe.LayerICE, probe.CodeCanceled, "",
		deadEnd(func(t *testing.T, s *scene) {
			var cancel context.CancelFunc
			s.ctx, cancel = context.WithCancel(t.Context())
			s.target.OnStep = onStep(probe.LayerSignaling, probe.StateOK, cancel)
		})},
	{"the caller is interrupted during DTLS", probe.LayerDTLS, probe.CodeCanceled, "",
		relayed(farend.DropKind(farend.DTLS), func(t *testing.T, s *scene, _ *farend.Relay) {
			var cancel context.CancelFunc
			s.ctx, cancel = context.WithCancel(t.Context())
			s.target.OnStep = onStep(probe.LayerICE, probe.StateOK, cancel)
		})},
	{"the caller is interrupted during media", probe.LayerMedia, probe.CodeCanceled, "",
		echoed(echo.Config{}, func(t *testing.T, s *scene) {
			var cancel context.CancelFunc
			s.ctx, cancel = context.WithCancel(t.Context())
			s.target.Duration = 2 * patience
			s.target.OnLive = onMedia(cancel)
		})},

	{"the call takes too long before the answer", probe.LayerSignaling, probe.CodeTimeout, "",
		held(func(s *scene) { s.target.Timeout = 2 * time.Second })},
	{"the call takes too long during media", probe.LayerMedia, probe.CodeTimeout, "",
		echoed(echo.Config{}, func(_ *testing.T, s *scene) {
			s.target.Timeout, s.target.Duration = 10*time.Second, 2*patience // set up in less
		})},
}

func TestEveryFailureIsNamedForWhatItIs(t *testing.T) {
	signalingtest.NoLeaks(t)
	noSocketsLeft(t)
	t.Run("provoked", func(t *testing.T) {
		for _, row := range allFailures() {
			t.Run(row.name, func(t *testing.T) {
				t.Parallel()
				s := scene{ctx: t.Context()}
				row.set(t, &s)
				var (
					r    *probe.Result
					told []probe.Step
				)
				s.target.OnStep = recorded(&told, s.target.OnStep)
				watched(t, func() {
					r = place(t, s.ctx, s.target)
					checkFarEndTold(t, s.far)
				})
				rung := row.rung
				if rung == "" {
					rung = row.layer
				}
				checkFailure(t, r, row.layer, row.code)
				checkSteps(t, r, row.layer, rung)
				checkObserver(t, r, told)
				if s.also != nil {
					s.also(t, r)
				}
			})
		}
	})
}

// checkFailure checks what a person and a script are told.
func checkFailure(t *testing.T, r *probe.Result, layer probe.Layer, code probe.Code) {
	t.Helper()
	f := r.Failure
	if f == nil {
		t.Fatalf("the call did not fail: %s", r.Summary)
	}
	if f.Layer != layer || f.Code != code {
		t.Errorf("got %s at %s, want %s at %s: %v", f.Code, f.Layer, code, layer, f.Err)
	}
	if f.Hint == "" || f.Err == nil {
		t.Errorf("got hint %q and cause %v, want both", f.Hint, f.Err)
	}
	if r.Verdict != probe.Failed {
		t.Errorf("got verdict %q, want failed", r.Verdict)
	}
	if !strings.Contains(r.Summary, f.Code.Meaning()) || !strings.Contains(r.Summary, r.Name) {
		t.Errorf("the summary %q does not say what happened to whom", r.Summary)
	}
}

// ladder is the order in which a call climbs its layers.
var ladder = []probe.Layer{
	probe.LayerGather, probe.LayerResolve, probe.LayerConnect, probe.LayerTLS, probe.LayerSignaling,
	probe.LayerICE, probe.LayerDTLS, probe.LayerMedia, probe.LayerAudio, probe.LayerQuality,
}

// checkSteps checks the states of all layers: the broken one alone has failed,
// what came before it went well or does not exist, what would have come after it
// was not run. Layers between the broken one and a later rung that was running
// had gone well.
func checkSteps(t *testing.T, r *probe.Result, broken, rung probe.Layer) {
	t.Helper()
	if len(r.Steps) != len(probe.Layers) {
		t.Fatalf("got %d steps, want one for each of %d layers", len(r.Steps), len(probe.Layers))
	}
	at, running := slices.Index(ladder, broken), slices.Index(ladder, rung)
	for i, l := range ladder {
		s := step(t, r, l)
		want := []probe.State{probe.StateNotRun}
		switch {
		case l == broken:
			want = []probe.State{probe.StateFailed}
			if s.Detail == "" {
				t.Errorf("the failed step %s says nothing", l)
			}
		case i < at && (l == probe.LayerResolve || l == probe.LayerTLS):
			want = []probe.State{probe.StateOK, probe.StateNotApplicable}
		case i < at, rung == probe.LayerMedia && i < running:
			want = []probe.State{probe.StateOK}
		}
		if !slices.Contains(want, s.State) {
			t.Errorf("%s is %s (%s), want %v", l, s.State, s.Detail, want)
		}
		if s.State == probe.StateNotRun && s.Took != 0 {
			t.Errorf("%s took %v though it was not run", l, s.Took)
		}
	}
}

// recorded notes what an observer is told.
func recorded(told *[]probe.Step, then func(probe.Step)) func(probe.Step) {
	return func(s probe.Step) {
		*told = append(*told, s)
		if then != nil {
			then(s)
		}
	}
}

// checkObserver checks that the observer was told of each step that ran, in the
// order of the ladder and as the result has it. A path or a signalling connection
// that is lost during media is told of a second time, last.
func checkObserver(t *testing.T, r *probe.Result, told []probe.Step) {
	t.Helper()
	lost := probe.Layer("")
	if n := len(told); n > 0 && slices.Contains([]probe.Code{probe.CodeConsentLost, probe.CodeTURNLost, probe.CodeDropped}, r.Failure.Code) {
		lost = r.Failure.Layer
		if told[n-1] != step(t, r, lost) {
			t.Errorf("the observer was told of %+v at last, want what was lost", told[n-1])
		}
		told = slices.DeleteFunc(told[:n-1:n-1], func(s probe.Step) bool { return s.Layer == lost })
	}
	var want []probe.Step
	for _, l := range ladder {
		s := step(t, r, l)
		if s.State != probe.StateNotRun && l != lost {
			want = append(want, s)
		}
	}
	if !slices.Equal(told, want) {
		t.Errorf("the observer was told of\n%+v\nthe result has\n%+v", told, want)
	}
}
