package web

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"
)

// A plot is drawn in a box of 1000 by 100 units that is stretched to the room
// there is; strokes are not stretched with it. Its labels are text beside the
// box, so that they have the same size on every screen.
const (
	plotWidth   = 1000
	plotHeight  = 100
	plotColumns = 250 // of several values in a column the worst is drawn
	dotsUpTo    = 90  // values; above that the line is enough
)

// plot is what a template shows as a figure.
type plot struct {
	Title   string
	Label   string // read to those who do not see it
	Lines   []line
	YLabels []string // from the top, evenly spaced
	XLabels []string // from the left, evenly spaced
	SVG     template.HTML
}

// line is one row of values over x, in order. A NaN is not known and leaves a gap.
type line struct {
	Class, Name string
	X, Y        []float64
}

// mark is a moment of its own, as a failed call.
type mark struct {
	X     float64
	Class string
}

// axes is what values are drawn in.
type axes struct {
	x0, x1, y0, y1 float64
	gap            float64 // of x, beyond which values are not joined
	worstIsLow     bool
	limit          float64 // NaN: none
	grid           int     // horizontal lines between top and bottom
}

// at is where a value lies in the box.
func (a axes) at(x, y float64) (float64, float64) {
	return (x - a.x0) / (a.x1 - a.x0) * plotWidth, plotHeight - (min(max(y, a.y0), a.y1)-a.y0)/(a.y1-a.y0)*plotHeight
}

// draw returns the box with everything in it.
func (a axes) draw(lines []line, marks []mark, label string) template.HTML {
	var b strings.Builder
	role := `aria-hidden="true"`
	if label != "" {
		role = `role="img" aria-label="` + template.HTMLEscapeString(label) + `"`
	}
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" preserveAspectRatio="none" focusable="false" %s>`, plotWidth, plotHeight, role)
	for i := 1; i <= a.grid; i++ {
		fmt.Fprintf(&b, `<path class="grid" d="M0 %sH%d"/>`, short(float64(i)*plotHeight/float64(a.grid+1)), plotWidth)
	}
	if !math.IsNaN(a.limit) && a.limit > a.y0 && a.limit < a.y1 {
		_, y := a.at(a.x0, a.limit)
		fmt.Fprintf(&b, `<path class="limit" d="M0 %sH%d"/>`, short(y), plotWidth)
	}
	b.WriteString(a.ticks(marks))
	a.gap = max(a.gap, 2.5*(a.x1-a.x0)/plotColumns) // columns are as far apart at least
	for _, l := range lines {
		path, dots := a.path(a.columns(l))
		fmt.Fprintf(&b, `<path class="line %s" d="%s"/>`, l.Class, path)
		if dots != "" {
			fmt.Fprintf(&b, `<path class="dots %s" d="%s"/>`, l.Class, dots)
		}
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}

// ticks draws the marks, at most one of a kind per column.
func (a axes) ticks(marks []mark) string {
	var b strings.Builder
	last := map[string]int{}
	for _, m := range marks {
		x, _ := a.at(m.X, a.y0)
		column := int(x*plotColumns/plotWidth) + 1
		if x < 0 || x > plotWidth || last[m.Class] == column {
			continue
		}
		last[m.Class] = column
		fmt.Fprintf(&b, `<path class="mark %s" d="M%s 0V%d"/>`, template.HTMLEscapeString(m.Class), short(x), plotHeight)
	}
	return b.String()
}

// columns keeps the worst value of each column where there are more values than
// columns.
func (a axes) columns(l line) line {
	if len(l.X) <= plotColumns {
		return l
	}
	out, last := line{}, -1
	for i, x := range l.X {
		px, _ := a.at(x, a.y0)
		column := int(px * plotColumns / plotWidth)
		n := len(out.Y) - 1
		switch {
		case column != last || math.IsNaN(out.Y[n]) != math.IsNaN(l.Y[i]):
			out.X, out.Y, last = append(out.X, x), append(out.Y, l.Y[i]), column
		case a.worstIsLow:
			out.Y[n] = min(out.Y[n], l.Y[i])
		default:
			out.Y[n] = max(out.Y[n], l.Y[i])
		}
	}
	return out
}

// path joins values that are near enough to each other; a value without
// neighbours is a dot.
func (a axes) path(l line) (joined, dots string) {
	var path, single strings.Builder
	allDots := len(l.X) <= dotsUpTo
	open, length := false, 0
	var dot string
	end := func() {
		if length == 1 && !allDots {
			single.WriteString(dot)
		}
		open, length = false, 0
	}
	for i, v := range l.X {
		if math.IsNaN(l.Y[i]) || v < a.x0 || v > a.x1 {
			end()
			continue
		}
		if open && v-l.X[i-1] > a.gap {
			end()
		}
		x, y := a.at(v, l.Y[i])
		command := "M"
		if open {
			command = "L"
		}
		path.WriteString(command + short(x) + " " + short(y))
		dot = "M" + short(x) + " " + short(y) + "h0"
		if allDots {
			single.WriteString(dot)
		}
		open = true
		length++
	}
	end()
	return path.String(), single.String()
}

// short renders a coordinate with one decimal at most.
func short(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

// niceMax is the top of an axis that begins at 0: the least of 1, 2, 5 times a
// power of ten that is not under the largest value, nor under least.
func niceMax(least float64, lines ...line) float64 {
	largest := least
	for _, l := range lines {
		for _, y := range l.Y {
			if !math.IsNaN(y) {
				largest = max(largest, y)
			}
		}
	}
	if largest <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(largest)))
	for _, m := range []float64{1, 2, 5, 10} {
		if m*unit >= largest*(1-1e-9) {
			return m * unit
		}
	}
	return largest
}

// labels renders n+1 evenly spaced values from the first to the last.
func labels(first, last float64, n int, format func(float64) string) []string {
	list := make([]string, 0, n+1)
	for i := range n + 1 {
		list = append(list, format(first+(last-first)*float64(i)/float64(n)))
	}
	return list
}

// spanLabel renders a distance on the axis of time.
func spanLabel(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d < 2*time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
	case d < 2*time.Hour:
		return strconv.FormatFloat(math.Round(d.Minutes()*10)/10, 'f', -1, 64) + " min"
	case d < 72*time.Hour:
		return strconv.FormatFloat(math.Round(d.Hours()*10)/10, 'f', -1, 64) + " h"
	}
	return strconv.FormatFloat(math.Round(d.Hours()/2.4)/10, 'f', -1, 64) + " days"
}

// say describes a line in words: its range and its end.
func (l line) say(format func(float64) string) string {
	low, high, last := math.Inf(1), math.Inf(-1), math.NaN()
	for _, y := range l.Y {
		if !math.IsNaN(y) {
			low, high, last = min(low, y), max(high, y), y
		}
	}
	if math.IsNaN(last) {
		return l.Name + ": nothing known."
	}
	return fmt.Sprintf("%s: from %s to %s, last %s.", l.Name, format(low), format(high), format(last))
}
