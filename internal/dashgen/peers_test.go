//go:build peers

package dashgen

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// rightlyEmpty are queries that return nothing here, with the reason, by the
// board's file or the group and the title of the panel or the alert.
var rightlyEmpty = map[string]string{
	"target.json/DSCP":                         "not known of every kernel's loopback",
	"probe-health.json/Push: what waits":       "nothing is pushed",
	"probe-health.json/Push: samples":          "nothing is pushed",
	"probe-health.json/Slots skipped":          "no slot was skipped",
	"earshot-facts/EarshotCertificateExpires":  "there is a lot of time left",
	"earshot-facts/EarshotPriorityLost":        "the marking did not change",
	"earshot-facts/EarshotOnlyRelayWorks":      "nothing is relayed",
	"earshot-facts/EarshotCodecChanged":        "half an hour has not passed",
	"earshot-probe/EarshotProbeMissing":        "the probe is there",
	"earshot-probe/EarshotTargetNotMeasured":   "all targets are measured",
	"earshot-probe/EarshotConfigRejected":      "the configuration is good",
	"earshot-probe/EarshotProbeDefect":         "no call panicked",
	"earshot-probe/EarshotHistoryStuck":        "the history can be written",
	"earshot-probe/EarshotPushBehind":          "nothing is pushed",
	"earshot-probe/EarshotScheduleSlips":       "no slot was skipped",
	"earshot-probe/EarshotProbeUntrusted":      "this host is trusted whatever it does",
	"earshot-trend/earshot:loss:ratio50s":      "there may be too few windows yet",
	"earshot-normal/earshot:loss:max1h":        "there may be too few windows yet",
	"earshot-normal/earshot:loss:ratio1h":      "there may be too few packets yet",
	"earshot-budget/EarshotCallsDegraded":      "it depends on the last calls",
	"earshot-trend/EarshotLossRising":          "there may be too little of a normal yet",
	"earshot-trend/EarshotJitterRising":        "there may be too little of a normal yet",
	"earshot-trend/EarshotDelayRising":         "there may be too little of a normal yet",
	"earshot-trend/EarshotMOSSinking":          "there may be too little of a normal yet",
	"earshot-now/EarshotMediaLost":             "no call is silent",
	"earshot-now/EarshotAudioLost":             "the audio is right",
	"earshot-now/earshot:target_blame:now":     "not every kind of blame can hold at once",
	"earshot-budget/EarshotBudgetBurnsFast":    "it depends on how much of the time was bad",
	"earshot-budget-long/EarshotBudgetBurns":   "there are too few windows yet",
	"earshot-budget-long/EarshotBudgetShrinks": "there are too few windows yet",
	"overview.json/Alerts that fire":           "a page may be on or not",
	// The picture of the target's board is of one target.
	"picture of target.json/Next call":                      "the call is being renewed",
	"picture of target.json/Why the last call failed":       "it worked",
	"picture of target.json/Failed calls by layer and code": "none failed",
}

// Every query of every board and rule is valid, and returns data or is listed.
// With PICTURES it also draws every board into that folder.
func TestEveryExpressionReturnsData(t *testing.T) {
	l := startLab(t)
	from, to := l.watch()
	s := scope{t: t, prometheus: l.prometheus, from: from, to: to, step: 5 * time.Second,
		variables: map[string]string{"job": ".+", "instance": ".+", "site": ".*", "target": ".+"}}
	ask := s.series
	empty := map[string]bool{}
	check := func(where string, series int, expr string) {
		switch {
		case series > 0:
		case rightlyEmpty[where] == "":
			t.Errorf("%s returns nothing:\n%s", where, expr)
		default:
			empty[where] = true
		}
	}
	queries := 0
	for name, b := range Boards() {
		for _, p := range b.Panels {
			for _, q := range p.Targets {
				check(name+"/"+p.Title, s.of(p).series(q.Expr), q.Expr)
				queries++
			}
		}
		for _, a := range b.Annotations.List {
			if a.Expr != "" {
				ask(a.Expr)
			}
		}
	}
	for _, g := range Groups() {
		for _, r := range g.Rules {
			name := string(r.Record)
			if r.Alert != nil {
				name = r.Alert.Name
			}
			check(g.Name+"/"+name, ask(r.Expr), r.Expr)
			queries++
		}
	}
	t.Logf("%d queries, %d places empty for a known reason", queries, len(empty))

	// What is known to be wrong here is known to the alerts.
	if ask(`ALERTS{alertname="EarshotCallsFailing",alertstate="firing",target="warehouse",layer="connect",site="paris"}`) != 1 {
		t.Error("nobody is paged for the dead target")
	}
	if ask(`ALERTS{alertname="EarshotQualityCollapsed",alertstate="firing",target="branch-vpn"}`) == 0 {
		t.Error("nobody is paged for the poor target")
	}
	if ask(`ALERTS{alertname="EarshotQualityCollapsed",alertstate="firing",target="contact-centre",direction="uplink",blame="site_path"}`) == 0 {
		t.Error("nobody is paged for the target that went bad from one site")
	}
	if n := ask(`ALERTS{alertstate="firing",severity="critical",target="sip-trunk"}`); n != 0 {
		t.Errorf("%d pages for the good target", n)
	}
	// The native form is what heat maps ask for first.
	if ask(`histogram_count(earshot_rtt_seconds) > 0`) == 0 {
		t.Error("there are no native histograms")
	}
	s.lowest()
	s.boards(os.Getenv("PICTURES"), l.paris)
}

// series is how many series a query has at any time of the scope.
func (s scope) series(expr string) int {
	return len(s.prometheus.QueryRange(s.fill(expr), s.from, s.to, s.step))
}

// lowest checks that the lowest MOS is that of all targets and both directions.
func (s scope) lowest() {
	want := math.Inf(1)
	for _, direction := range []string{"uplink", "downlink"} {
		for _, one := range s.prometheus.QueryAt("earshot_"+direction+"_mos", s.to) {
			want = min(want, one.Value.Value)
		}
	}
	for _, p := range overviewBoard().Panels {
		if p.Title != "Lowest MOS" {
			continue
		}
		if got := s.ask(p.Targets[0]); len(got) != 1 || got[0].Value.Value != want {
			s.t.Errorf("%s: got %+v, want %g", p.Title, got, want)
		}
	}
}

// boards draws every board, into a folder unless it has no name. What a panel is
// to show here it must show.
func (s scope) boards(folder, instance string) {
	for name, b := range Boards() {
		of := s
		if b.UID == string(boardTarget) {
			// As an alert leads to it.
			of.variables = map[string]string{"job": "earshot", "instance": instance, "site": ".*", "target": "contact-centre"}
		}
		text, height, empty := of.page(b)
		for _, title := range empty {
			if rightlyEmpty[name+"/"+title] == "" && rightlyEmpty["picture of "+name+"/"+title] == "" {
				s.t.Errorf("%s/%s shows nothing", name, title)
			}
		}
		if folder != "" {
			shoot(s.t, text, height, filepath.Join(folder, "board-"+strings.TrimSuffix(name, ".json")+".png"))
		}
	}
}
