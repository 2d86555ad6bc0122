package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Exit codes beside those of a call's verdict (package report).
const (
	exitFailed = 2  // the work could not be done
	exitUsage  = 64 // the command line or a file it names is wrong
)

// exitError ends the process with a code. Without an err everything has been
// said. A hint is a last line of err's text that begins with "hint: ".
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e exitError) Unwrap() error { return e.err }

// usage is an error of the command line, and what to do about it.
func usage(err error, hint string) error {
	return exitError{exitUsage, withHint(err, hint)}
}

func withHint(err error, hint string) error { return fmt.Errorf("%w\nhint: %s", err, hint) }

// hintApart puts a hint at the end of an error's text on a line of its own.
func hintApart(err error) error {
	if text, hint, ok := strings.Cut(err.Error(), "; hint: "); ok {
		return withHint(errors.New(text), hint)
	}
	return err
}

// problems collects everything that is wrong with a command line, so that it
// can be said at once.
type problems []error

// add notes a problem with a flag (or another thing that has a name).
func (p *problems) add(name string, err error) {
	if err != nil {
		*p = append(*p, fmt.Errorf("%s: %w", name, err))
	}
}

// usage returns the problems as one error, nil without any.
func (p problems) usage(hint string) error {
	switch len(p) {
	case 0:
		return nil
	case 1:
		if err := hintApart(p[0]); err != p[0] {
			return exitError{exitUsage, err}
		}
		return usage(p[0], hint)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d problems:", len(p))
	for _, err := range p {
		b.WriteString("\n  " + strings.Replace(err.Error(), "; hint: ", "; ", 1))
	}
	return usage(errors.New(b.String()), hint)
}

// exitCode says what went wrong on w and returns the code to exit with. An
// error that carries no code comes from the parsing of the command line.
func exitCode(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	exit := exitError{exitUsage, err}
	errors.As(err, &exit)
	if exit.err != nil {
		fmt.Fprintln(w, "earshot: "+exit.Error())
	}
	return exit.code
}
