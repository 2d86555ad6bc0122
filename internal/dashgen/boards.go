package dashgen

import (
	"fmt"

	c "github.com/earshot-voip/earshot/internal/catalog"
)

// section is a heading of a board and the panels under it.
type section struct {
	title  string
	panels []panel
}

// columns is the width of a board.
const columns = 24

// lay gives every panel its number and place: left to right, then down.
func lay(sections []section) []panel {
	var list []panel
	y := 0
	add := func(p panel) {
		p.ID = len(list) + 1
		list = append(list, p)
	}
	for _, s := range sections {
		open := false
		add(panel{Title: s.title, Type: "row", GridPos: gridPos{H: 1, W: columns, Y: y}, Collapsed: &open, Panels: []panel{}})
		y++
		x, high := 0, 0
		for _, p := range s.panels {
			if x+p.GridPos.W > columns {
				x, y, high = 0, y+high, 0
			}
			p.GridPos.X, p.GridPos.Y = x, y
			x += p.GridPos.W
			high = max(high, p.GridPos.H)
			add(p)
		}
		y += high
	}
	return list
}

// variables are the boxes at the top. Sites pick instances, since no series of a
// target has the site.
func variables() []variable {
	query := func(name, label, metric string) variable {
		text := fmt.Sprintf("label_values(%s, %s)", metric, name)
		return variable{
			Name: name, Label: label, Type: "query", Datasource: &prometheus, Query: variableQuery{text, "StandardVariableQuery"},
			Definition: text, Refresh: 2, Sort: 1, Multi: true, IncludeAll: true, AllValue: ".+",
			Current: &current{Selected: true, Text: []string{"All"}, Value: []string{"$__all"}},
		}
	}
	site := query("site", "Site", q(`%s{job=~"$job"}`, c.AgentInfo))
	site.AllValue = ".*" // a site need not have a name
	return []variable{
		{Name: "datasource", Label: "Data source", Type: "datasource", Query: "prometheus", Refresh: 1, Current: &current{Text: "default", Value: "default"}},
		query("job", "Job", c.AgentInfo.Name),
		site,
		query("instance", "Instance", q(`%s{job=~"$job",site=~"$site"}`, c.AgentInfo)),
		query("target", "Target", q(`%s{job=~"$job",instance=~"$instance"}`, c.TargetInfo)),
	}
}

func newBoard(uid board, title, description string, sections ...section) dashboard {
	return dashboard{
		UID: string(uid), Title: "Earshot / " + title, Description: description, Tags: []string{"earshot"},
		GraphTooltip: 1, Refresh: "30s", SchemaVersion: schemaVersion, Version: 1, Time: timeRange{"now-3h", "now"}, Timezone: "browser",
		Templating: templating{variables()},
		Annotations: annotationList{[]annotation{
			{Name: "Annotations & Alerts", Datasource: source{"grafana", "-- Grafana --"}, Enable: true, Hide: true, IconColor: "rgba(0, 211, 255, 1)", BuiltIn: 1, Type: "dashboard"},
			alertMarks("Critical alerts", Critical, "red", true),
			alertMarks("Warnings", Warning, "orange", true),
			alertMarks("Notes", Info, "blue", false),
		}},
		Links:  []boardLink{{Title: "Earshot", Type: "dashboards", Tags: []string{"earshot"}, IncludeVars: true, KeepTime: true, Icon: "external link"}},
		Panels: lay(sections),
	}
}

// alertMarks marks the time in which alerts fire.
func alertMarks(name string, s Severity, color string, on bool) annotation {
	return annotation{
		Name: name, Datasource: prometheus, Enable: on, IconColor: color, Step: "30s",
		Expr:        firing(q(`severity="%s",target=~"$target|"`, s)),
		TitleFormat: "{{alertname}}", TextFormat: "{{target}} {{direction}} {{layer}}", TagKeys: "severity,layer,direction,blame,site",
	}
}

// firing are the alerts that fire.
func firing(more string) string {
	return q(`ALERTS{alertstate="firing",%s,%s}`, ofProbe, more)
}

// Where a value leads.
var (
	toTarget = dataLink{Title: "Target board of ${__field.labels.target}", URL: boardURL(boardTarget) + "&var-target=${__field.labels.target}"}
	toProbe  = dataLink{Title: "Calls on the probe's own page", URL: "http://${__field.labels.instance}/targets/${__field.labels.target}", TargetBlank: true}
	rowBoard = dataLink{Title: "Target board", URL: boardURL(boardTarget) + "&var-target=${__data.fields.target}"}
	rowProbe = dataLink{Title: "Calls on the probe's own page", URL: "http://${__data.fields.instance}/targets/${__data.fields.target}", TargetBlank: true}
)

func boardURL(b board) string {
	return "/d/" + string(b) + "?var-datasource=${datasource}&${__url_time_range}"
}

// onSite joins the name of the site to series of targets.
func onSite(expr string) string {
	return q("%s\n* on (%s) group_left (site) %s", expr, perProbe, pick(c.AgentInfo))
}

// Boards are all boards.
func Boards() map[string]dashboard {
	return map[string]dashboard{
		"overview.json":      overviewBoard(),
		"target.json":        targetBoard(),
		"probe-health.json":  healthBoard(),
		"service-level.json": levelBoard(),
	}
}
