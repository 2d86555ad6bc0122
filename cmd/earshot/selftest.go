package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/earshot-voip/earshot/internal/selftest"
)

// exitUntrusted is for a host whose calls cannot be trusted, as for a call that
// cannot (package report).
const exitUntrusted = 3

// selftestCommand is earshot selftest: what this host is worth as a probe.
func selftestCommand() *cobra.Command {
	var (
		output   string
		quick    bool
		maxCalls int
	)
	cmd := &cobra.Command{
		Use:   "selftest",
		Short: "Say how well this host can measure, and how many calls it can place",
		Long: `Say how well this host can measure: how punctually it sends, how soon it notices
what arrives, what calls over its own loopback look like, and how many calls it
can place before its own noise exceeds 1 ms at p99. Takes less than a minute;
nothing leaves the host. Run it when the host does what it always does.

Exit code 3 says that not even a single call from here could be trusted.`,
		Example: `  earshot selftest
  earshot selftest --output json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var wrong problems
			wrong.add("--output", checkOutput(output))
			if maxCalls < 1 || maxCalls > 10000 {
				wrong.add("--max-calls", fmt.Errorf("must be within 1..10000, is %d", maxCalls))
			}
			if err := wrong.usage("earshot selftest --help explains the flags"); err != nil {
				return err
			}
			return runSelftest(cmd, output, selftestConfig(cmd, quick, maxCalls))
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.IntVar(&maxCalls, "max-calls", 1000, "where the search for the number of calls ends")
	fs.BoolVar(&quick, "quick", false, "a few seconds and a few calls; tells whether this host can measure, not how much")
	outputFlag(cmd, &output)
	return cmd
}

func selftestConfig(cmd *cobra.Command, quick bool, maxCalls int) selftest.Config {
	c := selftest.Config{Echo: separateEcho, MaxCalls: maxCalls}
	if quick {
		c.Levels, c.Hold, c.Budget = []int{1, 5}, time.Second, 5*time.Second
	}
	if _, ok := terminal(cmd.ErrOrStderr()); ok {
		c.Progress = func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), text+" …") }
	}
	return c
}

func runSelftest(cmd *cobra.Command, output string, config selftest.Config) error {
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	report, err := selftest.Run(ctx, config)
	if err != nil {
		if ctx.Err() != nil {
			return exitError{exitFailed, errors.New("the self-test was interrupted")}
		}
		return exitError{exitFailed, withHint(err, "the test needs loopback, a free TCP port and enough file descriptors; see ulimit -n")}
	}
	write := report.Text
	if output == "json" {
		write = report.JSON
	}
	if err := writeOut(write(cmd.OutOrStdout())); err != nil {
		return err
	}
	if !report.Trusted {
		return exitError{code: exitUntrusted}
	}
	return nil
}

// separateEchoTimeout is how long the echo's process may take to listen or to end.
const separateEchoTimeout = 10 * time.Second

// separateEcho runs earshot echo in a process of its own.
func separateEcho(ctx context.Context) (url string, stop func() error, err error) {
	program, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	echo := exec.Command(program, "echo", "--listen", "127.0.0.1:0", "--max-calls", "10000")
	said, err := echo.StderrPipe()
	if err != nil {
		return "", nil, err
	}
	if err := echo.Start(); err != nil {
		return "", nil, err
	}
	listening := make(chan string, 1)
	over := make(chan struct{})
	go func() {
		defer close(over)
		lines := bufio.NewScanner(said)
		for lines.Scan() {
			if rest, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
				one, _, _ := strings.Cut(rest, ",")
				select {
				case listening <- one:
				default:
				}
			}
		}
	}()
	stop = func() error { return endEcho(echo, over) }
	select {
	case url = <-listening:
		return url, stop, nil
	case <-over:
		err = errors.New("it does not start")
	case <-time.After(separateEchoTimeout):
		err = fmt.Errorf("it does not listen within %v", separateEchoTimeout)
	case <-ctx.Done():
		err = ctx.Err()
	}
	return "", nil, errors.Join(err, stop())
}

// endEcho interrupts a process and waits for its end; over is closed when
// all that it said has been read.
func endEcho(c *exec.Cmd, over <-chan struct{}) error {
	if c.Process.Signal(os.Interrupt) != nil {
		_ = c.Process.Kill() // this system knows no such signal, or it has ended
	}
	late := time.AfterFunc(separateEchoTimeout, func() { _ = c.Process.Kill() })
	defer late.Stop()
	<-over
	err := c.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil // it was told to end, and how it did is of no interest
	}
	return err
}
