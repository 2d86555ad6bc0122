package probe_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/farend"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/probe"
)

func TestPathsOfATarget(t *testing.T) {
	t.Parallel()
	stun := probe.ICEServer{URL: "stun:stun.example.com"}
	tls := probe.ICEServer{URL: "turns:a.example.com:443", Username: "u", Password: "p"}
	one := probe.ICEServer{URL: "turn:b.example.com", Username: "u", Password: "p"}
	two := probe.ICEServer{URL: "turn:c.example.com?transport=udp", Username: "u", Password: "p"}
	paths := probe.Paths(probe.Target{URL: "https://echo.example.com/echo", ICEServers: []probe.ICEServer{tls, stun, one, two}})
	want := []struct {
		kind    probe.PathKind
		server  string
		relay   probe.Relay
		servers int
	}{
		{probe.PathDirect, "", probe.RelayNever, 4},
		{probe.PathTURNUDP, "turn:b.example.com:3478?transport=udp", probe.RelayOnly, 1},
		{probe.PathTURNUDP, "turn:c.example.com:3478?transport=udp", probe.RelayOnly, 1},
		{probe.PathTURNTCP, "", "", 0},
		{probe.PathTURNTLS, "turns:a.example.com:443?transport=tcp", probe.RelayOnly, 1},
	}
	if len(paths) != len(want) {
		t.Fatalf("got %d paths, want %d", len(paths), len(want))
	}
	for i, w := range want {
		p := paths[i]
		if p.Kind != w.kind || p.Server != w.server || p.Target.Relay != w.relay || len(p.Target.ICEServers) != w.servers {
			t.Errorf("path %d: got %s %s, relay %s, %d servers, want %v", i, p.Kind, p.Server, p.Target.Relay, len(p.Target.ICEServers), w)
		}
		if skipped := w.kind == probe.PathTURNTCP; skipped != (p.Skipped != "") {
			t.Errorf("path %d: skipped because %q", i, p.Skipped)
		}
	}
	if !strings.Contains(paths[3].Skipped, "turn:HOST?transport=tcp") {
		t.Errorf("%q does not say what is missing", paths[3].Skipped)
	}
}

// call is a finished call in short.
func finished(v probe.Verdict, up, down float64) *probe.Result {
	r := &probe.Result{Name: "echo", Verdict: v}
	if up > 0 {
		r.Uplink = probe.Direction{Evidence: probe.EvidenceStamps, Score: &probe.Score{MOS: up}}
		r.Downlink = probe.Direction{Evidence: probe.EvidenceStamps, Score: &probe.Score{MOS: down}}
		r.RoundTrip.RTT = probe.Quantiles{Count: 1, P50: 12300 * time.Microsecond}
	}
	if v == probe.Failed {
		r.Failure = &probe.Failure{Layer: probe.LayerGather, Code: probe.CodeTURNNoResponse, Err: errors.New("silent")}
	}
	return r
}

func TestTheBestPath(t *testing.T) {
	t.Parallel()
	const good, degraded, failed, untrusted = probe.Good, probe.Degraded, probe.Failed, probe.Untrusted
	for _, row := range []struct {
		name    string
		results []*probe.Result // in the order of PathKinds; nil: skipped
		best    int             // -1: none
		verdict probe.Verdict
		says    []string
	}{
		{"direct among equals", []*probe.Result{finished(good, 4.3, 4.3), finished(good, 4.3, 4.3), finished(good, 4.3, 4.3), finished(good, 4.3, 4.3)},
			0, good, []string{"from this site to echo is the direct one: MOS 4.30 up, MOS 4.30 down, a round trip of 12.3 ms", "also good: turn/udp, turn/tcp, turn/tls"}},
		{"a lead of less than a tenth is not worth a detour", []*probe.Result{finished(good, 4.25, 4.3), finished(good, 4.32, 4.32), nil, nil}, 0, good, nil},
		{"a clear lead is", []*probe.Result{finished(good, 4.0, 4.3), finished(good, 4.2, 4.2), nil, nil}, 1, good, []string{"TURN over UDP by turn:server"}},
		{"the worse direction counts", []*probe.Result{finished(good, 4.4, 3.7), finished(good, 4.0, 4.0), nil, nil}, 1, good, nil},
		{"good before degraded, whatever the score", []*probe.Result{finished(degraded, 4.4, 4.4), nil, nil, finished(good, 4.0, 4.0)}, 3, good, []string{"poor: direct"}},
		{"the only one that works", []*probe.Result{finished(failed, 0, 0), finished(failed, 0, 0), nil, finished(degraded, 3, 3)}, 3, degraded, []string{"not working: direct, turn/udp"}},
		{"a call without a score is better than none", []*probe.Result{finished(failed, 0, 0), finished(good, 0, 0), nil, nil}, 1, good, []string{"up unknown"}},
		{"none carries a call", []*probe.Result{finished(failed, 0, 0), finished(failed, 0, 0), nil, nil}, -1, failed, []string{"No path carries a call (direct: the TURN server does not answer; turn/udp:"}},
		{"this host was too busy for the one that works", []*probe.Result{finished(failed, 0, 0), finished(untrusted, 0, 0), nil, nil}, -1, untrusted, []string{"could not be measured"}},
		{"nothing was tried", []*probe.Result{nil, nil, nil, nil}, -1, failed, []string{"No call was placed"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var paths []probe.Path
			for i, kind := range probe.PathKinds {
				paths = append(paths, probe.Path{Kind: kind, Server: "turn:server", Result: row.results[i]})
			}
			c := probe.Compare(paths)
			best := -1
			for i := range paths {
				if c.Best == &c.Paths[i] {
					best = i
				}
			}
			if best != row.best || c.Verdict != row.verdict {
				t.Errorf("got path %d, %s (%s), want %d, %s", best, c.Verdict, c.Summary, row.best, row.verdict)
			}
			for _, text := range row.says {
				if !strings.Contains(c.Summary, text) {
					t.Errorf("%q does not say %q", c.Summary, text)
				}
			}
		})
	}
}

func TestComparingRealPaths(t *testing.T) {
	t.Parallel()
	ca := signalingtest.NewCA(t)
	certificate := ca.Valid()
	server := farend.NewTURN(t, farend.TURNConfig{Certificate: &certificate})
	_, f, _ := startEcho(t, echo.Config{})
	call := target(farend.Serve(t, f) + "/echo")
	call.RootCAs = ca.Pool()
	for _, url := range []string{server.UDP, server.TCP, server.TLS} {
		call.ICEServers = append(call.ICEServers, throughServer(url)...)
	}
	paths := probe.Paths(call)
	for i := range paths {
		paths[i].Result = place(t, t.Context(), paths[i].Target)
		checkGood(t, paths[i].Result)
		if relayed := paths[i].Kind != probe.PathDirect; paths[i].Result.Route != nil && (paths[i].Result.Route.Relayed != relayed || paths[i].Result.Route.Server != paths[i].Server) {
			t.Errorf("%s: got route %+v", paths[i].Kind, paths[i].Result.Route)
		}
	}
	if c := probe.Compare(paths); c.Verdict != probe.Untrusted && c.Best == nil {
		t.Errorf("got %+v", c)
	}
}
