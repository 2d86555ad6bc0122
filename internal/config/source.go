package config

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"sync"

	"github.com/earshot-voip/earshot/internal/agent"
)

// defaultParallelCalls is the budget without a word: enough for what one host
// can measure well, and a bound when the network is down and every call hangs.
const defaultParallelCalls = 100

// Source is where configurations come from: a file, and the files that it
// names. It may be used from anywhere.
type Source struct {
	name string

	mu      sync.Mutex
	text    []byte   // of the file, as last found good
	globs   []string // of targets_files, as last found good
	secrets []string // files of secrets and certificates, as last found good
	seen    snapshot // of the files that these two name
}

// NewSource returns the source that begins at a file.
func NewSource(name string) *Source { return &Source{name: name} }

// Load reads everything. The error is of type Problems.
func (s *Source) Load() (*Config, error) {
	text, err := os.ReadFile(s.name)
	if err != nil {
		return nil, Problems{{File: s.name, Text: err.Error()}}
	}
	return s.read(text)
}

// Refresh reads the files that the configuration names, but takes the file
// itself as it was last found good: somebody may be in the middle of editing it.
func (s *Source) Refresh() (*Config, error) {
	s.mu.Lock()
	text := s.text
	s.mu.Unlock()
	if text == nil {
		return s.Load()
	}
	return s.read(text)
}

func (s *Source) read(text []byte) (*Config, error) {
	r := reading{names: map[string]place{}, seen: snapshot{}}
	r.doc = newDocument(s.name, &r.problems)
	c := r.config(text)
	if err := r.problems.err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text, s.globs, s.secrets, s.seen = bytes.Clone(text), r.globs(), r.secrets, r.seen
	return c, nil
}

// reading is one configuration while it is put together.
type reading struct {
	doc      *document
	file     file
	problems Problems
	jobs     []agent.Job
	names    map[string]place // of the jobs
	shown    effective
	secrets  []string // files that were read
	seen     snapshot // of these and of targets_files
}

func (r *reading) config(text []byte) *Config {
	root := r.doc.parse(text)
	if root == nil {
		return nil
	}
	r.doc.decode(root, "", reflect.ValueOf(&r.file).Elem())
	top := place{doc: r.doc, reading: r}
	r.file.judging.check(top)
	r.targets(r.doc, &r.file.Targets, "targets")
	r.discover(top)
	if len(r.file.Targets.Content)+len(r.file.TargetsFiles)+len(r.file.Modules.Content) == 0 {
		top.problem("targets", "there is nothing to call; hint: name a target, targets_files or a module")
	}
	c := &Config{
		Site:    r.file.Site,
		Plan:    agent.Plan{Jobs: r.jobs, Budget: r.budget(top.under("budget"))},
		Modules: r.modules(top),
		History: r.file.History, RemoteWrite: r.remoteWrites(top),
	}
	c.History.check(top.under("history"))
	if c.History.Path != "" {
		c.History.Path = relative(r.doc.file, c.History.Path)
	}
	if len(r.problems) == 0 {
		r.checkBudget(top.under("budget"), c.Plan)
		c.shown = r.render(c)
	}
	return c
}

// budget fills in what was left out.
func (r *reading) budget(p place) agent.Budget {
	b := r.file.Budget
	if p.given("parallel_calls") && b.ParallelCalls < 1 {
		p.problem("parallel_calls", "must be at least 1, is %d", b.ParallelCalls)
	}
	return agent.Budget{
		ParallelCalls: cmp.Or(b.ParallelCalls, defaultParallelCalls),
		BytesPerDay:   int64(b.BytesPerDay),
	}
}

// checkBudget refuses a plan that its budget cannot hold.
func (r *reading) checkBudget(p place, plan agent.Plan) {
	if n, load := plan.Continuous(), plan.Load(); load > float64(plan.Budget.ParallelCalls) {
		p.problem("parallel_calls", "is %d, but the targets need %.1f places on average (%d continuous, %.1f for the others); hint: raise it, or call less often",
			plan.Budget.ParallelCalls, load, n, load-float64(n))
	}
	if need, have := plan.BytesPerDay(), plan.Budget.BytesPerDay; have > 0 && need > have {
		p.problem("bytes_per_day", "is %s, but the schedule alone takes %s; hint: raise it, call less often or make calls shorter",
			about(have), about(need))
	}
}

// about renders a number of bytes for a reader.
func about(n int64) string {
	x, unit := float64(n), "B"
	for _, next := range []string{"KB", "MB", "GB", "TB", "PB"} {
		if x < 1000 {
			break
		}
		x, unit = x/1000, next
	}
	return fmt.Sprintf("%.3g %s", x, unit)
}

// modules decodes and checks the modules.
func (r *reading) modules(top place) map[string]Module {
	list := map[string]Module{}
	r.shown.Modules = map[string]module{}
	if r.file.Modules.Kind == 0 {
		return list
	}
	entries := map[string]module{}
	r.doc.decode(&r.file.Modules, "modules", reflect.ValueOf(&entries).Elem())
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		m := entries[name]
		list[name] = m.module(top.under("modules").under(name), name, r.file.Site, r.file.judging)
		r.shown.Modules[name] = m
	}
	return list
}
