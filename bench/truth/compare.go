package main

import (
	"fmt"
	"time"

	"github.com/earshot-voip/earshot/bench/internal/rig"
	"github.com/earshot-voip/earshot/probe"
)

// line is one direction of one network.
type line struct {
	network, direction string
	cells              []string
	wrong, late        []string // counts that differ; times that do
}

// compareDirection sets the report of a direction beside the truth.
func compareDirection(network, name string, d *probe.Direction, t direction) line {
	l := line{network: network, direction: name}
	for _, c := range []struct {
		name               string
		reported, injected int64
	}{
		{"packets", d.Expected, t.offered}, {"lost", d.Lost, t.lost},
		{"duplicated", d.Duplicated, t.duplicated}, {"reordered", d.Reordered, t.reordered},
	} {
		l.cells = append(l.cells, fmt.Sprintf("%d / %d", c.reported, c.injected))
		if c.reported != c.injected {
			l.wrong = append(l.wrong, fmt.Sprintf("%s %d, injected %d", c.name, c.reported, c.injected))
		}
	}
	difference := d.JitterMean - t.jitter
	l.cells = append(l.cells, rig.Micros(d.JitterMean), rig.Micros(t.jitter), signed(difference))
	if difference.Abs() > max(time.Duration(jitterShare*float64(t.jitter)), jitterLeast) {
		l.late = append(l.late, fmt.Sprintf("jitter %v, injected %v", d.JitterMean, t.jitter))
	}
	return l
}

// compareTrip sets the reported round trip beside the injected one and what the
// clean row took beyond that.
func compareTrip(network string, r *probe.Result, t truth, floor time.Duration) line {
	reported := r.RoundTrip.RTT.P50
	difference := reported - t.rtt - floor
	l := line{network: network, cells: []string{rig.Micros(reported), rig.Micros(t.rtt + floor), signed(difference)}}
	if difference.Abs() > rttMost {
		l.late = append(l.late, fmt.Sprintf("round trip %v, injected %v", reported, t.rtt+floor))
	}
	return l
}

// row is the line of a table; the verdict comes last.
func (l line) row() []string {
	cells := []string{l.network}
	if l.direction != "" {
		cells = append(cells, l.direction)
	}
	verdict := "as injected"
	if len(l.wrong)+len(l.late) > 0 {
		verdict = "**differs**"
	}
	return append(append(cells, l.cells...), verdict)
}

func signed(d time.Duration) string {
	return fmt.Sprintf("%+.0f", float64(d)/float64(time.Microsecond))
}
