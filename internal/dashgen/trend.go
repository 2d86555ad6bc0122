package dashgen

import (
	"time"

	c "github.com/earshot-voip/earshot/internal/catalog"
)

// Series of the recent past, and of the target's own normal.
const (
	lossGrown  recorded = "earshot:packets_lost:grown20s" // lost and discarded
	lossRatio  recorded = "earshot:loss:ratio50s"         // without its worst 20 s
	lossShare  recorded = "earshot:windows_lossy:ratio50s"
	jitterMean recorded = "earshot:jitter_seconds:mean20s"
	rttMean    recorded = "earshot:rtt_seconds:mean20s"
	mosNow     recorded = "earshot:mos:now"
	// windowsGrown tells a call that goes on from one of ten seconds, whose
	// figures stand for the whole time between calls.
	windowsGrown recorded = "earshot:windows:grown50s"

	lossNormal   recorded = "earshot:loss:ratio1h"
	lossMost     recorded = "earshot:loss:max1h" // of lossRatio
	shareNormal  recorded = "earshot:windows_lossy:ratio1h"
	jitterNormal recorded = "earshot:jitter_seconds:mean1h"
	rttNormal    recorded = "earshot:rtt_seconds:mean1h"
	mosNormal    recorded = "earshot:mos:avg1h"
)

// perDirection are the labels of the series above that have a direction.
const perDirection = perTarget + ", direction"

const (
	// normal is how far back the target's own normal goes. It ends two minutes
	// ago, so that what begins is not yet part of it.
	normal = "[1h] offset 2m"
	// Bursts of loss that follow each other look like a trend between two scrapes, and
	// no longer. Loss is not waited for as long, since it leaves the least time.
	holdLoss, holdMOS = 10 * time.Second, 20 * time.Second
	// leastNormal is of how many packets the normal of loss is known: 80 s of 20 ms each.
	leastNormal = 4000
	// keepWarning holds a warning through a pause of what it warns of.
	keepWarning = 5 * time.Minute
)

func ofDirection(direction string) map[string]string {
	return map[string]string{"direction": direction}
}

// normalRules tell what is normal for each target. An hour is read for each, so
// they are evaluated more seldom than what is compared with it.
func normalRules() Group {
	g := Group{Name: "earshot-normal", Interval: 30 * time.Second}
	for _, r := range []func(direction string, of func(c.Pair) *c.Metric) Rule{
		func(direction string, m func(c.Pair) *c.Metric) Rule {
			lost, discarded, expected := m(c.PacketsLost), m(c.PacketsDiscarded), m(c.PacketsExpected)
			return Rule{Record: lossNormal, Labels: ofDirection(direction), Expr: q("(increase(%s%s) + increase(%s%s)) / (increase(%s%s) > %d)",
				lost, normal, discarded, normal, expected, normal, leastNormal)}
		},
		func(direction string, m func(c.Pair) *c.Metric) Rule {
			return Rule{Record: shareNormal, Labels: ofDirection(direction), Expr: q("increase(%s%s) / (increase(%s%s) > 0)",
				m(c.DirectionWindowsLossy), normal, m(c.DirectionWindows), normal)}
		},
		func(direction string, _ func(c.Pair) *c.Metric) Rule {
			return Rule{Record: lossMost, Labels: ofDirection(direction), Expr: q(`max_over_time(%s{direction="%s"}%s)`, lossRatio, direction, normal)}
		},
		func(direction string, m func(c.Pair) *c.Metric) Rule {
			return Rule{Record: jitterNormal, Labels: ofDirection(direction), Expr: meanOf(m(c.Jitter), normal)}
		},
	} {
		g.Rules = append(g.Rules, each(r)...)
	}
	g.Rules = append(g.Rules,
		Rule{Record: rttNormal, Expr: meanOf(c.RTT, normal)},
		Rule{Record: mosNormal, Expr: q("avg_over_time(%s%s)", mosNow, normal)})
	return g
}

// trendRules warn while users hear nothing yet: a figure leaves the target's own
// recent normal and stays out. A hiccup of a few seconds is none: the worst 20 of
// the last 50 seconds of loss do not count and many windows must have some, and of
// jitter and delay every stretch has to be worse.
func trendRules() Group {
	g := Group{Name: "earshot-trend", Interval: 5 * time.Second}
	for _, r := range []func(direction string, of func(c.Pair) *c.Metric) Rule{
		func(direction string, m func(c.Pair) *c.Metric) Rule {
			lost, discarded := m(c.PacketsLost), m(c.PacketsDiscarded)
			return Rule{Record: lossGrown, Labels: ofDirection(direction), Expr: q("clamp_min((%s + %s) - (%s offset 20s + %s offset 20s), 0)", lost, discarded, lost, discarded)}
		},
		func(direction string, m func(c.Pair) *c.Metric) Rule {
			lost, discarded, expected := m(c.PacketsLost), m(c.PacketsDiscarded), m(c.PacketsExpected)
			return Rule{Record: lossRatio, Labels: ofDirection(direction), Expr: lines(
				q("clamp_min((%s + %s) - (%s offset 50s + %s offset 50s)", lost, discarded, lost, discarded),
				q(`  - ignoring (direction) max_over_time(%s{direction="%s"}[30s]), 0)`, lossGrown, direction),
				q("/ (0.6 * (%s - %s offset 50s) > 500)", expected, expected))}
		},
		func(direction string, m func(c.Pair) *c.Metric) Rule {
			lossy, all := m(c.DirectionWindowsLossy), m(c.DirectionWindows)
			return Rule{Record: lossShare, Labels: ofDirection(direction), Expr: q("clamp_min(%s - %s offset 50s, 0) / (%s - %s offset 50s >= 4)", lossy, lossy, all, all)}
		},
		func(direction string, m func(c.Pair) *c.Metric) Rule {
			return Rule{Record: jitterMean, Labels: ofDirection(direction), Expr: mean(m(c.Jitter), "20s")}
		},
		func(direction string, m func(c.Pair) *c.Metric) Rule {
			return Rule{Record: mosNow, Labels: ofDirection(direction), Expr: q("max without (scale) (%s)", m(c.ConversationalMOS))}
		},
	} {
		g.Rules = append(g.Rules, each(r)...)
	}
	g.Rules = append(g.Rules,
		Rule{Record: windowsGrown, Expr: q("clamp_min(%s - %s offset 50s, 0)", c.WindowsScored, c.WindowsScored)},
		Rule{Record: rttMean, Expr: mean(c.RTT, "20s")},
		lossRising(), jitterRising(), delayRising(), mosSinking())
	return g
}

// mean of a histogram over a range up to the present, meanOf over any; absent
// without observations. A server that stores the native form has no other.
func mean(m *c.Metric, in string) string { return meanOf(m, "["+in+"]") }

func meanOf(m *c.Metric, in string) string {
	return lines(
		q("histogram_sum(rate(%s%s)) / (histogram_count(rate(%s%s)) > 0)", m, in, m, in),
		"or",
		q("rate(%s_sum%s) / (rate(%s_count%s) > 0)", m, in, m, in))
}

// goesOn holds for targets whose calls go on: a trend of single calls is none.
var goesOn = q("and on (%s) (%s >= 4)", perTarget, windowsGrown)

const early = " Users hear little of it yet; if it goes on, they will."

func trendAlert(name string, a Alert) *Alert {
	a.Name, a.Severity, a.Layer, a.Board = name, Warning, "quality", boardTarget
	a.Keep = keepWarning
	a.Call = "The network team of the site, in working hours: this is the time in which it can be mended before anybody complains."
	return &a
}

func lossRising() Rule {
	return Rule{
		Expr: sited(lines(
			q("%s > 0.0012", lossRatio),
			q("and on (%s) (%s > 3 * %s + 0.0012)", perDirection, lossRatio, lossNormal),
			q("and on (%s) (%s > clamp_max(3 * %s, 0.02) + 0.0012)", perDirection, lossRatio, lossMost),
			q("and on (%s) (%s >= clamp_max(%s + 0.5, 0.8))", perDirection, lossShare, shareNormal))),
		Alert: trendAlert("EarshotLossRising", Alert{
			For: holdLoss, Within: 80 * time.Second,
			Summary:     "Loss to {{ $labels.target }}" + whereFrom + " leaves its normal on the {{ $labels.direction }}",
			Description: "{{ $value | humanizePercentage }} of packets are lost or come too late, more than three times what this target had in the last hour." + early,
			Meaning: "Loss and late packets went well over what is usual for this very target: over three times its mean of the last hour and over three times its worst moment in it " +
				"(from 2.1 % on the mean alone counts). It is no hiccup, and no two: the worst 20 of the last 50 seconds are left out, and packets are missing in many windows: in " +
				"half of all more than is usual, or in eight of ten. " +
				"The codec still hides most of it.",
			Checks: []string{
				"Bursts or even loss? *Bursts* on the Target board. Bursts point to queues and radio links, even loss to policers, duplex mismatches and cables.",
				"Lost, or discarded as too late? Discards without loss are a jitter problem: see EarshotJitterRising.",
				"Is a backup, an update or a meeting filling the link? Compare with the link's own utilisation at that time.",
			},
			Run: []string{"`mtr -u --tos 0xb8 MEDIA-ADDRESS`: where loss begins", "`earshot call TARGET --duration 60s`: the figures of both directions, packet by packet"},
		}),
	}
}

func jitterRising() Rule {
	return Rule{
		Expr: sited(lines(
			q("%s > 0.008", jitterMean),
			q("and on (%s) (min_over_time(%s[30s]) > 2 * %s + 0.003)", perDirection, jitterMean, jitterNormal),
			q("and on (%s) (min_over_time(%s[30s]) > 0.008)", perDirection, jitterMean),
			goesOn)),
		Alert: trendAlert("EarshotJitterRising", Alert{
			Within:      2 * time.Minute,
			Summary:     "Jitter to {{ $labels.target }}" + whereFrom + " leaves its normal on the {{ $labels.direction }}",
			Description: "Mean jitter is {{ $value | humanizeDuration }}, more than twice what this target had in the last hour." + early,
			Meaning:     "Packets arrive less and less evenly. De-jitter buffers deepen, which costs delay, and in the end they discard what comes too late.",
			Checks: []string{
				"A queue that fills: jitter rises with the round trip. A radio link: jitter rises alone.",
				"Is media still marked when it arrives (*DSCP* on the Target board)? Without its mark it queues behind everything else.",
				"The probe's own lateness (Probe health board) is far below these figures, or the windows would be untrusted.",
			},
			Run: []string{"`earshot call TARGET --duration 60s`: delay variation and playout depth of both directions", "the queue counters of the site's uplink"},
		}),
	}
}

func delayRising() Rule {
	return Rule{
		Expr: sited(lines(
			q("%s > 0.1", rttMean),
			q("and on (%s) (min_over_time(%s[30s]) > 1.5 * %s + 0.04)", perTarget, rttMean, rttNormal),
			goesOn)),
		Alert: trendAlert("EarshotDelayRising", Alert{
			Within:      3 * time.Minute,
			Summary:     "The round trip to {{ $labels.target }}" + whereFrom + " leaves its normal",
			Description: "The mean round trip is {{ $value | humanizeDuration }}, far more than this target had in the last hour." + early,
			Meaning:     "The way there and back takes much longer than is usual for this target. From about 150 ms one way on, people begin to talk over each other.",
			Checks: []string{
				"One step: the network took another path, or media goes through another TURN server (*Route and codec changes*).",
				"A slow rise: a queue that fills (bufferbloat), most often on the site's uplink.",
				"Both directions look alike in a round trip: which one is slow is told by jitter and loss beside it.",
			},
			Run: []string{"`mtr --tos 0xb8 MEDIA-ADDRESS`: the hop at which the delay begins", "`traceroute` today against that of a good day"},
		}),
	}
}

func mosSinking() Rule {
	limit := q("on (%s) group_left () %s", perTarget, c.LimitMOS)
	return Rule{
		Expr: sited(lines(
			q("(%s >= %s)", mosNow, limit),
			q("and on (%s) (max_over_time(%s[45s]) < %s - 0.2)", perDirection, mosNow, mosNormal),
			q("and on (%s) (predict_linear(%s[3m], 600) < %s)", perDirection, mosNow, limit),
			goesOn)),
		Alert: trendAlert("EarshotMOSSinking", Alert{
			For: holdMOS, Within: 3 * time.Minute,
			Summary:     "The MOS of {{ $labels.target }}" + whereFrom + " sinks toward its limit on the {{ $labels.direction }}",
			Description: "The MOS is {{ $value | humanize }}, less than in the last hour, and at this rate it is under the limit within ten minutes.",
			Meaning:     "The score is still good enough and going down. Which of delay, loss and codec it is, is shown on the Target board in points of R.",
			Checks: []string{
				"The cost that grows says where to look: loss (EarshotLossRising), delay (EarshotDelayRising), or the codec (EarshotCodecChanged).",
			},
			Run: []string{"`earshot call TARGET`: the score of both directions with its costs"},
		}),
	}
}
