package report

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/earshot-voip/earshot/probe"
)

// row is a figure of both directions. An empty cell stays empty.
type row struct{ label, up, down string }

// stackBelow is the width under which the two directions do not fit side by
// side.
const stackBelow = 72

// directions writes the figures of both directions side by side, or one below
// the other on a narrow terminal.
func (c *canvas) directions(r *probe.Result) {
	rows := c.directionRows(r)
	up, down := "uplink", "downlink"
	upMeans, downMeans := "what the far end hears", "what this end hears"
	if c.Width < stackBelow {
		c.line("  ", c.tint(bold, up), ", ", upMeans)
		for _, row := range rows {
			c.cells(row.label, c.Width-2-factLabel, row.up)
		}
		c.line()
		c.line("  ", c.tint(bold, down), ", ", downMeans)
		for _, row := range rows {
			c.cells(row.label, c.Width-2-factLabel, row.down)
		}
		return
	}
	width := min((c.Width-2-factLabel)/2, 34)
	c.line("  ", pad("", factLabel), c.tint(bold, pad(up, width)), c.tint(bold, down))
	c.line("  ", pad("", factLabel), c.tint(dim, pad(upMeans, width)), c.tint(dim, downMeans))
	for _, row := range rows {
		c.cells(row.label, width, row.up, row.down)
	}
}

func (c *canvas) cells(label string, width int, cells ...string) {
	parts := []string{"  ", pad(label, factLabel)}
	for _, text := range cells {
		tone := plain
		if text == unknown {
			tone = dim
		}
		parts = append(parts, c.tint(tone, pad(text, width-1)), " ")
	}
	c.line(parts...)
}

// directionRows are the figures in the order in which they are read.
func (c *canvas) directionRows(r *probe.Result) []row {
	var rows []row
	add := func(label string, cell func(d *probe.Direction) string) {
		rows = append(rows, row{label, cell(&r.Uplink), cell(&r.Downlink)})
	}
	add("evidence", func(d *probe.Direction) string { return evidenceText(d.Evidence) })
	add("packets expected", known(func(d *probe.Direction) string { return strconv.FormatInt(d.Expected, 10) }))
	add("lost", known(func(d *probe.Direction) string { return share(d.Lost, d.LossRatio()) }))
	add("duplicated", perPacket(func(d *probe.Direction) string { return strconv.FormatInt(d.Duplicated, 10) }))
	add("reordered", perPacket(func(d *probe.Direction) string { return strconv.FormatInt(d.Reordered, 10) }))
	if r.Uplink.Unknown+r.Downlink.Unknown > 0 {
		add("fate unknown", perPacket(func(d *probe.Direction) string { return strconv.FormatInt(d.Unknown, 10) }))
	}
	add("jitter", known(jitterText))
	add("delay variation", perPacket(func(d *probe.Direction) string {
		if d.Variation.Count == 0 {
			return unknown
		}
		return fmt.Sprintf("%s p50, %s p99", duration(d.Variation.P50), duration(d.Variation.P99))
	}))
	add("discarded as late", perPacket(func(d *probe.Direction) string { return share(d.Discarded, d.DiscardRatio()) }))
	add("bursts of loss", perPacket(burstText))
	add("burst ratio", perPacket(burstRatioText))
	rows = append(rows, scoreRows(r)...)
	if scoredWindows(r) > 1 {
		rows = append(rows, row{
			"MOS over time",
			c.course(r.Windows, func(w *probe.Window) *probe.Score { return w.Uplink.Score }),
			c.course(r.Windows, func(w *probe.Window) *probe.Score { return w.Downlink.Score }),
		})
	}
	return rows
}

func scoredWindows(r *probe.Result) int {
	n := 0
	for i := range r.Windows {
		if w := &r.Windows[i]; w.Uplink.Score != nil || w.Downlink.Score != nil {
			n++
		}
	}
	return n
}

// known gives a cell to directions of which anything is known.
func known(cell func(*probe.Direction) string) func(*probe.Direction) string {
	return func(d *probe.Direction) string {
		if !d.Evidence.Known() {
			return unknown
		}
		return cell(d)
	}
}

// perPacket gives a cell to directions of which single packets are known.
func perPacket(cell func(*probe.Direction) string) func(*probe.Direction) string {
	return func(d *probe.Direction) string {
		if !d.Evidence.PerPacket() {
			return unknown
		}
		return cell(d)
	}
}

func evidenceText(e probe.Evidence) string {
	switch e {
	case probe.EvidenceStamps:
		return "stamps of the echo"
	case probe.EvidenceSequence:
		return "sequence numbers"
	case probe.EvidenceRTCP:
		return "receiver reports"
	}
	return "none"
}

func jitterText(d *probe.Direction) string {
	switch {
	case !jitterKnown(d):
		return unknown
	case !d.Evidence.PerPacket():
		return duration(d.Jitter)
	}
	return fmt.Sprintf("%s (max %s)", duration(d.Jitter), duration(d.JitterMax))
}

func burstText(d *probe.Direction) string {
	switch {
	case d.Expected == 0:
		return unknown
	case d.Burst.Count == 0:
		return "none"
	}
	return fmt.Sprintf("%d, mean %s", d.Burst.Count, duration(d.Burst.Duration))
}

func burstRatioText(d *probe.Direction) string {
	if d.Expected == 0 {
		return unknown
	}
	return fmt.Sprintf("%.2f", d.Burst.R)
}

// scoreRows are the score of each direction and what it lost to what.
func scoreRows(r *probe.Result) []row {
	up, down := r.Uplink.Score, r.Downlink.Score
	label := "MOS"
	for _, s := range []*probe.Score{up, down} {
		if s != nil {
			label = "MOS, " + scaleName[s.Scale]
		}
	}
	cell := func(s *probe.Score, format func(*probe.Score) string) string {
		if s == nil {
			return unknown
		}
		return format(s)
	}
	var rows []row
	add := func(label string, format func(*probe.Score) string) {
		rows = append(rows, row{label, cell(up, format), cell(down, format)})
	}
	add(label, func(s *probe.Score) string { return fmt.Sprintf("%.2f (%.2f to %.2f)", s.MOS, s.MOSLow, s.MOSHigh) })
	if up == nil && down == nil {
		return rows
	}
	points := func(x float64) string { return fmt.Sprintf("%5.1f", x) }
	add("R", func(s *probe.Score) string { return points(s.R) })
	add("  cost of delay", func(s *probe.Score) string { return points(s.DelayCost) })
	add("  cost of loss", func(s *probe.Score) string { return points(s.LossCost) })
	add("  cost of codec", func(s *probe.Score) string { return points(s.CodecCost) })
	return rows
}

var scaleName = map[string]string{"nb": "narrowband", "wb": "wideband", "fb": "fullband"}

// courseWidth is how many columns a score over time takes at most.
const courseWidth = 24

// course draws the score of each window, the worst of several where there are
// more windows than columns: a block from 1 (bad) to 4.5 or, in ASCII, the
// digit before the point. A dot is a window without a score.
func (c *canvas) course(windows []probe.Window, score func(*probe.Window) *probe.Score) string {
	columns := min(len(windows), courseWidth)
	var b strings.Builder
	for i := range columns {
		var worst *probe.Score
		for k := i * len(windows) / columns; k < (i+1)*len(windows)/columns; k++ {
			if s := score(&windows[k]); s != nil && (worst == nil || s.MOS < worst.MOS) {
				worst = s
			}
		}
		b.WriteString(c.courseMark(worst))
	}
	return b.String()
}

var courseBlocks = []rune("▁▂▃▄▅▆▇█")

func (c *canvas) courseMark(s *probe.Score) string {
	const best, worst = 4.5, 1.0
	switch {
	case s == nil && c.ASCII:
		return "."
	case s == nil:
		return "·"
	case c.ASCII:
		return strconv.Itoa(int(s.MOS))
	}
	n := len(courseBlocks)
	level := int((s.MOS - worst) / (best - worst) * float64(n))
	return string(courseBlocks[min(max(level, 0), n-1)])
}
