package main

import (
	"errors"
	"io"
	"maps"
	"testing"
	"testing/synctest"
	"time"
)

func simulateForTest(t *testing.T, p plan, f *feed, wanted map[string]bool) (out outcome) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var err error
		if out, err = simulate(p, f, wanted); err != nil {
			t.Error(err)
		}
	})
	return out
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// An engine that died is no reason to simulate on.
func TestASimulationThatNobodyReadsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan{Seed: 1, Span: 30 * 24 * time.Hour, Scrape: 15 * time.Second}
		_, err := simulate(p, newFeed(broken{}), map[string]bool{"earshot_agent_info": true})
		if !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("got %v, want the feed's error", err)
		}
		if took := time.Since(monday); took > time.Minute {
			t.Errorf("it went on for %v", took)
		}
	})
}

func TestTheControlIsJudgedByWhomItPages(t *testing.T) {
	onset := monday.Add(10 * time.Hour)
	i := &incident{Site: "berlin", Span: 10 * time.Minute}
	page := func(site, target string, after time.Duration) firing {
		return firing{Name: "EarshotQualityCollapsed", Severity: "critical", Site: site, Target: target, From: onset.Add(after)}
	}
	warning := page("lyon", "trunk", time.Minute)
	warning.Severity = "warning"
	took, stray := judge(outcome{
		Continuous: []string{"berlin/trunk", "berlin/conference", "lyon/trunk"},
		Alerts: []firing{
			page("berlin", "trunk", 50*time.Second), page("berlin", "trunk", 35*time.Second), page("berlin", "trunk", 9*time.Minute),
			page("berlin", "reception", 40*time.Second), // not without pause: it may page
			page("lyon", "trunk", 40*time.Second), page("berlin", "trunk", -time.Second), page("berlin", "trunk", 20*time.Minute), warning,
		},
	}, onset, i)
	if want := (map[string]time.Duration{"berlin/trunk": 35 * time.Second, "berlin/conference": 0}); !maps.Equal(took, want) {
		t.Errorf("took %v, want %v", took, want)
	}
	if len(stray) != 3 || stray[0].Site != "lyon" || stray[1].From.After(onset) || stray[2].From.Before(onset.Add(19*time.Minute)) {
		t.Errorf("pages without reason: got %v", stray)
	}
}
