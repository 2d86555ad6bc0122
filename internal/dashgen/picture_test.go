//go:build peers

package dashgen

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"html"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/prometheustest"
)

// Pixels of a picture of a board: the cells of its grid are as high as Grafana's.
const (
	cellWidth, cellHeight = 60, 38
	gap                   = 8
	titleHeight           = 28
	headHeight            = 96
)

// scope is what a board is drawn of: a Prometheus, the variables, the time range.
type scope struct {
	t          *testing.T
	prometheus *prometheustest.Server
	variables  map[string]string
	from, to   time.Time
	step       time.Duration
}

// of is the scope of a panel: one that asks for a step gets no shorter one.
func (s scope) of(p panel) scope {
	if least, err := time.ParseDuration(p.Interval); err == nil {
		s.step = max(s.step, least)
		s.from, s.to = s.from.Truncate(s.step), s.to.Truncate(s.step)
	}
	return s
}

// apart is what a data source of Grafana takes scrapes to be apart, unless told.
const apart = 15 * time.Second

// fill puts the variables into an expression, as Grafana does.
func (s scope) fill(expr string) string {
	pairs := []string{"$__interval", promTime(s.step), "$__rate_interval", promTime(max(s.step+apart, 4*apart)), "$__range", promTime(s.to.Sub(s.from))}
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(s.variables))) {
		pairs = append(pairs, "$"+name, s.variables[name])
	}
	return strings.NewReplacer(pairs...).Replace(expr)
}

// ask asks a panel's query as Grafana would: for the end of the time range, or
// for all of it.
func (s scope) ask(q target) []prometheustest.Series {
	s.t.Helper()
	if q.Instant {
		return s.prometheus.QueryAt(s.fill(q.Expr), s.to)
	}
	return s.prometheus.QueryRange(s.fill(q.Expr), s.from, s.to, s.step)
}

// box is the room of a panel's inside, in pixels.
type box struct{ width, height int }

// page draws a board as it is answered: HTML, its height in pixels, and the
// titles of the panels that show nothing.
func (s scope) page(b dashboard) (text string, height int, empty []string) {
	var body strings.Builder
	for _, p := range b.Panels {
		left, top := p.GridPos.X*cellWidth+gap, p.GridPos.Y*cellHeight+headHeight
		place := fmt.Sprintf("left:%dpx;top:%dpx;width:%dpx;height:%dpx", left, top, p.GridPos.W*cellWidth-gap, p.GridPos.H*cellHeight-gap)
		height = max(height, top+p.GridPos.H*cellHeight)
		if p.Type == "row" {
			fmt.Fprintf(&body, `<h2 style="%s">%s</h2>`, place, html.EscapeString(p.Title))
			continue
		}
		inside, n := s.of(p).panel(p, box{p.GridPos.W*cellWidth - gap - 18, p.GridPos.H*cellHeight - gap - titleHeight - 8})
		if n == 0 {
			empty = append(empty, p.Title)
		}
		fmt.Fprintf(&body, `<section class="%s" style="%s"><h3>%s</h3>%s</section>`, p.Type, place, html.EscapeString(p.Title), inside)
	}
	var chosen []string
	for _, v := range b.Templating.List {
		if value, ok := s.variables[v.Name]; ok {
			if value == v.AllValue {
				value = "All"
			}
			chosen = append(chosen, fmt.Sprintf("<span>%s <b>%s</b></span>", v.Label, html.EscapeString(value)))
		}
	}
	head := fmt.Sprintf(`<h1>%s</h1><p>%s</p><p class="chosen">%s<span>Time range <b>%s, %s</b></span></p><p class="how">Drawn from the results of the board's own queries; Grafana draws the same panels in its own way.</p>`,
		html.EscapeString(b.Title), html.EscapeString(b.Description), strings.Join(chosen, ""), s.to.Sub(s.from), s.to.UTC().Format("2006-01-02 15:04 UTC"))
	return pageStart + head + body.String(), height, empty
}

const pageStart = `<!doctype html><meta charset="utf-8"><style>
body { margin: 0; background: #f4f5f5; color: #24292e; font: 12px/1.35 Inter, sans-serif; }
h1 { position: absolute; left: 8px; top: 8px; margin: 0; font-size: 20px; } 
p { position: absolute; left: 8px; top: 40px; margin: 0; font-size: 13px; } p.chosen { top: 66px; } p.how { left: auto; right: 8px; top: 14px; color: #6b6f76; }
.chosen span { margin-right: 18px; color: #6b6f76; } .chosen b { color: #24292e; font-weight: 600; }
h2 { position: absolute; margin: 0; font-size: 15px; line-height: 30px; }
section { position: absolute; background: #fff; border: 1px solid #dcdee1; border-radius: 3px; box-sizing: border-box; padding: 0 8px; overflow: hidden; }
h3 { margin: 0; font-size: 13px; line-height: 28px; font-weight: 600; white-space: nowrap; }
svg { display: block; } svg text { font: 11px Inter, sans-serif; fill: #6b6f76; }
.legend { line-height: 16px; font-size: 11px; overflow: hidden; color: #45494f; } .legend span { display: inline-block; margin-right: 12px; white-space: nowrap; }
.legend i { display: inline-block; width: 12px; height: 3px; margin: 0 5px 3px 0; border-radius: 2px; }
.large { font-size: 34px; font-weight: 600; text-align: center; padding-top: 10px; }
.nothing { text-align: center; color: #8a8f96; padding-top: 26px; font-size: 13px; }
table { border-collapse: collapse; width: 100%; font-size: 12px; } th { text-align: left; color: #1f60c4; font-weight: 600; } th, td { padding: 5px 8px; border-bottom: 1px solid #e8e9eb; white-space: nowrap; }
</style>`

// panel draws what is inside of a panel, and says how many series it shows.
func (s scope) panel(p panel, room box) (string, int) {
	switch p.Type {
	case "timeseries":
		return s.graph(p, room)
	case "stat":
		return s.number(p)
	case "table":
		return s.table(p)
	case "heatmap":
		return s.heatmap(p, room)
	case "state-timeline":
		return s.states(p, room)
	}
	s.t.Errorf("%s: a panel of type %s cannot be drawn", p.Title, p.Type)
	return "", 0
}

// look is how a field is shown: the panel's defaults with the overrides of the
// field's name on top.
type look struct {
	field, name, unit  string
	decimals           *int
	thresholds         *thresholds
	mappings           []mapping
	color              string
	background, hidden bool
	dashed, legend     bool
}

func (p panel) look(field string) look {
	d := p.FieldConfig.Defaults
	l := look{field: field, name: field, unit: d.Unit, decimals: d.Decimals, thresholds: d.Thresholds, mappings: d.Mappings, legend: true}
	l.set("custom.cellOptions", d.Custom["cellOptions"])
	for _, o := range p.FieldConfig.Overrides {
		if o.matches(field) {
			for _, property := range o.Properties {
				l.set(property.ID, property.Value)
			}
		}
	}
	return l
}

func (o override) matches(field string) bool {
	if o.Matcher.ID == "byRegexp" {
		return regexp.MustCompile(strings.Trim(o.Matcher.Options, "/")).MatchString(field)
	}
	return o.Matcher.Options == field
}

func (l *look) set(id string, value any) {
	m, _ := value.(map[string]any)
	switch id {
	case "unit":
		l.unit = value.(string)
	case "decimals":
		n := value.(int)
		l.decimals = &n
	case "displayName":
		l.name = value.(string)
	case "thresholds":
		steps := value.(thresholds)
		l.thresholds = &steps
	case "mappings":
		l.mappings = value.([]mapping)
	case "color":
		l.color, _ = m["fixedColor"].(string)
	case "custom.hidden":
		l.hidden = true
	case "custom.cellOptions":
		l.background = m["type"] == "color-background"
	case "custom.lineStyle":
		l.dashed = m["fill"] == "dash"
	case "custom.hideFrom":
		l.legend = m["legend"] != true
	}
}

// mapped is what a panel shows in place of a value, a number or a word: a text and
// its colour.
func (l look) mapped(v any) (text, color string) {
	if n, ok := v.(float64); ok {
		v = strconv.FormatFloat(n+0, 'f', -1, 64)
	}
	word, _ := v.(string)
	for _, m := range l.mappings {
		if to, ok := m.Options[word].(map[string]any); ok {
			text, _ = to["text"].(string)
			color, _ = to["color"].(string)
		}
	}
	return text, color
}

func (l look) say(v float64, now time.Time) string {
	if text, _ := l.mapped(v); text != "" {
		return text
	}
	return said(v, l.unit, l.decimals, now)
}

// colorOf is the colour of the threshold that a value has reached.
func (l look) colorOf(v any) string {
	if _, color := l.mapped(v); color != "" {
		return cmp.Or(hexOf[color], color)
	}
	color := "#45494f"
	if n, ok := v.(float64); ok && l.thresholds != nil {
		for _, step := range l.thresholds.Steps {
			if step.Value == nil || n >= *step.Value {
				color = step.Color
			}
		}
	}
	return cmp.Or(hexOf[color], color)
}

// hexOf are Grafana's colours, on white.
var hexOf = map[string]string{
	"red": "#e02f44", "orange": "#ff780a", "yellow": "#d9a400", "green": "#37872d", "blue": "#1f60c4", "purple": "#8f3bb8",
	"dark-red": "#a50d25", "transparent": "none",
}

// classic is Grafana's classic palette, in its order.
var classic = []string{"#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#705da0", "#37872d", "#c4a000", "#447ebc", "#c15c17", "#890f02", "#0a437c", "#6d1f62", "#584477"}

// legend is the name of a series: its format with the labels filled in, or them all.
func legend(q target, labels map[string]string) string {
	if q.LegendFormat == "" {
		var all []string
		for _, name := range slices.Sorted(maps.Keys(labels)) {
			all = append(all, fmt.Sprintf("%s=%q", name, labels[name]))
		}
		return strings.Join(all, ", ")
	}
	return regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`).ReplaceAllStringFunc(q.LegendFormat, func(m string) string {
		return labels[strings.Trim(m, "{} ")]
	})
}

// shoot writes a picture of a page: Chromium's, cut to the page's height, in the
// 256 colours that it has most of.
func shoot(t *testing.T, text string, height int, file string) {
	t.Helper()
	dir := t.TempDir()
	page, raw := filepath.Join(dir, "page.html"), filepath.Join(dir, "page.png")
	write(t, page, text)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	width := columns*cellWidth + gap
	// The window is higher than the page, since headless windows have a frame.
	out, err := exec.CommandContext(ctx, cmp.Or(os.Getenv("CHROMIUM"), "/usr/bin/chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
		"--no-first-run", "--user-data-dir="+filepath.Join(dir, "profile"), "--force-device-scale-factor=1",
		fmt.Sprintf("--window-size=%d,%d", width, height+200), "--screenshot="+raw, "file://"+page).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: apt-get install chromium, or name it by CHROMIUM\n%s", err, out)
	}
	data, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	full, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	bounds := image.Rect(0, 0, width, height)
	if !bounds.In(full.Bounds()) {
		t.Fatalf("%s: the browser drew %v, want %v", file, full.Bounds(), bounds)
	}
	counts := map[color.Color]int{}
	for y := range height {
		for x := range width {
			counts[full.At(x, y)]++
		}
	}
	most := slices.SortedFunc(maps.Keys(counts), func(a, b color.Color) int { return counts[b] - counts[a] })
	few := image.NewPaletted(bounds, most[:min(len(most), 256)])
	draw.Draw(few, bounds, full, image.Point{}, draw.Src)
	var small bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, few); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, small.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
