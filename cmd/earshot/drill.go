package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/earshot-voip/earshot/internal/drill"
	"github.com/earshot-voip/earshot/internal/echo"
)

// exitNotAsExpected: the drill went through, the alerts did not do what was expected.
const exitNotAsExpected = 1

// drillFlags are the flags of earshot drill as given.
type drillFlags struct {
	scenario, listen         string
	prometheus, alertmanager string
	tokenFile, caFile        string
	output                   string
	list                     bool
}

// drillCommand is earshot drill: calls that go bad on purpose.
func drillCommand() *cobra.Command {
	var f drillFlags
	cmd := &cobra.Command{
		Use:   "drill [URL]",
		Short: "Break calls on purpose, and see the alerts fire",
		Long: `Play a scripted impairment on an echo, so that a team sees its alerts fire before
it trusts them. Without URL the echo is one of the drill's own, at --listen: point
an agent's target at it. URL is an echo that somebody else started, with
earshot echo --drill.

With --prometheus or --alertmanager the drill watches: it says when each alert
was expected, when it fired and when it ended.

Exit codes: 0 the alerts did what was expected of them (or nobody watched), 1 they
did not, 2 the drill could not be played, 64 wrong usage.`,
		Example: `  earshot drill --list
  earshot drill --scenario collapse --prometheus http://127.0.0.1:9090
  earshot drill https://echo.example.com/echo --token-file token --scenario ramp-loss
  earshot drill --scenario my-incident.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.scenario, "scenario", "", strings.Join(drill.Names(), ", ")+", or a file")
	fs.BoolVar(&f.list, "list", false, "say what the scenarios are, and end")
	fs.StringVar(&f.listen, "listen", "127.0.0.1:8443", "address and TCP port of the drill's own echo")
	fs.StringVar(&f.prometheus, "prometheus", "", "URL of the Prometheus whose alerts to watch")
	fs.StringVar(&f.alertmanager, "alertmanager", "", "URL of the Alertmanager whose alerts to watch")
	fs.StringVar(&f.tokenFile, "token-file", "", "file with the bearer token of the echo (or EARSHOT_TOKEN)")
	fs.StringVar(&f.caFile, "ca-file", "", "PEM file with the authorities to trust in place of the system's")
	outputFlag(cmd, &f.output)
	completeWith(cmd, "scenario", drill.Names()...)
	cmd.MarkFlagsMutuallyExclusive("prometheus", "alertmanager")
	return cmd
}

func (f *drillFlags) run(cmd *cobra.Command, args []string) error {
	if f.list {
		return writeOut(listScenarios(cmd.OutOrStdout()))
	}
	d, own, err := f.drill(cmd, args)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	w := cmd.ErrOrStderr()
	d.Tell = func(e drill.Event) { fmt.Fprintf(w, "%s  %-10s  %s\n", e.Clock(), e.Kind, e.Text) }
	if own != nil {
		if err := own.start(ctx); err != nil {
			return exitError{exitFailed, withHint(fmt.Errorf("start the echo: %w", err), "choose another port with --listen")}
		}
		defer func() { _ = own.kill() }()
		fmt.Fprintf(w, "calls to %s will go bad; the drill lasts %v\n", own.url, d.Scenario.Lasts)
	}
	outcome, err := d.Run(ctx)
	if err != nil && ctx.Err() == nil {
		return exitError{exitFailed, hintApart(err)}
	}
	if wrong := f.write(cmd.OutOrStdout(), outcome); wrong != nil {
		return writeOut(wrong)
	}
	switch {
	case err != nil:
		return exitError{code: exitFailed} // interrupted: the outcome says so
	case !outcome.Passed():
		return exitError{code: exitNotAsExpected}
	}
	return nil
}

// drill turns the flags into a drill. own is the echo to start, nil with a URL.
func (f *drillFlags) drill(cmd *cobra.Command, args []string) (d drill.Drill, own *ownEcho, err error) {
	var wrong problems
	d.Scenario, err = scenarioOf(f.scenario)
	wrong.add("--scenario", err)
	token, err := secret(f.tokenFile, "EARSHOT_TOKEN")
	wrong.add("--token-file", err)
	client, err := clientTrusting(f.caFile)
	wrong.add("--ca-file", err)
	wrong.add("--output", checkOutput(f.output))
	endpoint := drill.Endpoint{Token: token, Client: client}
	switch {
	case len(args) == 1:
		endpoint.URL = args[0]
		if !strings.HasPrefix(endpoint.URL, "http://") && !strings.HasPrefix(endpoint.URL, "https://") {
			wrong.add("URL", fmt.Errorf("%q is not the http:// or https:// URL of an echo", endpoint.URL))
		}
		if d.Scenario.Stops() {
			wrong.add("--scenario", errors.New("it kills the echo, which only works on the drill's own; hint: leave out the URL"))
		}
	default:
		own = &ownEcho{listen: f.listen, token: token, errors: cmd.ErrOrStderr()}
		d.Start, d.Kill = own.start, own.kill
	}
	d.Set = func(ctx context.Context, c echo.Conditions) error {
		e := endpoint
		if own != nil {
			e.URL = own.url
		}
		return e.Set(ctx, c)
	}
	if f.prometheus != "" {
		d.Alerts = drill.Prometheus(f.prometheus, nil)
	}
	if f.alertmanager != "" {
		d.Alerts = drill.Alertmanager(f.alertmanager, nil)
	}
	return d, own, wrong.usage("earshot drill --help explains the flags, --list the scenarios")
}

// scenarioOf finds a scenario by its name, or reads it from a file.
func scenarioOf(name string) (drill.Scenario, error) {
	if name == "" {
		return drill.Scenario{}, fmt.Errorf("is missing; hint: use one of %s, or a file", strings.Join(drill.Names(), ", "))
	}
	if !strings.ContainsAny(name, `./\`) {
		return drill.Builtin(name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return drill.Scenario{}, err
	}
	return drill.Parse(name, text)
}

func clientTrusting(caFile string) (*http.Client, error) {
	roots, err := authorities(caFile)
	if roots == nil || err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig.RootCAs = roots
	return &http.Client{Transport: transport}, nil
}

func listScenarios(w io.Writer) error {
	for _, name := range drill.Names() {
		s, err := drill.Builtin(name)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%-13s %5v  %s\n", name, s.Lasts, s.Description); err != nil {
			return err
		}
		for _, e := range s.Expect {
			if _, err := fmt.Fprintf(w, "%-13s        expects %s within %v\n", "", e, e.Within); err != nil {
				return err
			}
		}
	}
	return nil
}

// write reports the outcome.
func (f *drillFlags) write(w io.Writer, o *drill.Outcome) error {
	if f.output == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(o)
	}
	return o.Text(w)
}

// drillPatience bounds how long the drill's own echo takes to listen.
const drillPatience = 15 * time.Second
