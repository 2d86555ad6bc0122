// Command falsepages measures how often people are paged for nothing: a month of
// noise, as every network has, on 20 targets of four sites. Real agents place
// simulated calls in simulated time, real exporters show their metrics, and
// Prometheus' own engine evaluates the rules of dashboards/ as they are.
//
// Silence alone proves nothing. So the same noise runs once more with an incident
// in it, which must be paged for, and nothing else.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/earshot-voip/earshot/bench/internal/rig"
)

var (
	days   = flag.Int("days", 30, "simulated days, from a Monday on")
	seed   = flag.Uint64("seed", 1, "of all that is random")
	scrape = flag.Duration("scrape", 15*time.Second, "interval of scrapes: the longest that the rules are for")
	list   = flag.Bool("list", false, "list every alert as soon as it is over, with its time")
)

func main() {
	rig.Bench{
		Name: "falsepages", Title: "False pages: what noise alone raises", Run: run,
		Roles: map[string]rig.Role{worldRole: playWorld},
	}.Main()
}

// theIncident is that of the control: on the first Monday at ten, one site's
// uplink loses 15 % of its packets for ten minutes.
var theIncident = incident{Site: "berlin", At: 10 * time.Hour, Span: 10 * time.Minute, Loss: 0.15, Run: 2}

func run(ctx context.Context, o rig.Options, r *rig.Report) error {
	folder, err := os.MkdirTemp("", "falsepages-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	files, err := ruleFiles()
	if err != nil {
		return err
	}
	rig.Progress("building the engine")
	program, err := buildEngine(ctx, folder)
	if err != nil {
		return err
	}
	noise := plan{Seed: *seed, Span: time.Duration(*days) * 24 * time.Hour, Scrape: *scrape, Engine: program, Rules: files}
	control := noise
	control.Start, control.Span = 8*time.Hour, 3*time.Hour
	if o.Smoke {
		noise.Start, noise.Span = theIncident.At-20*time.Minute, 40*time.Minute
		control.Start, control.Span = noise.Start, noise.Span
	}
	control.Incident = &theIncident
	noise.List = *list

	rig.Progress("the control: %v with an incident", control.Span)
	paged, err := simulated(ctx, control)
	if err != nil {
		return fmt.Errorf("the control: %w", err)
	}
	rig.Progress("the noise: %v", noise.Span)
	quiet, err := simulated(ctx, noise)
	if err != nil {
		return fmt.Errorf("the noise: %w", err)
	}
	write(r, noise, quiet, control, paged)
	return nil
}

// simulated runs a plan in a child process.
func simulated(ctx context.Context, p plan) (out outcome, err error) {
	child, err := rig.Spawn(worldRole, p)
	if err != nil {
		return out, err
	}
	heard := make(chan error, 1)
	go func() { heard <- child.Hear(&out) }()
	select {
	case err = <-heard:
	case <-ctx.Done():
		err = ctx.Err()
	}
	err = errors.Join(err, child.Stop())
	if err == nil && out.Error != "" {
		err = errors.New(out.Error)
	}
	return out, err
}
