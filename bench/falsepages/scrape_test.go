package main

import (
	"bytes"
	"encoding/gob"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/internal/exporter"
	"github.com/earshot-voip/earshot/probe"
)

// read decodes frames into the values of each series, by time.
func read(t *testing.T, in io.Reader) map[string]map[int64]float64 {
	t.Helper()
	frames := gob.NewDecoder(in)
	var names []string
	got := map[string]map[int64]float64{}
	for {
		var f frameOut
		if err := frames.Decode(&f); errors.Is(err, io.EOF) {
			return got
		} else if err != nil {
			t.Fatal(err)
		}
		for _, labels := range f.Series {
			name := strings.Join(labels, " ")
			names = append(names, name)
			got[name] = map[int64]float64{}
		}
		for i, id := range f.IDs {
			got[names[id]][f.At] = f.Values[i]
		}
	}
}

func TestScrapesSayWhatEnds(t *testing.T) {
	var text bytes.Buffer
	f := newFeed(&text)
	wanted := map[string]bool{"earshot_windows_total": true, "earshot_uplink_jitter_seconds": true}
	reader := newScraper(f, "a:9725", wanted)
	job := agent.Job{Target: probe.Target{Name: "x", URL: "https://x.example/echo"}, Mode: agent.Continuous, Renew: time.Hour}
	e := exporter.New(exporter.Config{Site: "a"})
	e.Added(job)
	w := lab().windowOf(lab().paths["x"], modelOf("opus"), monday, monday, monday.Add(windowLength))
	for range 3 {
		e.Window(job, "id", w.Window)
	}
	for i, one := range []*exporter.Exporter{e, nil, nil, e} {
		if err := reader.scrape(time.UnixMilli(int64(1000*i)), one); err != nil {
			t.Fatal(err)
		}
	}
	got := read(t, &text)
	if len(got) != 3 {
		t.Fatalf("series: got %v, want the counter, and the sum and the count of the histogram", got)
	}
	const labels = " instance a:9725 job earshot target x"
	for name, want := range map[string]float64{
		"earshot_windows_total": 3, "earshot_uplink_jitter_seconds_count": 3, "earshot_uplink_jitter_seconds_sum": 3 * w.Uplink.JitterMean.Seconds(),
	} {
		values := got["__name__ "+name+labels]
		if len(values) != 3 || math.Abs(values[0]-want) > 1e-9 || math.Abs(values[3000]-want) > 1e-9 || math.Float64bits(values[1000]) != 0x7ff0000000000002 {
			t.Errorf("%s: got %v, want %v at 0 and 3000, and its end at 1000", name, values, want)
		}
	}
}

func TestRulesAreReadFor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rules.yml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("expr: rate(earshot_rtt_seconds_sum[1m]) / earshot_windows_total > earshot_made_up + earshot:windows:x")
	wanted, err := readByRules([]string{file})
	if err != nil || len(wanted) != 2 || !wanted["earshot_rtt_seconds"] || !wanted["earshot_windows_total"] {
		t.Errorf("got %v, %v", wanted, err)
	}
	write("expr: histogram_quantile(0.9, rate(earshot_rtt_seconds_bucket[1m]))")
	if _, err := readByRules([]string{file}); err == nil {
		t.Error("buckets are asked for, and nobody complains")
	}
}

// Every family that the rules read is one that the simulated probes show, or is
// known to be missing.
func TestSimulatedProbesShowWhatRulesRead(t *testing.T) {
	files, err := filepath.Glob("../../dashboards/rules/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("rules: %v, %v", files, err)
	}
	wanted, err := readByRules(files)
	if err != nil {
		t.Fatal(err)
	}
	missing := []string{
		"earshot_remote_write_backlog_age_seconds", "earshot_history_writable", // nothing is pushed or kept
		"earshot_call_failure_info", // shown after a failure alone
	}
	var text bytes.Buffer
	out := simulateForTest(t, plan{Seed: 1, Start: 2*time.Hour - time.Minute, Span: 10 * time.Minute, Scrape: 15 * time.Second}, newFeed(&text), wanted)
	if out.Windows == 0 || out.Calls == 0 || out.Untrusted == 0 {
		t.Errorf("nothing happened: %+v", out)
	}
	shown := map[string]bool{}
	for name := range read(t, &text) {
		metric := strings.Fields(name)[1]
		shown[metric] = true
		shown[strings.TrimSuffix(metric, "_count")] = true
	}
	for name := range wanted {
		if !shown[name] && !slices.Contains(missing, name) {
			t.Errorf("the rules read %s, and no simulated probe shows it", name)
		}
	}
}
