package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// ownEcho is an echo in a process of its own, so that it can be killed as an
// incident kills it: nobody is told.
type ownEcho struct {
	listen, token string
	errors        io.Writer // what it says beside its first line
	url           string    // once it listens

	process *exec.Cmd // nil: not running
	read    chan struct{}
}

// start runs it and waits until it listens.
func (e *ownEcho) start(ctx context.Context) error {
	if e.process != nil {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	p := exec.Command(program, "echo", "--drill", "--listen", e.listen) // not bound to ctx: the drill ends it after making it well
	p.Env = append(os.Environ(), "EARSHOT_TOKEN="+e.token)
	out, err := p.StderrPipe()
	if err != nil {
		return err
	}
	if err := p.Start(); err != nil {
		return err
	}
	e.process, e.read = p, make(chan struct{})
	listening := make(chan string, 1)
	go e.follow(out, listening)
	ctx, cancel := context.WithTimeoutCause(ctx, drillPatience, errors.New("it did not listen in time"))
	defer cancel()
	select {
	case line, ok := <-listening:
		if url, found := strings.CutPrefix(line, "listening on "); ok && found {
			e.url, _, _ = strings.Cut(url, ",")
			return nil
		}
		_ = e.kill()
		return fmt.Errorf("it said: %s", strings.TrimPrefix(line, "earshot: "))
	case <-ctx.Done():
		_ = e.kill()
		return context.Cause(ctx)
	}
}

// follow hands on the first line and passes the others to errors.
func (e *ownEcho) follow(out io.Reader, first chan<- string) {
	defer close(e.read)
	lines := bufio.NewScanner(out)
	if lines.Scan() {
		first <- lines.Text()
	}
	close(first)
	for lines.Scan() {
		fmt.Fprintln(e.errors, "echo: "+lines.Text())
	}
}

// kill ends it without a word to its callers.
func (e *ownEcho) kill() error {
	if e.process == nil {
		return nil
	}
	p := e.process
	e.process = nil
	if err := p.Process.Kill(); err != nil {
		return fmt.Errorf("kill the echo: %w", err)
	}
	<-e.read
	_ = p.Wait() // it was killed, and says so
	return nil
}
