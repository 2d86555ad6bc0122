//go:build peers

package dashgen

import (
	"cmp"
	"fmt"
	"html"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/earshot-voip/earshot/internal/prometheustest"
)

// frame is a table as Grafana makes it of the answer to an instant query, and as
// transformations make it of others. Cells are strings, float64 or absent.
type frame struct {
	columns []string
	rows    []map[string]any
}

// frameOf makes a column of every label, and one of the values.
func frameOf(answer []prometheustest.Series, value string) frame {
	labels := map[string]bool{}
	for _, s := range answer {
		for name := range s.Metric {
			labels[name] = true
		}
	}
	f := frame{columns: append([]string{"Time"}, append(slices.Sorted(maps.Keys(labels)), value)...)}
	for _, s := range answer {
		row := map[string]any{"Time": "", value: s.Value.Value}
		for name := range labels {
			row[name] = s.Metric[name]
		}
		f.rows = append(f.rows, row)
	}
	return f
}

// merged joins the rows of tables that are equal in every column that both have:
// Grafana's transformation "merge" (merge.ts of grafana-data).
func merged(frames []frame) frame {
	if len(frames) == 1 {
		return frames[0]
	}
	var all frame
	key := slices.Clone(frames[0].columns)
	for _, f := range frames {
		key = slices.DeleteFunc(key, func(c string) bool { return !slices.Contains(f.columns, c) })
		for _, c := range f.columns {
			if !slices.Contains(all.columns, c) {
				all.columns = append(all.columns, c)
			}
		}
	}
	for _, f := range frames {
		for _, row := range f.rows {
			joined := false
			for _, old := range all.rows {
				if agree(old, row, key) {
					maps.Copy(old, row)
					joined = true
				}
			}
			if !joined {
				all.rows = append(all.rows, maps.Clone(row))
			}
		}
	}
	return all
}

// agree tells whether two rows have the same key, and nothing that differs.
func agree(a, b map[string]any, key []string) bool {
	for _, c := range key {
		if a[c] != b[c] {
			return false
		}
	}
	for c, v := range b {
		if old, ok := a[c]; ok && old != v {
			return false
		}
	}
	return true
}

// matrixOf has a row for each value of a column and a column for each of another:
// Grafana's "groupingToMatrix".
func matrixOf(f frame, row, column, value string) frame {
	out := frame{columns: []string{row + `\` + column}}
	at := map[any]map[string]any{}
	for _, r := range f.rows {
		name := fmt.Sprint(r[column])
		if !slices.Contains(out.columns, name) {
			out.columns = append(out.columns, name)
		}
		if at[r[row]] == nil {
			at[r[row]] = map[string]any{out.columns[0]: r[row]}
			out.rows = append(out.rows, at[r[row]])
		}
		at[r[row]][name] = r[value]
	}
	return out
}

// table draws a panel of that type. It says how many rows it has.
func (s scope) table(p panel) (string, int) {
	var frames []frame
	for _, q := range p.Targets {
		name := "Value"
		if len(p.Targets) > 1 {
			name += " #" + q.RefID
		}
		frames = append(frames, frameOf(s.ask(q), name))
	}
	f := merged(frames)
	renamed := map[string]any{}
	for _, tr := range p.Transformations {
		switch tr.ID {
		case "groupingToMatrix":
			f = matrixOf(f, tr.Options["rowField"].(string), tr.Options["columnField"].(string), tr.Options["valueField"].(string))
		case "organize":
			renamed, _ = tr.Options["renameByName"].(map[string]any)
			if at, ok := tr.Options["indexByName"].(map[string]any); ok {
				place := func(column string) int {
					if n, ok := at[column].(int); ok {
						return n
					}
					return len(f.columns)
				}
				slices.SortStableFunc(f.columns, func(a, b string) int { return cmp.Compare(place(a), place(b)) })
			}
		case "merge":
		default:
			s.t.Errorf("%s: the transformation %s cannot be drawn", p.Title, tr.ID)
		}
	}
	if len(f.rows) == 0 {
		return nothing(p), 0
	}
	var b strings.Builder
	b.WriteString(`<table><tr>`)
	var shown []look
	for _, c := range f.columns {
		l := p.look(c)
		if l.hidden {
			continue
		}
		if to, ok := renamed[c].(string); ok {
			l.name = to
		}
		shown = append(shown, l)
		fmt.Fprintf(&b, `<th>%s</th>`, html.EscapeString(l.name))
	}
	b.WriteString(`</tr>`)
	p.sort(f.rows, shown)
	for _, row := range f.rows {
		b.WriteString(`<tr>`)
		for _, l := range shown {
			b.WriteString(s.cell(row[l.field], l))
		}
		b.WriteString(`</tr>`)
	}
	return b.String() + `</table>`, len(f.rows)
}

// sort orders rows by the column that the panel names; what is absent comes
// first, as in Grafana.
func (p panel) sort(rows []map[string]any, columns []look) {
	by, _ := p.Options["sortBy"].([]map[string]any)
	for _, order := range by {
		at := slices.IndexFunc(columns, func(l look) bool { return l.name == order["displayName"] })
		if at < 0 {
			continue
		}
		number := func(row map[string]any) float64 {
			if v, ok := row[columns[at].field].(float64); ok {
				return v
			}
			return math.Inf(-1)
		}
		word := func(row map[string]any) string { s, _ := row[columns[at].field].(string); return s }
		slices.SortStableFunc(rows, func(a, b map[string]any) int {
			if order["desc"] == true {
				a, b = b, a
			}
			return cmp.Or(cmp.Compare(number(a), number(b)), cmp.Compare(word(a), word(b)))
		})
	}
}

func (s scope) cell(v any, l look) string {
	style := ""
	text, word := v.(string)
	if _, mapped := l.mapped(v); l.background && v != nil && (!word || mapped != "") {
		style = fmt.Sprintf(` style="background:%s;color:#fff"`, l.colorOf(v))
	}
	if n, ok := v.(float64); ok {
		text = l.say(n, s.to)
	}
	return fmt.Sprintf(`<td%s>%s</td>`, style, html.EscapeString(text))
}

// number draws a panel of type stat: the last value of each series.
func (s scope) number(p panel) (string, int) {
	var b strings.Builder
	n := 0
	for _, q := range p.Targets {
		answer := s.ask(q)
		for _, series := range answer {
			l := p.look(legend(q, series.Metric))
			fmt.Fprintf(&b, `<div class="large" style="color:%s">%s</div>`, l.colorOf(series.Value.Value), html.EscapeString(l.say(series.Value.Value, s.to)))
			n++
		}
	}
	if n == 0 {
		return nothing(p), 0
	}
	return b.String(), n
}

// nothing is what a panel says that has no data.
func nothing(p panel) string {
	return `<div class="nothing">` + html.EscapeString(cmp.Or(p.FieldConfig.Defaults.NoValue, "No data")) + `</div>`
}

func TestPicturesMergeTablesAsGrafana(t *testing.T) {
	a := frame{[]string{"Time", "probe", "version", "Value #A"}, []map[string]any{{"Time": "", "probe": "p1", "version": "1", "Value #A": 1.0}, {"Time": "", "probe": "p2", "version": "2", "Value #A": 1.0}}}
	b := frame{[]string{"Time", "probe", "Value #B"}, []map[string]any{{"Time": "", "probe": "p2", "Value #B": 7.0}, {"Time": "", "probe": "p3", "Value #B": 8.0}}}
	want := []map[string]any{
		{"Time": "", "probe": "p1", "version": "1", "Value #A": 1.0},
		{"Time": "", "probe": "p2", "version": "2", "Value #A": 1.0, "Value #B": 7.0},
		{"Time": "", "probe": "p3", "Value #B": 8.0},
	}
	if got := merged([]frame{a, b}); !reflect.DeepEqual(got.rows, want) {
		t.Errorf("got %v, want %v", got.rows, want)
	}
	// A column that only some have in common, and that differs, keeps rows apart.
	for i := range b.rows {
		b.rows[i]["version"] = "other"
	}
	b.columns = append(b.columns, "version")
	c := frame{[]string{"Time", "probe"}, nil}
	if got := merged([]frame{a, b, c}); len(got.rows) != 4 {
		t.Errorf("got %d rows, want 4: %v", len(got.rows), got.rows)
	}
}
