package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/probe"
)

// write makes files in a folder of the test's own; returns the folder.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func load(t *testing.T, files map[string]string, environment ...string) *Config {
	t.Helper()
	for i := 0; i < len(environment); i += 2 {
		t.Setenv(environment[i], environment[i+1])
	}
	c, err := NewSource(filepath.Join(write(t, files), "earshot.yml")).Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// problemsOf loads a configuration that is bad, and returns what is said, with
// the folder taken out.
func problemsOf(t *testing.T, files map[string]string) []string {
	t.Helper()
	dir := write(t, files)
	c, err := NewSource(filepath.Join(dir, "earshot.yml")).Load()
	if err == nil {
		t.Fatalf("no problem was found; the configuration is\n%s", c.Render())
	}
	return strings.Split(strings.ReplaceAll(err.Error(), dir+"/", ""), "\n")
}

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }

func checkProblems(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("got %d problems, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
		return
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("problem %d: got %q want %q", i, got[i], want[i])
		}
	}
}

// The file is the one of the design: what users were promised.
func TestTheWholeOfAConfigurationIsRead(t *testing.T) {
	c := load(t, map[string]string{
		"earshot.yml": `
site: paris-front-office
defaults: {every: 60s, duration: 8s, codec: pcma, dscp: af41}
targets:
  - name: contact-centre-echo
    url: https://echo.example.com/echo
    token_file: secrets/token
    every: 5m
    window: 2s
    timeout: 40s
    local_address: 192.0.2.7
    ice_servers: [{url: "turns:turn.example.com:443?transport=tcp", username: probe, password_env: TURN_PASSWORD}]
    relay: only
    limits: {loss: 1%}
  - name: branch
    url: http://192.0.2.9:8443/echo
    mode: continuous
    renew: 30m
    codec: pcmu
    codec_only: true
  - name: pbx
    url: sip:600@pbx.example.com
    via: wss://pbx.example.com:8089/ws
    username: probe
    password_file: secrets/pbx
    register: true
limits: {bad_mos: 3.1, jitter: 20ms, rtt: 1d}
budget: {parallel_calls: 50, bytes_per_day: 20GB}
modules:
  echo_short: {duration: 4s, codec: pcmu, allow: ["https://echo.example.com/*"]}
history: {path: /var/lib/earshot, max_size: 1GiB}
`,
		"secrets/token": "open sesame\n",
		"secrets/pbx":   "alohomora\n",
	}, "TURN_PASSWORD", "turnip")

	limits := probe.Limits{BadMOS: 3.1, Loss: 0.03, Jitter: 20 * time.Millisecond, RTT: 24 * time.Hour}
	strict := limits
	strict.Loss = 0.01
	want := []agent.Job{
		{
			Mode: agent.Periodic, Every: 5 * time.Minute, Renew: time.Hour,
			Target: probe.Target{
				Name: "contact-centre-echo", Site: "paris-front-office", URL: "https://echo.example.com/echo", Token: "open sesame",
				Codec: "pcma", Duration: 8 * time.Second, Window: 2 * time.Second, Timeout: 40 * time.Second, DSCP: "af41",
				LocalAddress: addr("192.0.2.7"), Relay: probe.RelayOnly, Limits: strict,
				ICEServers: []probe.ICEServer{{URL: "turns:turn.example.com:443?transport=tcp", Username: "probe", Password: "turnip"}},
			}.WithDefaults(),
		},
		{
			Mode: agent.Continuous, Every: time.Minute, Renew: 30 * time.Minute,
			Target: probe.Target{
				Name: "branch", Site: "paris-front-office", URL: "http://192.0.2.9:8443/echo",
				Codec: "pcmu", CodecOnly: true, Duration: 8 * time.Second, DSCP: "af41", Limits: limits,
			}.WithDefaults(),
		},
		{
			Mode: agent.Periodic, Every: time.Minute, Renew: time.Hour,
			Target: probe.Target{
				Name: "pbx", Site: "paris-front-office", URL: "sip:600@pbx.example.com",
				Via: "wss://pbx.example.com:8089/ws", Username: "probe", Password: "alohomora", Register: true,
				Codec: "pcma", Duration: 8 * time.Second, DSCP: "af41", Limits: limits,
			}.WithDefaults(),
		},
	}
	for i := range want {
		want[i].Target.Log = nil
	}
	for i := range c.Plan.Jobs {
		c.Plan.Jobs[i].Target.Log = nil
	}
	if !reflect.DeepEqual(c.Plan.Jobs, want) {
		t.Errorf("got jobs\n%+v\nwant\n%+v", c.Plan.Jobs, want)
	}
	if want := (agent.Budget{ParallelCalls: 50, BytesPerDay: 20e9}); c.Plan.Budget != want {
		t.Errorf("got budget %+v want %+v", c.Plan.Budget, want)
	}
	if m := c.Modules["echo_short"]; len(c.Modules) != 1 || m.call.Codec != "pcmu" || m.call.Duration != 4*time.Second {
		t.Errorf("got modules %+v", c.Modules)
	}
	if want := (History{Path: "/var/lib/earshot", MaxSize: 1 << 30}); c.History != want {
		t.Errorf("got history %+v want %+v", c.History, want)
	}
}
