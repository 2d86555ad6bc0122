// Package config reads the configuration of the agent from a YAML file and the
// files that it names.
//
// Most callers make a Source and call Load. A configuration is returned whole
// and good, or not at all: then every problem is told at once, each with its
// file, line and path. Unknown keys are problems. Secrets are read from files
// or the environment; no error and no rendering shows them.
package config

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/internal/remotewrite"
)

// Config is a configuration that was found good.
type Config struct {
	Site        string
	Plan        agent.Plan
	Modules     map[string]Module // of /probe, by name
	History     History
	RemoteWrite []remotewrite.Options

	shown []byte
}

// Render returns the configuration as it is in effect, as YAML: with all
// defaults, with the targets of targets_files, without secrets.
func (c *Config) Render() []byte { return c.shown }

// Summary says in a line what the configuration asks for.
func (c *Config) Summary() string {
	n := c.Plan.Continuous()
	return fmt.Sprintf("%d targets on schedule, %d without pause, %d modules; %.1f of %d calls at once on average, %s a day",
		len(c.Plan.Jobs)-n, n, len(c.Modules), c.Plan.Load(), c.Plan.Budget.ParallelCalls, about(c.Plan.BytesPerDay()))
}

// file is the configuration file: what it may hold, and under which key.
type file struct {
	Site         string   `yaml:"site,omitempty"`
	Defaults     defaults `yaml:"defaults,omitempty"`
	judging      `yaml:",inline"`
	Targets      yaml.Node     `yaml:"targets,omitempty"`
	TargetsFiles []string      `yaml:"targets_files,omitempty"`
	Modules      yaml.Node     `yaml:"modules,omitempty"`
	Budget       budget        `yaml:"budget,omitempty"`
	History      History       `yaml:"history,omitempty"`
	RemoteWrite  []remoteWrite `yaml:"remote_write,omitempty"`
}

// budget bounds what all calls together may do.
type budget struct {
	ParallelCalls int  `yaml:"parallel_calls,omitempty"`
	BytesPerDay   Size `yaml:"bytes_per_day,omitempty"`
}

// judging is from where on a call is degraded, or not to be trusted: of all
// targets and modules, or of one.
type judging struct {
	Limits limits `yaml:"limits,omitempty"`
	Trust  trust  `yaml:"trust,omitempty"`
}

// limits beyond which a call counts as degraded.
type limits struct {
	BadMOS float64  `yaml:"bad_mos,omitempty"`
	Loss   Share    `yaml:"loss,omitempty"`
	Jitter Duration `yaml:"jitter,omitempty"`
	RTT    Duration `yaml:"rtt,omitempty"`
}

// trust is how much this host itself may be late before its calls say nothing.
type trust struct {
	SendLate Duration `yaml:"send_late,omitempty"`
	Missed   Share    `yaml:"missed,omitempty"`
}

// defaults hold for every target that does not say otherwise.
type defaults struct {
	schedule `yaml:",inline"`
	settings `yaml:",inline"`
}

// schedule is when to call.
type schedule struct {
	Mode  string   `yaml:"mode,omitempty"`
	Every Duration `yaml:"every,omitempty"`
	Renew Duration `yaml:"renew,omitempty"`
}

// settings are how to call, of targets and modules alike.
type settings struct {
	Duration     Duration    `yaml:"duration,omitempty"`
	Window       Duration    `yaml:"window,omitempty"`
	Timeout      Duration    `yaml:"timeout,omitempty"`
	Codec        string      `yaml:"codec,omitempty"`
	CodecOnly    bool        `yaml:"codec_only,omitempty"`
	DSCP         string      `yaml:"dscp,omitempty"`
	LocalAddress string      `yaml:"local_address,omitempty"`
	Relay        string      `yaml:"relay,omitempty"`
	ICEServers   []iceServer `yaml:"ice_servers,omitempty"`
	CAFile       string      `yaml:"ca_file,omitempty"`
	TokenFile    string      `yaml:"token_file,omitempty"`
	TokenEnv     string      `yaml:"token_env,omitempty"`
	Via          string      `yaml:"via,omitempty"`
	Username     string      `yaml:"username,omitempty"`
	PasswordFile string      `yaml:"password_file,omitempty"`
	PasswordEnv  string      `yaml:"password_env,omitempty"`
	Register     bool        `yaml:"register,omitempty"`
}

// iceServer is a STUN or TURN server.
type iceServer struct {
	URL          string `yaml:"url"`
	Username     string `yaml:"username,omitempty"`
	PasswordFile string `yaml:"password_file,omitempty"`
	PasswordEnv  string `yaml:"password_env,omitempty"`
}

// target is one entry of targets.
type target struct {
	Name     string `yaml:"name"`
	URL      string `yaml:"url"`
	schedule `yaml:",inline"`
	settings `yaml:",inline"`
	judging  `yaml:",inline"`
}

// module is one entry of modules.
type module struct {
	Allow    []string `yaml:"allow"`
	settings `yaml:",inline"`
	judging  `yaml:",inline"`
}
