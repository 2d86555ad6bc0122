package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

var start = time.Date(2000, 1, 3, 0, 0, 0, 0, time.UTC)

// asked are expressions of the kinds that the rules have.
var asked = []string{
	"x", "x > 3", "x offset 40s", "x - x offset 50s", `max by (a) (x{b=~"1|2"})`, "rate(x[1m])", "increase(x[5m])", "rate(x[10m] offset 2m)",
	"max_over_time(x[30s])", "count_over_time(x[10m:1m])", "x and on (a) y", `x unless on (a, b) y == 0`, "x * on (a) group_left (c) z",
	"absent(nothing)", "predict_linear(x[3m], 600)", "time() - y", "x >= bool 2", `count by (a) (x{b!="0"}) >= 2`,
}

// randomly feeds values of a few series, some of which end and begin again.
func randomly(t *testing.T, steps int, at func(now time.Time), stores ...storage.Appendable) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	var all []labels.Labels
	for a := range 3 {
		for b := range 3 {
			all = append(all, labels.FromStrings("__name__", "x", "a", fmt.Sprint(a), "b", fmt.Sprint(b)),
				labels.FromStrings("__name__", "y", "a", fmt.Sprint(a), "b", fmt.Sprint(b)))
		}
		all = append(all, labels.FromStrings("__name__", "z", "a", fmt.Sprint(a), "c", "site"))
	}
	values := make([]float64, len(all))
	there := make([]bool, len(all))
	for step := range steps {
		now := start.Add(time.Duration(step) * 15 * time.Second)
		for i, l := range all {
			was := there[i]
			if r.IntN(20) == 0 {
				there[i] = !there[i]
			}
			switch {
			case !there[i] && !was:
				continue
			case !there[i]:
				values[i] = math.Float64frombits(value.StaleNaN)
			case r.IntN(30) == 0 || math.IsNaN(values[i]):
				values[i] = 0
			case r.IntN(3) == 0:
				values[i] += float64(r.IntN(4))
			}
			for _, s := range stores {
				app := s.Appender(context.Background())
				if _, err := app.Append(0, l, now.UnixMilli(), values[i]); err != nil {
					t.Fatal(err)
				}
				if err := app.Commit(); err != nil {
					t.Fatal(err)
				}
			}
		}
		at(now)
	}
}

func newPromQL() *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, LookbackDelta: lookBack, EnableAtModifier: true, EnableNegativeOffset: true})
}

// same compares two answers, whatever their order.
func same(a, b promql.Vector) bool {
	text := func(v promql.Vector) []string {
		var list []string
		for _, s := range v {
			list = append(list, s.String())
		}
		slices.Sort(list)
		return list
	}
	return slices.Equal(text(a), text(b))
}

// The store answers as Prometheus' own database does, also when it has forgotten
// what no rule asks for.
func TestTheStoreAnswersAsPrometheusDoes(t *testing.T) {
	options := tsdb.DefaultOptions()
	options.WALSegmentSize = -1
	db, err := tsdb.Open(t.TempDir(), nil, nil, options, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	horizons := map[string]int64{}
	for _, text := range asked {
		expr, err := parser.ParseExpr(text)
		if err != nil {
			t.Fatal(err)
		}
		lookFor(expr, horizons)
	}
	own := newStore(func(metric string) int64 { return horizons[metric] })
	engine := newPromQL()
	q := newQueries(own, rules.EngineQueryFunc(engine, own))
	reference := rules.EngineQueryFunc(engine, db)
	for _, text := range asked {
		expr, _ := parser.ParseExpr(text)
		q.expect(expr)
	}
	if len(q.present) < 5 || len(q.present) > 10 {
		t.Errorf("%d queries are for the present alone, of %d", len(q.present), len(asked))
	}
	found := map[string]int{}
	randomly(t, 400, func(now time.Time) {
		for _, later := range []time.Duration{0, 5 * time.Second, 10 * time.Second} {
			for _, text := range asked {
				expr, _ := parser.ParseExpr(text)
				want, err := reference(context.Background(), expr.String(), now.Add(later))
				if err != nil {
					t.Fatal(err)
				}
				got, err := q.query(context.Background(), expr.String(), now.Add(later))
				if err != nil {
					t.Fatal(err)
				}
				if !same(got, want) {
					t.Fatalf("%s at %v: got %v, Prometheus' database says %v", text, now.Add(later).Sub(start), got, want)
				}
				found[text] += len(got)
			}
		}
	}, own, db)
	for _, text := range asked {
		if found[text] == 0 {
			t.Errorf("%s never had an answer", text)
		}
	}
	for _, m := range own.all {
		if len(m.t) > 300 {
			t.Errorf("%v has %d samples: nothing is forgotten", m.labels, len(m.t))
		}
	}
}

func TestSamplesOutOfOrderAreRefusedAsByPrometheus(t *testing.T) {
	s := newStore(func(string) int64 { return 1000 })
	l := labels.FromStrings("__name__", "x")
	for _, row := range []struct {
		t    int64
		v    float64
		want error
	}{{5, 1, nil}, {5, 1, nil}, {5, 2, storage.ErrDuplicateSampleForTimestamp}, {4, 1, storage.ErrOutOfOrderSample}, {6, 2, nil}} {
		if _, err := s.Appender(context.Background()).Append(0, l, row.t, row.v); err != row.want {
			t.Errorf("%v at %d: got %v, want %v", row.v, row.t, err, row.want)
		}
	}
}

// Each group is evaluated at its own interval, and an alert is told of once when
// it fires and once when it ends.
func TestGroupsKeepTheirIntervals(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, []byte(`
groups:
- name: quick
  interval: 5s
  rules:
  - {alert: High, expr: x > 1, labels: {severity: critical}, annotations: {summary: "{{ $value }}"}}
- name: slow
  interval: 1m
  rules:
  - {alert: HighSlowly, expr: x > 1, labels: {severity: warning}}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	e, err := newEngine([]string{file}, json.NewEncoder(&out))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 41 { // ten minutes; high from 62 s to 182 s
		at := start.Add(2*time.Second + time.Duration(i)*15*time.Second)
		f := frame{At: at.UnixMilli(), IDs: []uint32{0}, Values: []float64{1}}
		if i == 0 {
			f.Series = [][]string{{"__name__", "x", "site", "a"}}
		}
		if i >= 4 && i < 12 {
			f.Values[0] = 3
		}
		if err := e.take(&f); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for lines := json.NewDecoder(&out); lines.More(); {
		var one event
		if err := lines.Decode(&one); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %v at %v", one.Labels["alertname"], one.Firing, time.UnixMilli(one.At).Sub(start)))
	}
	want := []string{"High true at 1m5s", "HighSlowly true at 2m0s", "High false at 3m5s", "HighSlowly false at 4m0s"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if e.ending.Evaluations != 120+10 || e.ending.Failures != 0 {
		t.Errorf("%d evaluations, %d failed, want 130 and none", e.ending.Evaluations, e.ending.Failures)
	}
}
