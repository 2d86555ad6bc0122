//go:build peers

package dashgen

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// rightlyEmpty are queries that return nothing here, with the reason, by the
// board's file or the group and the title of the panel or the alert.
var rightlyEmpty = map[string]string{
	"target.json/Certificates":                 "the targets speak plain HTTP",
	"target.json/DSCP":                         "not known of every kernel's loopback",
	"probe-health.json/Push: what waits":       "nothing is pushed",
	"probe-health.json/Push: samples":          "nothing is pushed",
	"probe-health.json/Slots skipped":          "no slot was skipped",
	"probe-health.json/Media of a day":         "no budget is set",
	"probe-health.json/Calls":                  "no limit is set",
	"earshot-facts/EarshotCertificateExpires":  "the targets speak plain HTTP",
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
	"earshot-probe/EarshotProbeUntrusted":      "it depends on the host's load",
	"earshot-trend/earshot:loss:ratio50s":      "on a busy host too few windows are trusted",
	"earshot-trend/earshot:loss:max1h":         "on a busy host too few windows are trusted",
	"earshot-budget/EarshotCallsDegraded":      "no call is degraded",
	"earshot-trend/EarshotLossRising":          "nothing rises",
	"earshot-trend/EarshotJitterRising":        "nothing rises",
	"earshot-trend/EarshotDelayRising":         "nothing rises",
	"earshot-trend/EarshotMOSSinking":          "nothing sinks",
	"earshot-now/EarshotMediaLost":             "no call is silent",
	"earshot-now/EarshotAudioLost":             "the audio is right",
	"earshot-now/earshot:target_blame:now":     "not every kind of blame can hold at once",
	"earshot-budget/EarshotBudgetBurnsFast":    "it depends on how much of the time was bad",
	"earshot-budget-long/EarshotBudgetBurns":   "there are too few windows yet",
	"earshot-budget-long/EarshotBudgetShrinks": "there are too few windows yet",
	"overview.json/Alerts that fire":           "a page may be on or not",
}

// lab is an echo, an agent that calls it, and a Prometheus that reads the agent
// and evaluates the rules.
type lab struct{ prometheus string }

// watch is how long the lab runs before it is asked: the trend's own normal ends
// two minutes ago.
const watch = 200 * time.Second

func startLab(t *testing.T) lab {
	t.Helper()
	prometheus, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatalf("%v: install Debian's package prometheus", err)
	}
	dir := t.TempDir()
	earshot := filepath.Join(dir, "earshot")
	if out, err := exec.Command("go", "build", "-o", earshot, "../../cmd/earshot").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rules, err := filepath.Abs("../../dashboards/rules")
	if err != nil {
		t.Fatal(err)
	}
	good, poor, web, prom := port(t), port(t), port(t), port(t)
	write(t, filepath.Join(dir, "agent.yml"), fmt.Sprintf(`
site: lab
defaults: {codec: pcmu, window: 1s, duration: 3s, every: 10s}
history: {path: %s/history}
targets:
  - {name: line, url: "http://%s/echo", mode: continuous}
  - {name: poor, url: "http://%s/echo", mode: continuous, limits: {bad_mos: 4.3}}
  - {name: schedule, url: "http://%s/echo"}
  - {name: dead, url: "http://127.0.0.1:1/echo"}
`, dir, good, poor, good))
	write(t, filepath.Join(dir, "prometheus.yml"), fmt.Sprintf(`
global: {scrape_interval: 5s, evaluation_interval: 5s}
rule_files: ["%s/*.yml"]
scrape_configs: [{job_name: earshot, static_configs: [{targets: ["%s"]}]}]
`, rules, web))
	run(t, dir, earshot, "echo", "--listen", good)
	run(t, dir, earshot, "echo", "--listen", poor, "--impair-up", "loss=12%,burst=3,jitter=15ms,delay=20ms,duplicate=2%,seed=1", "--impair-down", "loss=12%,burst=3,reorder=3%,hold=40ms,delay=20ms,seed=2")
	time.Sleep(time.Second)
	run(t, dir, earshot, "agent", "--config", filepath.Join(dir, "agent.yml"), "--web.listen-address", web)
	run(t, dir, prometheus, "--config.file", filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path", filepath.Join(dir, "data"),
		"--web.listen-address", prom, "--enable-feature=native-histograms,exemplar-storage", "--log.level=warn")
	return lab{prom}
}

// run starts a program that the test ends.
func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(dir, fmt.Sprintf("%s-%s.log", filepath.Base(name), args[0])))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		defer log.Close()
		select {
		case err := <-ended:
			text, _ := os.ReadFile(log.Name())
			t.Errorf("%s ended early: %v\n%s", name, err, text)
			return
		default:
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
}

func port(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// ask returns how many series a query gave at any time of the last minutes.
func (l lab) ask(t *testing.T, expr string) int {
	t.Helper()
	now := time.Now()
	response, err := http.Get("http://" + l.prometheus + "/api/v1/query_range?step=5&query=" + url.QueryEscape(expr) +
		fmt.Sprintf("&start=%d&end=%d", now.Add(-watch).Unix(), now.Unix()))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct{ Result []any }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if answer.Status != "success" {
		t.Errorf("%s: %s", answer.Error, expr)
	}
	return len(answer.Data.Result)
}

// fill puts values in for a board's variables, as Grafana does.
func fill(expr string) string {
	return strings.NewReplacer("$__rate_interval", "1m", "$__range", "3m", "$job", ".+", "$instance", ".+", "$target|", ".*", "$target", ".+", "$site", ".*").Replace(expr)
}

// Every query of every board and rule is valid, and returns data or is listed.
func TestEveryExpressionReturnsData(t *testing.T) {
	l := startLab(t)
	time.Sleep(watch)
	empty := map[string]bool{}
	check := func(where, expr string) {
		switch n := l.ask(t, expr); {
		case n > 0:
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
				check(name+"/"+p.Title, fill(q.Expr))
				queries++
			}
		}
		for _, a := range b.Annotations.List {
			if a.Expr != "" {
				l.ask(t, fill(a.Expr))
			}
		}
	}
	for _, g := range Groups() {
		for _, r := range g.Rules {
			name := string(r.Record)
			if r.Alert != nil {
				name = r.Alert.Name
			}
			check(g.Name+"/"+name, r.Expr)
			queries++
		}
	}
	t.Logf("%d queries, %d places empty for a known reason", queries, len(empty))

	// What is known to be wrong here is known to the alerts.
	if l.ask(t, `ALERTS{alertname="EarshotCallsFailing",alertstate="firing",target="dead",layer="connect",site="lab"}`) != 1 {
		t.Error("nobody is paged for the dead target")
	}
	if l.ask(t, `ALERTS{alertname="EarshotQualityCollapsed",alertstate="firing",target="poor"}`) == 0 {
		t.Error("nobody is paged for the poor target")
	}
	if n := l.ask(t, `ALERTS{alertstate="firing",severity="critical",target="line"}`); n != 0 {
		t.Errorf("%d pages for the good target", n)
	}
	// The native form is what heat maps ask for first.
	if l.ask(t, `histogram_count(earshot_rtt_seconds) > 0`) == 0 {
		t.Error("there are no native histograms")
	}
}
