//go:build peers

package dashgen

import (
	"cmp"
	"encoding/json"
	"fmt"
	"html"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/internal/prometheustest"
)

// series is a named row of values, one for each step of the scope; NaN: none.
type series struct {
	look
	values []float64
}

// grid puts samples on the steps of the scope.
func (s scope) grid(samples []prometheustest.Sample) []float64 {
	values := make([]float64, s.to.Sub(s.from)/s.step+1)
	for i := range values {
		values[i] = math.NaN()
	}
	for _, sample := range samples {
		if i := int(math.Round(float64(sample.At.Sub(s.from)) / float64(s.step))); i >= 0 && i < len(values) {
			values[i] = sample.Value
		}
	}
	return values
}

// lines asks all queries of a panel.
func (s scope) lines(p panel) []series {
	var list []series
	for _, q := range p.Targets {
		for _, one := range s.ask(q) {
			l := p.look(legend(q, one.Metric))
			l.color = cmp.Or(hexOf[l.color], l.color, classic[len(list)%len(classic)])
			list = append(list, series{l, s.grid(one.Values)})
		}
	}
	return list
}

// plot is the inside of an axis system, in pixels.
type plot struct {
	strings.Builder
	left, width, height float64
	low, high           float64
	steps               int
}

func (p *plot) x(step int) float64 { return p.left + float64(step)*p.width/float64(p.steps-1) }

func (p *plot) y(v float64) float64 {
	return 6 + (1-(min(max(v, p.low), p.high)-p.low)/(p.high-p.low))*(p.height-6)
}

func (p *plot) add(format string, args ...any) { fmt.Fprintf(&p.Builder, format, args...) }

// open draws the axes: round values on the left, minutes below.
func (s scope) open(room box, low, high float64, unit string) *plot {
	values, write := ticks(low, high, max(2, room.height/40), unit)
	widest := 0
	for _, v := range values {
		widest = max(widest, len([]rune(write(v))))
	}
	p := &plot{left: float64(widest)*6.4 + 8, low: low, high: high, height: float64(room.height - 20), steps: int(s.to.Sub(s.from)/s.step) + 1}
	p.width = float64(room.width) - p.left
	p.add(`<svg width="%d" height="%d">`, room.width, room.height)
	for _, v := range values {
		p.add(`<path d="M%.1f %.1fh%.1f" stroke="#eceded"/><text x="%.1f" y="%.1f" text-anchor="end">%s</text>`, p.left, p.y(v), p.width, p.left-6, p.y(v)+4, write(v))
	}
	s.times(p)
	return p
}

// times writes the minutes of the clock under a plot.
func (s scope) times(p *plot) {
	every := time.Minute
	for s.to.Sub(s.from)/every > time.Duration(p.width/55) {
		every *= 2
	}
	for at := s.from.Truncate(every).Add(every); at.Before(s.to); at = at.Add(every) {
		x := p.left + p.width*float64(at.Sub(s.from))/float64(s.to.Sub(s.from))
		if x > p.left+p.width-16 {
			break
		}
		p.add(`<path d="M%.1f 6V%.1f" stroke="#f3f4f4"/><text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, x, p.height, x, p.height+15, at.UTC().Format("15:04"))
	}
}

// graph draws lines over time, or areas on top of one another, or bars.
func (s scope) graph(p panel, room box) (string, int) {
	list := s.lines(p)
	if len(list) == 0 {
		return nothing(p), 0
	}
	custom := p.FieldConfig.Defaults.Custom
	stack := custom["stacking"].(map[string]any)["mode"] == "normal"
	bars := custom["drawStyle"] == "bars"
	below := make([][]float64, len(list)) // where areas begin
	if stack {
		for i := range list {
			below[i] = make([]float64, len(list[i].values))
			for k := range below[i] {
				if i > 0 {
					below[i][k] = below[i-1][k]
					if v := list[i-1].values[k]; !math.IsNaN(v) {
						below[i][k] = v
					}
				}
				list[i].values[k] += below[i][k]
			}
		}
	}
	low, high := reach(p, list, stack || bars)
	rows := legendRows(list, room.width)
	plot := s.open(box{room.width, room.height - rows*16}, low, high, p.FieldConfig.Defaults.Unit)
	s.alerts(plot)
	opacity, _ := custom["fillOpacity"].(int)
	for i, one := range slices.Backward(list) {
		switch {
		case bars:
			plot.bars(one, below[i])
		case stack:
			plot.area(one, below[i], opacity)
			plot.line(one)
		default:
			plot.line(one)
		}
	}
	s.dots(plot, p)
	return plot.String() + `</svg>` + legendOf(list, rows), len(list)
}

// reach is the range of the axis: the panel's, or that of the values, with 0 when
// it is near.
func reach(p panel, list []series, zero bool) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, one := range list {
		for _, v := range one.values {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if low > high {
		low, high = 0, 1
	}
	if zero || low > 0 && low < high/2 {
		low = min(low, 0)
	}
	if low == high {
		low, high = min(low, 0), max(high, 0)
	}
	if low == high {
		high = 1
	}
	high += (high - low) * 0.05
	if least := p.FieldConfig.Defaults.Min; least != nil {
		low = *least
	}
	if most := p.FieldConfig.Defaults.Max; most != nil {
		high = *most
	}
	return low, high
}

// runs calls with each stretch of steps that have values.
func (one series) runs(do func(from, to int)) {
	from := -1
	for i := 0; i <= len(one.values); i++ {
		known := i < len(one.values) && !math.IsNaN(one.values[i])
		switch {
		case known && from < 0:
			from = i
		case !known && from >= 0:
			do(from, i-1)
			from = -1
		}
	}
}

func (p *plot) path(values []float64, from, to, by int) string {
	var b strings.Builder
	for i := from; i != to+by; i += by {
		fmt.Fprintf(&b, "L%.1f %.1f", p.x(i), p.y(values[i]))
	}
	return b.String()
}

func (p *plot) line(one series) {
	dash := ""
	if one.dashed {
		dash = ` stroke-dasharray="6 4"`
	}
	one.runs(func(from, to int) {
		cap := ""
		if from == to {
			cap = "h0.1"
		}
		p.add(`<path d="M%s%s" fill="none" stroke="%s" stroke-width="1.6" stroke-linecap="round"%s/>`, p.path(one.values, from, to, 1)[1:], cap, one.color, dash)
	})
}

// area fills what is between a row and the one below it.
func (p *plot) area(one series, below []float64, opacity int) {
	one.runs(func(from, to int) {
		p.add(`<path d="M%s%sZ" fill="%s" fill-opacity="%.2f"/>`, p.path(one.values, from, to, 1)[1:], p.path(below, to, from, -1), one.color, float64(opacity)/100)
	})
}

// bars draws a value over the step before it, which is what it counts.
func (p *plot) bars(one series, below []float64) {
	wide := p.width/float64(p.steps-1) - 2
	for i, v := range one.values {
		if math.IsNaN(v) {
			continue
		}
		low := 0.0
		if below != nil {
			low = below[i]
		}
		if high := p.y(low) - p.y(v); high > 0 && i > 0 {
			p.add(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s" fill-opacity="0.85"/>`, p.x(i)-wide, p.y(v), wide, high, one.color)
		}
	}
}

// alerts marks the time in which alerts fire, as a board's annotations do.
func (s scope) alerts(p *plot) {
	for _, a := range newBoard("", "", "").Annotations.List {
		if a.Expr == "" || !a.Enable {
			continue
		}
		any := series{values: s.grid(nil)}
		for _, one := range s.prometheus.QueryRange(s.fill(a.Expr), s.from, s.to, s.step) {
			for i, v := range s.grid(one.Values) {
				if !math.IsNaN(v) {
					any.values[i] = v
				}
			}
		}
		any.runs(func(from, to int) {
			x, wide := p.x(from), p.x(to)-p.x(from)
			p.add(`<rect x="%.1f" y="6" width="%.1f" height="%.1f" fill="%s" fill-opacity="0.03"/><rect x="%.1f" y="%.1f" width="%.1f" height="3" fill="%s"/><path d="M%.1f 6V%.1f" stroke="%s" stroke-dasharray="3 3"/>`,
				x, wide, p.height-6, hexOf[a.IconColor], x, p.height, wide, hexOf[a.IconColor], x, p.height, hexOf[a.IconColor])
		})
	}
}

// legendRows is how many rows of text the names take: three at most.
func legendRows(list []series, width int) int {
	used, rows := 0.0, 1
	for _, one := range list {
		if !one.legend {
			continue
		}
		wide := float64(len([]rune(one.name)))*6.1 + 32
		if used > 0 && used+wide > float64(width) {
			used, rows = 0, rows+1
		}
		used += wide
	}
	return min(rows, 3)
}

func legendOf(list []series, rows int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<div class="legend" style="height:%dpx">`, rows*16)
	for _, one := range list {
		if one.legend {
			fmt.Fprintf(&b, `<span><i style="background:%s"></i>%s</span>`, one.color, html.EscapeString(one.name))
		}
	}
	return b.String() + `</div>`
}

// states draws a bar for each series where it has a value.
func (s scope) states(p panel, room box) (string, int) {
	list := s.lines(p)
	if len(list) == 0 {
		return nothing(p), 0
	}
	widest := 0
	for _, one := range list {
		widest = max(widest, len([]rune(one.name)))
	}
	plot := &plot{left: min(float64(widest)*6+10, float64(room.width)/2), height: float64(room.height - 20), steps: len(list[0].values)}
	plot.width = float64(room.width) - plot.left
	plot.add(`<svg width="%d" height="%d">`, room.width, room.height)
	s.times(plot)
	high := (plot.height - 6) / float64(len(list))
	for i, one := range list {
		top := 6 + float64(i)*high
		plot.add(`<text x="0" y="%.1f">%s</text>`, top+high/2+4, html.EscapeString(one.name))
		for k, v := range one.values {
			if !math.IsNaN(v) && k+1 < len(one.values) {
				plot.add(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s" fill-opacity="0.7"/>`, plot.x(k), top+high*0.1, plot.x(k+1)-plot.x(k)+0.2, high*0.8, one.colorOf(v))
			}
		}
	}
	return plot.String() + `</svg>`, len(list)
}

// bucket is one of a native histogram: its bounds, and what is in it.
type bucket struct{ low, high, count float64 }

// histogramAt reads [seconds, {"buckets": [[rule, "low", "high", "count"], …]}].
func histogramAt(raw json.RawMessage) (at time.Time, list []bucket, err error) {
	var pair [2]json.RawMessage
	var seconds float64
	var histogram struct{ Buckets [][4]any }
	if err = json.Unmarshal(raw, &pair); err == nil {
		err = cmp.Or(json.Unmarshal(pair[0], &seconds), json.Unmarshal(pair[1], &histogram))
	}
	for _, b := range histogram.Buckets {
		var n [3]float64
		for i := range n {
			n[i], _ = strconv.ParseFloat(fmt.Sprint(b[i+1]), 64)
		}
		list = append(list, bucket{n[0], n[1], n[2]})
	}
	return time.UnixMilli(int64(seconds * 1000)), list, err
}

// shade is one of sixteen oranges, by a share.
func shade(share float64) string {
	share = math.Ceil(share*16) / 16
	mix := func(full float64) int { return int(255 - (255-full)*(0.08+0.92*share)) }
	return fmt.Sprintf("#%02x%02x%02x", mix(0xd9), mix(0x48), mix(0x0f))
}

// dots marks the exemplars of a panel that shows them: single calls.
func (s scope) dots(p *plot, of panel) {
	for _, q := range of.Targets {
		if !q.Exemplar {
			continue
		}
		for _, e := range s.prometheus.Exemplars(s.fill(q.Expr), s.from, s.to) {
			x, v := p.left+p.width*float64(e.At.Sub(s.from))/float64(s.to.Sub(s.from)), e.Value
			if of.Type == "heatmap" {
				v = math.Log(v)
			}
			if v >= p.low && v <= p.high {
				p.add(`<path d="M%.1f %.1fl3 3-3 3-3-3z" fill="#1f60c4" stroke="#fff" stroke-width="0.7"/>`, x, p.y(v)-3)
			}
		}
	}
}

// heatmap draws a native histogram over time, on a logarithmic axis. A bucket
// that reaches 0 has no place on it.
func (s scope) heatmap(p panel, room box) (string, int) {
	type cell struct {
		step int
		bucket
	}
	var cells []cell
	low, high, most := math.Inf(1), 0.0, 0.0
	for _, q := range p.Targets {
		for _, one := range s.ask(q) {
			for _, raw := range one.Histograms {
				at, list, err := histogramAt(raw)
				if err != nil {
					s.t.Fatal(err)
				}
				for _, b := range list {
					if b.low > 0 && b.count > 0 {
						cells = append(cells, cell{int(math.Round(float64(at.Sub(s.from)) / float64(s.step))), b})
						low, high, most = min(low, b.low), max(high, b.high), max(most, b.count)
					}
				}
			}
		}
	}
	if len(cells) == 0 {
		return nothing(p), 0
	}
	plot := &plot{left: 58, height: float64(room.height - 20), low: math.Log(low), high: math.Log(high), steps: int(s.to.Sub(s.from)/s.step) + 1}
	plot.width = float64(room.width) - plot.left
	plot.add(`<svg width="%d" height="%d">`, room.width, room.height)
	s.times(plot)
	for power := math.Floor(math.Log10(low)); power <= math.Log10(high); power++ {
		for m := 1.0; m < 10; m++ {
			v := m * math.Pow(10, power)
			if y := plot.y(math.Log(v)); v >= low && v <= high && (m == 1 || high/low < 300 && (m == 2 || m == 5) || high/low < 6) {
				plot.add(`<path d="M%.1f %.1fh%.1f" stroke="#eceded"/><text x="%.1f" y="%.1f" text-anchor="end">%s</text>`, plot.left, y, plot.width, plot.left-6, y+4, said(v, p.FieldConfig.Defaults.Unit, nil, s.to))
			}
		}
	}
	for _, c := range cells {
		top, wide := plot.y(math.Log(c.high)), plot.width/float64(plot.steps-1)
		plot.add(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s" shape-rendering="crispEdges"/>`, plot.x(c.step)-wide, top, wide, max(1, plot.y(math.Log(c.low))-top), shade(math.Sqrt(c.count/most)))
	}
	s.dots(plot, p)
	return plot.String() + `</svg>`, len(cells)
}
