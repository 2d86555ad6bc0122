package dashgen

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// eachPanel calls with every panel of every board that shows data.
func eachPanel(t *testing.T, do func(t *testing.T, b dashboard, p panel)) {
	t.Helper()
	for name, b := range Boards() {
		t.Run(name, func(t *testing.T) {
			for _, p := range b.Panels {
				if p.Type != "row" {
					do(t, b, p)
				}
			}
		})
	}
}

func eachQuery(t *testing.T, do func(t *testing.T, p panel, expr string)) {
	t.Helper()
	eachPanel(t, func(t *testing.T, _ dashboard, p panel) {
		for _, q := range p.Targets {
			do(t, p, q.Expr)
		}
	})
}

// The rules of Grafana's dashboard-linter, by their names. Two of the 17 are about
// Loki, which no board asks. There are no exceptions.
func TestLinterRulesOfVariables(t *testing.T) {
	for name, b := range Boards() {
		t.Run(name, func(t *testing.T) {
			byName := map[string]variable{}
			for _, v := range b.Templating.List {
				byName[v.Name] = v
			}
			// template-datasource-rule
			if v := byName["datasource"]; v.Type != "datasource" || v.Query != "prometheus" || v.Label != "Data source" {
				t.Errorf("data source: %+v", v)
			}
			// template-job-rule, template-instance-rule
			for _, name := range []string{"job", "instance"} {
				v := byName[name]
				if v.Type != "query" || v.Datasource.UID != "${datasource}" || v.Label != strings.ToUpper(name[:1])+name[1:] || !v.Multi || v.AllValue != ".+" {
					t.Errorf("%s: %+v", name, v)
				}
			}
			for _, v := range b.Templating.List {
				if v.Type != "query" {
					continue
				}
				// template-on-time-change-reload-rule
				if v.Refresh != 2 {
					t.Errorf("%s is not asked again when the time range changes", v.Name)
				}
				// template-label-promql-rule
				if !regexp.MustCompile(`^label_values\(earshot_[a-z_]+(\{[^{}]*\})?, ` + v.Name + `\)$`).MatchString(v.Definition) {
					t.Errorf("%s asks %s", v.Name, v.Definition)
				}
			}
			if got := slices.Sorted(func(yield func(string) bool) {
				for n := range byName {
					if !yield(n) {
						return
					}
				}
			}); !slices.Equal(got, []string{"datasource", "instance", "job", "site", "target"}) {
				t.Errorf("got variables %v", got)
			}
			// uneditable-dashboard
			if b.Editable {
				t.Error("can be edited")
			}
		})
	}
}

func TestLinterRulesOfPanels(t *testing.T) {
	units := []string{unitNone, unitShort, unitSeconds, unitShare, unitBytes, unitPackets, unitCounts, unitDate, unitDB, unitYes}
	eachPanel(t, func(t *testing.T, _ dashboard, p panel) {
		// panel-title-description-rule, panel-units-rule, panel-datasource-rule, panel-no-targets-rule
		if p.Title == "" || !strings.HasSuffix(p.Description, ".") {
			t.Errorf("panel %d: title %q, description %q", p.ID, p.Title, p.Description)
		}
		if !slices.Contains(units, p.FieldConfig.Defaults.Unit) {
			t.Errorf("%s: unit %q", p.Title, p.FieldConfig.Defaults.Unit)
		}
		if p.Datasource == nil || *p.Datasource != prometheus || len(p.Targets) == 0 {
			t.Errorf("%s: asks %v, %d queries", p.Title, p.Datasource, len(p.Targets))
		}
	})
}

var (
	selector = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^{}]*)\}`)
	ranged   = regexp.MustCompile(`\b(\w+)\(([a-zA-Z_:][a-zA-Z0-9_:]*)\{[^{}]*\}\[([^\]]+)\]`)
	bare     = regexp.MustCompile(`\b(?:earshot[_:][a-zA-Z0-9_:]+|ALERTS|process_\w+|go_\w+)(\{)?`)
)

func TestLinterRulesOfQueries(t *testing.T) {
	eachQuery(t, func(t *testing.T, p panel, expr string) {
		// target-job-rule, target-instance-rule
		for _, m := range selector.FindAllStringSubmatch(expr, -1) {
			if !strings.Contains(m[2], `job=~"$job"`) || !strings.Contains(m[2], `instance=~"$instance"`) {
				t.Errorf("%s: %s is not picked by job and instance", p.Title, m[0])
			}
		}
		for _, m := range bare.FindAllStringSubmatch(expr, -1) {
			if m[1] == "" {
				t.Errorf("%s: %s has no selector at all", p.Title, m[0])
			}
		}
		// target-rate-interval-rule
		inRange := map[string]bool{}
		for _, m := range ranged.FindAllStringSubmatch(expr, -1) {
			if (m[1] == "rate" || m[1] == "irate") && m[3] != "$__rate_interval" {
				t.Errorf("%s: %s over %s", p.Title, m[1], m[3])
			}
			if slices.Contains([]string{"rate", "irate", "increase"}, m[1]) {
				inRange[m[2]] = true
			}
		}
		// target-counter-agg-rule
		for _, m := range selector.FindAllStringSubmatch(expr, -1) {
			if strings.HasSuffix(m[1], "_total") && !inRange[m[1]] {
				t.Errorf("%s: the counter %s is shown as it stands", p.Title, m[1])
			}
		}
		// target-promql-rule: what promtool says of it is in .ci/peers/prometheus-boards.
		if strings.Count(expr, "(") != strings.Count(expr, ")") {
			t.Errorf("%s: parentheses do not match in %s", p.Title, expr)
		}
	})
}

func TestBoardsSpeakOfSeriesThatExist(t *testing.T) {
	names := known()
	eachQuery(t, func(t *testing.T, p panel, expr string) {
		for _, name := range named.FindAllString(expr, -1) {
			if !names[name] {
				t.Errorf("%s: there is no series %s", p.Title, name)
			}
		}
	})
}

// Provisioning puts in nothing: what is not resolved stays so.
func TestBoardsNeedNothingElse(t *testing.T) {
	seen := map[string]bool{}
	for name, b := range Boards() {
		text, err := b.json()
		if err != nil {
			t.Fatal(err)
		}
		var any map[string]any
		if err := json.Unmarshal([]byte(text), &any); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text, "__inputs") || strings.Contains(text, "${DS_") || any["id"] != nil {
			t.Errorf("%s has inputs or an id of another Grafana", name)
		}
		if b.UID == "" || seen[b.UID] || len(b.UID) > 40 {
			t.Errorf("%s: uid %q", name, b.UID)
		}
		seen[b.UID] = true
		if len(b.Annotations.List) < 4 || len(b.Links) == 0 || b.SchemaVersion < 39 {
			t.Errorf("%s: %d annotations, %d links, schema %d", name, len(b.Annotations.List), len(b.Links), b.SchemaVersion)
		}
		checkPlaces(t, name, b)
		for _, link := range regexp.MustCompile(`/d/([a-z-]+)`).FindAllStringSubmatch(text, -1) {
			if !slices.Contains([]board{boardOverview, boardTarget, boardHealth, boardLevel}, board(link[1])) {
				t.Errorf("%s leads to %s, which is no board", name, link[0])
			}
		}
	}
	for _, b := range []board{boardOverview, boardTarget, boardHealth, boardLevel} {
		if !seen[string(b)] {
			t.Errorf("there is no board %s", b)
		}
	}
}

// Grafana merges rows of tables that differ in nothing that both have: names of
// metrics would keep all of them apart.
func TestQueriesOfOneTableHaveNoNamesToDifferIn(t *testing.T) {
	named := regexp.MustCompile(`^[a-z_:]+\{[^}]*\}$`)
	eachQuery(t, func(t *testing.T, p panel, expr string) {
		if p.Type == "table" && len(p.Targets) > 1 && named.MatchString(expr) {
			t.Errorf("%s: %s keeps its name", p.Title, expr)
		}
	})
}

// checkPlaces: no panel covers another or sticks out, and numbers are unique.
func checkPlaces(t *testing.T, name string, b dashboard) {
	t.Helper()
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range b.Panels {
		if ids[p.ID] || p.ID == 0 {
			t.Errorf("%s: %s has number %d again", name, p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.GridPos.X+p.GridPos.W > columns || p.GridPos.W == 0 || p.GridPos.H == 0 {
			t.Errorf("%s: %s is at %+v", name, p.Title, p.GridPos)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("%s: %s covers %s", name, p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}
