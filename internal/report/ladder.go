package report

import (
	"cmp"
	"strings"

	"github.com/earshot-voip/earshot/probe"
)

// ladder gives every layer a step, also one that the result lacks, in order.
func ladder(steps []probe.Step) []probe.Step {
	list := make([]probe.Step, 0, len(probe.Layers))
	for _, name := range probe.Layers {
		list = append(list, stepOf(name, steps))
	}
	return list
}

func stepOf(name probe.Layer, steps []probe.Step) probe.Step {
	for _, s := range steps {
		if s.Layer == name {
			return s
		}
	}
	return probe.Step{Layer: name, State: probe.StateNotRun}
}

// ran reports whether the times of a step mean anything.
func ran(s probe.Step) bool {
	return s.State == probe.StateOK || s.State == probe.StateDegraded || s.State == probe.StateFailed
}

// Columns of the ladder.
const (
	rungName   = 10
	rungNumber = 7
	rungUnit   = 2
	rungIndent = 4 + rungName + rungNumber + 1 + rungUnit + 2 // where details begin
)

// tookColumn is how long a step took, aligned; blank if it did not run.
func tookColumn(s probe.Step) string {
	if !ran(s) {
		return pad("", rungNumber+1+rungUnit)
	}
	number, unit := quantity(s.Took)
	return padLeft(number, rungNumber) + " " + pad(unit, rungUnit)
}

// rung writes one step of the ladder.
func (c *canvas) rung(s probe.Step) {
	name, detail, tone := pad(string(s.Layer), rungName), c.text(s.Detail), plain
	switch s.State {
	case probe.StateFailed:
		name, detail, tone = c.tint(alarm, name), strings.TrimSuffix("FAILED: "+detail, ": "), red
	case probe.StateDegraded:
		detail, tone = "degraded: "+detail, yellow
	case probe.StateNotRun:
		name, detail, tone = c.tint(dim, name), cmp.Or(detail, "not run"), dim
	case probe.StateNotApplicable:
		name, detail, tone = c.tint(dim, name), cmp.Or(detail, "does not apply"), dim
	}
	lines := wrap(detail, c.Width-rungIndent)
	c.line("  ", c.mark(s.State), " ", name, tookColumn(s), "  ", c.tint(tone, lines[0]))
	for _, more := range lines[1:] {
		c.line(pad("", rungIndent), c.tint(tone, more))
	}
}
