package drill

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
)

// stage is an echo and a monitoring system whose alerts fire by a table.
type stage struct {
	began  time.Time
	events []string
	set    []string
	fires  map[string][2]time.Duration // by name: from, to
	broken bool                        // alerts cannot be asked for
}

func (s *stage) drill(sc Scenario) Drill {
	s.began = time.Now()
	return Drill{
		Scenario: sc,
		Set: func(_ context.Context, c echo.Conditions) error {
			s.set = append(s.set, fmt.Sprintf("%s up %v down %v %s", clock(time.Since(s.began)), c.Up, c.Down, c.Fault))
			return nil
		},
		Alerts: func(context.Context) ([]Alert, error) {
			if s.broken {
				return nil, errors.New("nobody there")
			}
			var list []Alert
			for name, span := range s.fires {
				if now := time.Since(s.began); now >= span[0] && now < span[1] {
					list = append(list, Alert{map[string]string{"alertname": name, "severity": "critical", "direction": "downlink"}})
				}
			}
			return list, nil
		},
		Tell: func(e Event) { s.events = append(s.events, e.Clock()+" "+string(e.Kind)+" "+e.Text) },
	}
}

func scenario(t *testing.T, text string) Scenario {
	t.Helper()
	s, err := Parse("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const collapse = `
steps:
  - {at: 0s}
  - {at: 60s, down: "loss=10%"}
  - {at: 120s}
lasts: 300s
expect:
  - {alert: EarshotBad, labels: {direction: downlink}, from: 60s, within: 45s, gone: 240s}
`

func TestRunFollowsTheScriptAndTheAlerts(t *testing.T) {
	for _, row := range []struct {
		name     string
		fires    map[string][2]time.Duration
		state    State
		passed   bool
		events   []string
		mentions string
	}{
		{"an alert in time", map[string][2]time.Duration{"EarshotBad": {90 * time.Second, 200 * time.Second}}, InTime, true, []string{
			"00:00 changed all is well",
			"01:00 changed downlink loss=10%",
			`01:00 expected EarshotBad{direction="downlink"} by 01:45`,
			`01:30 fired EarshotBad{direction="downlink"}, 30s after its cause`,
			"02:00 changed all is well",
			`03:20 resolved EarshotBad{direction="downlink"}`,
		}, ""},
		{"an alert too late", map[string][2]time.Duration{"EarshotBad": {110 * time.Second, 200 * time.Second}}, Late, false, nil, "01:46 overdue"},
		{"an alert before its cause", map[string][2]time.Duration{"EarshotBad": {10 * time.Second, 200 * time.Second}}, Early, false, nil, "00:10 fired"},
		{"no alert", nil, Missing, false, nil, "01:46 overdue"},
		{"an alert that does not end", map[string][2]time.Duration{"EarshotBad": {90 * time.Second, time.Hour}}, Lasting, false, nil, "04:01 overdue"},
		{"another alert of ours pages", map[string][2]time.Duration{"EarshotBad": {90 * time.Second, 200 * time.Second}, "EarshotOther": {95 * time.Second, 100 * time.Second}},
			InTime, false, nil, "01:35 unexpected EarshotOther fires"},
		{"another alert of somebody else", map[string][2]time.Duration{"EarshotBad": {90 * time.Second, 200 * time.Second}, "DiskFull": {95 * time.Second, 100 * time.Second}},
			InTime, true, nil, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &stage{fires: row.fires}
				outcome, err := s.drill(scenario(t, collapse)).Run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if got := outcome.Findings[0].State; got != row.state || outcome.Passed() != row.passed {
					t.Errorf("got %s, passed %v; want %s, %v", got, outcome.Passed(), row.state, row.passed)
				}
				if row.events != nil && !reflect.DeepEqual(s.events, row.events) {
					t.Errorf("got\n%s\nwant\n%s", strings.Join(s.events, "\n"), strings.Join(row.events, "\n"))
				}
				if !strings.Contains(strings.Join(s.events, "\n"), row.mentions) {
					t.Errorf("got\n%s\nwant a line with %q", strings.Join(s.events, "\n"), row.mentions)
				}
				want := []string{"00:00 up clean down clean ", "01:00 up clean down loss=10% ", "02:00 up clean down clean ", "05:00 up clean down clean "}
				if !reflect.DeepEqual(s.set, want) {
					t.Errorf("the echo got %q, want %q", s.set, want)
				}
			})
		})
	}
}

func TestRunWithoutWatchingSaysNothingOfAlerts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{}
		d := s.drill(scenario(t, collapse))
		d.Alerts = nil
		outcome, err := d.Run(t.Context())
		if err != nil || outcome.Findings[0].State != NotWatched || !outcome.Passed() {
			t.Errorf("got %+v, %v", outcome, err)
		}
	})
}

func TestTroubleWithAlertsIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{broken: true}
		outcome, err := s.drill(scenario(t, collapse)).Run(t.Context())
		if err != nil || outcome.Passed() {
			t.Errorf("got %+v, %v; want no alert and no pass", outcome, err)
		}
		if n := strings.Count(strings.Join(s.events, "\n"), "trouble nobody there"); n != 1 {
			t.Errorf("told %d times", n)
		}
	})
}

func TestAnInterruptedDrillLeavesTheEchoWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{}
		ctx, cancel := context.WithTimeout(t.Context(), 70*time.Second)
		defer cancel()
		outcome, err := s.drill(scenario(t, collapse)).Run(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || outcome.Findings[0].State != Interrupted {
			t.Errorf("got %+v, %v", outcome, err)
		}
		if last := s.set[len(s.set)-1]; last != "01:10 up clean down clean " {
			t.Errorf("the echo was left with %q", last)
		}
	})
}

func TestAnEchoOfOurOwnIsKilledAndStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{}
		d := s.drill(scenario(t, "steps: [{at: 0s}, {at: 10s, stopped: true}, {at: 20s}]\nlasts: 30s"))
		d.Kill = func() error { s.set = append(s.set, "killed"); return nil }
		d.Start = func(context.Context) error { s.set = append(s.set, "started"); return nil }
		if _, err := d.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []string{"00:00 up clean down clean ", "killed", "started", "00:20 up clean down clean ", "00:30 up clean down clean "}
		if !reflect.DeepEqual(s.set, want) {
			t.Errorf("got %q, want %q", s.set, want)
		}
		d.Kill = nil
		if _, err := d.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "hint:") {
			t.Errorf("the echo of somebody else was to be killed: %v", err)
		}
	})
}

func TestAnEchoThatDoesNotFollowEndsTheDrill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := (&stage{}).drill(scenario(t, collapse))
		d.Set = func(context.Context, echo.Conditions) error { return errors.New("no") }
		if _, err := d.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "0s into the drill: no") {
			t.Errorf("got %v", err)
		}
	})
}
