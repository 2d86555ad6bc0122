package dashgen

import (
	"time"

	c "github.com/earshot-voip/earshot/internal/catalog"
)

// objective is the share of windows that are to be good, budget that may be bad.
const (
	objective = 0.99
	budget    = 1 - objective
)

// burnWindows are the ranges over which the share of bad windows is recorded, and
// longBurnWindows those of days.
var (
	burnWindows     = []time.Duration{5 * time.Minute, 30 * time.Minute, time.Hour}
	longBurnWindows = []time.Duration{6 * time.Hour, 72 * time.Hour}
)

// badRatio is the share of bad windows in a range.
func badRatio(in time.Duration) recorded {
	return recorded("earshot:windows_bad:ratio_rate" + promTime(in))
}

// budgetRules page when the error budget burns fast, over two ranges: the long one
// is not fooled by a hiccup, the short one ends the alert soon after the cause.
func budgetRules() Group {
	g := Group{Name: "earshot-budget", Interval: 15 * time.Second}
	g.Rules = append(badRatios(burnWindows), callsDegraded(),
		burn("EarshotBudgetBurnsFast", Critical, 14.4, time.Hour, 5*time.Minute, "two days", 25*time.Minute))
	return g
}

// longBudgetRules look at hours and days. Three days of a target are tens of
// thousands of samples, which nobody needs to have added up every 15 s.
func longBudgetRules() Group {
	g := Group{Name: "earshot-budget-long", Interval: 2 * time.Minute}
	g.Rules = append(badRatios(longBurnWindows),
		burn("EarshotBudgetBurns", Warning, 6, 6*time.Hour, 30*time.Minute, "five days", 3*time.Hour),
		burn("EarshotBudgetShrinks", Info, 1, 72*time.Hour, 6*time.Hour, "30 days", 24*time.Hour))
	return g
}

func badRatios(ranges []time.Duration) (rules []Rule) {
	for _, in := range ranges {
		at := "[" + promTime(in) + "]"
		rules = append(rules, Rule{Record: badRatio(in), Expr: sited(lines(
			q("increase(%s%s)", c.WindowsBad, at),
			q("/ (increase(%s%s) + increase(%s%s) > 0)", c.WindowsScored, at, c.WindowsSilent, at)))})
	}
	return rules
}

// callsDegraded is for targets on a schedule, whose calls are too short to have a
// trend.
func callsDegraded() Rule {
	degraded, all := q("increase(%s[30m])", c.CallsDegraded), q("increase(%s[30m])", c.CallsFinished)
	return Rule{
		Expr: sited(lines(q("%s / (%s > 0) > 0.3", degraded, all), q("and %s > 2.5", degraded))),
		Alert: &Alert{
			Name: "EarshotCallsDegraded", Severity: Warning, Layer: "quality", Within: 30 * time.Minute, Keep: 5 * time.Minute, Board: boardTarget,
			Summary:     "Calls to {{ $labels.target }}" + whereFrom + " are poor again and again",
			Description: "{{ $value | humanizePercentage }} of the calls of half an hour worked and had a figure beyond its limit: MOS, loss, jitter or round trip.",
			Meaning:     "Calls get through, and at least three of the last half hour, and three in ten, were poorer than the target's limits allow.",
			Checks: []string{
				"Which figure? The summary of each call says it; *What costs the score* on the Target board shows it over time.",
				"Watch the target without pause (`mode: continuous`): then a trend is seen within minutes.",
			},
			Run:  []string{"`earshot call TARGET --duration 60s`: the verdict names what is over its limit"},
			Call: "The network team of the site, in working hours.",
		},
	}
}

// burn alerts when windows are bad at a multiple of the budget, in both ranges,
// and enough of them were seen to say so: some in the short range, and the target
// was there at half of twelve moments of the long one. Without the latter, two bad
// minutes of a Prometheus or a target that is two minutes old would be an hour's.
// Numbers of windows would not do for that: calls beside the schedule make more
// of them just when it goes badly.
func burn(name string, s Severity, rate float64, long, short time.Duration, gone string, within time.Duration) Rule {
	limit := rate * budget
	enough := short / (5 * time.Second) / 5 // a fifth of the windows that a running call has
	return Rule{
		Expr: lines(
			q("%s > %.4g", badRatio(long), limit),
			q("and on (%s) (%s > %.4g)", perTarget, badRatio(short), limit),
			q("and on (%s) (increase(%s[%s]) + increase(%s[%s]) > %d)", perTarget,
				c.WindowsScored, promTime(short), c.WindowsSilent, promTime(short), min(int64(enough), 100)),
			q("and on (%s) (count_over_time(%s[%s:%s]) >= 6)", perTarget, c.WindowsScored, promTime(long), promTime(long/12))),
		Alert: &Alert{
			Name: name, Severity: s, Layer: "quality", Within: within, Keep: keepPage, Board: boardLevel,
			Summary: "Calls to {{ $labels.target }}" + whereFrom + " are bad too often",
			Description: "{{ $value | humanizePercentage }} of the windows of the last " + promTime(long) + " were bad, and it goes on. At this rate the budget of 30 days (" +
				"1 % of windows) is gone in " + gone + ".",
			Meaning: "Quality comes and goes: no single stretch is long enough for EarshotQualityCollapsed, or it is, again and again. Users meet it in " +
				"many of their calls. A target is judged this way when it has been watched for half of the last " + promTime(long) + "; until then only what is bad now alerts.",
			Checks: []string{
				"When is it bad? The Service level board shows the hours: office hours point to load, every few minutes to a flapping link or a scheduled job.",
				"The same targets from several sites: the platform; all targets of one site: its link.",
				"Uplink or downlink, loss or delay: the Target board over the same time.",
			},
			Run: []string{
				"`earshot call TARGET --duration 5m` at the hours in question",
				"the probe's list of calls, worst first, for examples",
			},
			Call: "The network team of the site, or the platform by what the Overview shows. A budget that shrinks is for the next meeting, one that burns fast is for now.",
		},
	}
}
