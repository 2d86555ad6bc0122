package web

import (
	"fmt"
	"math"
	"time"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/internal/history"
	"github.com/earshot-voip/earshot/probe"
)

// What plots of MOS show: the whole scale.
const mosLow, mosHigh = 1, 5

func mosText(v float64) string { return fmt.Sprintf("%.2f", v) }
func whole(v float64) string   { return fmt.Sprintf("%.0f", v) }

// value of a figure on an axis; NaN: not known.
func value(x *float64) float64 {
	if x == nil {
		return math.NaN()
	}
	return *x
}

// course is what a target did over a span of time up to now.
type course struct {
	points []history.Point
	span   time.Duration
	now    time.Time
	gap    time.Duration // beyond which two points are not neighbours
	limit  float64       // MOS
}

// neighbours is the longest time between two points of a job of which none is
// missing.
func neighbours(j agent.Job) time.Duration {
	if j.Mode == agent.Continuous {
		return 4 * j.Target.WithDefaults().Window
	}
	return 5 * j.Every / 2
}

func (c course) axes(y0, y1 float64) axes {
	return axes{x0: -c.span.Seconds(), x1: 0, y0: y0, y1: y1, gap: c.gap.Seconds(), limit: math.NaN(), grid: 3}
}

// line takes one figure of all points. A point without it leaves a gap.
func (c course) line(class, name string, figure func(history.Point) *float64) line {
	l := line{Class: class, Name: name}
	for _, p := range c.points {
		l.X, l.Y = append(l.X, -c.now.Sub(p.Time).Seconds()), append(l.Y, value(figure(p)))
	}
	return l
}

// marks are the calls that failed or could not be trusted.
func (c course) marks() (marks []mark, failed, untrusted int) {
	for _, p := range c.points {
		switch p.Verdict {
		case probe.Failed:
			failed++
		case probe.Untrusted:
			untrusted++
		default:
			continue
		}
		marks = append(marks, mark{-c.now.Sub(p.Time).Seconds(), string(p.Verdict)})
	}
	return marks, failed, untrusted
}

func (c course) mosLines() []line {
	return []line{
		c.line("up", "Uplink", func(p history.Point) *float64 { return p.Uplink.MOS }),
		c.line("down", "Downlink", func(p history.Point) *float64 { return p.Downlink.MOS }),
	}
}

// spark is the small plot of a target's line in a list.
func (c course) spark(name string) plot {
	a := c.axes(mosLow, mosHigh)
	a.limit, a.worstIsLow, a.grid = c.limit, true, 0
	marks, _, _ := c.marks()
	lines := c.mosLines()
	return plot{SVG: a.draw(lines, marks, c.say("MOS of "+name, lines, mosText))}
}

// say describes a plot to those who do not see it.
func (c course) say(what string, lines []line, format func(float64) string) string {
	text := fmt.Sprintf("%s over the last %s.", what, spanLabel(c.span))
	for _, l := range lines {
		text += " " + l.say(format)
	}
	if _, failed, untrusted := c.marks(); failed+untrusted > 0 {
		text += fmt.Sprintf(" Failed: %d. Untrusted: %d.", failed, untrusted)
	}
	return text
}

// plots are MOS, loss, jitter and round trip over time.
func (c course) plots() []plot {
	of := func(up, down func(history.Point) *float64) []line {
		return []line{c.line("up", "Uplink", up), c.line("down", "Downlink", down)}
	}
	return []plot{
		c.plot("MOS", c.mosLines(), mosText, true),
		c.plot("Loss and discards", of(
			func(p history.Point) *float64 { return p.Uplink.Loss },
			func(p history.Point) *float64 { return p.Downlink.Loss }), percent, false),
		c.plot("Jitter", of(
			func(p history.Point) *float64 { return p.Uplink.Jitter },
			func(p history.Point) *float64 { return p.Downlink.Jitter }), seconds, false),
		c.plot("Round trip, median",
			[]line{c.line("trip", "Round trip", func(p history.Point) *float64 { return p.RTT })}, seconds, false),
	}
}

func (c course) plot(title string, lines []line, format func(float64) string, isMOS bool) plot {
	a := c.axes(0, niceMax(leastTop(title), lines...))
	p := plot{Title: title, Lines: lines}
	if isMOS {
		a.y0, a.y1, a.limit, a.worstIsLow = mosLow, mosHigh, c.limit, true
		p.YLabels = labels(a.y1, a.y0, 4, whole)
	} else {
		a.grid = 1
		p.YLabels = labels(a.y1, 0, 2, axisText(format))
	}
	marks, _, _ := c.marks()
	p.Label = c.say(title, lines, format)
	p.SVG = a.draw(lines, marks, p.Label)
	p.XLabels = labels(c.span.Seconds(), 0, 4, func(s float64) string {
		if s == 0 {
			return "now"
		}
		return "−" + spanLabel(time.Duration(s*float64(time.Second)))
	})
	return p
}

// leastTop keeps noise from filling a plot: the least that the top of an axis
// stands for.
func leastTop(title string) float64 {
	if title == "Loss and discards" {
		return 0.01
	}
	return 0.001
}

// axisText renders a value on an axis, where zero has no unit.
func axisText(format func(float64) string) func(float64) string {
	return func(v float64) string {
		if v == 0 {
			return "0"
		}
		return trimZeros(format(v))
	}
}

// windowPlots are the windows of one call: MOS, loss, jitter and round trip.
func windowPlots(windows []docWindow, limit float64) []plot {
	if len(windows) == 0 {
		return nil
	}
	w := windowSet{windows}
	loss := w.pair(func(d *docDirection) *float64 { return d.lossAndDiscards() })
	jitter := w.pair(func(d *docDirection) *float64 { return d.Jitter })
	trip := []line{
		w.line("trip", "Median", func(x *docWindow) *float64 { return quantile(x.RTT, func(q *docQuantiles) *float64 { return q.P50 }) }),
		w.line("tail", "95th percentile", func(x *docWindow) *float64 { return quantile(x.RTT, func(q *docQuantiles) *float64 { return q.P95 }) }),
	}
	mos := w.plot("MOS", w.pair(func(d *docDirection) *float64 { return d.mos() }), mosText, limit)
	return []plot{mos, w.plot("Loss and discards", loss, percent, math.NaN()),
		w.plot("Jitter", jitter, seconds, math.NaN()), w.plot("Round trip", trip, seconds, math.NaN())}
}

func quantile(q *docQuantiles, of func(*docQuantiles) *float64) *float64 {
	if q == nil {
		return nil
	}
	return of(q)
}

// windowSet is the windows of a call, as lines over the time of the call.
type windowSet struct{ windows []docWindow }

func (w windowSet) end() float64 {
	last := w.windows[len(w.windows)-1]
	return last.Start + last.Seconds
}

func (w windowSet) line(class, name string, figure func(*docWindow) *float64) line {
	l := line{Class: class, Name: name}
	for i := range w.windows {
		one := &w.windows[i]
		l.X, l.Y = append(l.X, one.Start+one.Seconds/2), append(l.Y, value(figure(one)))
	}
	return l
}

func (w windowSet) pair(figure func(*docDirection) *float64) []line {
	return []line{
		w.line("up", "Uplink", func(x *docWindow) *float64 { return figure(&x.Uplink) }),
		w.line("down", "Downlink", func(x *docWindow) *float64 { return figure(&x.Downlink) }),
	}
}

func (w windowSet) plot(title string, lines []line, format func(float64) string, limit float64) plot {
	first := w.windows[0]
	a := axes{x0: first.Start, x1: max(w.end(), first.Start+1), y1: niceMax(leastTop(title), lines...), gap: 2.5 * first.Seconds, limit: math.NaN(), grid: 1}
	p := plot{Title: title, Lines: lines, YLabels: labels(a.y1, 0, 2, axisText(format))}
	if title == "MOS" {
		a.y0, a.y1, a.limit, a.worstIsLow, a.grid = mosLow, mosHigh, limit, true, 3
		p.YLabels = labels(a.y1, a.y0, 4, whole)
	}
	var marks []mark
	for i := range w.windows {
		if one := &w.windows[i]; !one.Trusted {
			marks = append(marks, mark{one.Start + one.Seconds/2, "untrusted"})
		}
	}
	p.Label = fmt.Sprintf("%s in %s of the call.", title, plural(len(w.windows), "window", "windows"))
	for _, l := range lines {
		p.Label += " " + l.say(format)
	}
	p.SVG = a.draw(lines, marks, p.Label)
	p.XLabels = labels(a.x0, a.x1, 4, func(s float64) string { return spanLabel(time.Duration(s * float64(time.Second))) })
	return p
}
