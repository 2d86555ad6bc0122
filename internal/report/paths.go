package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/probe"
)

// pathColumns are those of the table of paths.
var pathColumns = []struct {
	title string
	width int
	cell  func(*probe.Result) string
}{
	{"set-up", 9, setUpText},
	{"RTT", 9, func(r *probe.Result) string {
		if r.RoundTrip.RTT.Count == 0 {
			return ""
		}
		return duration(r.RoundTrip.RTT.P50)
	}},
	{"loss up/down", 14, both(func(d *probe.Direction) string { return percent(d.LossRatio()) })},
	{"jitter up/down", 15, both(func(d *probe.Direction) string {
		if !jitterKnown(d) {
			return "?"
		}
		return duration(d.Jitter)
	})},
	{"MOS up/down", 12, both(func(d *probe.Direction) string {
		if d.Score == nil {
			return "?"
		}
		return fmt.Sprintf("%.2f", d.Score.MOS)
	})},
}

const (
	pathLabel  = 10
	tableWidth = 80 // with "not tried" at the end
)

// both shows a figure of the uplink and the downlink in one cell.
func both(cell func(*probe.Direction) string) func(*probe.Result) string {
	one := func(d *probe.Direction) string {
		if !d.Evidence.Known() {
			return "?"
		}
		return cell(d)
	}
	return func(r *probe.Result) string {
		up, down := one(&r.Uplink), one(&r.Downlink)
		if up == "?" && down == "?" {
			return ""
		}
		for _, unit := range []string{" %", " ms", " s"} { // once is enough
			if strings.HasSuffix(up, unit) && strings.HasSuffix(down, unit) {
				up = strings.TrimSuffix(up, unit)
			}
		}
		return up + "/" + down
	}
}

// setUp is the time from the start of a call to its media; false when it did not
// get that far.
func setUp(r *probe.Result) (time.Duration, bool) {
	for _, s := range r.Steps {
		if s.Layer == probe.LayerMedia && ran(s) {
			return s.Start, true
		}
	}
	return 0, false
}

func setUpText(r *probe.Result) string {
	if d, ok := setUp(r); ok {
		return duration(d)
	}
	return ""
}

// PathsText writes a comparison of paths for a person: a table, what is wrong
// with the paths that do not work, and the best one last, where the eye is.
func PathsText(w io.Writer, c *probe.Comparison, o Options) error {
	canvas := newCanvas(o)
	canvas.pathsTitle(c)
	if canvas.Width < tableWidth {
		canvas.pathBlocks(c)
	} else {
		canvas.pathTable(c)
	}
	canvas.pathProblems(c)
	canvas.line()
	canvas.pathsVerdict(c)
	_, err := io.WriteString(w, canvas.String())
	return err
}

func (c *canvas) pathsTitle(p *probe.Comparison) {
	for i := range p.Paths {
		if r := p.Paths[i].Result; r != nil {
			for _, line := range wrap(c.text(r.Target), c.Width) {
				c.line(c.tint(bold, line))
			}
			about := r.Name + ", from " + r.Started.UTC().Format("2006-01-02 15:04:05 UTC")
			if r.Site != "" {
				about = r.Site + ", " + about
			}
			for _, line := range wrap(c.text(about), c.Width) {
				c.line(c.tint(dim, line))
			}
			c.line()
			return
		}
	}
}

func (c *canvas) pathTable(p *probe.Comparison) {
	head := []string{"  ", pad("path", pathLabel)}
	for _, column := range pathColumns {
		head = append(head, pad(column.title, column.width))
	}
	c.line(c.tint(dim, strings.TrimRight(strings.Join(append(head, "verdict"), ""), " ")))
	for i := range p.Paths {
		one := &p.Paths[i]
		parts := []string{c.bestMark(one == p.Best), pad(string(one.Kind), pathLabel)}
		for _, column := range pathColumns {
			text := "–"
			if one.Result != nil {
				if cell := column.cell(one.Result); cell != "" {
					text = cell
				}
			}
			parts = append(parts, pad(c.text(text), column.width))
		}
		word, tone := pathVerdict(one)
		c.line(append(parts, c.tint(tone, word))...)
	}
}

// bestMark stands before the best path.
func (c *canvas) bestMark(best bool) string {
	switch {
	case !best:
		return "  "
	case c.ASCII:
		return c.tint(bold, "> ")
	}
	return c.tint(bold, "→ ")
}

// pathBlocks is the table for a narrow terminal, one path below the other.
func (c *canvas) pathBlocks(p *probe.Comparison) {
	for i := range p.Paths {
		one := &p.Paths[i]
		word, tone := pathVerdict(one)
		c.line(c.bestMark(one == p.Best), c.tint(bold, string(one.Kind)), ": ", c.tint(tone, word))
		if one.Result == nil {
			continue
		}
		for _, column := range pathColumns {
			if text := column.cell(one.Result); text != "" {
				c.line("    ", pad(column.title, 16), c.text(text))
			}
		}
	}
}

func pathVerdict(p *probe.Path) (string, paint) {
	switch {
	case p.Result == nil:
		return "not tried", dim
	case p.Result.Verdict == probe.Good:
		return "good", green
	case p.Result.Verdict == probe.Degraded:
		return "degraded", yellow
	case p.Result.Verdict == probe.Failed:
		return "failed", alarm
	}
	return string(p.Result.Verdict), dim
}

// pathProblems says what is wrong with the paths that are not good.
func (c *canvas) pathProblems(p *probe.Comparison) {
	first := true
	say := func(one *probe.Path, text string) {
		if first {
			c.line()
			first = false
		}
		label := string(one.Kind)
		for _, line := range wrap(c.text(text), c.Width-2-pathLabel) {
			c.line("  ", pad(label, pathLabel), line)
			label = ""
		}
	}
	for i := range p.Paths {
		switch one := &p.Paths[i]; {
		case one.Result == nil:
			say(one, "not tried: "+one.Skipped)
		case one.Result.Failure != nil:
			f := one.Result.Failure
			say(one, fmt.Sprintf("%s (%s): %v", f.Code.Meaning(), f.Code, f.Err))
			label := *one
			label.Kind = ""
			say(&label, "hint: "+f.Hint)
		case one.Result.Verdict != probe.Good:
			say(one, one.Result.Summary)
		}
	}
}

func (c *canvas) pathsVerdict(p *probe.Comparison) {
	tone := map[probe.Verdict]paint{probe.Good: "1;32", probe.Degraded: "1;33", probe.Failed: alarm, probe.Untrusted: "1;35"}[p.Verdict]
	c.line(c.tint(tone, strings.ToUpper(string(p.Verdict))))
	for _, line := range wrap(c.text(p.Summary), c.Width) {
		c.line(line)
	}
}
