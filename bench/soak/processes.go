package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// soak is the two processes.
type soak struct {
	folder      string
	echo, agent *process
	metrics     string // URL
	began       time.Time
	http        http.Client
}

// process is a program that runs, and what it says.
type process struct {
	*exec.Cmd
	over chan struct{} // closed when it has ended; err is what it ended with
	err  error

	mu   sync.Mutex
	said bytes.Buffer
}

// Write keeps what the program says.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.Write(b)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.String()
}

// start builds Earshot and starts both.
func start(ctx context.Context, folder string, p plan) (*soak, error) {
	program := filepath.Join(folder, "earshot")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/earshot").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build earshot, from the top of the tree: %w: %s", err, out)
	}
	s := &soak{folder: folder, http: http.Client{Timeout: 20 * time.Second}}
	var err error
	s.echo, err = launch(ctx, program, "echo", "--listen", "127.0.0.1:0", "--ledger", filepath.Join(folder, "calls.jsonl"))
	if err != nil {
		return nil, err
	}
	url, err := s.echo.hear(`listening on (\S+),`)
	if err != nil {
		s.kill()
		return nil, err
	}
	config := filepath.Join(folder, "earshot.yml")
	if err := os.WriteFile(config, []byte(p.config(url)), 0o600); err != nil {
		s.kill()
		return nil, err
	}
	s.began = time.Now()
	if s.agent, err = launch(ctx, program, "agent", "--config", config, "--web.listen-address", "127.0.0.1:0"); err == nil {
		var address string
		address, err = s.agent.hear(`serving metrics and pages" address=(\S+)`)
		s.metrics = "http://" + address + "/metrics"
	}
	if err != nil {
		s.kill()
		return nil, err
	}
	return s, nil
}

// config is the agent's. Limits on delay are out of reach: the host may be busy.
func (p plan) config(url string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "site: soak\ndefaults: {every: %v, duration: %v}\n", p.every, p.duration)
	fmt.Fprintf(&b, "limits: {bad_mos: 1, loss: 100%%, jitter: 10s, rtt: 10s}\nhistory: {path: history}\ntargets:\n")
	for i := range p.periodic {
		codec := []string{"pcmu", "opus"}[i%2]
		fmt.Fprintf(&b, "- {name: periodic-%03d, url: %q, codec: %s}\n", i, url, codec)
	}
	for i := range p.lasting {
		fmt.Fprintf(&b, "- {name: lasting-%02d, url: %q, mode: continuous, renew: 4h}\n", i, url)
	}
	for i := range p.renewed {
		fmt.Fprintf(&b, "- {name: renewed-%02d, url: %q, mode: continuous, renew: 1m}\n", i, url)
	}
	return b.String()
}

func launch(ctx context.Context, program string, args ...string) (*process, error) {
	p := &process{Cmd: exec.CommandContext(ctx, program, args...), over: make(chan struct{})}
	p.Stdout, p.Stderr = p, p
	p.Cancel = func() error { return p.Process.Signal(syscall.SIGTERM) }
	p.WaitDelay = 30 * time.Second
	if err := p.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.over)
		p.err = p.Wait()
	}()
	return p, nil
}

// hear waits until the program says something, and returns the group in it.
func (p *process) hear(pattern string) (string, error) {
	expression := regexp.MustCompile(pattern)
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if found := expression.FindStringSubmatch(p.text()); found != nil {
			return found[1], nil
		}
		select {
		case <-p.over:
			return "", fmt.Errorf("%s ended: %w: %s", p.Args[1], p.err, p.text())
		default:
		}
	}
	return "", fmt.Errorf("%s does not say %s: %s", p.Args[1], pattern, p.text())
}

// ending is how the processes ended.
type ending struct {
	agentTook time.Duration
	agentErr  error
	atEnd     string // calls that ran when the agent was told to end
	ledger    int    // calls in the echo's books
	left      string // calls that the echo had when the agent was gone
	log       string // lines of the agent's log that are errors
}

// end ends the agent, then the echo.
func (s *soak) end() (ending, error) {
	var e ending
	began := time.Now()
	if err := s.agent.Process.Signal(syscall.SIGTERM); err != nil {
		return e, err
	}
	select {
	case <-s.agent.over:
	case <-time.After(time.Minute):
		return e, errors.New("the agent does not end")
	}
	e.agentTook, e.agentErr = time.Since(began), s.agent.err
	if found := regexp.MustCompile(`"agent ends" calls=(\d+)`).FindStringSubmatch(s.agent.text()); found != nil {
		e.atEnd = found[1]
	}
	for line := range strings.Lines(s.agent.text()) {
		if strings.Contains(line, "level=ERROR") {
			e.log += line
		}
	}
	if err := s.echo.Process.Signal(syscall.SIGTERM); err != nil {
		return e, err
	}
	select {
	case <-s.echo.over:
	case <-time.After(time.Minute):
		return e, errors.New("the echo does not end")
	}
	if found := regexp.MustCompile(`ending; calls running: (\d+)`).FindStringSubmatch(s.echo.text()); found != nil {
		e.left = found[1]
	}
	ledger, err := os.ReadFile(filepath.Join(s.folder, "calls.jsonl"))
	e.ledger = bytes.Count(ledger, []byte("\n"))
	return e, err
}

// last is what the agent said last, for a run that went wrong.
func (s *soak) last() error {
	text := s.agent.text()
	return fmt.Errorf("the agent's last words: %s", text[max(0, len(text)-2000):])
}

// kill ends what still runs.
func (s *soak) kill() {
	for _, p := range []*process{s.agent, s.echo} {
		if p != nil {
			_ = p.Process.Kill()
			<-p.over
		}
	}
}
