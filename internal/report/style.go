package report

import (
	"strings"

	"github.com/earshot-voip/earshot/probe"
)

// Widths between which a report is laid out.
const (
	defaultWidth = 80
	maxWidth     = 100
	minWidth     = 48
)

// paint is an SGR parameter (ECMA-48, 8.3.117).
type paint string

const (
	plain  paint = ""
	bold   paint = "1"
	dim    paint = "2"
	red    paint = "31"
	green  paint = "32"
	yellow paint = "33"
	alarm  paint = "1;31"
)

// canvas collects lines in the options' style.
type canvas struct {
	Options
	strings.Builder
}

func newCanvas(o Options) *canvas {
	if o.Width == 0 {
		o.Width = defaultWidth
	}
	o.Width = min(max(o.Width, minWidth), maxWidth)
	return &canvas{Options: o}
}

// tint colours text. Pad before, not after: escapes have no width.
func (c *canvas) tint(p paint, text string) string {
	if !c.Color || p == plain || text == "" {
		return text
	}
	return "\x1b[" + string(p) + "m" + text + "\x1b[0m"
}

// line writes one line, without blanks at its end.
func (c *canvas) line(parts ...string) {
	c.WriteString(strings.TrimRight(strings.Join(parts, ""), " "))
	c.WriteByte('\n')
}

// text makes a string from elsewhere fit for the canvas.
func (c *canvas) text(s string) string {
	s = printable(s)
	if !c.ASCII {
		return s
	}
	s = asciiFor.Replace(s)
	return strings.Map(func(r rune) rune {
		if r > '~' {
			return '?'
		}
		return r
	}, s)
}

var asciiFor = strings.NewReplacer("↔", "<->", "→", "->", "←", "<-", "…", "...", "–", "-", "—", "-", "µ", "u", "“", `"`, "”", `"`, "’", "'")

// mark is the sign of a state, one column wide.
func (c *canvas) mark(s probe.State) string {
	marks, ok := unicodeMarks, paint(plain)
	if c.ASCII {
		marks = asciiMarks
	}
	switch s {
	case probe.StateOK:
		ok = green
	case probe.StateDegraded:
		ok = yellow
	case probe.StateFailed:
		ok = alarm
	default:
		ok = dim
	}
	return c.tint(ok, marks[s])
}

var (
	unicodeMarks = map[probe.State]string{
		probe.StateOK: "✓", probe.StateDegraded: "!", probe.StateFailed: "✗",
		probe.StateNotRun: "·", probe.StateNotApplicable: "–",
	}
	asciiMarks = map[probe.State]string{
		probe.StateOK: "+", probe.StateDegraded: "!", probe.StateFailed: "X",
		probe.StateNotRun: ".", probe.StateNotApplicable: "-",
	}
)
