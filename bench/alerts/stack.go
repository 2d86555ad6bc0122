package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/bench/internal/rig"
	"github.com/earshot-voip/earshot/dashboards"
)

// stack is everything from the echoes to the pager.
type stack struct {
	scenes   []*incident
	pages    *pager
	webhook  *http.Server
	metrics  string // URL of the agent's
	programs []*rig.Program
}

// start starts all of it. On an error it returns what is to be stopped too.
func start(ctx context.Context, folder string, scenes []*incident, each int) (*stack, error) {
	s := &stack{scenes: scenes, pages: &pager{}}
	for _, name := range []string{"prometheus", "prometheus-alertmanager"} {
		if _, err := exec.LookPath(name); err != nil {
			return s, fmt.Errorf("%s is not installed: apt-get install prometheus prometheus-alertmanager", name)
		}
	}
	program, err := rig.BuildEarshot(ctx, folder)
	if err != nil {
		return s, err
	}
	var targets strings.Builder
	for n, scene := range scenes {
		scene.program = program
		if err := scene.serve(ctx); err != nil {
			return s, err
		}
		for k := range each {
			name := fmt.Sprintf("incident-%d-%d", n, k)
			scene.targets = append(scene.targets, name)
			fmt.Fprintf(&targets, "- {name: %s, url: %q, mode: continuous, renew: 1h}\n", name, scene.endpoint.URL)
		}
	}
	agent, err := s.agent(ctx, folder, program, targets.String())
	if err != nil {
		return s, err
	}
	webhook, err := s.listen()
	if err != nil {
		return s, err
	}
	manager, err := s.alertmanager(ctx, folder, webhook)
	if err != nil {
		return s, err
	}
	return s, s.prometheus(ctx, folder, agent, manager)
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
	_, err = s.launch(ctx, "prometheus", "--config.file", config, "--storage.tsdb.path", filepath.Join(folder, "prometheus"),
		"--web.listen-address", address, "--log.level", "warn")
	if err != nil {
		return err
	}
	return ready(ctx, "http://"+address+"/-/ready")
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
		if response, err := http.Get(url); err == nil {
			_ = response.Body.Close() // its status is all
			if response.StatusCode == http.StatusOK {
				return nil
			}
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
	want := 0
	for _, scene := range s.scenes {
		want += len(scene.targets)
	}
	scored := regexp.MustCompile(`(?m)^earshot_downlink_mos\{.*\} [0-9.]+$`)
	for until := time.Now().Add(2 * patience); ; {
		response, err := http.Get(s.metrics)
		if err == nil {
			text, _ := io.ReadAll(io.LimitReader(response.Body, 64<<20)) // what came is what is looked at
			_ = response.Body.Close()                                    // likewise
			if len(scored.FindAll(text, -1)) >= want {
				return sleep(ctx, more)
			}
		}
		if time.Now().After(until) {
			return errors.New("not every target is scored: this host is too busy, or the agent does not reach the echoes")
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
	for _, scene := range s.scenes {
		if scene.echo != nil {
			scene.echo.Kill()
		}
	}
	if s.webhook != nil {
		_ = s.webhook.Close() // nobody is told any more
	}
}
