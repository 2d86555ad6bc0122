package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
	if name := nearest(args[0], names); name != "" {
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
		if name := nearest(absent.GetSpecifiedName(), names); name != "" {
			hint = fmt.Sprintf("did you mean --%s?", name)
		}
	case errors.As(err, &value):
		if value.GetFlag().Value.Type() == "duration" {
			hint = "a duration has a unit: 500ms, 10s, 2m"
		}
	}
	return usage(err, hint)
}

// nearest returns the candidate that is most like name, or "" when none is
// like it.
func nearest(name string, candidates []string) string {
	best, found := 1+max(2, len(name)/3), ""
	for _, c := range candidates {
		if d := distance(name, c); d < best {
			best, found = d, c
		}
	}
	return found
}

// distance is Levenshtein's: how many bytes to insert, delete or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := slices.Clone(row)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
