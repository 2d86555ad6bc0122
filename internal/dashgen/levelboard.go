package dashgen

import (
	"time"

	c "github.com/earshot-voip/earshot/internal/catalog"
)

func levelBoard() dashboard {
	spent := q("sum(increase(%s[$__range]))\n/\nsum(increase(%s[$__range]) + increase(%s[$__range]))", pick(c.WindowsBad), pick(c.WindowsScored), pick(c.WindowsSilent))
	b := newBoard(boardLevel, "Service level", "How much of the error budget is left: 1 % of windows may be bad.",
		section{"Budget", []panel{
			number(about{"Good windows", "Share of windows in the time range that were good: a MOS over the target's limit in both directions, as far as is known.", unitShare, 6, 5}, goodSteps, curve{"good", "1 - " + spent}),
			number(about{"Budget left", "What is left of the 1 % of windows that may be bad, over the time range. Under 0 it is overspent.", unitShare, 6, 5}, steps("red", 0, "orange", 0.25, "green"),
				curve{"left", q("1 - (%s) / %.4g", spent, budget)}),
			number(about{"Calls that work", "Share of calls in the time range in which every layer worked.", unitShare, 6, 5}, goodSteps,
				curve{"share", q("sum(increase(%s[$__range]) + increase(%s[$__range]))\n/\nsum(increase(%s[$__range]) - increase(%s[$__range]))",
					pick(c.CallsGood), pick(c.CallsDegraded), pick(c.CallsFinished), pick(c.CallsUntrusted))}).orElse("no calls ended"),
			number(about{"Bad windows", "Windows in the time range that were bad, over all targets. A window is 5 s unless the target says otherwise.", unitShort, 6, 5}, steps("blue"),
				curve{"bad", q("sum(increase(%s[$__range]))", pick(c.WindowsBad))}).whole(),
		}},
		section{"Burn", []panel{
			graph(about{"Burn rate", "Share of bad windows over the budget, by range, the worst target: at 1 the budget of 30 days lasts 30 days, at 14.4 two days.", unitNone, 24, 9},
				burnCurves()...),
		}},
		section{"Where it goes", []panel{
			table(about{"Targets by budget", "Share of bad windows of each target in the time range, the worst first.", unitNone, 12, 10},
				curve{"", onSite(badShare(perTarget, "$__range"))}, curve{"", onSite(callsShare(perTarget))}).
				ordered("target", "site", "Value #A", "Value #B", "instance").column("Time", hidden()).column("job", hidden()).
				column("Value #A", called("Bad windows"), unitOf(unitShare), decimals(2), coloured, coloursOf(badSteps)).
				column("Value #B", called("Calls that work"), unitOf(unitShare), coloured, coloursOf(goodSteps)).
				column("target", linked(rowBoard)).column("instance", linked(rowProbe)),
			graph(about{"Bad windows by hour", "Share of bad windows in each hour, which tells office hours from all day.", unitShare, 12, 10},
				curve{"{{target}}", badShare("target", "1h")}).to(toTarget),
			graph(about{"Bad windows by direction", "Share of scored windows that were bad, by direction.", unitShare, 12, 8},
				curve{"uplink", directionShare(c.DirectionWindowsBad.Uplink, c.DirectionWindows.Uplink)},
				curve{"downlink", directionShare(c.DirectionWindowsBad.Downlink, c.DirectionWindows.Downlink)}),
			counted(about{"What was bad", "Windows per bar that were silent, and other bad ones.", unitShort, 12, 8},
				curve{"silent", sum("", happened(c.WindowsSilent))},
				curve{"low score", sum("", q("%s - %s", happened(c.WindowsBad), happened(c.WindowsSilent)))}),
		}})
	b.Time.From = "now-7d"
	return b
}

func burnCurves() []curve {
	var list []curve
	for _, in := range []time.Duration{5 * time.Minute, time.Hour, 6 * time.Hour, 72 * time.Hour} {
		list = append(list, curve{promTime(in), q("max(%s) / %.4g", pick(badRatio(in)), budget)})
	}
	return list
}

func directionShare(bad, all *c.Metric) string {
	return q("%s\n/\n%s", sum("", perSecond(bad)), sum("", perSecond(all)))
}
