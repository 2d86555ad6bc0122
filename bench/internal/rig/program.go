package rig

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"
)

// Program is another program that runs, and what it says.
type Program struct {
	*exec.Cmd
	over chan struct{} // closed when it has ended; err is what it ended with
	err  error

	mu   sync.Mutex
	said bytes.Buffer
}

// BuildEarshot builds the command into a folder and returns its path.
func BuildEarshot(ctx context.Context, folder string) (string, error) {
	program := filepath.Join(folder, "earshot")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/earshot").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build earshot, from the top of the tree: %w: %s", err, out)
	}
	return program, nil
}

// Launch starts a program, which is told to end when ctx is over.
func Launch(ctx context.Context, program string, args ...string) (*Program, error) {
	p := &Program{Cmd: exec.CommandContext(ctx, program, args...), over: make(chan struct{})}
	p.Stdout, p.Stderr = p, p
	p.Cancel = func() error { return p.Process.Signal(syscall.SIGTERM) }
	p.WaitDelay = 30 * time.Second
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(program), err)
	}
	go func() {
		defer close(p.over)
		p.err = p.Wait()
	}()
	return p, nil
}

// Write keeps what the program says.
func (p *Program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.Write(b)
}

// Text is what the program has said so far.
func (p *Program) Text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.String()
}

// Over is closed when the program has ended.
func (p *Program) Over() <-chan struct{} { return p.over }

// Err is what the program ended with, once it is over.
func (p *Program) Err() error { return p.err }

// Hear waits until the program says something, and returns the group in it.
func (p *Program) Hear(pattern string) (string, error) {
	expression := regexp.MustCompile(pattern)
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if found := expression.FindStringSubmatch(p.Text()); found != nil {
			return found[1], nil
		}
		select {
		case <-p.over:
			return "", fmt.Errorf("%s ended: %w: %s", filepath.Base(p.Path), p.err, p.Text())
		default:
		}
	}
	return "", fmt.Errorf("%s does not say %s: %s", filepath.Base(p.Path), pattern, p.Text())
}

// Kill ends the program without a word and waits for that.
func (p *Program) Kill() {
	_ = p.Process.Kill() // it may be over already
	<-p.over
}
