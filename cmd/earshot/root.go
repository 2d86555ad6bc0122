package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"
)

// run is the program: it returns the exit code.
func run(args []string) int {
	root := rootCommand()
	root.SetArgs(args)
	return exitCode(os.Stderr, root.Execute())
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "earshot",
		Short: "Hears call quality degrade before the agents do",
		Long: `Earshot places WebRTC test calls to an echo and says what the network did to
every packet in each direction, layer by layer, and what it did wrong itself.`,
		Example: `  earshot call                                  a call to an echo in this process
  earshot echo --listen 192.0.2.7:8443          serve an echo for others
  earshot call http://192.0.2.7:8443/echo       and call it`,
		Args:          unknownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(badFlag)
	root.AddCommand(callCommand(), echoCommand(), analyzeCommand(), selftestCommand(), drillCommand(), mosCommand(), agentCommand(), checkConfigCommand(), dashboardsCommand(), versionCommand(), manCommand())
	return root
}

// interruptible returns a context that ends with the first signal to stop. The
// second one ends the process.
func interruptible(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// outputFlag adds --output to a command.
func outputFlag(cmd *cobra.Command, value *string) {
	cmd.Flags().StringVar(value, "output", "text", "text or json")
	completeWith(cmd, "output", "text", "json")
}

func checkOutput(value string) error {
	if slices.Contains([]string{"text", "json"}, value) {
		return nil
	}
	return errors.New("must be text or json, is " + value)
}

// completeWith tells shells the values of a flag.
func completeWith(cmd *cobra.Command, flag string, values ...string) {
	err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the flag is added on the line above
	}
}
