package web

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/internal/config"
	"github.com/earshot-voip/earshot/internal/history"
	"github.com/earshot-voip/earshot/probe"
)

const (
	us = time.Microsecond
	ms = time.Millisecond
)

// sceneNow is when the pages of the scene are looked at.
var sceneNow = time.Date(2026, 11, 23, 20, 6, 41, 0, time.UTC)

// scene is an agent with a history, as somebody finds it on a bad evening.
type scene struct {
	server *Server
	store  *history.Store
	status agent.Status
	config Config
	file   config.Config

	clock   time.Time
	results []*probe.Result
}

// sceneTarget is what one target does over the scene.
type sceneTarget struct {
	name  string
	mode  agent.Mode
	every time.Duration
	call  func(at time.Time, n int) *probe.Result // nil: none at that time
}

// built is the one scene of all tests; its history is only read.
var built = struct {
	once sync.Once
	scene
	folder string
	err    error
}{}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.store != nil {
		_ = built.store.Close()
		_ = os.RemoveAll(built.folder)
	}
	os.Exit(code)
}

// newScene is the scene with a server of its own.
func newScene(t testing.TB) *scene {
	t.Helper()
	built.once.Do(func() { built.err = built.build(t) })
	if built.err != nil {
		t.Fatal(built.err)
	}
	sc := built.scene
	sc.status.Jobs = slices.Clone(sc.status.Jobs)
	sc.config = Config{
		Version: "0.2.0", Loaded: func() *config.Config { return &sc.file }, Metrics: http.NotFoundHandler(),
		Now: func() time.Time { return sceneNow }, History: sc.store, Status: func() agent.Status { return sc.status },
	}
	sc.server = New(sc.config)
	return &sc
}

// build fills a history with some hours of calls, from a seed.
func (sc *scene) build(t testing.TB) error {
	t.Helper()
	random := rand.New(rand.NewPCG(7, 7))
	noise := func(scale float64) float64 { return scale * math.Abs(random.NormFloat64()) }
	evening := func(at time.Time) float64 { // how bad it is: nothing at 17:30, most at 20:00
		return max(0, 1-math.Abs(at.Sub(sceneNow.Add(-8*time.Minute)).Minutes())/80)
	}
	targets := []sceneTarget{
		{"contact-centre-paris", agent.Periodic, time.Minute, func(at time.Time, n int) *probe.Result {
			return poorCall("contact-centre-paris", at, 0.004+noise(0.004)+0.085*evening(at), 0.001+noise(0.002))
		}},
		{"head-office", agent.Periodic, time.Minute, func(at time.Time, n int) *probe.Result {
			return poorCall("head-office", at, noise(0.001), noise(0.001))
		}},
		{"warehouse-lyon", agent.Periodic, 2 * time.Minute, func(at time.Time, n int) *probe.Result {
			if at.After(sceneNow.Add(-21*time.Minute)) || n%43 == 17 {
				return callFailedAtICE("warehouse-lyon", at)
			}
			return poorCall("warehouse-lyon", at, noise(0.002), noise(0.003))
		}},
		{"branch-lille", agent.Periodic, time.Minute, func(at time.Time, n int) *probe.Result {
			if at.After(sceneNow.Add(-14 * time.Minute)) {
				return nil
			}
			return poorCall("branch-lille", at, 0.01+noise(0.006), noise(0.002))
		}},
		{"call-centre-tunis", agent.Periodic, 2 * time.Minute, func(at time.Time, n int) *probe.Result {
			if n == 89 {
				return oneWayCall("call-centre-tunis", at)
			}
			return poorCall("call-centre-tunis", at, noise(0.002), 0.012+noise(0.008))
		}},
		{"remote-agents", agent.Periodic, 2 * time.Minute, func(at time.Time, n int) *probe.Result {
			if n > 84 {
				return untrustedCall("remote-agents", at)
			}
			return poorCall("remote-agents", at, 0.003+noise(0.004), 0.006+noise(0.006))
		}},
		{"sip-trunk", agent.Continuous, 0, nil},
		{"lab", agent.Periodic, 10 * time.Minute, nil},
	}
	sc.file = config.Config{Site: "paris-front-office"}
	var err error
	if built.folder, err = os.MkdirTemp("", "scene"); err != nil {
		return err
	}
	sc.store, err = history.Open(history.Config{Path: filepath.Join(built.folder, "history.db"), Gather: time.Nanosecond, Queue: 5000,
		Now: func() time.Time { return sc.clock }})
	if err != nil {
		return err
	}
	for _, one := range targets {
		sc.add(one, noise)
	}
	slices.SortStableFunc(sc.results, func(a, b *probe.Result) int { return a.Started.Add(a.Elapsed).Compare(b.Started.Add(b.Elapsed)) })
	for _, r := range sc.results {
		sc.store.Ended(agent.Job{}, r)
	}
	sc.status.Running, sc.status.ParallelCalls = 3, 50
	sc.flush(t)
	return nil
}

func (sc *scene) flush(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := sc.store.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

// add lets a target live through the scene.
func (sc *scene) add(one sceneTarget, noise func(float64) float64) {
	const before = 180 * time.Minute
	job := agent.Job{Mode: one.mode, Every: one.every, Renew: time.Hour,
		Target: probe.Target{Name: one.name, URL: "https://" + one.name + ".example.com/echo?key=secret"}}
	state := agent.JobStatus{Job: job, Next: sceneNow.Add(19 * time.Second)}
	began := sceneNow.Add(-before)
	for n := 0; one.call != nil; n++ {
		at := began.Add(time.Duration(n)*one.every + time.Duration(len(one.name))*time.Second)
		if at.Add(12 * time.Second).After(sceneNow) {
			break
		}
		if r := one.call(at, n); r != nil {
			sc.results = append(sc.results, r)
			state.Last = r
		}
	}
	if one.mode == agent.Continuous {
		sc.stayUp(&state, noise)
	}
	sc.status.Jobs = append(sc.status.Jobs, state)
}

// stayUp is a call that was renewed half an hour ago, whose predecessor is in
// the history.
func (sc *scene) stayUp(state *agent.JobStatus, noise func(float64) float64) {
	r := poorCall(state.Job.Name(), sceneNow.Add(-93*time.Minute), 0.004, 0.004)
	r.Elapsed, r.Windows = time.Hour, nil
	for n := range 720 {
		bad := 0.0
		if n > 300 && n < 380 {
			bad = 0.03
		}
		w := sceneWindow(time.Duration(n)*5*time.Second, 0.002+noise(0.003), noise(0.002)+bad, noise(2))
		if n == 333 || n == 334 {
			w.Trusted, w.Uplink.Score, w.Downlink.Score = false, nil, nil
		}
		r.Windows = append(r.Windows, w)
	}
	sc.results = append(sc.results, r)
	for _, w := range r.Windows {
		sc.clock = r.Started.Add(w.Start + w.Length)
		sc.store.Window(state.Job, r.ID, w)
	}
	for n := range 396 {
		sc.clock = sceneNow.Add(-33*time.Minute + time.Duration(n+1)*5*time.Second)
		sc.store.Window(state.Job, "", sceneWindow(0, 0.001+noise(0.002), 0.001+noise(0.002), noise(2)))
	}
	last := sceneWindow(33*time.Minute, 0.001, 0.002, 1)
	state.Last, state.Next = r, time.Time{}
	state.Calls = []agent.Call{{ID: "fedcba9876543210", Started: sceneNow.Add(-33*time.Minute - 7*time.Second), Windows: 396, Last: &last}}
}

// sceneMOS is a score for a loss; any falling curve does for a page.
func sceneMOS(loss float64) float64 { return max(1, 4.41-26*loss+60*loss*loss) }

func sceneDirection(expected int64, loss, jitter float64) probe.Direction {
	lost := int64(math.Round(loss * float64(expected)))
	m := sceneMOS(float64(lost) / float64(expected))
	d := probe.Direction{
		Evidence: probe.EvidenceStamps, Expected: expected, Received: expected - lost, Lost: lost, Discarded: lost / 6,
		Jitter: time.Duration(jitter * float64(ms)), JitterMax: time.Duration(1.4 * jitter * float64(ms)),
		Variation: probe.Quantiles{Count: expected - lost, P50: 1 * ms, P95: time.Duration(3 * jitter * float64(ms)), P99: 12 * ms, Max: 20 * ms},
		Burst:     probe.Burst{Count: lost / 9, Duration: 80 * ms, R: 1.4},
		Score: &probe.Score{Scale: "nb", R: 20 * m, MOS: m, MOSLow: m - 0.1, MOSHigh: min(m+0.05, 4.41), MOSListening: m + 0.02,
			DelayCost: 0.2, LossCost: 93.2 - 20*m},
	}
	return d
}

func sceneWindow(start time.Duration, up, down, jitter float64) probe.Window {
	trip := time.Duration((23 + 2*jitter) * float64(ms))
	return probe.Window{Start: start, Length: 5 * time.Second, Trusted: true,
		Uplink: sceneDirection(250, up, 2+jitter), Downlink: sceneDirection(250, down, 1+jitter/2),
		RTT: probe.Quantiles{Count: 250, Min: 20 * ms, P50: trip, P95: trip + 6*ms, P99: trip + 9*ms, Max: trip + 30*ms}}
}

// goodCall is a call without a flaw, as a base for others.
func goodCall(name string, at time.Time) *probe.Result {
	r := &probe.Result{
		ID: fmt.Sprintf("%08x%08x", len(name)*7919+int(name[0]), at.Unix()), Name: name, Site: "paris-front-office",
		Target: "https://" + name + ".example.com/echo", Started: at, Elapsed: 11200 * ms, Verdict: probe.Good,
		Steps: []probe.Step{
			{Layer: probe.LayerResolve, State: probe.StateOK, Start: 3 * ms, Took: 1200 * us, Detail: "192.0.2.7"},
			{Layer: probe.LayerConnect, State: probe.StateOK, Start: 4200 * us, Took: 12400 * us, Detail: "192.0.2.7:443"},
			{Layer: probe.LayerTLS, State: probe.StateOK, Start: 17 * ms, Took: 25 * ms, Detail: "TLS 1.3, certificate of " + name + ".example.com until 2027-01-31"},
			{Layer: probe.LayerSignaling, State: probe.StateOK, Start: 42 * ms, Took: 14800 * us, Detail: "201 Created"},
			{Layer: probe.LayerGather, State: probe.StateOK, Took: 2900 * us, Detail: "1 host, 1 srflx"},
			{Layer: probe.LayerICE, State: probe.StateOK, Start: 57 * ms, Took: 17 * ms, Detail: "host 198.51.100.4:41234 ↔ host 192.0.2.7:40000"},
			{Layer: probe.LayerDTLS, State: probe.StateOK, Start: 74 * ms, Took: 38 * ms, Detail: "AEAD_AES_128_GCM, this side is the client"},
			{Layer: probe.LayerMedia, State: probe.StateOK, Start: 112 * ms, Took: 11050 * ms, Detail: "500 packets sent, 497 came back, the first after 140ms"},
			{Layer: probe.LayerAudio, State: probe.StateOK, Start: 11162 * ms, Took: 24 * us, Detail: "497 of 497 returned frames are the ones that were sent"},
			{Layer: probe.LayerQuality, State: probe.StateOK, Start: 11162 * ms, Took: 1 * us, Detail: "within all limits"},
		},
		FirstMedia: 140 * ms,
		Codec:      &probe.Codec{Name: "PCMU", ClockRate: 8000, Frame: 20 * ms},
		Route: &probe.Route{
			Local:  probe.Endpoint{Address: netip.MustParseAddrPort("198.51.100.4:41234"), Type: "host", Protocol: "udp"},
			Remote: probe.Endpoint{Address: netip.MustParseAddrPort("192.0.2.7:40000"), Type: "host", Protocol: "udp"},
		},
		Echo:         probe.EchoStamping,
		Certificates: []probe.Certificate{{Hop: name + ".example.com:443", NotAfter: time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)}},
		RoundTrip:    probe.RoundTrip{Sent: 500, Returned: 497, RTT: probe.Quantiles{Count: 497, Min: 21 * ms, P50: 24 * ms, P95: 31 * ms, P99: 36 * ms, Max: 58 * ms}},
		Audio:        probe.Audio{State: probe.AudioOK, Checked: 497, Matched: 497},
		Self: probe.Self{Trusted: true, KernelTimestamps: true,
			SendLate:    probe.Quantiles{Count: 500, P50: 24 * us, P95: 41 * us, P99: 56 * us, Max: 130 * us},
			ReceiveWake: probe.Quantiles{Count: 497, P50: 31 * us, P95: 60 * us, P99: 88 * us, Max: 400 * us}},
	}
	r.Uplink, r.Downlink = sceneDirection(500, 0, 2), sceneDirection(500, 0, 1)
	r.Windows = []probe.Window{sceneWindow(0, 0, 0, 1), sceneWindow(5*time.Second, 0, 0, 1.4)}
	r.Summary = fmt.Sprintf("The call to %s is good in both directions: MOS %.2f up, %.2f down.", name, r.Uplink.Score.MOS, r.Downlink.Score.MOS)
	return r
}

// poorCall loses these shares in each direction; it is good when they are small.
func poorCall(name string, at time.Time, up, down float64) *probe.Result {
	r := goodCall(name, at)
	r.Uplink, r.Downlink = sceneDirection(500, up, 2+60*up), sceneDirection(500, down, 1+40*down)
	r.Windows = []probe.Window{sceneWindow(0, up*0.8, down, 1+40*up), sceneWindow(5*time.Second, up*1.2, down, 1+60*up)}
	r.Summary = fmt.Sprintf("The call to %s is good in both directions: MOS %.2f up, %.2f down.", name, r.Uplink.Score.MOS, r.Downlink.Score.MOS)
	if loss := r.Uplink.LossRatio(); loss > 0.03 {
		r.Verdict = probe.Degraded
		r.Steps[9].State = probe.StateDegraded
		r.Steps[9].Detail = fmt.Sprintf("uplink loses %.1f %%, limit 3.0 %%; uplink MOS %.2f, limit 3.60", 100*loss, r.Uplink.Score.MOS)
		r.Summary = fmt.Sprintf("The call to %s works, but its quality is poor: uplink loses %.1f %%, limit 3.0 %%.", name, 100*loss)
	}
	return r
}

// failedCall broke at a layer: what comes after it did not run.
func failedCall(name string, at time.Time, layer probe.Layer, code probe.Code, took time.Duration, err error) *probe.Result {
	r := goodCall(name, at)
	r.Verdict = probe.Failed
	r.Failure = &probe.Failure{Layer: layer, Code: code, Hint: code.Hint(), Err: err}
	r.Summary = fmt.Sprintf("The call to %s failed at %s: %s.", name, layerName(layer), code.Meaning())
	after := false
	for i := range r.Steps {
		s := &r.Steps[i]
		switch {
		case s.Layer == layer:
			s.State, s.Took, s.Detail = probe.StateFailed, took, err.Error()
			r.Elapsed, after = s.Start+took, true
		case after:
			*s = probe.Step{Layer: s.Layer, State: probe.StateNotRun}
		}
	}
	r.FirstMedia, r.Codec, r.Route, r.Echo = 0, nil, nil, probe.EchoUnknown
	r.Uplink, r.Downlink = probe.Direction{Evidence: probe.EvidenceNone}, probe.Direction{Evidence: probe.EvidenceNone}
	r.RoundTrip, r.Audio, r.Self, r.Windows = probe.RoundTrip{}, probe.Audio{State: probe.AudioNotChecked}, probe.Self{}, nil
	return r
}

func callFailedAtICE(name string, at time.Time) *probe.Result {
	return failedCall(name, at, probe.LayerICE, probe.CodeNoPair, 10*time.Second,
		errors.New("no candidate pair answered within 10s: tried host 198.51.100.4:41234 with host 192.0.2.7:40000"))
}

// oneWayCall heard nothing but reports: what was sent arrived, nothing returned.
func oneWayCall(name string, at time.Time) *probe.Result {
	r := failedCall(name, at, probe.LayerMedia, probe.CodeOneWay, 4*time.Second,
		errors.New("the far end received 198 packets, nothing came back within 4s"))
	r.Codec = &probe.Codec{Name: "PCMU", ClockRate: 8000, Frame: 20 * ms}
	r.Uplink = probe.Direction{Evidence: probe.EvidenceRTCP, Expected: 198, Received: 198, Jitter: 125 * us}
	r.RoundTrip.Sent = 200
	r.Audio.State = probe.AudioOneWay
	r.Self = probe.Self{Trusted: true, KernelTimestamps: true, SendLate: probe.Quantiles{Count: 200, P50: 20 * us, P95: 30 * us, P99: 40 * us, Max: 50 * us}}
	return r
}

func untrustedCall(name string, at time.Time) *probe.Result {
	r := goodCall(name, at)
	r.Verdict = probe.Untrusted
	r.Self.Trusted = false
	r.Self.SlotsMissed, r.Self.SocketDrops = 31, 7
	r.Self.Reasons = []string{"31 of 500 send slots were missed, 1 % is the limit", "this host dropped 7 packets at the probe's own socket"}
	r.Uplink.Score, r.Downlink.Score = nil, nil
	for i := range r.Windows {
		r.Windows[i].Trusted, r.Windows[i].Uplink.Score, r.Windows[i].Downlink.Score = false, nil, nil
	}
	r.Steps[9].State, r.Steps[9].Detail = probe.StateNotApplicable, "not judged: "+r.Self.Reasons[0]
	r.Summary = "The call to " + name + " went through, but its quality could not be measured: " + r.Self.Reasons[0] + "."
	return r
}

// emptyCall holds nothing but its name.
func emptyCall(name string, at time.Time) *probe.Result {
	return &probe.Result{ID: "empty", Name: name, Started: at, Verdict: probe.Failed}
}
