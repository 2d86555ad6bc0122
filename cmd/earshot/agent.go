package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/earshot-voip/earshot/internal/config"
)

// agentFlags are the flags of earshot agent as given.
type agentFlags struct {
	config  string
	grace   time.Duration
	verbose int
	web     webFlags
}

// agentCommand is earshot agent: calls on schedule.
func agentCommand() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "agent --config FILE",
		Short: "Place calls on schedule, for months",
		Long: `Place calls to the targets of a configuration, on schedule or without pause, and
show what became of them: metrics for Prometheus, /probe for calls on demand, and
a status page.

SIGHUP reads the configuration anew: targets that did not change go on
undisturbed, and a file with mistakes changes nothing. Lists of targets, secrets
and certificates that the configuration names are read anew when they change.
SIGTERM and interrupt end all calls in order: a call that has media is judged by
what it measured, one that is still being set up counts nowhere.`,
		Example: `  earshot agent --config /etc/earshot/earshot.yml
  earshot check-config /etc/earshot/earshot.yml && kill -HUP $(pidof earshot)`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.config, "config", "", "YAML file that says what to call")
	f.web.add(fs)
	fs.DurationVar(&f.grace, "grace", 10*time.Second, "how long calls may take to end before they are cut off")
	fs.CountVarP(&f.verbose, "verbose", "v", "log every call too; twice for more")
	return cmd
}

// run is the agent until a signal ends it.
func (f *agentFlags) run(cmd *cobra.Command) error {
	if f.config == "" {
		return usage(errors.New("--config: which configuration?"), "earshot agent --config FILE; the README has an example")
	}
	if f.grace <= 0 {
		return usage(fmt.Errorf("--grace: must be more than 0, is %v", f.grace), "10s is enough for every call to end in order")
	}
	var wrong problems
	f.web.check(&wrong)
	if err := wrong.usage("earshot agent --help explains the flags"); err != nil {
		return err
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	log := newLog(cmd.ErrOrStderr(), 1+f.verbose)
	source := config.NewSource(f.config)
	first, err := source.Load()
	if err != nil {
		return badConfig(err)
	}
	ctx, stop := interruptible(cmd.Context())
	defer stop()

	s, err := newService(source, first, &f.web, log)
	if err != nil {
		return exitError{exitFailed, err}
	}
	log.Info("agent started", "config", f.config, "targets", len(first.Plan.Jobs), "version", readBuild().Version)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.server = serveWeb(&f.web, s.pages(), log, cancel)
	s.run(ctx, hangups)
	log.Info("agent ends", "calls", s.agent.Status().Running)
	if err := s.close(f.grace); err != nil {
		return exitError{exitFailed, err}
	}
	return nil
}

// checkConfigCommand is earshot check-config.
func checkConfigCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check-config FILE",
		Short: "Say whether a configuration is good, and everything that is wrong with it",
		Long: `Read a configuration of earshot agent, with all files that it names, and say
everything that is wrong with it, each with its place; exit code 64 then. Nothing
is called.`,
		Example: `  earshot check-config /etc/earshot/earshot.yml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(fmt.Errorf("one file is needed, not %d", len(args)), "earshot check-config FILE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.NewSource(args[0]).Load()
			if err != nil {
				return badConfig(err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is good: %s\n", args[0], c.Summary())
			if err != nil {
				return writeOut(err)
			}
			return nil
		},
	}
}

// badConfig says all problems of a configuration.
func badConfig(err error) error {
	var (
		list problems
		all  config.Problems
	)
	if !errors.As(err, &all) {
		return exitError{exitFailed, err}
	}
	for _, p := range all {
		list = append(list, p)
	}
	return list.usage("earshot check-config says it again after you changed the file")
}
