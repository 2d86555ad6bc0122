package dashgen

// board is the stable uid of a Grafana board.
type board string

// The boards.
const (
	boardOverview board = "earshot-overview"
	boardTarget   board = "earshot-target"
	boardHealth   board = "earshot-health"
	boardLevel    board = "earshot-level"
)

// path is where the board is in Grafana, set to what an alert is about.
func (b board) path() string {
	p := "/d/" + string(b) + "?var-job={{ $labels.job | urlquery }}&var-instance={{ $labels.instance | urlquery }}"
	if b == boardTarget || b == boardLevel {
		p += "&var-target={{ $labels.target | urlquery }}"
	}
	return p
}
