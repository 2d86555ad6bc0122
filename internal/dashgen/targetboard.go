package dashgen

import (
	"strings"

	c "github.com/earshot-voip/earshot/internal/catalog"
)

// byTarget is the legend of what is drawn for each target and probe.
const byTarget = "{{target}} {{instance}}"

func targetBoard() dashboard {
	sections := []section{{"Now", targetNow()}}
	for _, d := range []struct {
		title string
		of    func(c.Pair) *c.Metric
	}{
		{"Uplink: what the far end hears", func(p c.Pair) *c.Metric { return p.Uplink }},
		{"Downlink: what is heard here", func(p c.Pair) *c.Metric { return p.Downlink }},
	} {
		sections = append(sections, section{d.title, directionPanels(d.of)})
	}
	sections = append(sections,
		section{"Round trip and set-up", []panel{
			heatmap(about{"Round trip", "Round-trip time of every packet, less the time that the echo held it. The dots are calls: click one for its id.", unitSeconds, 12, 9}, c.RTT),
			stacked(about{"Set-up, layer by layer", "Mean time that each layer of set-up took, one on top of the other: the height is the whole set-up.", unitSeconds, 12, 9},
				curve{"{{layer}}", averageOf("layer", c.CallLayerSeconds)}).orElse("no call ended"),
			graph(about{"First media", "Median and 95th percentile of the time from the start of a call to the first echoed packet.", unitSeconds, 12, 7},
				curve{"median", quantileOf(0.5, c.CallFirstMedia)}, curve{"p95", quantileOf(0.95, c.CallFirstMedia)}).exemplars(),
			graph(about{"Round trip, quantiles", "Median, 95th and 99th percentile of the round trip of all packets, and the target's limit.", unitSeconds, 12, 7},
				curve{"median", quantileOf(0.5, c.RTT)}, curve{"p95", quantileOf(0.95, c.RTT)}, curve{"p99", quantileOf(0.99, c.RTT)}, curve{"limit", q("min(%s)", pick(c.LimitRTT))}),
		}},
		section{"Failures and changes", []panel{
			counted(about{"Failed calls by layer and code", "Calls per bar in which a layer broke, by the lowest layer that did and why.", unitShort, 12, 8},
				curve{"{{layer}}: {{code}}", q("sum by (layer, code) (%s) > 0", happened(c.CallsFailed))}).orElse("no call failed"),
			counted(about{"Calls by verdict", "Calls that ended, per bar: good, degraded, failed, untrusted.", unitShort, 12, 8},
				curve{"good", sum("", happened(c.CallsGood))},
				curve{"degraded", sum("", happened(c.CallsDegraded))},
				curve{"failed", sum("", happened(c.CallsFailed))},
				curve{"untrusted", sum("", happened(c.CallsUntrusted))}),
			states(about{"Audio", "State of the returned audio over time.", unitNone, 12, 7}, curve{"{{target}}: {{state}}", q("max by (target, state) (%s) == 1", pick(c.AudioState))}),
			states(about{"Route, codec and echo", "What calls stand on, over time: a new row is a change.", unitNone, 12, 7},
				curve{"route {{local}} to {{remote}}, {{protocol}}", q("max by (local, remote, protocol) (%s)", pick(c.RouteInfo))},
				curve{"codec {{codec}}", q("max by (codec) (%s)", pick(c.CodecInfo))},
				curve{"echo {{kind}}", q("max by (kind) (%s)", pick(c.EchoInfo))}),
			graph(about{"DSCP", "Differentiated services code point that returned media arrives with; 46 is expedited forwarding.", unitNone, 8, 6}, curve{byTarget, pick(c.RouteDSCP)}).within(0, 63),
			graph(about{"Audio level", "Level of the returned audio; speech is about -26 dBov.", unitDB, 8, 6}, curve{byTarget, pick(c.AudioLevel)}),
			graph(about{"Certificates", "Time until the TLS certificates on the way of signalling end.", unitSeconds, 8, 6},
				curve{"{{hop}}", q("min by (hop) (%s) - time()", pick(c.CertificateNotAfter))}).orElse("no TLS on the way"),
		}})
	return newBoard(boardTarget, "Target", "One target: both directions, how calls are set up, what failed and what changed.", sections...)
}

func targetNow() []panel {
	return []panel{
		number(about{"MOS up", "Conversational MOS of the uplink in the last window.", unitNone, 3, 4}, mosSteps, curve{byTarget, q("min(%s)", pick(c.ConversationalMOS.Uplink))}).orElse("no score"),
		number(about{"MOS down", "Conversational MOS of the downlink in the last window.", unitNone, 3, 4}, mosSteps, curve{byTarget, q("min(%s)", pick(c.ConversationalMOS.Downlink))}).orElse("no score"),
		number(about{"Limit", "MOS under which a window of the target counts as bad.", unitNone, 3, 4}, steps("blue"), curve{"limit", q("min(%s)", pick(c.LimitMOS))}),
		number(about{"Failed in a row", "Calls in a row that failed.", unitShort, 3, 4}, anySteps, curve{"failed", q("max(%s)", pick(c.CallFailureStreak))}).orElse("no call ended"),
		number(about{"Relayed", "Whether media goes through a TURN server.", unitYes, 3, 4}, steps("green", 1, "orange"), curve{"relayed", q("max(%s)", pick(c.RouteRelayed))}).orElse("no route"),
		number(about{"Next call", "When the next call of the schedule starts.", unitDate, 3, 4}, steps("blue"), curve{"next", q("1000 * min(%s)", pick(c.ScheduleNext))}).orElse("none planned"),
		table(about{"Why the last call failed", "The lowest layer that broke in the last call, and why. Empty when it worked.", unitNone, 6, 4}, curve{"", pick(c.CallFailure)}).
			column("Time", hidden()).column("Value", hidden()).column("__name__", hidden()).column("job", hidden()).column("instance", linked(rowProbe)).orElse("the last call worked"),
	}
}

// directionPanels are those of a direction, the same for both.
func directionPanels(of func(c.Pair) *c.Metric) []panel {
	way := of(c.ConversationalMOS).Direction()
	up := strings.ToUpper(way[:1]) + way[1:]
	lossOf := func(part *c.Metric) string {
		return q("sum by (%s) (%s)\n/\nsum by (%s) (%s)", perTarget, perSecond(part), perTarget, perSecond(of(c.PacketsExpected)))
	}
	return []panel{
		graph(about{up + ": MOS", "Conversational MOS of the last window with its 95 % interval from the count of lost packets, and the target's limit.", unitNone, 12, 8},
			curve{"MOS " + byTarget, mosOf(of(c.ConversationalMOS))}, curve{"low " + byTarget, mosOf(of(c.MOSLow))}, curve{"high " + byTarget, mosOf(of(c.MOSHigh))},
			curve{"listening " + byTarget, mosOf(of(c.ListeningMOS))}, curve{"limit", q("min(%s)", pick(c.LimitMOS))}).
			columns("/^(low|high) /", append(colour("#8a8f96"), aside[1], quietly)...).within(1, 5).to(toProbe),
		stacked(about{up + ": what costs the score", "Points of R that delay, loss and codec take from the score in the last window.", unitNone, 6, 8},
			curve{"{{cause}}", q("max by (cause) (%s)", pick(of(c.ScoreCost)))}).
			column("delay", colour("blue")...).column("loss", colour("red")...).column("codec", colour("yellow")...),
		counted(about{up + ": windows", "Windows per bar by what was found: bad ones are under the limit, silent ones had no media.", unitShort, 6, 8},
			curve{"good", sum("", q("%s - %s", happened(of(c.DirectionWindows)), happened(of(c.DirectionWindowsBad))))},
			curve{"bad", sum("", happened(of(c.DirectionWindowsBad)))},
			curve{"silent", sum("", happened(of(c.DirectionWindowsSilent)))}),
		graph(about{up + ": loss", "Share of packets that were lost on the way, and that came too late for the modelled de-jitter buffer, with the target's limit.", unitShare, 9, 8},
			curve{"lost " + byTarget, lossOf(of(c.PacketsLost))}, curve{"too late " + byTarget, lossOf(of(c.PacketsDiscarded))}, curve{"limit", q("min(%s)", pick(c.LimitLoss))}).exemplars(),
		graph(about{up + ": in bursts", "Share of the media's time that was spent in bursts of loss (RFC 3611, Gmin 16), at 20 ms a packet.", unitShare, 5, 8},
			curve{byTarget, q("sum by (%s) (%s)\n/\n(0.02 * sum by (%s) (%s))", perTarget, perSecond(of(c.BurstSeconds)), perTarget, perSecond(of(c.PacketsExpected)))}),
		graph(about{up + ": burst ratio", "Burst ratio (G.107) of the last window: 1 is random loss, more is loss in runs.", unitNone, 5, 8},
			curve{byTarget, pick(of(c.BurstR))}),
		graph(about{up + ": copies, overtaking, unknown", "Packets per second that came twice, that were overtaken, and whose fate nothing tells.", unitPackets, 5, 8},
			curve{"twice", sum("", perSecond(of(c.PacketsDuplicated)))}, curve{"overtaken", sum("", perSecond(of(c.PacketsReordered)))}, curve{"unknown", sum("", perSecond(of(c.PacketsUnknown)))}),
		heatmap(about{up + ": jitter", "Mean interarrival jitter (RFC 3550) of each window.", unitSeconds, 12, 8}, of(c.Jitter)),
		graph(about{up + ": delay", "Mouth-to-ear delay that the score reckons with, delay variation over the smallest delay (95th percentile), and the mean depth of the modelled de-jitter buffer.", unitSeconds, 6, 8},
			curve{"mouth to ear " + byTarget, pick(of(c.OneWayDelay))}, curve{"variation " + byTarget, pick(of(c.DelayVariation))}, curve{"playout " + byTarget, pick(of(c.PlayoutDepth))}),
		states(about{up + ": evidence", "Where the figures come from (stamps, sequence, rtcp, none).", unitNone, 6, 8},
			curve{"{{target}}: {{evidence}}", q("max by (target, evidence) (%s)", pick(of(c.EvidenceInfo)))}),
	}
}
