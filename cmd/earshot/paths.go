package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/earshot-voip/earshot/internal/report"
	"github.com/earshot-voip/earshot/probe"
)

// compare places the call over each path, one after the other so that they do
// not disturb each other, and reports them side by side. An interrupt ends the
// running call and leaves out the rest.
func (f *callFlags) compare(ctx context.Context, cmd *cobra.Command, target probe.Target, logs *holdBack) error {
	paths := probe.Paths(target)
	_, live := terminal(cmd.ErrOrStderr())
	for i := range paths {
		p := &paths[i]
		switch {
		case p.Skipped != "":
			continue
		case ctx.Err() != nil:
			p.Skipped = "interrupted before its turn"
			continue
		}
		if live && f.verbose == 0 {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s %s\n", p.Kind, p.Server)
		}
		target.Log.Info("calling over a path", "path", p.Kind, "server", p.Server)
		result, err := f.place(ctx, cmd.ErrOrStderr(), p.Target, logs)
		if err != nil {
			return exitError{exitFailed, withHint(err, "this is a defect of earshot; please report it")}
		}
		p.Result = result
	}
	comparison := probe.Compare(paths)
	var err error
	if f.output == "json" {
		err = report.PathsJSON(cmd.OutOrStdout(), &comparison)
	} else {
		err = report.PathsText(cmd.OutOrStdout(), &comparison, displayOptions(cmd.OutOrStdout()))
	}
	if err != nil {
		return writeOut(err)
	}
	switch code := report.PathsExitCode(&comparison); {
	case ctx.Err() != nil:
		return exitError{code: exitFailed}
	case code != 0:
		return exitError{code: code}
	}
	return nil
}
