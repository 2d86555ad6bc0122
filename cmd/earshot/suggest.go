package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/earshot-voip/earshot/internal/spelling"
)

// unknownCommand is the Args of a command that takes none but sub-commands.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	hint := "earshot --help lists the commands"
	if name := spelling.Nearest(args[0], names); name != "" {
		hint = fmt.Sprintf("did you mean earshot %s?", name)
	}
	return usage(fmt.Errorf("unknown command %q", args[0]), hint)
}

// badFlag explains an error of flag parsing.
func badFlag(cmd *cobra.Command, err error) error {
	hint := cmd.CommandPath() + " --help lists the flags"
	var (
		absent *pflag.NotExistError
		value  *pflag.InvalidValueError
	)
	switch {
	case errors.As(err, &absent):
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if name := spelling.Nearest(absent.GetSpecifiedName(), names); name != "" {
			hint = fmt.Sprintf("did you mean --%s?", name)
		}
	case errors.As(err, &value):
		if value.GetFlag().Value.Type() == "duration" {
			hint = "a duration has a unit: 500ms, 10s, 2m"
		}
	}
	return usage(err, hint)
}
