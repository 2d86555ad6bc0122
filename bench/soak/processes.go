package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/earshot-voip/earshot/bench/internal/rig"
)

// patience is how long the agent may take to answer.
const patience = 20 * time.Second

// soak is the two processes.
type soak struct {
	folder      string
	echo, agent *rig.Program
	address     string // URL of the agent
	began       time.Time
}

// start builds Earshot and starts both.
func start(ctx context.Context, folder string, p plan) (*soak, error) {
	program, err := rig.BuildEarshot(ctx, folder)
	if err != nil {
		return nil, err
	}
	s := &soak{folder: folder}
	s.echo, err = rig.Launch(ctx, program, "echo", "--listen", "127.0.0.1:0", "--ledger", filepath.Join(folder, "calls.jsonl"))
	if err != nil {
		return nil, err
	}
	url, err := s.echo.Hear(`listening on (\S+),`)
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
	if s.agent, err = rig.Launch(ctx, program, "agent", "--config", config, "--web.listen-address", "127.0.0.1:0"); err == nil {
		var address string
		address, err = s.agent.Hear(`serving metrics and pages" address=(\S+)`)
		s.address = "http://" + address
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
		fmt.Fprintf(&b, "- {name: lasting-%02d, url: %q, mode: continuous, renew: 4h, window: 1s}\n", i, url)
	}
	for i := range p.renewed {
		fmt.Fprintf(&b, "- {name: renewed-%02d, url: %q, mode: continuous, renew: 1m}\n", i, url)
	}
	return b.String()
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
	case <-s.agent.Over():
	case <-time.After(time.Minute):
		return e, errors.New("the agent does not end")
	}
	e.agentTook, e.agentErr = time.Since(began), s.agent.Err()
	if found := regexp.MustCompile(`"agent ends" calls=(\d+)`).FindStringSubmatch(s.agent.Text()); found != nil {
		e.atEnd = found[1]
	}
	for line := range strings.Lines(s.agent.Text()) {
		if strings.Contains(line, "level=ERROR") {
			e.log += line
		}
	}
	if err := s.echo.Process.Signal(syscall.SIGTERM); err != nil {
		return e, err
	}
	select {
	case <-s.echo.Over():
	case <-time.After(time.Minute):
		return e, errors.New("the echo does not end")
	}
	if found := regexp.MustCompile(`ending; calls running: (\d+)`).FindStringSubmatch(s.echo.Text()); found != nil {
		e.left = found[1]
	}
	ledger, err := os.ReadFile(filepath.Join(s.folder, "calls.jsonl"))
	e.ledger = bytes.Count(ledger, []byte("\n"))
	return e, err
}

// last is what the agent said last, for a run that went wrong.
func (s *soak) last() error {
	text := s.agent.Text()
	return fmt.Errorf("the agent's last words: %s", text[max(0, len(text)-2000):])
}

// kill ends what still runs.
func (s *soak) kill() {
	for _, p := range []*rig.Program{s.agent, s.echo} {
		if p != nil {
			p.Kill()
		}
	}
}
