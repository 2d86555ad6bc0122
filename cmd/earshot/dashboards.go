package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/earshot-voip/earshot/dashboards"
	"github.com/earshot-voip/earshot/internal/dashgen"
)

// dashboardsCommand is earshot dashboards: what people look at and are woken by.
func dashboardsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dashboards",
		Short: "Grafana boards, Prometheus rules and runbooks",
		Long: `Grafana boards, Prometheus rules with their tests, runbooks, and examples for
Alertmanager and a whole stack, as this version of earshot wants them.`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(exportCommand())
	return cmd
}

// exportFlags are the flags of earshot dashboards export as given.
type exportFlags struct {
	grafana, runbooks string
	force             bool
}

func exportCommand() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export DIR",
		Short: "Write boards, rules and runbooks into a folder",
		Long: `Write boards, rules, tests, runbooks and examples into a folder, which is made if
it is not there. Files that are the same already stay; one that differs is only
replaced with --force.`,
		Example: `  earshot dashboards export /etc/earshot/dashboards
  earshot dashboards export out --grafana-url https://grafana.example.com --runbook-url https://wiki.example.com/earshot`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(fmt.Errorf("one folder is needed, got %d arguments", len(args)), "earshot dashboards export DIR")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.grafana, "grafana-url", dashgen.DefaultGrafana, "where alerts say that the boards are")
	fs.StringVar(&f.runbooks, "runbook-url", dashgen.DefaultRunbooks, "where alerts say that the runbooks are")
	fs.BoolVar(&f.force, "force", false, "replace files that differ")
	return cmd
}

func (f *exportFlags) run(cmd *cobra.Command, dir string) error {
	for flag, value := range map[string]string{"--grafana-url": f.grafana, "--runbook-url": f.runbooks} {
		if u, err := url.Parse(value); err != nil || u.Host == "" {
			return usage(fmt.Errorf("%s: %q is no URL", flag, value), "give it whole, as in https://grafana.example.com")
		}
	}
	files, err := f.files()
	if err != nil {
		return err
	}
	if err := f.differing(dir, files); err != nil {
		return err
	}
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return exitError{exitFailed, err}
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return exitError{exitFailed, err}
		}
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d files in %s\n", len(files), dir)
	return nil
}

// files are what is to be written, with the addresses put in.
func (f *exportFlags) files() (map[string][]byte, error) {
	files := map[string][]byte{}
	addresses := strings.NewReplacer(
		dashgen.DefaultGrafana+"/d/", strings.TrimRight(f.grafana, "/")+"/d/",
		dashgen.DefaultRunbooks, strings.TrimRight(f.runbooks, "/"))
	err := fs.WalkDir(dashboards.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(dashboards.Files, name)
		files[name] = []byte(addresses.Replace(string(content)))
		return err
	})
	return files, err
}

// differing reports files that are there and would be changed.
func (f *exportFlags) differing(dir string, files map[string][]byte) error {
	if f.force {
		return nil
	}
	var names []string
	for name, content := range files {
		old, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err == nil && !bytes.Equal(old, content) {
			names = append(names, name)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return exitError{exitFailed, err}
		}
	}
	if len(names) == 0 {
		return nil
	}
	return exitError{exitFailed, withHint(fmt.Errorf("%s: %d files differ, such as %s", dir, len(names), slices.Min(names)),
		"nothing was written; --force replaces them")}
}
