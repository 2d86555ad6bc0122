package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/internal/catalog"
	"github.com/earshot-voip/earshot/internal/config"
	"github.com/earshot-voip/earshot/internal/exporter"
	"github.com/earshot-voip/earshot/internal/history"
	"github.com/earshot-voip/earshot/internal/remotewrite"
)

// service is an agent process: where its configuration comes from, the agent,
// and what observes it.
type service struct {
	source  *config.Source
	log     *slog.Logger
	agent   *agent.Agent
	metrics *exporter.Exporter
	history *history.Store
	forget  func() error // removes a history that was not to be kept
	pushing *remotewrite.Group

	registry *prometheus.Registry
	server   *webServer // nil until it serves
	show     webFlags
	ending   atomic.Bool
	current  atomic.Pointer[config.Config]

	mu sync.Mutex // held while a configuration is read and applied: one after the other
}

// newService puts the parts together and begins the calls of a configuration.
func newService(source *config.Source, first *config.Config, f *webFlags, log *slog.Logger) (*service, error) {
	s := &service{source: source, log: log, show: *f}
	var err error
	if s.history, s.forget, err = openHistory(first.History, log); err != nil {
		return nil, withHint(err, "history.path: names the folder; another agent needs another one")
	}
	build := readBuild()
	s.metrics = exporter.New(exporter.Config{
		Site: first.Site, Version: build.Version, Revision: build.Revision, GoVersion: build.Go,
		Status: func() agent.Status { return s.agent.Status() }, Receivers: s.receivers,
		History: func() catalog.History { return historyFacts(s.history) },
	})
	s.registry = prometheus.NewRegistry()
	s.registry.MustRegister(s.metrics, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s.pushing = remotewrite.NewGroup(s.registry, "earshot/"+build.Version, log)
	s.agent = agent.New(agent.Config{Observer: agent.Observers{s.metrics, s.history}, UserAgent: "earshot/" + build.Version, Log: log})
	if err := s.apply(first); err != nil {
		return nil, errors.Join(err, s.close(time.Second))
	}
	return s, nil
}

// apply makes a configuration the current one. An error is for what this host
// does not let it have: the rest of it is in effect.
func (s *service) apply(c *config.Config) error {
	if err := s.agent.Apply(c.Plan); err != nil {
		return err
	}
	if before := s.current.Swap(c); before != nil && before.History != c.History {
		s.log.Warn("the history stays as it is until the agent is started anew", "path", before.History.Path)
	}
	err := s.pushing.Apply(c.RemoteWrite)
	s.metrics.Reloaded(err == nil)
	return err
}

// run waits for the end, and reloads when it is told to or when files changed.
func (s *service) run(ctx context.Context, hangups <-chan os.Signal) {
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() {
		s.source.Watch(ctx, config.WatchInterval, func() { _ = s.take("files changed", s.source.Refresh) })
	})
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			_ = s.reload()
		}
	}
}

// reload reads the whole configuration anew. A bad one changes nothing, and is
// the error.
func (s *service) reload() error { return s.take("reload asked for", s.source.Load) }

// take reads a configuration and applies it. What is wrong with it is logged and
// returned: a signal has nobody to return to, a request has.
func (s *service) take(reason string, read func() (*config.Config, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := read()
	if err != nil {
		s.metrics.Reloaded(false)
		s.log.Error("the configuration is not taken, the one before stays", "reason", reason, "error", err)
		return err
	}
	if err := s.apply(c); err != nil {
		s.log.Error("the configuration is taken, but not all of it works", "reason", reason, "error", err)
		return err
	}
	s.log.Info("the configuration is taken", "reason", reason, "targets", len(c.Plan.Jobs))
	return nil
}

// close ends all calls, so long at most, and then everything that is told of
// them: what the last calls found out is pushed, shown and kept too.
func (s *service) close(grace time.Duration) error {
	s.ending.Store(true)
	err := s.agent.Close(grace)
	s.pushing.Stop()
	if s.server != nil {
		err = errors.Join(err, s.server.close())
	}
	return errors.Join(err, s.history.Close(), s.forget())
}

// ready is why the agent does not work; nil when it does.
func (s *service) ready() error {
	switch {
	case s.current.Load() == nil:
		return errors.New("the first configuration is not in effect yet")
	case s.ending.Load():
		return errors.New("it is ending its calls")
	}
	return nil
}

// receivers says for the metrics what became of what is pushed.
func (s *service) receivers() (all []catalog.Receiver) {
	s.pushing.Each(func(name string, r remotewrite.Stats) {
		all = append(all, catalog.Receiver{
			Name:      name,
			Collected: r.Collected, Sent: r.Sent, Rejected: r.Rejected, Dropped: r.Dropped, Damaged: r.Damaged, Retries: r.Retries,
			Backlog: r.Backlog, BacklogBytes: r.BacklogBytes, BacklogLimit: r.BacklogLimit,
			Oldest: r.Oldest, LastSent: r.LastSent, Protocol: string(r.Protocol),
		})
	})
	return all
}
