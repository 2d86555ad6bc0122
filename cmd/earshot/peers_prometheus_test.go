//go:build peers

package main

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/catalog"
	"github.com/earshot-voip/earshot/internal/prometheustest"
)

// TestPeerPrometheus lets an agent with twenty targets be scraped and push at
// once. The receiver of the pushes is away for the middle third of the time.
func TestPeerPrometheus(t *testing.T) {
	s := setStage(t)
	agent := s.agent()
	third := minutes(t) / 3
	time.Sleep(third)
	s.pushed.Stop()
	away := time.Now()
	time.Sleep(third)
	waits, bytes := s.own(`earshot_remote_write_backlog_samples{receiver="suite"}`), s.own(`earshot_remote_write_backlog_bytes{receiver="suite"}`)
	if waits == 0 {
		t.Fatal("nothing waits while the receiver is away")
	}
	t.Logf("%.0f samples wait in %.0f bytes: %.2f bytes each", waits, bytes, bytes/waits)
	if age := s.own(`earshot_remote_write_backlog_age_seconds{receiver="suite"}`); age < third.Seconds()/2 {
		t.Errorf("got an oldest sample of %.0f s after an outage of %v", age, third)
	}
	s.pushed.Start()
	back := time.Now()
	time.Sleep(third)
	prometheustest.Eventually(t, "the backlog is delivered", func() error {
		if n := s.own(`earshot_remote_write_backlog_samples{receiver="suite"}`); n > 10_000 { // two collections
			return errorf("%.0f samples wait", n)
		}
		return nil
	})

	s.checkMetricsOfTheContract()
	s.checkExposition()
	s.checkCounts()
	s.checkNothingIsLost(away, back)
	s.checkReadme()
	s.checkEnd(agent)
}

// conditional are the metrics that this stage has no cause for.
var conditional = map[string]string{}

// checkMetricsOfTheContract wants every metric of the catalog in every
// Prometheus.
func (s *stage) checkMetricsOfTheContract() {
	s.t.Helper()
	present := func(p *prometheustest.Server, query string) bool {
		n, _ := p.Value("count(" + query + ")")
		return n > 0
	}
	found := 0
	for _, m := range catalog.All() {
		if why := conditional[m.Name]; why != "" {
			continue
		}
		name := m.Name
		if m.Type == catalog.Histogram {
			name += "_bucket"
		}
		for how, p := range map[string]*prometheustest.Server{"scraped": s.scraping, "pushed": s.pushed} {
			if how == "pushed" && m.FromShot != nil {
				continue // only /probe has them
			}
			if !present(p, name) {
				s.t.Errorf("%s is not there when %s", name, how)
				continue
			}
			found++
		}
		if m.Type != catalog.Histogram || m.FromShot != nil {
			continue
		}
		for how, p := range map[string]*prometheustest.Server{"scraped": s.native, "pushed": s.pushed} {
			if !present(p, "histogram_count("+m.Name+")") {
				s.t.Errorf("the native histogram %s is not there when %s", m.Name, how)
			}
		}
	}
	s.t.Logf("%d metrics of the catalog, found %d times", len(catalog.All()), found)
}

// checkExposition has promtool look at what the agent shows.
func (s *stage) checkExposition() {
	s.t.Helper()
	c := exec.Command("promtool", "check", "metrics")
	c.Stdin = strings.NewReader(s.exposition())
	if said, err := c.CombinedOutput(); err != nil || len(said) > 0 {
		s.t.Errorf("promtool check metrics: %v\n%s", err, said)
	}
}

// checkCounts wants every finished call in exactly one verdict.
func (s *stage) checkCounts() {
	s.t.Helper()
	for how, p := range map[string]*prometheustest.Server{"scraped": s.scraping, "pushed": s.pushed} {
		all, _ := p.Value(`sum(earshot_calls_total)`)
		apart, _ := p.Value(`sum(earshot_calls_good_total) + sum(earshot_calls_degraded_total) + sum(earshot_calls_failed_total) + sum(earshot_calls_untrusted_total)`)
		if all != apart || all < 20 {
			s.t.Errorf("%s: got %v calls, and %v by verdict", how, all, apart)
		}
		s.t.Logf("%s: %.0f calls", how, all)
	}
}

// checkNothingIsLost wants the samples of every counter at every collection since
// it first was there, also of the time in which the receiver was away.
func (s *stage) checkNothingIsLost(away, back time.Time) {
	s.t.Helper()
	for _, reason := range []string{"rejected", "full", "damaged"} {
		if n := s.own(`earshot_remote_write_samples_lost_total{reason="` + reason + `",receiver="suite"}`); n != 0 {
			s.t.Errorf("%.0f samples are lost: %s", n, reason)
		}
	}
	if s.own(`earshot_remote_write_protocol{protocol="1.0",receiver="suite"}`) != 1 {
		s.t.Error("the agent did not fall back to Remote Write 1.0, which is all that this Prometheus knows")
	}
	var collections []time.Time
	during := 0
	for _, one := range s.pushed.Query(`earshot_build_info{instance="probe",job="earshot",site="suite"}[1h]`)[0].Values {
		collections = append(collections, one.At)
		if one.At.After(away) && one.At.Before(back) {
			during++
		}
	}
	if least := int(back.Sub(away)/pushInterval) * 3 / 4; during < least {
		s.t.Errorf("got %d collections of the time in which the receiver was away, want at least %d", during, least)
	}
	samples, series := 0, 0
	for _, one := range s.pushed.Query(`{instance="probe",__name__=~"earshot_.*(_total|_count|_sum|_bucket)"}[1h]`) {
		series++
		samples += len(one.Values)
		first := slices.IndexFunc(collections, func(at time.Time) bool { return at.Equal(one.Values[0].At) })
		var got []time.Time
		for _, v := range one.Values {
			got = append(got, v.At)
		}
		// The queries are asked one after the other: one more collection may be in.
		if first < 0 || !slices.Equal(got[:min(len(got), len(collections)-first)], collections[first:]) {
			s.t.Fatalf("%v: got %d samples, want one at each of %d collections", one.Metric, len(got), len(collections)-max(first, 0))
		}
		if slices.ContainsFunc(one.Values[1:], func(v prometheustest.Sample) bool { return v.Value < one.Values[0].Value }) {
			s.t.Errorf("%v goes back", one.Metric)
		}
	}
	s.t.Logf("%d collections, %d of them while the receiver was away; %d samples in %d series of counters and histograms, none missing",
		len(collections), during, samples, series)
}

// checkEnd stops the agent and wants the silence to be noticed.
func (s *stage) checkEnd(agent *exec.Cmd) {
	s.t.Helper()
	if err := agent.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	if err := agent.Wait(); err != nil {
		s.t.Errorf("the agent ended with %v", err)
	}
	query := readmeQueries(s.t)[0]
	if !strings.Contains(query, "last_over_time(earshot_build_info") {
		s.t.Fatalf("the README's first query is %s", query)
	}
	for how, p := range map[string]*prometheustest.Server{"scraped": s.scraping, "pushed": s.pushed} {
		prometheustest.Eventually(s.t, "an agent that is gone is missed when "+how, func() error {
			if silent := p.Query(query); len(silent) != 1 {
				return errorf("got %v", silent)
			}
			return nil
		})
	}
}

// values lists the values of a query by a label.
func values(series []prometheustest.Series, label string) map[string]float64 {
	out := map[string]float64{}
	for _, one := range series {
		out[one.Metric[label]] = one.Value.Value
	}
	return out
}

func keys(m map[string]float64) []string { return slices.Sorted(maps.Keys(m)) }
