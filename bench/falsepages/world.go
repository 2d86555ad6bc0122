package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/mos"
	"github.com/earshot-voip/earshot/probe"
)

// worldRole is the role of a child that simulates, and feeds an engine.
const worldRole = "world"

// plan says what is simulated.
type plan struct {
	Seed     uint64
	Start    time.Duration // from the Monday on which every simulation begins
	Span     time.Duration
	Scrape   time.Duration
	Incident *incident
	List     bool // each alert, when it is over

	Engine string // program
	Rules  []string
}

// incident is what the positive control must page for.
type incident struct {
	Site string
	At   time.Duration // from the Monday on
	Span time.Duration
	Loss float64 // of the uplink of all targets
	Run  float64
}

// outcome is what a simulation came to.
type outcome struct {
	Alerts     []firing
	Noise      map[kind]int
	Windows    int64
	Bad        int64
	Untrusted  int64
	Calls      int64
	Failed     int64
	Restarts   int64
	Scrapes    int64
	Gaps       int64
	Samples    int64
	Evaluated  int64 // rules
	Targets    int
	Continuous []string // site/target
	Error      string
}

// monday is the first one of a bubble's time, which begins on 2000-01-01.
var monday = time.Date(2000, 1, 3, 0, 0, 0, 0, time.UTC)

// playWorld is the child's side. The time of a bubble of testing/synctest passes
// as fast as what happens in it can be computed, so the agent and the exporter
// run as they are. A bubble needs a testing.T: the child is a test of one.
func playWorld(_ context.Context, text json.RawMessage, say func(any) error) error {
	var p plan
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	var out outcome
	var failed error
	testing.Init()
	os.Args = os.Args[:1]
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	os.Stdout = null                // what a test says is not for the parent
	_ = flag.CommandLine.Parse(nil) // nothing to go wrong
	everything := func(string, string) (bool, error) { return true, nil }
	simulate := func(t *testing.T) {
		out, failed = live(t, p)
		if failed != nil {
			out.Error = failed.Error()
		}
		if err := say(out); err != nil {
			t.Error(err)
		}
	}
	testing.Main(everything, []testing.InternalTest{{Name: worldRole, F: simulate}}, nil, nil) // exits
	return nil
}

// live simulates, and has the rules evaluated.
func live(t *testing.T, p plan) (outcome, error) {
	wanted, err := readByRules(p.Rules)
	if err != nil {
		return outcome{}, err
	}
	engine, err := startEngine(p.Engine, p.Rules, p.List)
	if err != nil {
		return outcome{}, err
	}
	var out outcome
	f := newFeed(engine.in)
	synctest.Test(t, func(*testing.T) { out, err = simulate(p, f, wanted) })
	alerts, evaluated, ended := engine.end()
	out.Alerts, out.Evaluated, out.Samples = alerts, evaluated, f.values
	if err == nil {
		err = ended
	}
	return out, err
}

// simulate runs in a bubble.
func simulate(p plan, f *feed, wanted map[string]bool) (outcome, error) {
	start := monday.Add(p.Start)
	end := start.Add(p.Span)
	sites, out := world(p, start)
	time.Sleep(time.Until(start))
	var group sync.WaitGroup
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	also := func(one func() error) {
		group.Go(func() {
			if err := one(); err != nil {
				cancel(err)
			}
		})
	}
	for _, s := range sites {
		also(func() error { return s.run(ctx, end) })
		also(func() error { return s.scrapes(ctx, newScraper(f, s.name+":9725", wanted), p.Scrape, start, end) })
	}
	also(func() error { return daily(ctx, start, end) })
	group.Wait()
	for _, s := range sites {
		g := &s.figures
		out.Windows += g.windows.Load()
		out.Bad += g.bad.Load()
		out.Untrusted += g.untrusted.Load()
		out.Calls += g.calls.Load()
		out.Failed += g.failed.Load()
		out.Restarts += g.restarts.Load()
		out.Scrapes += g.scrapes.Load()
		out.Gaps += g.gaps.Load()
	}
	return out, context.Cause(ctx)
}

// daily says which days are over.
func daily(ctx context.Context, start, end time.Time) error {
	for day, at := 1, start.Add(24*time.Hour); !at.After(end) && ctx.Err() == nil; day, at = day+1, at.Add(24*time.Hour) {
		until(ctx, at)
		fmt.Fprintf(os.Stderr, "day %d is over\n", day)
	}
	return nil
}

// until sleeps until a time, or the end of everything.
func until(ctx context.Context, at time.Time) {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// scrapes reads the site's probe until the end.
func (s *site) scrapes(ctx context.Context, reader *scraper, interval time.Duration, start, end time.Time) error {
	for at := start.Add(s.offset(interval)); at.Before(end) && ctx.Err() == nil; at = at.Add(interval) {
		until(ctx, at)
		e := s.live.Load()
		s.figures.scrapes.Add(1)
		if s.unreachable(at) {
			e = nil
			s.figures.gaps.Add(1)
		}
		if err := reader.scrape(at, e); err != nil {
			return fmt.Errorf("scrape %s: %w", s.name, err)
		}
	}
	return nil
}

const ms = time.Millisecond

// accesses are the sites: what their own line does, and what happens on it in a
// day.
var accesses = []struct {
	name   string
	noisy  bool
	line   line
	habits habits
}{
	{"berlin", false, // fibre
		line{delay: 3 * ms, idle: 200 * time.Microsecond, busy: 1 * ms, idleLoss: 1e-6, busyLoss: 3e-4, lossInRow: 1.2},
		habits{blips: 4, longBlips: 0.3, outages: 3, longOutages: 0.3, swells: 1}},
	{"lyon", false, // a line that is full in office hours
		line{delay: 8 * ms, idle: 500 * time.Microsecond, busy: 2 * ms, idleLoss: 3e-5, busyLoss: 2e-3, lossInRow: 1.5},
		habits{blips: 10, longBlips: 0.5, outages: 4, longOutages: 0.5, swells: 4}},
	{"plant", false, // a mobile network
		line{delay: 22 * ms, idle: 600 * time.Microsecond, busy: 1500 * time.Microsecond, slots: 10 * ms, idleLoss: 5e-4, busyLoss: 2e-3, lossInRow: 1.5},
		habits{blips: 20, longBlips: 0.5, outages: 15, longOutages: 1, swells: 3}},
	{"chicago", true, // far away, and on a host with other work
		line{delay: 48 * ms, idle: 200 * time.Microsecond, busy: 600 * time.Microsecond, idleLoss: 1e-6, busyLoss: 2e-4, lossInRow: 1.2},
		habits{blips: 4, longBlips: 0.3, outages: 3, longOutages: 0.3, swells: 1}},
}

// platforms are what is called, from every site. mode is how.
var platforms = []struct {
	name  string
	codec string
	job   agent.Job
}{
	{"contact-centre", "opus", agent.Job{Mode: agent.Continuous, Renew: time.Hour}},
	{"conference", "opus", agent.Job{Mode: agent.Continuous, Renew: time.Hour}},
	{"trunk", "pcmu", agent.Job{Mode: agent.Continuous, Renew: time.Hour}},
	{"reception", "opus", agent.Job{Mode: agent.Periodic, Every: time.Minute}},
	{"branch-pbx", "pcmu", agent.Job{Mode: agent.Periodic, Every: 5 * time.Minute}},
}

// world makes the sites of a plan.
func world(p plan, start time.Time) ([]*site, outcome) {
	days := int(p.Span/(24*time.Hour)) + 2
	from := monday.Add(-24 * time.Hour)
	days += int(p.Start / (24 * time.Hour))
	out := outcome{Noise: map[kind]int{}}
	var legs []*leg
	add := func(name string, l line, h habits) *leg {
		one := newLeg(name, p.Seed, l, h, from, days)
		legs = append(legs, one)
		return one
	}
	served := map[string]*leg{}
	for _, one := range platforms {
		served[one.name] = add("platform "+one.name, line{delay: ms, idle: 100 * time.Microsecond, busy: 300 * time.Microsecond},
			habits{outages: 0.5, refusals: 0.3})
	}
	var sites []*site
	for _, a := range accesses {
		s := &site{name: a.name, noisy: a.noisy, paths: map[string]path{}, codecs: map[string]mos.Codec{}}
		access := add("access "+a.name, a.line, a.habits)
		if i := p.Incident; i != nil && i.Site == a.name {
			access.events = newEvents(append(access.list, event{kind: fault, way: up, from: monday.Add(i.At), span: i.Span, loss: i.Loss, run: i.Run}))
		}
		for n, one := range platforms {
			between := add("path "+a.name+" "+one.name, line{delay: time.Duration(2+3*n) * ms, idle: 100 * time.Microsecond, busy: 500 * time.Microsecond, idleLoss: 1e-6, busyLoss: 5e-5},
				habits{blips: 1.5, longBlips: 0.05, outages: 0.7, longOutages: 0.1, swells: 0.2, detours: 0.25})
			s.paths[one.name] = path{access, between, served[one.name]}
			s.codecs[one.name] = modelOf(one.codec)
			job := one.job
			job.Target = probe.Target{Name: one.name, URL: "https://" + one.name + ".example/echo", Codec: one.codec}
			s.jobs = append(s.jobs, job)
			out.Targets++
			if job.Mode == agent.Continuous {
				out.Continuous = append(out.Continuous, a.name+"/"+one.name)
			}
		}
		s.upset(draw{rand.New(rand.NewPCG(p.Seed^hash(a.name), 2)), from, days})
		s.restarts = slices.DeleteFunc(s.restarts, func(r stop) bool { return r.from.Before(start) })
		sites = append(sites, s)
	}
	for _, l := range legs {
		l.count(start, start.Add(p.Span), out.Noise)
	}
	return sites, out
}

// modelOf gives the E-model's values, as probe/score.go chooses them.
func modelOf(codec string) mos.Codec {
	var c mos.Codec
	var err error
	if codec == "opus" {
		c, err = mos.Opus(mos.FB, mos.VBR, 32)
	} else {
		c, err = mos.Lookup(codec)
	}
	if err != nil {
		panic(err) // both are published
	}
	return c
}
