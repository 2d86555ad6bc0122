package dashgen

import (
	"fmt"
	"strings"

	"github.com/earshot-voip/earshot/internal/catalog"
	"github.com/earshot-voip/earshot/probe"
)

// Units of Grafana.
const (
	unitNone    = "none"
	unitShort   = "short"
	unitSeconds = "s"
	unitShare   = "percentunit"
	unitBytes   = "bytes"
	unitPackets = "pps" // packets per second
	unitCounts  = "cps" // counts per second
	unitDate    = "dateTimeFromNow"
	unitDB      = "dB"
	unitYes     = "bool_yes_no"
)

// Selectors of the boards' queries: every series is picked by the variables.
const (
	ofProbe  = `job=~"$job",instance=~"$instance"`
	ofTarget = ofProbe + `,target=~"$target"`
)

// pick selects a metric, or a recorded series, by the variables and more.
func pick(m fmt.Stringer, more ...string) string {
	labels := ofTarget
	if c, ok := m.(*catalog.Metric); ok && !c.PerTarget || m == untrustedRatio {
		labels = ofProbe
	}
	for _, l := range more {
		labels += "," + l
	}
	return fmt.Sprintf("%s{%s}", m, labels)
}

// part is a part of a histogram's classic form.
type part struct {
	*catalog.Metric
	suffix string
}

// String is the name of the part's series.
func (p part) String() string { return p.Name + p.suffix }

func (p part) pick(more ...string) string {
	whole := pick(p.Metric, more...)
	return p.String() + whole[len(p.Name):]
}

// String is the name of the series.
func (r recorded) String() string { return string(r) }

// perSecond is a counter's rate, shareOf one counter's part of others.
func perSecond(m *catalog.Metric, more ...string) string {
	return q("rate(%s[$__rate_interval])", pick(m, more...))
}

func sum(by, expr string) string {
	if by == "" {
		return q("sum(%s)", expr)
	}
	return q("sum by (%s) (%s)", by, expr)
}

// quantileOf asks the native form of a histogram, and the classic one where a
// server keeps only that. With by it is that of each value of a label.
func quantileOf(quantile float64, m *catalog.Metric, by ...string) string {
	native := strings.Join(by, ", ")
	classic := strings.Join(append(by, "le"), ", ")
	return q("histogram_quantile(%g, %s)\nor\nhistogram_quantile(%g, %s)",
		quantile, sum(native, q("rate(%s[$__rate_interval])", pick(m))), quantile, sum(classic, q("rate(%s[$__rate_interval])", part{m, "_bucket"}.pick())))
}

// heat is the same for a heat map.
func heat(m *catalog.Metric) string {
	native := q("sum(rate(%s[$__rate_interval]))", pick(m))
	return q("%s\nor\n(sum by (le) (rate(%s[$__rate_interval])) unless on () %s)", native, part{m, "_bucket"}.pick(), native)
}

// averageOf is a histogram's mean, by labels.
func averageOf(by string, m *catalog.Metric, more ...string) string {
	native := sum(by, q("rate(%s[$__rate_interval])", pick(m, more...)))
	classic := func(suffix string) string {
		return sum(by, q("rate(%s[$__rate_interval])", part{m, suffix}.pick(more...)))
	}
	return q("histogram_sum(%s) / histogram_count(%s)\nor\n%s / %s", native, native, classic("_sum"), classic("_count"))
}

// curve is one query of a panel, with its legend.
type curve struct {
	legend, expr string
}

func targets(format string, instant bool, curves []curve) []target {
	var list []target
	for i, c := range curves {
		list = append(list, target{
			RefID: string(rune('A' + i)), Datasource: prometheus, Expr: c.expr, LegendFormat: c.legend,
			Format: format, Instant: instant, Range: !instant, EditorMode: "code",
		})
	}
	return list
}

// about is what every panel says of itself.
type about struct {
	title, description, unit string
	w, h                     int
}

func (a about) panel(kind string, list []target) panel {
	for _, t := range list {
		if t.Expr == "" {
			panic("dashgen: a panel without a query: " + a.title)
		}
	}
	return panel{
		Title: a.title, Description: a.description, Type: kind, GridPos: gridPos{W: a.w, H: a.h}, Datasource: &prometheus, Targets: list,
		FieldConfig: &fieldConfig{Defaults: fieldDefaults{Unit: a.unit}, Overrides: []override{}},
	}
}

// graph draws lines over time.
func graph(a about, curves ...curve) panel {
	p := a.panel("timeseries", targets("time_series", false, curves))
	p.Options = map[string]any{
		"legend":  map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []string{}},
		"tooltip": map[string]any{"mode": "multi", "sort": "desc"},
	}
	p.FieldConfig.Defaults.Color = map[string]any{"mode": "palette-classic"}
	p.FieldConfig.Defaults.Custom = map[string]any{
		"drawStyle": "line", "lineWidth": 1, "fillOpacity": 0, "showPoints": "never", "spanNulls": false,
		"lineInterpolation": "linear", "axisPlacement": "auto", "stacking": map[string]any{"mode": "none", "group": "A"},
	}
	for _, c := range curves {
		if c.legend == "{{layer}}" || strings.HasPrefix(c.legend, "{{layer}}:") {
			p = p.layered()
		}
		if look := wordLooks[c.legend]; look != nil {
			p = p.column(c.legend, look...)
		}
		if strings.HasPrefix(c.legend, "limit") {
			p = p.columns("/^limit/", aside...)
		}
	}
	return p
}

// wordLooks are of words that mean the same on every board.
var wordLooks = map[string][]property{
	"good": colour("green"), "degraded": colour("yellow"), "bad": colour("orange"), "low score": colour("orange"),
	"silent": colour("red"), "failed": colour("red"), "untrusted": colour("purple"),
	"uplink": colour("blue"), "downlink": colour("orange"),
}

func colour(name string) []property {
	return []property{{"color", map[string]any{"mode": "fixed", "fixedColor": name}}}
}

// aside is the look of what values are compared with: dashed, nothing under it.
var aside = append(colour("red"), property{"custom.lineStyle", map[string]any{"fill": "dash", "dash": []int{8, 6}}})

// quietly leaves a field out of the legend.
var quietly = property{"custom.hideFrom", map[string]any{"legend": true, "tooltip": false, "viz": false}}

// layered gives each layer of a call the same colour on every board.
func (p panel) layered() panel {
	for i, color := range []string{"#7c2e16", "#c4162a", "#f2495c", "#ff780a", "#f2cc0c", "#b877d9", "#8f3bb8", "#5794f2", "#1f60c4", "#0a437c"} {
		p = p.columns("/^"+string(probe.Layers[i])+"\\b/", colour(color)...)
	}
	return p
}

// happened is how often something happened in each step of a graph. Steps do not
// overlap, so that the bars add up to all that happened.
func happened(m *catalog.Metric) string { return q("increase(%s[$__interval])", pick(m)) }

// counted draws what happened in each minute, or in more in long time ranges, as bars on
// top of one another.
func counted(a about, curves ...curve) panel {
	p := stacked(a, curves...)
	p.FieldConfig.Defaults.Custom["drawStyle"] = "bars"
	p.FieldConfig.Defaults.Custom["fillOpacity"] = 80
	p.Interval = "1m"
	return p
}

// stacked draws areas on top of one another.
func stacked(a about, curves ...curve) panel {
	p := graph(a, curves...)
	p.FieldConfig.Defaults.Custom["stacking"] = map[string]any{"mode": "normal", "group": "A"}
	p.FieldConfig.Defaults.Custom["fillOpacity"] = 40
	return p
}

// number shows the last value large.
func number(a about, steps []threshold, curves ...curve) panel {
	p := a.panel("stat", targets("time_series", true, curves))
	p.Options = map[string]any{
		"colorMode": "value", "graphMode": "area", "justifyMode": "auto", "orientation": "auto", "textMode": "auto",
		"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
	}
	p.FieldConfig.Defaults.Thresholds = &thresholds{Mode: "absolute", Steps: steps}
	p.FieldConfig.Defaults.Color = map[string]any{"mode": "thresholds"}
	return p
}

// heatmap shows how a histogram changes over time.
func heatmap(a about, m *catalog.Metric) panel {
	list := targets("heatmap", false, []curve{{"", heat(m)}})
	list[0].Exemplar = true
	p := a.panel("heatmap", list)
	p.Options = map[string]any{
		"calculate": false, "cellGap": 1,
		"color":        map[string]any{"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5, "fill": "dark-orange", "reverse": false, "scale": "exponential"},
		"exemplars":    map[string]any{"color": "rgba(0,120,255,0.7)"},
		"filterValues": map[string]any{"le": 1e-9},
		"legend":       map[string]any{"show": true},
		"rowsFrame":    map[string]any{"layout": "auto"},
		"tooltip":      map[string]any{"mode": "single", "showColorScale": true, "yHistogram": true},
		"yAxis":        map[string]any{"axisPlacement": "left", "unit": a.unit, "reverse": false},
	}
	return p
}

// states shows which of several facts held when.
func states(a about, curves ...curve) panel {
	p := a.panel("state-timeline", targets("time_series", false, curves))
	p.Options = map[string]any{
		"mergeValues": true, "showValue": "never", "alignValue": "left", "rowHeight": 0.8,
		"legend":  map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": false},
		"tooltip": map[string]any{"mode": "single", "sort": "none"},
	}
	p.FieldConfig.Defaults.Custom = map[string]any{"fillOpacity": 70, "lineWidth": 0}
	p.FieldConfig.Defaults.Color = map[string]any{"mode": "thresholds"}
	p.FieldConfig.Defaults.Thresholds = &thresholds{Mode: "absolute", Steps: steps("transparent", 1, "blue")}
	p.FieldConfig.Defaults.Mappings = []mapping{{"value", map[string]any{"0": map[string]any{"text": "no"}, "1": map[string]any{"text": "yes"}}}}
	return p
}

// table lists what holds at the end of the time range, a row for each series.
func table(a about, curves ...curve) panel {
	p := a.panel("table", targets("table", true, curves))
	p.Options = map[string]any{"showHeader": true, "cellHeight": "sm", "footer": map[string]any{"show": false, "reducer": []string{"sum"}}}
	p.FieldConfig.Defaults.Custom = map[string]any{"align": "auto", "cellOptions": map[string]any{"type": "auto"}, "filterable": true}
	p.Transformations = []transformation{{"merge", map[string]any{}}}
	return p
}

// steps are thresholds: a colour, then from each value on the next.
func steps(first string, rest ...any) []threshold {
	list := []threshold{{Color: first}}
	for i := 0; i+1 < len(rest); i += 2 {
		v := float64(0)
		switch n := rest[i].(type) {
		case int:
			v = float64(n)
		case float64:
			v = n
		}
		list = append(list, threshold{Color: rest[i+1].(string), Value: &v})
	}
	return list
}

// column sets how a column of a table, by its field's name, looks.
func (p panel) column(field string, properties ...property) panel {
	p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, override{matcher{"byName", field}, properties})
	return p
}

// columns does so for all fields of which the names match.
func (p panel) columns(pattern string, properties ...property) panel {
	p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, override{matcher{"byRegexp", pattern}, properties})
	return p
}

// within bounds the axis.
func (p panel) within(low, high float64) panel {
	p.FieldConfig.Defaults.Min, p.FieldConfig.Defaults.Max = &low, &high
	return p
}

// to links every value to another page.
func (p panel) to(links ...dataLink) panel {
	p.FieldConfig.Defaults.Links = links
	return p
}

// orElse is what a panel says when there is nothing.
func (p panel) orElse(text string) panel {
	p.FieldConfig.Defaults.NoValue = text
	return p
}

// whole shows numbers without decimals: increase extrapolates.
func (p panel) whole() panel {
	none := 0
	p.FieldConfig.Defaults.Decimals = &none
	return p
}

// ordered puts columns of a table first, by their fields' names.
func (p panel) ordered(fields ...string) panel {
	at := map[string]any{}
	for i, f := range fields {
		at[f] = i
	}
	p.Transformations = append(p.Transformations, transformation{"organize", map[string]any{"indexByName": at}})
	return p
}

// exemplars shows the calls behind a graph's values.
func (p panel) exemplars() panel {
	for i := range p.Targets {
		p.Targets[i].Exemplar = true
	}
	return p
}
