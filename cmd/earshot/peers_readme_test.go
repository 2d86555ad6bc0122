//go:build peers

package main

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/earshot-voip/earshot/internal/prometheustest"
)

func errorf(format string, args ...any) error { return fmt.Errorf(format, args...) }

// readmeQueries are the queries of the README, in order.
func readmeQueries(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, block := range regexp.MustCompile("(?s)```promql\n(.*?)\n```").FindAllStringSubmatch(read(t, "../../README.md"), -1) {
		all = append(all, block[1])
	}
	return all
}

// readmeAnswer says what a query of the README must answer on this stage. The query is
// known by a part of it.
type readmeAnswer struct {
	part   string
	native bool // for a Prometheus with native histograms alone
	check  func(got []prometheustest.Series) error
}

// near wants the value of one target.
func near(got map[string]float64, target string, least, most float64) error {
	if v, has := got[target]; !has || !(v >= least && v <= most) {
		return errorf("%s: got %v, want %v to %v; all: %v", target, v, least, most, got)
	}
	return nil
}

// noneBut wants 0 of all targets but some.
func noneBut(got map[string]float64, but ...string) error {
	for target, v := range got {
		if v != 0 && !math.IsNaN(v) && !slices.Contains(but, target) {
			return errorf("%s: got %v, want 0", target, v)
		}
	}
	return nil
}

func empty(got []prometheustest.Series) error {
	if len(got) > 0 {
		return errorf("got %v, want nothing", got)
	}
	return nil
}

var answers = []readmeAnswer{
	{part: "unless count by (instance) (earshot_build_info)", check: empty},
	{part: "(target, layer, code) (increase(earshot_calls_failed_total[15m])) > 0", check: func(got []prometheustest.Series) error {
		if len(got) != 1 || got[0].Metric["target"] != "refused" || got[0].Metric["layer"] != "connect" || got[0].Metric["code"] == "" {
			return errorf("got %v, want the refused target at the layer connect alone", got)
		}
		return nil
	}},
	{part: "1 - sum by (target) (increase(earshot_calls_failed_total[1h]))", check: func(got []prometheustest.Series) error {
		shares := values(got, "target")
		if err := near(shares, "refused", 0, 0); err != nil {
			return err
		}
		return near(shares, "clean-07", 1, 1)
	}},
	{part: "sum by (target) (rate(earshot_uplink_packets_lost_total[15m])) /", check: func(got []prometheustest.Series) error {
		loss := values(got, "target")
		if err := near(loss, "lossy", 0.05, 0.16); err != nil {
			return err
		}
		return noneBut(loss, "lossy")
	}},
	{part: "unless rate(earshot_downlink_packets_lost_total", check: func(got []prometheustest.Series) error {
		if names := keys(values(got, "target")); !slices.Equal(names, []string{"lossy"}) {
			return errorf("got %v, want lossy", names)
		}
		return nil
	}},
	{part: "bottomk by (scale) (5, earshot_uplink_mos)", check: func(got []prometheustest.Series) error {
		mos := values(got, "target")
		if len(mos) != 5 {
			return errorf("got %d targets, want five of one scale: %v", len(mos), mos)
		}
		for target, v := range mos {
			if target != "lossy" && v <= mos["lossy"] {
				return errorf("%s has a MOS of %v, lossy of %v", target, v, mos["lossy"])
			}
		}
		return near(mos, "lossy", 1, 3.6)
	}},
	{part: "increase(earshot_uplink_windows_bad_total[1h])", check: func(got []prometheustest.Series) error {
		return near(values(got, "target"), "lossy", 0.8, 1)
	}},
	{part: "histogram_quantile(0.95, sum by (target, le) (rate(earshot_rtt_seconds_bucket", check: slowest},
	{part: "histogram_quantile(0.95, sum by (target) (rate(earshot_rtt_seconds[", native: true, check: slowest},
	{part: "histogram_quantile(0.9, sum by (target, layer, le)", check: func(got []prometheustest.Series) error {
		layers := map[string]bool{}
		for _, one := range got {
			if one.Metric["target"] == "secure" && one.Value.Value > 0 && one.Value.Value < 10 {
				layers[one.Metric["layer"]] = true
			}
		}
		for _, layer := range []string{"connect", "tls", "signaling", "ice", "dtls"} {
			if !layers[layer] {
				return errorf("no time of the layer %s of the target behind TLS: %v", layer, layers)
			}
		}
		return nil
	}},
	{part: "time() - earshot_call_last_timestamp_seconds", check: empty},
	{part: "earshot_certificate_not_after_timestamp_seconds", check: func(got []prometheustest.Series) error {
		if len(got) != 1 {
			return errorf("got %v, want one certificate", got)
		}
		return near(values(got, "target"), "secure", 9.9, 10)
	}},
	{part: "earshot_windows_untrusted_total", check: func(got []prometheustest.Series) error {
		shares := values(got, "instance")
		if len(shares) == 0 {
			return errorf("got nothing")
		}
		return noneBut(shares)
	}},
	{part: "earshot_remote_write_backlog_age_seconds > 300", check: empty},
	{part: "earshot_remote_write_samples_lost_total[1d]", check: empty},
}

// slowest wants the delay that the impaired echo adds in what its target sees.
func slowest(got []prometheustest.Series) error {
	rtt := values(got, "target")
	if err := near(rtt, "lossy", 0.080, 0.5); err != nil {
		return err
	}
	if rtt["clean-03"] >= rtt["lossy"] || !(rtt["clean-03"] > 0) {
		return errorf("got %v for a clean target, %v for the one with 80 ms more", rtt["clean-03"], rtt["lossy"])
	}
	return nil
}

// checkReadme asks every query of the README, and wants what it says.
func (s *stage) checkReadme() {
	s.t.Helper()
	queries := readmeQueries(s.t)
	if len(queries) != len(answers) {
		s.t.Errorf("the README has %d queries, the suite %d answers", len(queries), len(answers))
	}
	for _, query := range queries {
		i := slices.IndexFunc(answers, func(a readmeAnswer) bool { return strings.Contains(query, a.part) })
		if i < 0 {
			s.t.Errorf("no answer is known for %s", query)
			continue
		}
		sides := map[string]*prometheustest.Server{"scraped": s.scraping, "pushed": s.pushed}
		if answers[i].native {
			sides["scraped"] = s.native
		}
		for how, p := range sides {
			// What a target's window or call has just changed may be on its way.
			prometheustest.Eventually(s.t, how+": "+query, func() error { return answers[i].check(p.Query(query)) })
		}
	}
	s.t.Logf("%d queries of the README, asked where the agent is scraped and where it pushes", len(queries))
}
