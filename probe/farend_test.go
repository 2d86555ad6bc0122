package probe_test

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/farend"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/probe"
)

func TestACallByNameOverTLSClimbsAllTenLayers(t *testing.T) {
	t.Parallel()
	ca := signalingtest.NewCA(t)
	_, f, _ := startEcho(t, echo.Config{Token: "right"})
	url := farend.ServeTLS(t, f, ca.Valid("echo.earshot.test"))
	port := netip.MustParseAddrPort(strings.TrimPrefix(url, "https://")).Port()

	call := target("https://echo.earshot.test.:" + strconv.Itoa(int(port)) + "/echo")
	call.RootCAs, call.Token, call.LocalAddress = ca.Pool(), "right", loopback
	call.Resolver = signalingtest.NewResolver(t, signalingtest.Zone{
		Addresses: map[string][]netip.Addr{"echo.earshot.test.": {loopback}},
	})
	var told []probe.Layer
	call.OnStep = func(s probe.Step) { told = append(told, s.Layer) }
	r := place(t, t.Context(), call)
	checkGood(t, r)
	checkFarEndTold(t, f)
	for _, s := range r.Steps {
		if s.State == probe.StateNotApplicable {
			t.Errorf("%s is %s, want it run", s.Layer, s.State)
		}
	}
	if !slices.Equal(told, ladder) {
		t.Errorf("the observer was told of %v, want each layer once in the order of the ladder", told)
	}
	if len(r.Certificates) != 1 || !r.Certificates[0].NotAfter.After(time.Now()) {
		t.Errorf("got certificates %+v, want the server's", r.Certificates)
	}
}

func TestACallThroughARelayAlone(t *testing.T) {
	t.Parallel()
	_, f, _ := startEcho(t, echo.Config{})
	call := target(farend.Serve(t, f) + "/echo")
	call.Relay = probe.RelayOnly
	call.ICEServers = throughServer(farend.NewTURN(t, farend.TURNConfig{}).UDP)
	r := place(t, t.Context(), call)
	checkGood(t, r)
	checkFarEndTold(t, f)
	if r.Route != nil && (!r.Route.Relayed || r.Route.Local.Type != "relay") {
		t.Errorf("got route %+v, want a relayed one", r.Route)
	}
}

// An endpoint that takes its time to answer gets a call like any other (I9): calls
// that were answered after some 8 s have been reported to be silent.
func TestALateAnswerMakesAGoodCall(t *testing.T) {
	t.Parallel()
	_, f, _ := startEcho(t, echo.Config{})
	const late = 8500 * time.Millisecond
	if patience := (probe.Target{}).WithDefaults().Deadlines.Signaling; patience <= late {
		t.Errorf("answers are waited for %v by default", patience)
	}
	slow := farend.Tamper{Hold: func() { time.Sleep(late) }}
	r := place(t, t.Context(), target(farend.Serve(t, slow.Handler(t, f))+"/echo"))
	checkGood(t, r)
	checkFarEndTold(t, f)
	if took := step(t, r, probe.LayerSignaling).Took; took < late {
		t.Errorf("signalling took %v, the answer alone took %v", took, late)
	}
}

// echoKinds are far ends as independent of Earshot as can be had in a test, and what
// may be said of each of them.
var echoKinds = []struct {
	name     string
	config   farend.PionConfig
	kind     probe.EchoKind
	up, down probe.Evidence
	verdict  probe.Verdict
}{
	{"a reflector that reports", farend.PionConfig{Mode: farend.Reflect, Reports: 100 * time.Millisecond},
		probe.EchoReflector, probe.EvidenceRTCP, probe.EvidenceRTCP, probe.Good},
	{"a reflector that does not report leaves both directions unknown", farend.PionConfig{Mode: farend.Reflect},
		probe.EchoReflector, probe.EvidenceNone, probe.EvidenceNone, probe.Untrusted},
	{"a rebuilder that reports", farend.PionConfig{Mode: farend.Rebuild, Reports: 100 * time.Millisecond},
		probe.EchoRebuilder, probe.EvidenceRTCP, probe.EvidenceSequence, probe.Good},
	{"a rebuilder that does not report leaves the uplink unknown", farend.PionConfig{Mode: farend.Rebuild},
		probe.EchoRebuilder, probe.EvidenceNone, probe.EvidenceSequence, probe.Good},
}

func TestKindsOfEcho(t *testing.T) {
	t.Parallel()
	for _, codec := range []string{"pcmu", "pcma", "opus"} {
		for _, row := range echoKinds {
			t.Run(row.name+", "+codec, func(t *testing.T) {
				t.Parallel()
				f := startPion(t, row.config)
				call := target(farend.Serve(t, f) + "/echo")
				call.Codec, call.Duration = codec, 2*time.Second
				r := place(t, t.Context(), call)
				checkFarEndTold(t, f)
				if r.Failure != nil {
					t.Fatalf("the call failed: %v", r.Failure)
				}
				if r.Echo != row.kind || r.Uplink.Evidence != row.up || r.Downlink.Evidence != row.down {
					t.Errorf("got a %s echo, uplink by %s, downlink by %s; want %s, %s, %s",
						r.Echo, r.Uplink.Evidence, r.Downlink.Evidence, row.kind, row.up, row.down)
				}
				if r.Audio.State != probe.AudioOK || r.Audio.Matched != r.Audio.Checked || !strings.EqualFold(r.Codec.Name, codec) {
					t.Errorf("got audio %+v in %s", r.Audio, r.Codec.Name)
				}
				if r.Verdict != row.verdict {
					t.Errorf("got verdict %s (%s), want %s", r.Verdict, r.Summary, row.verdict)
				}
				for name, d := range map[string]probe.Direction{"uplink": r.Uplink, "downlink": r.Downlink} {
					if !d.Evidence.Known() && d.Score != nil {
						t.Errorf("the %s is unknown and has a score: %+v", name, d.Score)
					}
					if d.Evidence.Known() && (d.Lost != 0 || d.Duplicated != 0 || d.Reordered != 0) {
						t.Errorf("the %s of loopback: got %d lost, %d duplicated, %d reordered", name, d.Lost, d.Duplicated, d.Reordered)
					}
				}
			})
		}
	}
}

// An echo that its operator told not to stamp is a reflector.
func TestAnEchoWithoutStampsIsAReflector(t *testing.T) {
	t.Parallel()
	_, f, _ := startEcho(t, echo.Config{NoStamps: true})
	call := target(farend.Serve(t, f) + "/echo")
	call.Duration = 2 * time.Second
	r := place(t, t.Context(), call)
	checkGood(t, r)
	if r.Echo != probe.EchoReflector || r.Uplink.Evidence != probe.EvidenceRTCP || r.Downlink.Evidence != probe.EvidenceRTCP {
		t.Errorf("got a %s echo, uplink by %s, downlink by %s", r.Echo, r.Uplink.Evidence, r.Downlink.Evidence)
	}
}

// What an observer hears during a call is what the result holds afterwards.
func TestObserversHearOfEveryWindow(t *testing.T) {
	t.Parallel()
	_, f, _ := startEcho(t, echo.Config{})
	call := target(farend.Serve(t, f) + "/echo")
	call.Duration, call.Window = 2200*time.Millisecond, 500*time.Millisecond
	var (
		mu      sync.Mutex
		windows []probe.Window
		glimpse probe.Live
	)
	call.OnWindow = func(w probe.Window) { mu.Lock(); defer mu.Unlock(); windows = append(windows, w) }
	call.OnLive = func(l probe.Live) { mu.Lock(); defer mu.Unlock(); glimpse = l }
	r := place(t, t.Context(), call)
	checkGood(t, r)
	if len(windows) < 4 || len(windows) != len(r.Windows) {
		t.Fatalf("heard of %d windows, the result has %d, want at least 4 of both", len(windows), len(r.Windows))
	}
	if glimpse.Sent == 0 || glimpse.Back == 0 {
		t.Errorf("got a last glimpse of %+v", glimpse)
	}
	var up, down int64
	for i, w := range windows {
		if i > 0 && w.Start != windows[i-1].Start+windows[i-1].Length {
			t.Errorf("window %d begins at %v, the one before ends at %v", i, w.Start, windows[i-1].Start+windows[i-1].Length)
		}
		up += w.Uplink.Expected
		down += w.Downlink.Expected
	}
	if up != r.Uplink.Expected || down != r.Downlink.Expected {
		t.Errorf("the windows expect %d up and %d down, the call %d and %d", up, down, r.Uplink.Expected, r.Downlink.Expected)
	}
}
