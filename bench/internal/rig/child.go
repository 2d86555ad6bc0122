// Package rig is what the measurements of bench share: child processes, the
// machine's description, tables and result files.
package rig

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// roleVariable names the role of a child process in its environment.
const roleVariable = "EARSHOT_BENCH_ROLE"

// Role is what a child process does until ctx ends. say writes one value for
// the parent to read.
type Role func(ctx context.Context, config json.RawMessage, say func(any) error) error

// play runs a role: the first line of standard input is its configuration, the
// end of standard input ends it. So a child never outlives its parent.
func play(role Role) error {
	in := bufio.NewReader(os.Stdin)
	config, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	return role(ctx, config, json.NewEncoder(os.Stdout).Encode)
}

// Child is a child process of the same binary.
type Child struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *json.Decoder
}

// Spawn starts a child in a role.
func Spawn(role string, config any) (*Child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	text, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	c := &Child{command: exec.Command(self)}
	c.command.Env = append(os.Environ(), roleVariable+"="+role)
	c.command.Stderr = os.Stderr
	if c.in, err = c.command.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	out, err := c.command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	c.out = json.NewDecoder(out)
	if err := c.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	if _, err := c.in.Write(append(text, '\n')); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", role, err), c.Stop())
	}
	return c, nil
}

// Hear reads the next value that the child says.
func (c *Child) Hear(value any) error {
	if err := c.out.Decode(value); err != nil {
		return fmt.Errorf("hear from a child process: %w", err)
	}
	return nil
}

// stopTimeout is how long a child may take to end.
const stopTimeout = 20 * time.Second

// Stop ends the child and waits for it. What it still says is lost.
func (c *Child) Stop() error {
	_ = c.in.Close()
	late := time.AfterFunc(stopTimeout, func() { _ = c.command.Process.Kill() })
	defer late.Stop()
	_, _ = io.Copy(io.Discard, c.out.Buffered())
	if err := c.command.Wait(); err != nil {
		return fmt.Errorf("end of a child process: %w", err)
	}
	return nil
}

// Usage is what the child has used so far.
func (c *Child) Usage() (Usage, error) { return usageOf(c.command.Process.Pid) }
