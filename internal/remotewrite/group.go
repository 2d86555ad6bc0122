package remotewrite

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Group pushes to all the receivers of a configuration, which can be replaced
// while it runs. Its methods may be called from any goroutine.
type Group struct {
	gatherer  prometheus.Gatherer
	userAgent string
	log       *slog.Logger

	applying sync.Mutex // one configuration after the other
	mu       sync.Mutex
	running  []running
}

// running is a Writer at work.
type running struct {
	*Writer
	given Options
	stop  context.CancelFunc
	ended chan struct{}
}

// NewGroup makes a group without receivers.
func NewGroup(g prometheus.Gatherer, userAgent string, log *slog.Logger) *Group {
	return &Group{gatherer: g, userAgent: userAgent, log: log}
}

// Apply makes the receivers those of a configuration: what is unchanged goes on,
// what is gone or changed is stopped, which may take its grace time, and what is
// new begins. The error names those that cannot begin; the others run.
func (g *Group) Apply(all []Options) error {
	g.applying.Lock()
	defer g.applying.Unlock()
	g.mu.Lock()
	var kept, gone []running
	for _, r := range g.running {
		if slices.ContainsFunc(all, func(o Options) bool { return reflect.DeepEqual(o, r.given) }) {
			kept = append(kept, r)
		} else {
			gone = append(gone, r)
		}
	}
	g.running = kept
	g.mu.Unlock()

	stopAll(gone) // a changed one lets go of its queue before its successor takes it
	var problems []error
	for _, o := range all {
		if slices.ContainsFunc(kept, func(r running) bool { return reflect.DeepEqual(o, r.given) }) {
			continue
		}
		if err := g.begin(o); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

func (g *Group) begin(o Options) error {
	w, err := New(o, g.gatherer, g.userAgent, g.log)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	r := running{Writer: w, given: o, stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		w.Run(ctx)
	}()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running = append(g.running, r)
	return nil
}

// Stop stops pushing: each receiver gets the last samples, and the ends of all
// series, within its grace time.
func (g *Group) Stop() { _ = g.Apply(nil) }

// Each calls f with the name and the figures of every receiver.
func (g *Group) Each(f func(name string, s Stats)) {
	g.mu.Lock()
	all := slices.Clone(g.running)
	g.mu.Unlock()
	for _, r := range all {
		f(r.Name(), r.Stats())
	}
}

func stopAll(all []running) {
	for _, r := range all {
		r.stop()
	}
	for _, r := range all {
		<-r.ended
	}
}
