package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
)

// queries answers the rules' queries with Prometheus' engine. A query that asks
// for the present alone is not asked again while no value that it reads has
// changed: most of the time nothing is bad, and nothing of it changes.
type queries struct {
	db      *store
	ask     rules.QueryFunc
	present map[string][]string // metrics of queries for the present, by their text

	mu      sync.Mutex
	answers map[string]answer
}

type answer struct {
	changes uint64 // of the metrics' values, until then
	vector  promql.Vector
}

func newQueries(db *store, ask rules.QueryFunc) *queries {
	return &queries{db: db, ask: ask, present: map[string][]string{}, answers: map[string]answer{}}
}

// expect tells of a query that will be asked.
func (q *queries) expect(expr parser.Expr) {
	if metrics, is := presentOnly(expr); is {
		q.present[expr.String()] = metrics
	}
}

// query answers at a time. It relies on what the store is fed with: a series that
// ends is marked as such, so none is forgotten merely because time passes.
func (q *queries) query(ctx context.Context, text string, at time.Time) (promql.Vector, error) {
	metrics, is := q.present[text]
	if !is {
		return q.ask(ctx, text, at)
	}
	changes := q.db.changes(metrics)
	q.mu.Lock()
	known, is := q.answers[text]
	q.mu.Unlock()
	if !is || known.changes != changes {
		vector, err := q.ask(ctx, text, at)
		if err != nil {
			return nil, err
		}
		known = answer{changes, slices.Clone(vector)}
		q.mu.Lock()
		q.answers[text] = known
		q.mu.Unlock()
	}
	vector := slices.Clone(known.vector) // rules change what they get
	for i := range vector {
		vector[i].T = at.UnixMilli()
	}
	return vector, nil
}

// presentOnly reports whether an expression reads nothing but the last values of
// series, and of which metrics.
func presentOnly(expr parser.Expr) (metrics []string, is bool) {
	is = true
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			metrics = append(metrics, n.Name)
			is = is && n.OriginalOffset == 0 && n.Timestamp == nil && n.StartOrEnd == 0
		case *parser.MatrixSelector, *parser.SubqueryExpr, *parser.Call:
			is = false
		}
		return nil
	})
	return metrics, is && len(metrics) > 0
}
