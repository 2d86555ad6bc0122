package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// firing is an alert from when it began to fire until it ended.
type firing struct {
	Name, Severity, Site, Target, Direction string
	From, To                                time.Time // To is zero while it fires
	Value                                   float64
}

func (f firing) String() string {
	text := f.From.Format("Mon 2 15:04:05") + " " + f.Severity + " " + f.Name + " " + f.Site + "/" + f.Target
	if f.Direction != "" {
		text += " " + f.Direction
	}
	if !f.To.IsZero() {
		text += " for " + f.To.Sub(f.From).String()
	}
	return fmt.Sprintf("%s (%.3g)", text, f.Value)
}

// engine is a program that evaluates rules, see engine/main.go.
type engine struct {
	in      io.WriteCloser
	command *exec.Cmd
	over    chan struct{}
	list    bool

	alerts    []firing
	evaluated int64
	err       error
}

// buildEngine builds it. It is a module of its own, since it brings Prometheus
// with it.
func buildEngine(ctx context.Context, folder string) (program string, err error) {
	program = filepath.Join(folder, "engine")
	build := exec.CommandContext(ctx, "go", "build", "-C", filepath.Join("bench", "falsepages", "engine"), "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the engine, from the top of the tree: %w: %.300s", err, out)
	}
	return program, nil
}

// startEngine starts it. With list, every alert goes to standard error when it is over.
func startEngine(program string, files []string, list bool) (*engine, error) {
	e := &engine{command: exec.Command(program, files...), over: make(chan struct{}), list: list}
	e.command.Stderr = os.Stderr
	var err error
	if e.in, err = e.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := e.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := e.command.Start(); err != nil {
		return nil, fmt.Errorf("start the engine: %w", err)
	}
	go func() {
		defer close(e.over)
		e.err = e.listen(out)
		_, _ = io.Copy(io.Discard, out) // so that it can end
	}()
	return e, nil
}

// said is an event, or what the engine says at its end.
type said struct {
	At     int64
	Firing bool
	Labels map[string]string
	Value  float64

	Evaluations, Failures int64
	Error                 string
}

func (e *engine) listen(out io.Reader) error {
	lines := json.NewDecoder(out)
	firing := map[string]int{} // by labels, places in alerts
	for {
		var l said
		if err := lines.Decode(&l); errors.Is(err, io.EOF) {
			for _, i := range firing {
				e.show(e.alerts[i])
			}
			return nil
		} else if err != nil {
			return fmt.Errorf("hear from the engine: %w", err)
		}
		if l.Evaluations > 0 {
			e.evaluated = l.Evaluations
			if l.Failures > 0 {
				return fmt.Errorf("%d evaluations failed: %s", l.Failures, l.Error)
			}
			continue
		}
		key, at := fmt.Sprint(l.Labels), time.UnixMilli(l.At).UTC()
		if !l.Firing {
			if i, is := firing[key]; is {
				e.alerts[i].To = at
				delete(firing, key)
				e.show(e.alerts[i])
			}
			continue
		}
		if _, is := firing[key]; is {
			continue
		}
		firing[key] = len(e.alerts)
		e.alerts = append(e.alerts, firingOf(l, at))
	}
}

func (e *engine) show(f firing) {
	if e.list {
		fmt.Fprintln(os.Stderr, f)
	}
}

func firingOf(l said, at time.Time) firing {
	return firing{
		Name: l.Labels["alertname"], Severity: l.Labels["severity"], Site: l.Labels["site"], Target: l.Labels["target"],
		Direction: l.Labels["direction"], From: at, Value: l.Value,
	}
}

// end closes what the engine is fed with, and waits until it is done.
func (e *engine) end() ([]firing, int64, error) {
	err := e.in.Close()
	<-e.over
	return e.alerts, e.evaluated, errors.Join(err, e.err, e.command.Wait())
}
