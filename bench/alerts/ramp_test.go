package main

import (
	"math"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/impair"
)

// shown is what an agent shows, as far as it matters here.
const shown = `# TYPE earshot_uplink_mos gauge
earshot_uplink_mos{scale="nb",target="office"} 4.1
earshot_uplink_mos{scale="fb",target="core"} 3.25
earshot_downlink_mos{scale="nb",target="office"} 3.9
earshot_downlink_mos{scale="fb",target="core"} 4.2
earshot_downlink_mos{scale="nb",target="silent"} NaN
earshot_target_limit_mos{target="office"} 3.6
`

func TestScoresAreThoseOfTheWorseDirection(t *testing.T) {
	l := &listener{scores: map[string][]score{}}
	at := time.Unix(1000, 0)
	l.take(at, []byte(shown))
	for target, want := range map[string]float64{"office": 3.9, "core": 3.25} {
		if got := l.scores[target]; len(got) != 1 || got[0] != (score{at, want}) {
			t.Errorf("%s: got %v, want one score of %v at %v", target, got, want, at)
		}
	}
	if len(l.scores) != 2 {
		t.Errorf("got scores of %d targets, want 2: %v", len(l.scores), l.scores)
	}
}

// scores are windows of 5 s since a time.
func scores(began time.Time, list ...float64) []score {
	var all []score
	for i, mos := range list {
		all = append(all, score{began.Add(time.Duration(i) * listenEvery), mos})
	}
	return all
}

func TestACrossingIsOfTheMeanOfThirtySeconds(t *testing.T) {
	began := time.Unix(1000, 0)
	for _, row := range []struct {
		name  string
		list  []float64
		after time.Duration // -1: never
	}{
		{"one bad window in six does not count", []float64{4.3, 4.3, 4.3, 4.3, 4.3, 1, 4.3, 4.3, 4.3}, -1},
		{"the second one does", []float64{4.3, 4.3, 4.3, 4.3, 4.3, 1, 1, 4.3}, 30 * time.Second},
		{"six that are just good do not", []float64{3.6, 3.6, 3.6, 3.6, 3.6, 3.6}, -1},
		{"what is older than half a minute is forgotten", []float64{4.3, 4.3, 4.3, 4.3, 4.3, 4.3, 1, 4.3, 4.3, 4.3, 4.3, 4.3, 1}, -1},
		{"few windows say nothing", []float64{1, 1, 1}, -1},
	} {
		l := &listener{scores: map[string][]score{"office": scores(began, row.list...)}}
		c := l.crossing("office", began.Add(-time.Second), began.Add(time.Minute))
		got := time.Duration(-1)
		if !c.at.IsZero() {
			got = c.at.Sub(began)
		}
		if got != row.after {
			t.Errorf("%s: got %v, want %v", row.name, got, row.after)
		}
	}
}

// A ramp of a percent a minute: with Opus, 131.9 less 115.9 * 3.32 / (3.32 + 10.33)
// is the R of 103.7 that has a MOS of 3.6 on the fullband scale.
func TestTheLeadIsToTheEarlierCrossing(t *testing.T) {
	onset := time.Unix(10_000, 0)
	r := &ramp{far: far{targets: []string{"a", "b"}}, codecs: []string{"opus", "opus"}, onset: onset, end: onset.Add(10 * time.Minute)}
	for at := -time.Minute; at < 10*time.Minute; at += 5 * time.Second {
		loss := max(at.Minutes(), 0) / 100
		r.injected = append(r.injected, injection{onset.Add(at), echo.Conditions{Up: impair.Profile{Loss: loss}}})
	}
	r.injected = append(r.injected, injection{r.end, echo.Conditions{}})
	const truth = 200 * time.Second
	told := func(after time.Duration, target, severity string) notice {
		return notice{at: onset.Add(after), alert: "EarshotLossRising", target: target, severity: severity}
	}
	good, bad := scores(onset, 4.3, 4.3, 4.3, 4.3), scores(onset.Add(150*time.Second), 3, 3, 3, 3, 3)
	for _, row := range []struct {
		name     string
		buffered bool
		notices  []notice
		scores   map[string][]score
		warned   int
		lead     time.Duration
	}{
		{"to what was injected", true, []notice{told(70*time.Second, "a", warning), told(80*time.Second, "b", warning)}, nil, 2, truth - 80*time.Second},
		{"to what was injected alone, if no buffer decides", false, []notice{told(70*time.Second, "a", warning), told(80*time.Second, "b", warning)},
			map[string][]score{"a": bad, "b": good}, 2, truth - 80*time.Second},
		{"to the windows, if they were bad before and a buffer decides", true, []notice{told(70*time.Second, "a", warning), told(80*time.Second, "b", warning)},
			map[string][]score{"a": bad, "b": good}, 2, 165*time.Second - 70*time.Second},
		{"a page is no warning, nor is one of before", true, []notice{told(-time.Second, "a", warning), told(70*time.Second, "a", critical), told(90*time.Second, "b", warning)}, nil, 1, truth - 90*time.Second},
	} {
		r.buffered = row.buffered
		o := r.outcome("opus", &pager{notices: row.notices}, &listener{scores: row.scores})
		if got := o.truth.at.Sub(onset); got != truth {
			t.Errorf("%s: the limit is crossed after %v, want %v", row.name, got, truth)
		}
		if o.of != 2 || o.warned != row.warned || o.lead != row.lead || !o.reached {
			t.Errorf("%s: got %d of %d, lead %v, want %d of 2, %v", row.name, o.warned, o.of, o.lead, row.warned, row.lead)
		}
	}
}

func TestWithoutACrossingTheLeadIsToTheEnd(t *testing.T) {
	onset := time.Unix(10_000, 0)
	r := &ramp{far: far{targets: []string{"a"}}, codecs: []string{"pcmu"}, onset: onset, end: onset.Add(10 * time.Minute),
		injected: []injection{{onset, echo.Conditions{Up: impair.Profile{Delay: 280 * time.Millisecond}}}}}
	p := &pager{notices: []notice{{at: onset.Add(time.Minute), target: "a", severity: warning}}}
	o := r.outcome("pcmu", p, &listener{})
	if o.reached || o.lead != 9*time.Minute {
		t.Errorf("got reached %v, lead %v; want false, 9m", o.reached, o.lead)
	}
	// 320 ms from mouth to ear, by hand: Idd 16.87, R 76.33.
	if math.Abs(o.truth.least-3.878) > 0.001 {
		t.Errorf("got a MOS of %.3f at 320 ms, want 3.878", o.truth.least)
	}
}
