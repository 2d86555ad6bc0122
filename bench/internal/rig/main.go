package rig

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// Bench is one measurement and what its command line may say.
type Bench struct {
	Name  string // of bench/NAME and of its results, bench/results/NAME.md
	Title string
	// Run measures and writes the report. A report with a complaint is written
	// too, and the command then fails.
	Run func(ctx context.Context, o Options, r *Report) error
	// Roles are what its child processes play, beside the echo.
	Roles map[string]Role
}

// Options are those of the command line.
type Options struct {
	Smoke bool // a few seconds: does everything work
}

// Pick returns full, or smoke in a smoke run.
func Pick[T any](o Options, full, smoke T) T {
	if o.Smoke {
		return smoke
	}
	return full
}

// Main is the main function of a measurement.
func (b Bench) Main() {
	if name := os.Getenv(roleVariable); name != "" {
		role := b.Roles[name]
		if name == EchoRole {
			role = PlayEcho
		}
		if err := play(role); err != nil {
			fmt.Fprintf(os.Stderr, "%s in role %s: %v\n", b.Name, name, err)
			os.Exit(1)
		}
		return
	}
	if err := b.run(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", b.Name, err)
		os.Exit(1)
	}
}

func (b Bench) run() error {
	var o Options
	flag.BoolVar(&o.Smoke, "smoke", false, "a run of a few seconds that shows that everything works; writes no results")
	results := flag.String("results", filepath.Join("bench", "results"), "folder for the results")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	began := time.Now()
	report := NewReport(b.Title, command(b.Name, flag.CommandLine))
	if err := b.Run(ctx, o, report); err != nil {
		return err
	}
	report.Took = time.Since(began)
	text := report.String()
	fmt.Print(text)
	if o.Smoke {
		return report.Complaint()
	}
	path := filepath.Join(*results, b.Name+".md")
	if err := os.MkdirAll(*results, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "written to", path)
	return report.Complaint()
}

// command is what makes the same page again: the flags that were given are in it,
// but for where it is written to.
func command(name string, flags *flag.FlagSet) string {
	text := "go run ./bench/" + name
	flags.Visit(func(f *flag.Flag) {
		if f.Name != "results" {
			text += fmt.Sprintf(" -%s=%s", f.Name, f.Value)
		}
	})
	return text
}

// Progress tells who watches what is going on.
func Progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}
