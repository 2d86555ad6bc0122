package dashgen

import (
	"fmt"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/internal/catalog"
)

// Labels of a series of a target: of the scrape, then of the catalog.
const (
	perProbe  = "job, instance"
	perTarget = "job, instance, target"
)

// q fills metrics and recorded series into an expression. Both are Go values, so
// that an expression cannot name what does not exist.
func q(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// recorded is the name of a series that a recording rule makes.
type recorded string

// sited joins the name of the site to the series of a target.
func sited(expr string) string {
	return q("(%s)\n* on (%s) group_left (site) %s", expr, perProbe, catalog.AgentInfo)
}

// grown is how much a counter grew in a range, from its samples alone: increase
// would extrapolate three lost packets to 4.5. A restart counts from zero.
func grown(m fmt.Stringer, in time.Duration) string {
	return q("(%s - min_over_time(%s[%s]))", m, m, promTime(in))
}

// each makes a rule of both directions.
func each(make func(direction string, of func(catalog.Pair) *catalog.Metric) Rule) []Rule {
	return []Rule{
		make("uplink", func(p catalog.Pair) *catalog.Metric { return p.Uplink }),
		make("downlink", func(p catalog.Pair) *catalog.Metric { return p.Downlink }),
	}
}

// promTime writes a duration as Prometheus does: 90s is 1m30s, 24h is 1d.
func promTime(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	for _, unit := range []struct {
		name string
		of   time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}} {
		if n := d / unit.of; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, unit.name)
			d -= n * unit.of
		}
	}
	return b.String()
}
