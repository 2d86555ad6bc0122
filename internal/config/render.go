package config

import (
	"bytes"
	"cmp"

	"go.yaml.in/yaml/v3"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/probe"
)

// effective is a configuration as it is shown: the shape of the file, with
// everything filled in.
type effective struct {
	Site        string            `yaml:"site,omitempty"`
	Targets     []target          `yaml:"targets"`
	Modules     map[string]module `yaml:"modules,omitempty"`
	Budget      budget            `yaml:"budget"`
	History     History           `yaml:"history,omitempty"`
	RemoteWrite []remoteWrite     `yaml:"remote_write,omitempty"`
}

// render writes what is in effect. Secrets cannot be in it: what it is made from
// names the files that hold them. What may hide in a URL is taken out.
func (r *reading) render(c *Config) []byte {
	e := r.shown
	e.Site, e.History = c.Site, r.file.History
	e.Budget = budget{c.Plan.Budget.ParallelCalls, Size(c.Plan.Budget.BytesPerDay)}
	for i := range e.Targets {
		e.Targets[i].fill(c.Plan.Jobs[i])
	}
	for name, m := range e.Modules {
		m.settings.fill(c.Modules[name].call.WithDefaults())
		m.judging = judgingOf(c.Modules[name].call.WithDefaults())
		e.Modules[name] = m
	}
	for i, one := range r.file.RemoteWrite {
		one.fill(c.RemoteWrite[i])
		e.RemoteWrite = append(e.RemoteWrite, one)
	}
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(e); err != nil {
		panic(err) // plain values; nothing in them can fail
	}
	return text.Bytes()
}

// fill puts what a job came to in place of what was given.
func (t *target) fill(j agent.Job) {
	t.Name, t.URL = j.Name(), harmless(j.Target.URL)
	t.Mode, t.Every, t.Renew = string(j.Mode), Duration{}, Duration{}
	t.settings.fill(j.Target)
	t.judging = judgingOf(j.Target)
	if j.Mode == agent.Continuous {
		t.Renew.Duration, t.Duration, t.Timeout = j.Renew, Duration{}, Duration{}
		return
	}
	t.Every.Duration = j.Every
}

func (s *settings) fill(t probe.Target) {
	s.Duration.Duration, s.Window.Duration, s.Timeout.Duration = t.Duration, t.Window, t.Timeout
	s.Codec, s.Relay, s.DSCP = t.Codec, string(t.Relay), cmp.Or(string(t.DSCP), "ef")
	s.Via = harmless(s.Via)
}
