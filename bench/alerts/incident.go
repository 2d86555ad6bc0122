package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/bench/internal/rig"
	"github.com/earshot-voip/earshot/internal/drill"
	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/impair"
)

// incident is one way for calls to go bad, on an echo of its own.
type incident struct {
	name       string
	aim        time.Duration // from onset to page, p95
	conditions echo.Conditions
	killed     bool // the echo is killed, in place of conditions

	program, listen string
	echo            *rig.Program
	endpoint        drill.Endpoint

	targets  []string
	onset    time.Time // of the last round
	first    time.Time // of the first one
	expected int
	took     []time.Duration
	by       map[string]int // alerts that paged
}

// incidents are those of which people must hear within a minute, and one that is
// slower to see.
func incidents() []*incident {
	lossy := impair.Profile{Loss: 0.1, Burst: 2}
	const soon, later = 45 * time.Second, 2 * time.Minute
	return []*incident{
		{name: "10 % of the downlink lost in bursts", aim: soon, conditions: echo.Conditions{Down: lossy}},
		{name: "downlink silent", aim: soon, conditions: echo.Conditions{Down: impair.Profile{Loss: 1}}},
		{name: "10 % of the uplink lost in bursts", aim: soon, conditions: echo.Conditions{Up: lossy}},
		{name: "uplink silent", aim: soon, conditions: echo.Conditions{Up: impair.Profile{Loss: 1}}},
		{name: "echo killed", aim: soon, killed: true},
		{name: "silence in the packets", aim: soon, conditions: echo.Conditions{Fault: echo.Silent}},
		// By G.107 with the values of G.113 for G.711: R 65, MOS 3.35.
		{name: "MOS 3.3", aim: later, conditions: echo.Conditions{Down: impair.Profile{Loss: 0.1, Burst: 1.3}}},
	}
}

// serve starts the echo, on the same port as before if there was one.
func (i *incident) serve(ctx context.Context) error {
	if i.listen == "" {
		i.listen = "127.0.0.1:0"
	}
	var err error
	if i.echo, err = rig.Launch(ctx, i.program, "echo", "--drill", "--listen", i.listen); err != nil {
		return err
	}
	url, err := i.echo.Hear(`listening on (\S+),`)
	if err != nil {
		return err
	}
	i.endpoint = drill.Endpoint{URL: url}
	i.listen, _, _ = strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	return nil
}

func (i *incident) begin(ctx context.Context) error {
	if i.killed {
		return i.echo.Process.Signal(os.Kill)
	}
	return i.endpoint.Set(ctx, i.conditions)
}

func (i *incident) end(ctx context.Context) error {
	if i.killed {
		<-i.echo.Over()
		return i.serve(ctx)
	}
	return i.endpoint.Set(ctx, echo.Conditions{})
}

// note takes in the first pages of an incident, by target.
func (i *incident) note(first map[string]page) {
	i.expected += len(i.targets)
	for _, p := range first {
		i.took = append(i.took, p.at.Sub(i.onset))
		if i.by == nil {
			i.by = map[string]int{}
		}
		i.by[p.alert]++
	}
}

// names lists the alerts that paged, with how often.
func (i *incident) names() string {
	var list []string
	for name, n := range i.by {
		list = append(list, fmt.Sprintf("%s ×%d", name, n))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
