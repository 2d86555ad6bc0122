package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/bench/internal/rig"
	"github.com/earshot-voip/earshot/dashboards"
)

// stack is everything from the echoes to the pager.
type stack struct {
	scenes   []*incident
	ramps    []*ramp
	well     *far // to which nothing happens
	pages    *pager
	listener *listener
	webhook  *http.Server
	metrics  string // URL of the agent's
	rules    string // URL of the Prometheus that evaluates them
	programs []*rig.Program
}

// rampCodecs are what the targets of a ramp use: the two scales of the E-model.
var rampCodecs = []string{"pcmu", "opus"}

// newStack says how many targets each echo has, of a ramp for each codec.
func newStack(scenes []*incident, ramps []*ramp, each int) *stack {
	s := &stack{scenes: scenes, ramps: ramps, well: &far{}, pages: &pager{}}
	s.well.settings = slices.Repeat([]string{continuous("", "1h")}, each)
	for _, scene := range scenes {
		scene.settings = slices.Repeat([]string{continuous(scene.codec, cmp.Or(scene.renew, "1h"))}, each)
	}
	for _, one := range ramps {
		for _, codec := range rampCodecs {
			for range max(each/2, 1) {
				one.codecs = append(one.codecs, codec)
				one.settings = append(one.settings, continuous(codec, "1h"))
			}
		}
	}
	return s
}

// fars are all echoes, by what their targets are called.
func (s *stack) fars() map[string]*far {
	all := map[string]*far{"well": s.well}
	for n, scene := range s.scenes {
		all[fmt.Sprintf("incident-%d", n)] = &scene.far
	}
	for n, one := range s.ramps {
		all[fmt.Sprintf("ramp-%d", n)] = &one.far
	}
	return all
}

// start starts all of it. After an error, too, it is to be stopped.
func (s *stack) start(ctx context.Context, folder string) error {
	for _, name := range []string{"prometheus", "prometheus-alertmanager"} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("%s is not installed: apt-get install prometheus prometheus-alertmanager", name)
		}
	}
	program, err := rig.BuildEarshot(ctx, folder)
	if err != nil {
		return err
	}
	var targets strings.Builder
	for prefix, f := range s.fars() {
		f.program = program
		if err := f.serve(ctx); err != nil {
			return err
		}
		for k, settings := range f.settings {
			name := fmt.Sprintf("%s-%d", prefix, k)
			f.targets = append(f.targets, name)
			fmt.Fprintf(&targets, "- {name: %s, url: %q, %s}\n", name, f.endpoint.URL, settings)
		}
	}
	agent, err := s.agent(ctx, folder, program, targets.String())
	if err != nil {
		return err
	}
	webhook, err := s.listen()
	if err != nil {
		return err
	}
	manager, err := s.alertmanager(ctx, folder, webhook)
	if err != nil {
		return err
	}
	return s.prometheus(ctx, folder, agent, manager)
}

func (s *stack) launch(ctx context.Context, program string, args ...string) (*rig.Program, error) {
	p, err := rig.Launch(ctx, program, args...)
	if err == nil {
		s.programs = append(s.programs, p)
	}
	return p, err
}

func (s *stack) agent(ctx context.Context, folder, program, targets string) (address string, err error) {
	config := filepath.Join(folder, "earshot.yml")
	if err := os.WriteFile(config, []byte("site: lab\ndefaults: {codec: pcmu}\ntargets:\n"+targets), 0o600); err != nil {
		return "", err
	}
	p, err := s.launch(ctx, program, "agent", "--config", config, "--web.listen-address", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	address, err = p.Hear(`serving metrics and pages" address=(\S+)`)
	s.metrics = "http://" + address + "/metrics"
	s.listener = &listener{metrics: s.metrics, scores: map[string][]score{}}
	return address, err
}

func (s *stack) listen() (address string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s.webhook = &http.Server{Handler: s.pages, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.webhook.Serve(l) }() // ends with Close
	return l.Addr().String(), nil
}

// alertmanager runs the example as it is, but for where it sends to.
func (s *stack) alertmanager(ctx context.Context, folder, webhook string) (address string, err error) {
	example, err := dashboards.Files.ReadFile("alertmanager.yml")
	if err != nil {
		return "", err
	}
	text := regexp.MustCompile(`http://127\.0\.0\.1:9099/`).ReplaceAll(example, []byte("http://"+webhook+"/"))
	config := filepath.Join(folder, "alertmanager.yml")
	if err := os.WriteFile(config, text, 0o600); err != nil {
		return "", err
	}
	address, err = freePort()
	if err != nil {
		return "", err
	}
	_, err = s.launch(ctx, "prometheus-alertmanager", "--config.file", config, "--storage.path", filepath.Join(folder, "alertmanager"),
		"--web.listen-address", address, "--cluster.listen-address", "")
	if err != nil {
		return "", err
	}
	return address, ready(ctx, "http://"+address+"/-/ready")
}

func (s *stack) prometheus(ctx context.Context, folder, agent, manager string) error {
	exported := filepath.Join(folder, "dashboards")
	if err := os.CopyFS(exported, dashboards.Files); err != nil {
		return err
	}
	config := filepath.Join(folder, "prometheus.yml")
	text := fmt.Sprintf(`global: {scrape_interval: 10s, evaluation_interval: 5s}
rule_files: [%q]
alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}
scrape_configs:
- {job_name: earshot, static_configs: [{targets: [%q]}]}
`, filepath.Join(exported, "rules", "*.yml"), manager, agent)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	address, err := freePort()
	if err != nil {
		return err
	}
	s.rules = "http://" + address
	_, err = s.launch(ctx, "prometheus", "--config.file", config, "--storage.tsdb.path", filepath.Join(folder, "prometheus"),
		"--web.listen-address", address, "--log.level", "warn")
	if err != nil {
		return err
	}
	return ready(ctx, s.rules+"/-/ready")
}

// freePort returns an address that nobody listens at, for programs that cannot
// choose one by themselves.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// patience bounds what the stack waits for to start.
const patience = time.Minute

func ready(ctx context.Context, url string) error {
	for until := time.Now().Add(patience); time.Now().Before(until); {
		if _, err := rig.Get(ctx, url, patience); err == nil {
			return nil
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s does not become ready", url)
}

// untilMeasured waits until every target has scored windows, and for the time
// that the rules look back for.
func (s *stack) untilMeasured(ctx context.Context, more time.Duration) error {
	scored := regexp.MustCompile(`(?m)^earshot_downlink_mos\{.*\} [0-9.]+$`)
	err := s.untilAll(ctx, 2*patience, s.metrics, scored)
	if err != nil {
		return fmt.Errorf("not every target is scored: this host is too busy, or the agent does not reach the echoes: %w", err)
	}
	return sleep(ctx, more)
}

// untilNormal waits until the rules know what loss is normal for every target, as
// they do some minutes after its first packets.
func (s *stack) untilNormal(ctx context.Context) error {
	rig.Progress("until the rules know what is normal")
	query := s.rules + "/api/v1/query?query=" + url.QueryEscape(`earshot:loss:ratio1h{direction="uplink"}`)
	if err := s.untilAll(ctx, 6*patience, query, regexp.MustCompile(`"target":`)); err != nil {
		return fmt.Errorf("the rules do not learn what loss is normal: %w", err)
	}
	return nil
}

// untilAll asks a URL until what it answers has as many matches as there are targets.
func (s *stack) untilAll(ctx context.Context, within time.Duration, address string, one *regexp.Regexp) error {
	want := 0
	for _, f := range s.fars() {
		want += len(f.targets)
	}
	for until := time.Now().Add(within); ; {
		text, err := rig.Get(ctx, address, listenEvery)
		have := len(one.FindAll(text, -1))
		if have >= want {
			return nil
		}
		if time.Now().After(until) {
			return cmp.Or(err, fmt.Errorf("%d of %d after %s", have, want, within))
		}
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

// stop ends everything.
func (s *stack) stop() {
	for _, p := range s.programs {
		p.Kill()
	}
	for _, f := range s.fars() {
		if f.echo != nil {
			f.echo.Kill()
		}
	}
	if s.webhook != nil {
		_ = s.webhook.Close() // nobody is told any more
	}
}
