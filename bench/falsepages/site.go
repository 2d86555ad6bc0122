package main

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/internal/exporter"
	"github.com/earshot-voip/earshot/mos"
	"github.com/earshot-voip/earshot/probe"
)

// site is a place with a probe: a real agent with a real exporter, on a simulated
// host and network.
type site struct {
	name   string
	noisy  bool // its host has other work
	paths  map[string]path
	codecs map[string]mos.Codec
	jobs   []agent.Job

	restarts []stop
	gaps     []stop // in which it cannot be scraped

	live    atomic.Pointer[exporter.Exporter] // nil while the probe is down
	figures figures
}

// stop is a stretch of time in which something does not work.
type stop struct {
	from time.Time
	span time.Duration
}

// figures count what the calls of a site were like.
type figures struct {
	windows, bad, untrusted, calls, failed, restarts, scrapes, gaps atomic.Int64
}

// run runs the probe until the end, with its restarts.
func (s *site) run(ctx context.Context, end time.Time) error {
	for {
		var a *agent.Agent
		e := exporter.New(exporter.Config{Site: s.name, Version: "simulated", Status: func() agent.Status { return a.Status() }})
		a = agent.New(agent.Config{Observer: agent.Observers{e, &counting{figures: &s.figures}}, Call: s.Call, Log: slog.New(slog.DiscardHandler)})
		if err := a.Apply(agent.Plan{Jobs: s.jobs}); err != nil {
			return err
		}
		e.Reloaded(true)
		s.live.Store(e)
		stopped, down := end, time.Duration(0)
		if len(s.restarts) > 0 && s.restarts[0].from.Before(end) {
			stopped, down = s.restarts[0].from, s.restarts[0].span
			s.restarts = s.restarts[1:]
		}
		until(ctx, stopped)
		if err := a.Close(2 * time.Second); err != nil {
			return err
		}
		s.live.Store(nil)
		if down == 0 || ctx.Err() != nil {
			return nil
		}
		s.figures.restarts.Add(1)
		until(ctx, stopped.Add(down))
	}
}

// counting counts calls.
type counting struct {
	agent.Nobody
	figures *figures
}

func (c *counting) Ended(_ agent.Job, r *probe.Result) {
	c.figures.calls.Add(1)
	if r.Verdict == probe.Failed {
		c.figures.failed.Add(1)
	}
}

// note counts a window.
func (s *site) note(w *probe.Window) {
	s.figures.windows.Add(1)
	bad := func(d *probe.Direction) bool { return d.Score != nil && d.Score.MOS < 3.6 }
	switch {
	case !w.Trusted:
		s.figures.untrusted.Add(1)
	case bad(&w.Uplink) || bad(&w.Downlink) || w.Returned == 0:
		s.figures.bad.Add(1)
	}
}

// busy is the share of windows that the host spoils: on a noisy one a job of a
// minute each hour, a backup each night, and a little always.
func (s *site) busy(at time.Time) float64 {
	at = at.UTC()
	switch {
	case !s.noisy:
		return 0.001
	case at.Hour() == 2 && at.Minute() < 20:
		return 0.12
	case at.Minute() == 17 && at.Second() < 40:
		return 0.6
	}
	return 0.02
}

// upset draws when the probe is restarted, and when it cannot be scraped.
func (s *site) upset(d draw) {
	for _, at := range d.poisson(0.25, true) { // an update
		s.restarts = append(s.restarts, stop{at, d.seconds(2, 15)})
	}
	for _, at := range d.poisson(1.0/15, false) { // the host
		s.restarts = append(s.restarts, stop{at, d.seconds(50, 90)})
	}
	s.restarts = inOrder(s.restarts, 5*time.Minute)
	for _, at := range d.poisson(3, false) {
		s.gaps = append(s.gaps, stop{at, d.seconds(10, 60)})
	}
	for _, at := range d.poisson(1.0/7, false) { // Prometheus itself, or the way to it
		s.gaps = append(s.gaps, stop{at, d.seconds(60, 100)})
	}
	s.gaps = inOrder(s.gaps, 2*time.Minute)
}

// inOrder sorts stops and leaves out those that come too soon after another.
func inOrder(list []stop, apart time.Duration) []stop {
	slices.SortFunc(list, func(a, b stop) int { return a.from.Compare(b.from) })
	var kept []stop
	for _, one := range list {
		if n := len(kept); n == 0 || one.from.Sub(kept[n-1].from) > apart {
			kept = append(kept, one)
		}
	}
	return kept
}

// unreachable reports whether a scrape at a time fails.
func (s *site) unreachable(at time.Time) bool {
	for _, g := range s.gaps {
		if !at.Before(g.from) && at.Before(g.from.Add(g.span)) {
			return true
		}
	}
	return false
}

// offset is where in the interval of scrapes the site has its own.
func (s *site) offset(interval time.Duration) time.Duration {
	return time.Duration(rand.New(rand.NewPCG(hash(s.name), 3)).Int64N(int64(interval/time.Millisecond))) * time.Millisecond
}
