package exporter

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/internal/catalog"
	"github.com/earshot-voip/earshot/probe"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs: run go test ./internal/exporter -update and read the diff", path)
	}
}

// notYet are the failures that have not happened: as many lines as there are
// codes, which are no matter of this package.
var notYet = regexp.MustCompile(`(?m)^earshot_calls_failed_total\{.*\} 0(\.0)?\n`)

func brief(text string) string { return notYet.ReplaceAllString(text, "") }

// scene is an agent with a target of each mode after an eventful hour.
func scene() *Exporter {
	status := agent.Status{Running: 1, Waiting: 2, ParallelCalls: 50, BytesToday: 12345, BytesPerDay: 1 << 30, Retests: 3, RetestsDenied: 1}
	receivers := []catalog.Receiver{{
		Name: "central", Protocol: "1.0",
		Collected: 1000, Sent: 900, Rejected: 3, Dropped: 4, Damaged: 5, Retries: 6, Backlog: 88, BacklogBytes: 777, BacklogLimit: 1 << 28,
		Oldest: time.Now().Add(-90 * time.Second), LastSent: time.Now().Add(-100 * time.Second),
	}, {Name: "spare", Protocol: "2.0", BacklogLimit: 1 << 25}}
	e := New(Config{
		Site: "paris", Version: "1.2.3", Revision: "abc", GoVersion: "go1.26",
		Status:    func() agent.Status { return status },
		Receivers: func() []catalog.Receiver { return receivers },
		History: func() catalog.History {
			return catalog.History{Written: 240, Dropped: 3, SetAside: 1, Waiting: 7, Bytes: 5 << 20, Limit: 256 << 20, Writable: true}
		},
	})
	e.Reloaded(true)
	e.Added(office)
	e.Added(core)
	place(e, office, goodCall("c1"))
	place(e, office, failedCall("c2", probe.CodeConsentLost))
	place(e, office, goodCall("c3"))
	branch := office
	branch.Target.Name = "branch"
	e.Added(branch)
	place(e, branch, failedCall("c5", probe.CodeTLSExpired))
	e.Window(core, "c4", window())
	untrusted := window()
	untrusted.Trusted, untrusted.Self.SlotsMissed = false, 7
	e.Window(core, "c4", untrusted)
	e.Window(core, "c4", window())
	status.Jobs = []agent.JobStatus{
		{Job: office, Next: time.Now().Add(time.Minute), Skipped: 2, Late: 30 * ms},
		{Job: branch},
		{Job: core, Calls: []agent.Call{{ID: "c4"}}},
	}
	return e
}

func TestExpositionIsAsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := scene()
		golden(t, "agent.prom", brief(exposition(t, textFormat, e)))
		golden(t, "agent.openmetrics", brief(exposition(t, openMetrics, e)))
	})
}

func TestOneShotIsAsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		golden(t, "shot.prom", brief(render(t, textFormat, Shot(office.Target, goodCall("c1")))))
		golden(t, "shot_failed.prom", brief(render(t, textFormat, Shot(office.Target, failedCall("c2", probe.CodeNoPair)))))
	})
}

// Every metric of the catalog is in one of the expositions, under its name and
// with its help.
func TestExpositionsHoldTheCatalog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := exposition(t, textFormat, scene()) + render(t, textFormat, Shot(office.Target, goodCall("c1")))
		for _, m := range catalog.All() {
			if !strings.Contains(text, "# HELP "+m.Name+" "+m.Help+"\n# TYPE "+m.Name+" "+string(m.Type)+"\n") {
				t.Errorf("%s is not shown", m.Name)
			}
		}
	})
}

func TestLintersAreContent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(scene())
		for name, g := range map[string]prometheus.Gatherer{"agent": registry, "one-shot": Shot(office.Target, goodCall("c1"))} {
			problems, err := testutil.GatherAndLint(g)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range problems {
				t.Errorf("%s: %s: %s", name, p.Metric, p.Text)
			}
		}
	})
}
