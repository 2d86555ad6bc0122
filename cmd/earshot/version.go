package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build is what the binary knows of its own making.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision"` // of the sources; empty when not known
	Time     string `json:"time"`     // of the revision; empty when not known
	Modified bool   `json:"modified"` // the sources differed from the revision
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func readBuild() build {
	b := build{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (b build) String() string {
	changed := ""
	if b.Modified {
		changed = ", modified"
	}
	return fmt.Sprintf("earshot %s (%s%s, %s, %s)", b.Version, cmp.Or(b.Revision, "unknown revision"), changed, b.Go, b.Platform)
}

func versionCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which version this is",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return usage(fmt.Errorf("--output: %w", err), "--output text is the default")
			}
			if output == "json" {
				return writeOut(writeJSON(cmd.OutOrStdout(), readBuild()))
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), readBuild())
			return writeOut(err)
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

// noArguments is the Args of commands that are told everything by flags.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usage(fmt.Errorf("unexpected argument %q", args[0]), cmd.CommandPath()+" --help says what it takes")
}
