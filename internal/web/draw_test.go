package web

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/internal/history"
	"github.com/earshot-voip/earshot/probe"
)

var nan = math.NaN()

// box is a plot whose units are those of the drawing, so that paths can be
// written down by hand.
func box() axes {
	return axes{x0: 0, x1: plotWidth, y0: 0, y1: plotHeight, gap: 100, limit: nan}
}

func TestPathsAreDrawnThroughWhatIsKnown(t *testing.T) {
	for name, c := range map[string]struct {
		x, y []float64
		want string
	}{
		"neighbours are joined":                    {[]float64{0, 50, 100}, []float64{100, 0, 50}, "M0 0L50 100L100 50"},
		"what is not known is a gap":               {[]float64{0, 50, 100}, []float64{10, nan, 30}, "M0 90M100 70"},
		"what is far apart is not joined":          {[]float64{0, 100, 250, 300}, []float64{0, 0, 0, 0}, "M0 100L100 100M250 100L300 100"},
		"beyond the box is cut in height":          {[]float64{0, 50}, []float64{-50, 500}, "M0 100L50 0"},
		"before the box is left out":               {[]float64{-50, 50, 60}, []float64{1, 2, 3}, "M50 98L60 97"},
		"nothing known draws nothing":              {[]float64{0, 50}, []float64{nan, nan}, ""},
		"a coordinate has one decimal and no more": {[]float64{1.0 / 3, 2}, []float64{99.96, 100}, "M0.3 0L2 0"},
	} {
		if got, _ := box().path(line{X: c.x, Y: c.y}); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestDotsOfManyValuesAreThoseWithoutNeighbours(t *testing.T) {
	l := line{}
	for i := range 120 {
		l.X, l.Y = append(l.X, float64(i)), append(l.Y, 50)
	}
	l.X, l.Y = append(l.X, 500, 900), append(l.Y, 25, nan)
	if _, dots := box().path(l); dots != "M500 75h0" {
		t.Errorf("got %s, want the one at 500", dots)
	}
	if _, dots := box().path(line{X: []float64{1, 2}, Y: []float64{0, 0}}); dots != "M1 100h0M2 100h0" {
		t.Errorf("got %s, want a dot for each of few", dots)
	}
}

// TestColumnsKeepTheWorst: a bad second must not vanish among a thousand good ones.
func TestColumnsKeepTheWorst(t *testing.T) {
	l := line{}
	for i := range 4000 {
		y := 40.0
		if i == 1234 {
			y = 10
		}
		l.X, l.Y = append(l.X, float64(i)/4), append(l.Y, y)
	}
	a := box()
	a.worstIsLow = true
	low := a.columns(l)
	a.worstIsLow = false
	for i := range l.Y {
		l.Y[i] = 50 - l.Y[i]
	}
	high := a.columns(l)
	if len(low.X) > plotColumns || len(high.X) > plotColumns {
		t.Errorf("%d and %d values in %d columns", len(low.X), len(high.X), plotColumns)
	}
	count := func(list []float64, v float64) (n int) {
		for _, y := range list {
			if y == v {
				n++
			}
		}
		return n
	}
	if count(low.Y, 10) != 1 || count(high.Y, 40) != 1 {
		t.Error("the worst value is not drawn")
	}
}

func TestColumnsKeepWhatIsNotKnownApart(t *testing.T) {
	l := line{}
	for i := range 1000 {
		y := 40.0
		if i >= 500 && i < 600 {
			y = nan
		}
		l.X, l.Y = append(l.X, float64(i)), append(l.Y, y)
	}
	path, _ := box().path(box().columns(l))
	if strings.Count(path, "M") != 2 {
		t.Errorf("the gap is drawn over: %s", path)
	}
}

func TestMarksOfOneColumnAreDrawnOnce(t *testing.T) {
	got := box().ticks([]mark{{10, "failed"}, {10.1, "failed"}, {10.2, "untrusted"}, {500, "failed"}, {-3, "failed"}, {2000, "failed"}})
	want := `<path class="mark failed" d="M10 0V100"/><path class="mark untrusted" d="M10.2 0V100"/><path class="mark failed" d="M500 0V100"/>`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTopsOfAxes(t *testing.T) {
	for _, c := range []struct{ least, largest, want float64 }{
		{0.01, 0, 0.01}, {0.01, nan, 0.01}, {0.01, 0.011, 0.02}, {0.001, 0.0201, 0.05}, {0.001, 0.05, 0.05}, {0.01, 0.51, 1}, {0.001, 2.1, 5}, {0, 0, 1},
	} {
		if got := niceMax(c.least, line{Y: []float64{c.largest}}); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("largest %v: got %v, want %v", c.largest, got, c.want)
		}
	}
	for x, want := range map[float64]float64{0: 0.001, 0.0011: 0.0012, 0.13: 0.16, 11: 12, 3.3: 4, 9: 10} {
		if got := rulerEnd(x); math.Abs(got-want) > 1e-12 {
			t.Errorf("ruler over %v: got %v, want %v", x, got, want)
		}
	}
}

func TestLadderBarsLieWhereTheirLayersRan(t *testing.T) {
	f := func(x float64) *float64 { return &x }
	rungs, ruler := ladder([]docLayer{
		{Layer: probe.LayerGather, State: probe.StateOK, Start: f(0), Seconds: f(0.02)},
		{Layer: probe.LayerICE, State: probe.StateOK, Start: f(0.04), Seconds: f(0.1)}, // set-up ends at 140 ms: a ruler of 160 ms
		{Layer: probe.LayerMedia, State: probe.StateOK, Start: f(0.14), Seconds: f(10)},
		{Layer: probe.LayerAudio, State: probe.StateOK, Start: f(10.2), Seconds: f(0.001)},
		{Layer: probe.LayerQuality, State: probe.StateNotRun},
	})
	if want := []string{"0", "40 ms", "80 ms", "120 ms", "160 ms"}; !reflect.DeepEqual(ruler, want) {
		t.Errorf("ruler %v, want %v", ruler, want)
	}
	for i, want := range []string{
		`class="bar ok" x="0" y="0" width="125"`, `class="bar ok" x="250" y="0" width="625"`, `class="bar ok open" x="875" y="0" width="125"`,
	} {
		if !strings.Contains(string(rungs[i].Bar), want) {
			t.Errorf("bar %d: got %s, want %s", i, rungs[i].Bar, want)
		}
	}
	if !rungs[3].Beyond || rungs[4].Ran {
		t.Errorf("got %+v and %+v", rungs[3], rungs[4])
	}
}

func TestWindowTableShowsTheWorstOfMany(t *testing.T) {
	var windows []docWindow
	for i := range 130 {
		m, l := 4.0, 0.01
		if i == 64 {
			m, l = 2.0, 0.2
		}
		windows = append(windows, docWindow{Start: float64(5 * i), Seconds: 5, Trusted: i != 66,
			Uplink: docDirection{LossRatio: &l, Score: &docScore{MOS: &m}}})
	}
	rows, merged := windowTable(windows)
	if merged != 3 || len(rows) != 44 {
		t.Fatalf("%d rows of %d windows", len(rows), merged)
	}
	r := rows[21] // windows 63 to 65
	if r.Start != 315*time.Second || *r.UpMOS != 2 || *r.UpLoss != 0.2 || !r.Trusted || r.DownMOS != nil || r.RTT != nil {
		t.Errorf("got %+v", r)
	}
	if rows[22].Trusted {
		t.Error("a window that was not trusted is shown as trusted")
	}
	if rows, merged := windowTable(nil); len(rows) != 0 || merged != 0 {
		t.Errorf("got %v %d of nothing", rows, merged)
	}
}

func TestAgo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "just now", 999 * time.Millisecond: "just now", time.Second: "1 s ago", 119 * time.Second: "119 s ago", 2 * time.Minute: "2 min ago",
		119 * time.Minute: "119 min ago", 2 * time.Hour: "2 h 0 min ago", 47*time.Hour + 59*time.Minute: "47 h 59 min ago", 48 * time.Hour: "2 days ago", -time.Minute: "in 60 s",
	} {
		if got := ago(sceneNow.Add(-d), sceneNow); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
	if got := ago(time.Time{}, sceneNow); got != "never" {
		t.Errorf("got %q", got)
	}
}

func TestNumbersStayWithTheirUnits(t *testing.T) {
	if got, want := sentence("loses 8.6 %, limit 3.0 %. 31 of 500 slots in 10 s, 20 ms late"), "loses 8.6\u00a0%, limit 3.0\u00a0%. 31 of 500 slots in 10\u00a0s, 20\u00a0ms late"; got != want {
		t.Errorf("got %q", got)
	}
}

// TestStates of targets, by what the agent says and when.
func TestStates(t *testing.T) {
	periodic := agent.Job{Target: probe.Target{Name: "p", URL: "https://p/"}, Mode: agent.Periodic, Every: time.Minute}
	staysUp := agent.Job{Target: probe.Target{Name: "c", URL: "https://c/"}, Mode: agent.Continuous, Renew: time.Hour}
	window := func(up float64, trusted bool, jitter time.Duration) *probe.Window {
		return &probe.Window{Start: 595 * time.Second, Length: 5 * time.Second, Trusted: trusted,
			Uplink: probe.Direction{Evidence: probe.EvidenceStamps, Expected: 250, Received: 250, Jitter: jitter, Score: &probe.Score{Scale: "nb", MOS: up}}}
	}
	blind := &probe.Window{Start: 595 * time.Second, Length: 5 * time.Second, Trusted: true, Uplink: probe.Direction{Evidence: probe.EvidenceNone}, Downlink: probe.Direction{Evidence: probe.EvidenceNone}}
	up := func(w *probe.Window, ago time.Duration) []agent.Call {
		return []agent.Call{{ID: "x", Started: sceneNow.Add(-10*time.Minute - ago), Last: w}}
	}
	for name, c := range map[string]struct {
		job   agent.JobStatus
		last  *history.Entry
		state State
		stale bool
	}{
		"no call yet":                                  {agent.JobStatus{Job: periodic}, nil, stateUnknown, false},
		"a good call just ended":                       {agent.JobStatus{Job: periodic, Last: goodCall("p", sceneNow.Add(-time.Minute))}, nil, stateGood, false},
		"a good call, and then two were missed":        {agent.JobStatus{Job: periodic, Last: goodCall("p", sceneNow.Add(-4*time.Minute))}, nil, stateGood, true},
		"a failed call":                                {agent.JobStatus{Job: periodic, Last: callFailedAtICE("p", sceneNow.Add(-time.Minute))}, nil, stateFailed, false},
		"after a restart the history knows":            {agent.JobStatus{Job: periodic}, entryOf(untrustedCall("p", sceneNow.Add(-30*time.Second))), stateUntrusted, false},
		"after a long stop the history is stale":       {agent.JobStatus{Job: periodic}, entryOf(goodCall("p", sceneNow.Add(-time.Hour))), stateGood, true},
		"a window within all limits":                   {agent.JobStatus{Job: staysUp, Calls: up(window(4.2, true, 0), 0)}, nil, stateGood, false},
		"a window with a bad score":                    {agent.JobStatus{Job: staysUp, Calls: up(window(3.5, true, 0), 0)}, nil, stateDegraded, false},
		"a window with much jitter":                    {agent.JobStatus{Job: staysUp, Calls: up(window(4.2, true, 31*time.Millisecond), 0)}, nil, stateDegraded, false},
		"a window that cannot be trusted":              {agent.JobStatus{Job: staysUp, Calls: up(window(4.2, false, 0), 0)}, nil, stateUntrusted, false},
		"a window of which nothing is known":           {agent.JobStatus{Job: staysUp, Calls: up(blind, 0)}, nil, stateUnknown, false},
		"a call that is up and says nothing":           {agent.JobStatus{Job: staysUp, Calls: up(window(4.2, true, 0), 30*time.Second)}, nil, stateGood, true},
		"a call that has just failed, another is up":   {agent.JobStatus{Job: staysUp, Last: callFailedAtICE("c", sceneNow.Add(-15*time.Second)), Calls: up(window(4.2, true, 0), time.Minute)}, nil, stateFailed, false},
		"a call that failed before the one that is up": {agent.JobStatus{Job: staysUp, Last: callFailedAtICE("c", sceneNow.Add(-time.Hour)), Calls: up(window(4.2, true, 0), 0)}, nil, stateGood, false},
	} {
		w := newWatch(c.job, c.last, sceneNow)
		if w.State != c.state || w.Stale != c.stale {
			t.Errorf("%s: got %s, stale %v, want %s, %v (%s)", name, w.State, w.Stale, c.state, c.stale, w.Why)
		}
	}
}

func entryOf(r *probe.Result) *history.Entry {
	e := history.NewEntry(r)
	return &e
}
