package dashgen

import c "github.com/earshot-voip/earshot/internal/catalog"

// Colours of a MOS, and of shares of what should not be.
var (
	mosSteps  = steps("red", 3.1, "orange", 3.6, "yellow", 4.0, "green")
	goodSteps = steps("red", 0.95, "orange", 0.99, "green")
	badSteps  = steps("green", 0.01, "orange", 0.05, "red")
	anySteps  = steps("green", 1, "red")
)

var coloured = property{"custom.cellOptions", map[string]any{"type": "color-background", "mode": "basic"}}

func coloursOf(list []threshold) property {
	return property{"thresholds", thresholds{"absolute", list}}
}

func unitOf(unit string) property { return property{"unit", unit} }

func decimals(n int) property { return property{"decimals", n} }

func hidden() property { return property{"custom.hidden", true} }

func linked(links ...dataLink) property { return property{"links", links} }

func called(name string) property { return property{"displayName", name} }

// mosOf is the last MOS of a direction, whatever its scale.
func mosOf(m *c.Metric) string { return q("min by (%s) (%s)", perTarget, pick(m)) }

// bothMOS is the last MOS of each direction. A label tells them apart: without it
// "or" would take the downlink's only where there is no uplink's.
func bothMOS() string {
	way := func(name string, m *c.Metric) string {
		return q(`label_replace(%s, "way", "%s", "", "")`, mosOf(m), name)
	}
	return q("%s\nor\n%s", way("up", c.ConversationalMOS.Uplink), way("down", c.ConversationalMOS.Downlink))
}

// callsShare is a verdict's part of all calls that could be judged.
func callsShare(by string) string {
	good := q("sum by (%s) (increase(%s[$__range]) + increase(%s[$__range]))", by, pick(c.CallsGood), pick(c.CallsDegraded))
	all := q("(sum by (%s) (increase(%s[$__range]) - increase(%s[$__range])) > 0)", by, pick(c.CallsFinished), pick(c.CallsUntrusted))
	return q("%s\n/\n%s", good, all)
}

// badShare is the part of bad windows in the time range.
func badShare(by, in string) string {
	return q("sum by (%s) (increase(%s[%s]))\n/\n(sum by (%s) (increase(%s[%s]) + increase(%s[%s])) > 0)",
		by, pick(c.WindowsBad), in, by, pick(c.WindowsScored), in, pick(c.WindowsSilent), in)
}

func overviewBoard() dashboard {
	worst := q("min by (site, target) (%s)\nor\nmin by (site, target) (%s)",
		onSite(q("(%s)", bothMOS())),
		onSite(q("(0 - clamp_max(max by (%s) (%s), 1)\nor\n0 * max by (%s) (%s))", perTarget, pick(c.CallFailureStreak), perTarget, pick(c.TargetInfo))))
	return newBoard(boardOverview, "Overview", "Every target from every site: what is bad now, and how often it was.",
		section{"Now", []panel{
			number(about{"Targets", "Targets that are watched, by all probes that are picked above.", unitShort, 3, 4}, steps("blue"),
				curve{"targets", q("count(%s)", pick(c.TargetInfo))}),
			number(about{"Bad now", "Targets that users would complain of at this moment: bad windows, silence or wrong audio in a row, or calls that fail.", unitShort, 3, 4}, anySteps,
				curve{"bad", q("sum(%s)", pick(targetBad))}),
			number(about{"Lowest MOS", "The lowest conversational MOS of all targets and both directions in the last window.", unitNone, 3, 4}, mosSteps,
				curve{"MOS", q("min(%s)", bothMOS())}),
			number(about{"Calls that work", "Share of calls in the time range in which every layer worked, of those that the probe could judge.", unitShare, 3, 4}, goodSteps,
				curve{"share", q("sum(increase(%s[$__range]) + increase(%s[$__range]))\n/\nsum(increase(%s[$__range]) - increase(%s[$__range]))",
					pick(c.CallsGood), pick(c.CallsDegraded), pick(c.CallsFinished), pick(c.CallsUntrusted))}).orElse("no calls ended"),
			number(about{"Bad windows", "Share of windows in the time range with a MOS under the limit in a direction, or in silence.", unitShare, 3, 4}, badSteps,
				curve{"share", q("sum(increase(%s[$__range]))\n/\nsum(increase(%s[$__range]) + increase(%s[$__range]))", pick(c.WindowsBad), pick(c.WindowsScored), pick(c.WindowsSilent))}),
			number(about{"Probes", "Probes that answer.", unitShort, 3, 4}, steps("red", 1, "blue"), curve{"probes", q("count(%s)", pick(c.AgentInfo))}),
			number(about{"Pages", "Critical alerts that fire.", unitShort, 3, 4}, anySteps, curve{"critical", q("count(%s) or vector(0)", firing(`severity="critical"`))}),
			number(about{"Warnings", "Warnings that are on.", unitShort, 3, 4}, steps("green", 1, "orange"), curve{"warnings", q("count(%s) or vector(0)", firing(`severity="warning"`))}),
		}},
		section{"Targets", []panel{
			matrix(about{"MOS by target and site", "The lower MOS of both directions in the last window, a row for each target and a column for each site. Empty: the site does not call the target.", unitNone, 10, 9},
				curve{"", worst}),
			worstFirst(),
		}},
		section{"Alerts", []panel{
			firingNow(),
		}},
		section{"Over time", []panel{
			graph(about{"Lowest MOS of each target", "The lower MOS of both directions, worst site.", unitNone, 12, 8},
				curve{"{{target}}", q("min by (target) (%s)", bothMOS())}).within(1, 5).to(toTarget),
			graph(about{"Bad windows", "Share of windows that users would complain of, by target.", unitShare, 12, 8},
				curve{"{{target}}", badShare("target", "$__rate_interval")}).to(toTarget),
			counted(about{"Failed calls by layer", "Calls per bar in which a layer broke, by the lowest layer that did.", unitShort, 12, 8},
				curve{"{{layer}}", q("sum by (layer) (%s) > 0", happened(c.CallsFailed))}).orElse("no call failed"),
			graph(about{"Round trip", "95th percentile of the round trip of all packets, by target.", unitSeconds, 12, 8},
				curve{"{{target}}", quantileOf(0.95, c.RTT, "target")}).to(toTarget),
		}})
}

// matrix makes a table with a row for each target and a column for each site.
func matrix(a about, x curve) panel {
	p := table(a, x)
	p.Transformations = []transformation{
		{"groupingToMatrix", map[string]any{"rowField": "target", "columnField": "site", "valueField": "Value", "emptyValue": "null"}},
		{"organize", map[string]any{"renameByName": map[string]any{`target\site`: "target"}}},
	}
	p.FieldConfig.Defaults.Thresholds = &thresholds{"absolute", mosSteps}
	p.FieldConfig.Defaults.Mappings = []mapping{{"value", map[string]any{
		"-1": map[string]any{"text": "calls fail", "color": "dark-red"}, "0": map[string]any{"text": "no score", "color": "#8a8f96"}}}}
	two := 2
	p.FieldConfig.Defaults.Decimals = &two
	p.FieldConfig.Defaults.Custom["cellOptions"] = map[string]any{"type": "color-background", "mode": "basic"}
	p.FieldConfig.Defaults.Links = []dataLink{{Title: "Target board", URL: boardURL(boardTarget) + "&var-target=${__data.fields.target}"}}
	return p
}

// worstFirst lists targets with what is known of them, the lowest MOS on top.
func worstFirst() panel {
	p := table(about{"Worst first", "MOS of both directions in the last window, share of calls that work and of bad windows in the time range, and how the last call ended. Click a target for its board, an instance for the probe's own page.", unitNone, 14, 9},
		curve{"", onSite(mosOf(c.ConversationalMOS.Uplink))},
		curve{"", onSite(mosOf(c.ConversationalMOS.Downlink))},
		curve{"", onSite(callsShare(perTarget))},
		curve{"", onSite(badShare(perTarget, "$__range"))},
		curve{"", onSite(q("min by (%s) (%s)", perTarget, pick(c.CallFailureStreak)))})
	p.Options["sortBy"] = []map[string]any{{"displayName": "MOS up", "desc": false}}
	return p.ordered("target", "site", "Value #A", "Value #B", "Value #C", "Value #D", "Value #E", "instance").
		column("Time", hidden()).column("job", hidden()).
		column("Value #A", called("MOS up"), decimals(2), coloured, coloursOf(mosSteps)).
		column("Value #B", called("MOS down"), decimals(2), coloured, coloursOf(mosSteps)).
		column("Value #C", called("Calls that work"), unitOf(unitShare), coloured, coloursOf(goodSteps)).
		column("Value #D", called("Bad windows"), unitOf(unitShare), decimals(1), coloured, coloursOf(badSteps)).
		column("Value #E", called("Failed in a row"), coloured, coloursOf(anySteps)).
		column("target", linked(rowBoard)).column("instance", linked(rowProbe))
}

// firingNow lists the alerts that fire, pages first.
func firingNow() panel {
	severities := property{"mappings", []mapping{{"value", map[string]any{
		string(Critical): map[string]any{"color": "red"}, string(Warning): map[string]any{"color": "orange"}, string(Info): map[string]any{"color": "blue"}}}}}
	p := table(about{"Alerts that fire", "All alerts of Earshot's rules that fire now, with where the fault is by who else sees it.", unitNone, 24, 9},
		curve{"", firing(`alertname=~"Earshot.*"`)})
	p.Options["sortBy"] = []map[string]any{{"displayName": "severity", "desc": false}}
	return p.ordered("severity", "alertname", "target", "site", "direction", "layer", "blame", "instance").
		column("Time", hidden()).column("Value", hidden()).column("__name__", hidden()).column("alertstate", hidden()).column("job", hidden()).
		column("severity", severities, coloured).column("target", linked(rowBoard)).orElse("no alert fires")
}
