package dashgen

import (
	"fmt"
	"strings"

	"github.com/earshot-voip/earshot/internal/catalog"
	"github.com/earshot-voip/earshot/probe"
)

// metricsDoc is docs/METRICS.md.
func metricsDoc() string {
	var b strings.Builder
	b.WriteString(`# Metrics

This page is generated from ` + "`internal/catalog`" + `: do not edit it, run ` + "`go generate ./internal/dashgen`" + `.

- *Uplink* is from the probe to the echo, what the far end hears; *downlink* is back. They are families of their own, so that no sum mixes them.
- Unknown is not zero: what nothing is known of has no series, or a counter that stands still.
- Figures are those of trusted windows. What the probe itself may have caused is counted as untrusted and nowhere else.
- Counters and histograms exist at 0 from the moment a target is in the configuration. Series of a target that is removed vanish at once.
- Histograms are native (schema 3) with the classic buckets beside them; ` + "`earshot_rtt_seconds`" + ` and the probe's own error count every packet.
  Exemplars (OpenMetrics) carry the call's id as ` + "`call_id`" + `.
- No metric has a label ` + "`site`" + `: it is a fact of the process, in ` + "`earshot_agent_info`" + `, and is joined by ` + "`instance`" + `.
- ` + "`/probe`" + ` shows the metrics of one call, without those of a schedule or the process, and with ` + "`probe_success`" + ` and ` + "`probe_duration_seconds`" + `.
  Its counters count that call alone.

` + fmt.Sprintf("A target has %s.\n", cost()))
	for _, group := range catalog.Groups {
		fmt.Fprintf(&b, "\n## %s\n\n| metric | type | unit | labels | meaning |\n|---|---|---|---|---|\n", group)
		for _, m := range catalog.All() {
			if m.Group == group {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s%s |\n", m.Name, m.Type, m.Unit, code(m.AllLabels()), m.Help, lives(m))
			}
		}
	}
	fmt.Fprintf(&b, `
## Failures

Each pair of layer and code that a call to the target can end with is a series of `+"`earshot_calls_failed_total`"+` from the start, so that the
first failure is an increase: %d of them, less the %d of TLS and the %d of STUN and TURN servers for
targets without them. Only the codes that can end a call on any layer (%s)
appear when they happen.

| layer | code | meaning |
|---|---|---|
`, len(located("")), len(located(probe.LayerTLS)), len(ofServers()), code(anywhere()))
	for _, l := range probe.Layers {
		for _, c := range located(l) {
			fmt.Fprintf(&b, "| %s | `%s` | %s |\n", l, c, c.Meaning())
		}
	}
	return b.String()
}

// lives says how long a gauge is shown, where that is not plain.
func lives(m *catalog.Metric) string {
	switch m.Life {
	case catalog.WhileCalls:
		return " Shown until three runs were missed."
	case catalog.WhileWindow:
		return " Absent when unknown, when a call failed, and when windows stay away."
	}
	return ""
}

func code[T ~string](names []T) string {
	var list []string
	for _, n := range names {
		list = append(list, "`"+string(n)+"`")
	}
	return strings.Join(list, ", ")
}

// located lists the codes of a layer; of all layers for "".
func located(l probe.Layer) (list []probe.Code) {
	for _, c := range probe.Codes() {
		if c.Layer() != "" && (l == "" || c.Layer() == l) {
			list = append(list, c)
		}
	}
	return list
}

// ofServers lists the codes that need a STUN or TURN server.
func ofServers() (list []probe.Code) {
	for _, c := range probe.Codes() {
		if c.OfServer() {
			list = append(list, c)
		}
	}
	return list
}

// anywhere lists the codes that can end a call on any layer.
func anywhere() (list []probe.Code) {
	for _, c := range probe.Codes() {
		if c.Layer() == "" {
			list = append(list, c)
		}
	}
	return list
}

// cost says how many series a target has.
func cost() string {
	plain, buckets := 0, 0
	for _, m := range catalog.All() {
		if !m.PerTarget {
			continue
		}
		switch lines := linesOf(m); m.Type {
		case catalog.Histogram:
			buckets += lines
		default:
			plain += lines
		}
	}
	const classicExtra = 3 // +Inf, sum and count
	classic := 0
	for _, m := range catalog.All() {
		if m.PerTarget && m.Type == catalog.Histogram {
			classic += linesOf(m) * (len(m.Buckets) + classicExtra)
		}
	}
	return fmt.Sprintf("about %d series where histograms are stored natively, and %d where they are stored by classic buckets", plain+buckets, plain+classic)
}

// linesOf is how many series of a metric a target has at most, but for its hops.
func linesOf(m *catalog.Metric) int {
	switch m {
	case catalog.CallsFailed:
		return len(located(""))
	case catalog.CallLayerSeconds:
		return 7
	case catalog.AudioState, catalog.WindowsAudio:
		return 5
	case catalog.CallVerdict:
		return 4
	case catalog.ScoreCost.Uplink, catalog.ScoreCost.Downlink:
		return 3
	}
	return 1
}
