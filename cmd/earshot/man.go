package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand is earshot man: the manual pages, for those who make packages. They
// are not kept in the tree: they follow from the commands.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages of all commands to a folder",
		Long:   `Write the manual pages of all commands to a folder, for packages: earshot.1, earshot-call.1 and so on.`,
		Hidden: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(fmt.Errorf("one folder is needed, not %d", len(args)), "earshot man DIR")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return exitError{exitFailed, err}
			}
			cmd.Root().DisableAutoGenTag = true // it would hold today's date
			if err := doc.GenManTree(cmd.Root(), manHeader(), args[0]); err != nil {
				return exitError{exitFailed, err}
			}
			return nil
		},
	}
}

// manHeader dates the pages by the sources: the same sources give the same pages.
func manHeader() *doc.GenManHeader {
	b := readBuild()
	header := &doc.GenManHeader{Section: "1", Source: "Earshot " + b.Version, Manual: "Earshot"}
	made := time.Unix(0, 0).UTC()
	if t, err := time.Parse(time.RFC3339, b.Time); err == nil {
		made = t.UTC()
	}
	header.Date = &made
	return header
}
