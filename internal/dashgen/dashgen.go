// Package dashgen makes from the catalog what people look at and are woken by:
// the page of all metrics, Grafana boards, Prometheus rules and runbooks. It
// refers to metrics by their Go names, so that one that is renamed or gone does
// not compile.
package dashgen

//go:generate go run ./gen

// Files returns everything that is generated, by its path in the tree.
func Files() (map[string]string, error) {
	files := map[string]string{"docs/METRICS.md": metricsDoc()}
	for _, g := range Groups() {
		text, err := rulesFile(g)
		if err != nil {
			return nil, err
		}
		files["dashboards/rules/"+g.Name+".yml"] = text
	}
	files["dashboards/runbooks/README.md"] = runbookIndex()
	for _, a := range Alerts() {
		files["dashboards/runbooks/"+a.Name+".md"] = runbook(a)
	}
	for name, b := range Boards() {
		text, err := b.json()
		if err != nil {
			return nil, err
		}
		files["dashboards/"+name] = text
	}
	return files, nil
}
