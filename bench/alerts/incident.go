package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/impair"
)

// incident is one way for calls to go bad, on an echo of its own.
type incident struct {
	far
	name       string
	aim        time.Duration // from onset to page, p95
	conditions echo.Conditions
	killed     bool   // the echo is killed: for good, or comes back at once with conditions
	codec      string // of its targets' calls; empty: PCMU
	renew      string // of its targets' calls; empty: an hour, so that calls stand throughout
	layer      string // that the page is to name, if somebody has to be paged about a certain one

	onset    time.Time // of the last round
	first    time.Time // of the first one
	expected int
	took     []time.Duration
	by       map[string]int // alerts that paged
	unnamed  int            // targets whose layer nobody was told
}

// incidents are those of which people must hear within a minute, and some that
// are slower to see.
func incidents() []*incident {
	lossy := impair.Profile{Loss: 0.1, Burst: 2}
	noDTLS := echo.Conditions{Fault: echo.NoDTLS}
	const soon, later = 45 * time.Second, 2 * time.Minute
	return []*incident{
		{name: "10 % of the downlink lost in bursts", aim: soon, conditions: echo.Conditions{Down: lossy}, codec: "opus"},
		{name: "downlink silent", aim: soon, conditions: echo.Conditions{Down: impair.Profile{Loss: 1}}},
		{name: "10 % of the uplink lost in bursts", aim: soon, conditions: echo.Conditions{Up: lossy}, codec: "opus"},
		{name: "uplink silent", aim: soon, conditions: echo.Conditions{Up: impair.Profile{Loss: 1}}},
		{name: "echo killed", aim: soon, killed: true},
		{name: "silence in the packets", aim: soon, conditions: echo.Conditions{Fault: echo.Silent}},
		// Sessions are gone after a fail-over, and what took over answers HTTP
		// and ICE but drops DTLS.
		{name: "DTLS blocked after a fail-over", aim: soon, conditions: noDTLS, killed: true, layer: "dtls"},
		// A call that stands needs no DTLS, and its consent is answered: nothing
		// is bad before the next one is due, here within a minute.
		{name: "DTLS blocked, calls stand", aim: time.Minute + soon, conditions: noDTLS, renew: "1m", layer: "dtls"},
		// G.711 with concealment stands it better: R 62, MOS 3.2, and one window of
		// five is good by chance.
		{name: "10 % of the downlink lost in bursts, PCMU", aim: later, conditions: echo.Conditions{Down: lossy}},
		// By G.107 with the values of G.113 for G.711: R 65, MOS 3.35.
		{name: "MOS 3.3", aim: later, conditions: echo.Conditions{Down: impair.Profile{Loss: 0.1, Burst: 1.3}}},
	}
}

func (i *incident) begin(ctx context.Context) error {
	if i.killed {
		i.echo.Kill()
		if i.conditions == (echo.Conditions{}) {
			return nil
		}
		if err := i.serve(ctx); err != nil {
			return err
		}
	}
	return i.endpoint.Set(ctx, i.conditions)
}

func (i *incident) end(ctx context.Context) error {
	if i.killed && i.conditions == (echo.Conditions{}) {
		return i.serve(ctx)
	}
	return i.endpoint.Set(ctx, echo.Conditions{})
}

// note takes in the pages of an incident.
func (i *incident) note(p *pager) {
	i.expected += len(i.targets)
	if i.layer != "" {
		named := p.first(i.targets, i.onset, func(n notice) bool { return n.severity == critical && n.layer == i.layer })
		i.unnamed += len(i.targets) - len(named)
	}
	for _, p := range p.first(i.targets, i.onset, isPage) {
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
