package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
)

const (
	// lookBack is how old the last sample of a series may be, as by default.
	lookBack = 5 * time.Minute
	// never is longer than any run: an alert is told of when it fires and when it
	// is resolved, and not in between.
	never = 100 * 365 * 24 * time.Hour
)

// engine is a database, and the rules that are evaluated on it.
type engine struct {
	db     *store
	groups []*rules.Group
	due    []time.Time // of each group, its next evaluation
	series []series
	out    *json.Encoder
	ending ending

	mu     sync.Mutex
	events []event
}

type series struct {
	labels labels.Labels
	ref    storage.SeriesRef
}

func newEngine(files []string, out *json.Encoder) (*engine, error) {
	logger := level.NewFilter(log.NewLogfmtLogger(log.NewSyncWriter(os.Stderr)), level.AllowWarn())
	horizons := map[string]int64{}
	e := &engine{out: out, db: newStore(func(metric string) int64 { return max(horizons[metric], lookBack.Milliseconds()) })}
	engine := promql.NewEngine(promql.EngineOpts{
		Logger: logger, MaxSamples: 50_000_000, Timeout: 2 * time.Minute, LookbackDelta: lookBack, EnableAtModifier: true, EnableNegativeOffset: true,
	})
	queries := newQueries(e.db, rules.EngineQueryFunc(engine, e.db))
	manager := rules.NewManager(&rules.ManagerOptions{
		ExternalURL: &url.URL{Scheme: "http", Host: "prometheus"}, QueryFunc: queries.query, NotifyFunc: e.notify,
		Context: context.Background(), Appendable: e.db, Queryable: e.db, Logger: logger, ResendDelay: never,
	})
	groups, errs := manager.LoadGroups(time.Minute, nil, "", nil, files...)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	for _, g := range groups {
		for _, rule := range g.AlertingRules() {
			rule.SetRestored(true) // nothing was before the first evaluation
		}
		for _, rule := range g.Rules() {
			lookFor(rule.Query(), horizons)
			queries.expect(rule.Query())
		}
		e.groups = append(e.groups, g)
	}
	slices.SortFunc(e.groups, func(a, b *rules.Group) int { return cmp.Compare(a.Name(), b.Name()) })
	e.due = make([]time.Time, len(e.groups))
	return e, nil
}

// lookFor notes how far back an expression looks for each metric, in milliseconds.
func lookFor(expr parser.Expr, horizons map[string]int64) {
	parser.Inspect(expr, func(node parser.Node, above []parser.Node) error {
		v, is := node.(*parser.VectorSelector)
		if !is {
			return nil
		}
		back := v.OriginalOffset + lookBack
		for _, n := range above {
			switch n := n.(type) {
			case *parser.MatrixSelector:
				back += n.Range
			case *parser.SubqueryExpr:
				back += n.Range + n.OriginalOffset
			}
		}
		horizons[v.Name] = max(horizons[v.Name], back.Milliseconds())
		return nil
	})
}

// take evaluates what is due before a frame, and stores its samples.
func (e *engine) take(f *frame) error {
	at := time.UnixMilli(f.At)
	if err := e.evaluate(at); err != nil {
		return err
	}
	for _, s := range f.Series {
		e.series = append(e.series, series{labels: labels.FromStrings(s...)})
	}
	app := e.db.Appender(context.Background())
	for i, id := range f.IDs {
		s := &e.series[id]
		ref, err := app.Append(s.ref, s.labels, f.At, f.Values[i])
		if err != nil {
			return errors.Join(err, app.Rollback())
		}
		s.ref = ref
	}
	return app.Commit()
}

// evaluate evaluates every group that is due before a time, one time after the
// other, and groups that are due together beside each other, as Prometheus does.
func (e *engine) evaluate(before time.Time) error {
	for {
		next := before
		for i, g := range e.groups {
			if e.due[i].IsZero() {
				e.due[i] = before.Truncate(g.Interval()).Add(g.Interval())
			}
			if e.due[i].Before(next) {
				next = e.due[i]
			}
		}
		if !next.Before(before) {
			return nil
		}
		var running sync.WaitGroup
		for i, g := range e.groups {
			if !e.due[i].Equal(next) {
				continue
			}
			e.due[i] = next.Add(g.Interval())
			running.Go(func() { g.Eval(context.Background(), next) })
			e.ending.Evaluations += int64(len(g.Rules()))
		}
		running.Wait()
		if err := e.tell(); err != nil {
			return err
		}
	}
}

// notify is told of alerts, by several groups at a time.
func (e *engine) notify(_ context.Context, _ string, alerts ...*rules.Alert) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range alerts {
		one := event{At: a.FiredAt.UnixMilli(), Firing: true, Labels: a.Labels.Map(), Annotations: a.Annotations.Map()}
		if !math.IsNaN(a.Value) && !math.IsInf(a.Value, 0) {
			one.Value = a.Value
		}
		if !a.ResolvedAt.IsZero() {
			one.At, one.Firing = a.ResolvedAt.UnixMilli(), false
		}
		e.events = append(e.events, one)
	}
}

// tell writes what was notified, and notes rules that could not be evaluated.
func (e *engine) tell() error {
	for _, g := range e.groups {
		for _, r := range g.Rules() {
			if err := r.LastError(); err != nil {
				e.ending.Failures++
				e.ending.Error = r.Name() + ": " + err.Error()
			}
		}
	}
	slices.SortStableFunc(e.events, func(a, b event) int { return cmp.Compare(a.At, b.At) })
	for _, one := range e.events {
		if err := e.out.Encode(one); err != nil {
			return err
		}
	}
	e.events = e.events[:0]
	return nil
}
