package dashgen

import (
	"time"

	c "github.com/earshot-voip/earshot/internal/catalog"
)

// Series that other rules and the boards use.
const (
	// badNow is 1 for what users would complain of at this moment, by cause.
	badNow recorded = "earshot:bad:now"
	// targetBad is 1 for a target of which any of it holds, with the site.
	targetBad recorded = "earshot:target_bad:now"
	// blame is 1 for a bad target, with where the fault is by quorum.
	blame recorded = "earshot:target_blame:now"
)

const (
	badWindows = 3 // in a row, silent or with other audio: 15 s
	// poorWindows is how many poor ones of the last six are a collapse, the newest
	// being one: 20 s. A burst of loss of little more than 5 s makes three poor, as it
	// reaches into those before and behind it; four it takes more than 10 s, and
	// somebody who can still look. All four in a row they need not be: where the MOS is
	// somewhat under the limit, one in five windows is good by chance.
	poorWindows = 4
	// poorRow are in a row, since two outages of a second, each across the border of two
	// windows, make four poor as well. A row can begin and end between two scrapes;
	// where poorAnyhow of six are poor there was one.
	poorRow, poorAnyhow = 3, 5
	// failedApart is how long calls have been failing when another is placed and fails
	// too, in seconds: an outage or a restart of less, into which a call and its
	// re-test at once both fell, pages nobody. A call that falls silent has failed
	// from then on, and not only when it is given up.
	failedApart = 10
	// keepPage bridges a good window in a bad stretch, and a restart.
	keepPage = 2 * time.Minute
)

// nowRules page within a minute of what users hear.
func nowRules() Group {
	g := Group{Name: "earshot-now", Interval: 5 * time.Second}
	cause := func(name, direction string, m *c.Metric, least int) {
		g.Rules = append(g.Rules, Rule{
			Record: badNow, Expr: q("%s >= bool %d", m, least),
			Labels: map[string]string{"cause": name, "direction": direction},
		})
	}
	g.Rules = append(g.Rules, each(func(direction string, of func(c.Pair) *c.Metric) Rule {
		return Rule{
			Record: badNow, Expr: q("(%s >= bool %d) * (%s >= bool 1) * clamp_max((max_over_time(%s[30s]) >= bool %d) + (%s >= bool %d), 1)",
				of(c.DirectionBadRecent), poorWindows, of(c.DirectionBadStreak), of(c.DirectionBadStreak), poorRow, of(c.DirectionBadRecent), poorAnyhow),
			Labels: map[string]string{"cause": "quality", "direction": direction},
		}
	})...)
	cause("silence", "unknown", c.WindowsSilentStreak, badWindows)
	cause("audio", "unknown", c.WindowsAudioStreak, badWindows)
	g.Rules = append(g.Rules, Rule{
		Record: badNow, Expr: q("%s >= bool %d", c.CallFailing, failedApart),
		Labels: map[string]string{"cause": "calls", "direction": "unknown"},
	})
	g.Rules = append(g.Rules, Rule{Record: targetBad, Expr: sited(q("max by (%s) (%s)", perTarget, badNow))})
	g.Rules = append(g.Rules, blameRules()...)
	g.Rules = append(g.Rules, collapsed()...)
	g.Rules = append(g.Rules, mediaLost()...)
	g.Rules = append(g.Rules, audioLost(), callsFailing())
	return g
}

// blameRules tell where the fault is by who else sees it. The first that holds
// counts.
func blameRules() []Rule {
	bad := q("%s == 1", targetBad)
	rule := func(where, expr string) Rule {
		return Rule{Record: blame, Expr: expr, Labels: map[string]string{"blame": where}}
	}
	return []Rule{
		// Bad from all of several sites: the platform.
		rule("platform", lines(bad,
			q("and on (target) (avg by (target) (%s) == 1)", targetBad),
			q("and on (target) (count by (target) (%s) >= 2)", targetBad))),
		// All of several targets of a probe: the site's link.
		rule("site_link", lines(bad,
			q("and on (%s) (avg by (%s) (%s) == 1)", perProbe, perProbe, targetBad),
			q("and on (%s) (count by (%s) (%s) >= 2)", perProbe, perProbe, targetBad),
			q(`unless on (%s) %s{blame="platform"}`, perTarget, blame))),
		// Bad from one of several sites: the path from that site.
		rule("site_path", lines(bad,
			q("and on (target) (sum by (target) (%s) == 1)", targetBad),
			q("and on (target) (count by (target) (%s) >= 2)", targetBad),
			q(`unless on (%s) %s{blame=~"platform|site_link"}`, perTarget, blame))),
		rule("unknown", lines(bad, q(`unless on (%s) %s{blame=~"platform|site_link|site_path"}`, perTarget, blame))),
	}
}

// blamed joins site and blame to a condition on a target.
func blamed(expr string) string {
	return q("(%s)\n* on (%s) group_left (site, blame) %s", expr, perTarget, blame)
}

const whereFrom = `{{ with $labels.site }} from {{ . }}{{ end }}`

const blameText = ` By who else sees it, look at: {{ if eq $labels.blame "platform" }}the platform (the target is bad from every site)` +
	`{{ else if eq $labels.blame "site_link" }}the site's own link (every target of this probe is bad)` +
	`{{ else if eq $labels.blame "site_path" }}the path from this site (other sites reach the target well)` +
	`{{ else }}both ends (no other site or target tells them apart){{ end }}.`

func collapsed() []Rule {
	return each(func(direction string, of func(c.Pair) *c.Metric) Rule {
		a := &Alert{
			Name: "EarshotQualityCollapsed", Severity: Critical, Layer: "quality", Direction: direction,
			Keep: keepPage, Within: 45 * time.Second, Board: boardTarget,
			Summary:     "Calls to {{ $labels.target }}" + whereFrom + " sound bad on the " + direction,
			Description: "{{ $value | humanize }} of the last six windows of 5 s were under the MOS limit on the " + direction + "." + blameText,
			Meaning: "Users hear it now. Of the last 30 seconds 20 or more were scored under the target's MOS limit in that direction, the last five among them, " +
				"and 15 of them in a row or 25 in all: *uplink* is what the far end hears, *downlink* is what people at the site hear. Windows in which the probe itself was too busy do not count.",
			Checks: []string{
				"Which direction, and is it loss, jitter or delay? The Target board shows what each costs the score, in points of R.",
				"Loss in bursts points to a full queue or a failing radio link; even loss to a policer or a bad cable; jitter without loss to a queue that is filling.",
				"Did the route or its DSCP change? *Route and codec changes* on the Target board; a DSCP that is no longer 46 means that priority is lost on the way.",
				"Is only this site concerned? The label `blame` says it by quorum; the Overview shows it.",
			},
			Run: []string{
				"`earshot call TARGET` from the same site: the verdict names direction and cause",
				"`mtr -u -P 3478 --tos 0xb8 MEDIA-ADDRESS`: the hop at which loss begins, with the marking of media",
				"`earshot selftest` on the probe, if its board shows lateness",
			},
			Call: "`platform`: whoever runs the conference servers. `site_link` and `site_path`: the network team of the site, then the carrier, with the direction and the time of onset.",
		}
		return Rule{Alert: a, Expr: blamed(lines(q("%s", of(c.DirectionBadRecent)),
			q(`and on (%s) (%s{cause="quality", direction="%s"} == 1)`, perTarget, badNow, direction),
			unlessSilent()))}
	})
}

// unlessSilent leaves out targets from which nothing came back until a moment ago:
// the window in which media returns is bad too, the end of that trouble and not the
// begin of another.
func unlessSilent() string {
	return q("unless on (%s) (max_over_time(%s[30s]) >= %d)", perTarget, c.WindowsSilentStreak, badWindows)
}

func mediaLost() []Rule {
	silent := q("%s >= %d", c.WindowsSilentStreak, badWindows)
	dead := func(m *c.Metric) string { return q("on (%s) (%s >= %d)", perTarget, m, badWindows) }
	up, down := dead(c.DirectionBadStreak.Uplink), dead(c.DirectionBadStreak.Downlink)
	rule := func(direction, expr string) Rule {
		return Rule{Expr: blamed(expr), Alert: &Alert{
			Name: "EarshotMediaLost", Severity: Critical, Layer: "media", Direction: direction,
			Keep: keepPage, Within: 45 * time.Second, Board: boardTarget,
			Summary: "No media comes back from {{ $labels.target }}" + whereFrom,
			Description: "The call stands, and in {{ $value | humanize }} windows in a row nothing of what was sent came back. The dead direction: " + direction + "." +
				blameText,
			Meaning: "A call is up, and the line is dead in at least one direction: users say \"can you hear me?\". The direction is *uplink* or *downlink* where the far " +
				"end's reports tell it, else *unknown*.",
			Checks: []string{
				"Signalling and connectivity checks still pass: this is not a dead server, but media that is dropped or sent elsewhere.",
				"A firewall or NAT whose binding timed out, or that was reloaded: one direction dies, and a new call works.",
				"A media server that lost the session: both directions die for the calls of that server alone.",
				"If new calls fail at a lower layer, EarshotCallsFailing fires as well and names it: begin there.",
				"After 30 s of silence a call without pause is tried afresh beside the silent one, again and again. *Calls* on the Target board: do those get media? If so, this alert ends by itself, and what was lost was the session or a binding.",
			},
			Run: []string{
				"`earshot call TARGET`: does a fresh call get media?",
				"`tcpdump -ni any udp and host MEDIA-ADDRESS` at the site and at the server: the last place at which packets are seen",
				"the firewall's session table for that pair of addresses",
			},
			Call: "The firewall's operators first; then whoever runs the media servers.",
		}}
	}
	return []Rule{
		rule("uplink", lines(silent, "and "+up)),
		rule("downlink", lines(silent, "and "+down, "unless "+up)),
		rule("unknown", lines(silent, "unless "+up, "unless "+down)),
	}
}

func audioLost() Rule {
	return Rule{
		Expr: blamed(lines(q("%s >= %d", c.WindowsAudioStreak, badWindows),
			unlessSilent())),
		Alert: &Alert{
			Name: "EarshotAudioLost", Severity: Critical, Layer: "audio",
			Keep: keepPage, Within: 45 * time.Second, Board: boardTarget,
			Summary:     "What comes back from {{ $labels.target }}" + whereFrom + " is not what was said",
			Description: "Packets flow, but in {{ $value | humanize }} windows in a row the audio in them was silent or not ours." + blameText,
			Meaning:     "The network is fine, the content is not: packets arrive in time and hold silence, noise, or somebody else's audio. Loss and jitter look healthy, which is why nothing else would tell.",
			Checks: []string{
				"Which state? *Audio* on the Target board: silent, wrong, or one way.",
				"Silent: a media server that lost its input, a muted bridge, a hold that was never resumed, or DTX that never ends.",
				"Wrong: an announcement or music on hold in place of the echo, a transcoder with a broken codec, crossed sessions.",
			},
			Run: []string{
				"`earshot call TARGET`: the audio line gives level, match and delay",
				"call the echo service by hand and listen",
			},
			Call: "Whoever runs the media servers. The network team need not be woken.",
		},
	}
}

func callsFailing() Rule {
	// Fresh calls that get no media, beside a silent one that stays up, are the same
	// incident: EarshotMediaLost has paged for it. The row of failures ends half a
	// minute after the silence.
	sameSilence := q("(max_over_time(%s[1m]) >= %d\nand on (%s) %s{layer=\"media\"})", c.WindowsSilentStreak, badWindows, perTarget, c.CallFailure)
	return Rule{
		Expr: blamed(lines(q("(%s\nand on (%s) (%s >= %d))", c.CallFailureStreak, perTarget, c.CallFailing, failedApart),
			q("* on (%s) group_left (layer) max without (code) (%s)", perTarget, c.CallFailure),
			q("unless on (%s) %s", perTarget, sameSilence))),
		Alert: &Alert{
			Name: "EarshotCallsFailing", Severity: Critical,
			Keep: keepPage, Within: 45 * time.Second, Board: boardTarget,
			Summary:     "Calls to {{ $labels.target }}" + whereFrom + " fail at {{ $labels.layer }}",
			Description: "{{ $value | humanize }} calls in a row failed; the lowest layer that broke is {{ $labels.layer }}." + blameText,
			Meaning: "Nobody can call: a call failed, and so did one that was placed ten seconds later or more to make sure. For a target that is watched by one long call, that call fell silent, died, and could " +
				"not be set up again. The label `layer` is the lowest that broke: what is above it cannot work.",
			Checks: []string{
				"`resolve`, `connect`: DNS, the path, the port; is the server up?",
				"`tls`: the certificate and the clock.",
				"`signaling`: credentials, capacity, maintenance of the service.",
				"`gather`, `ice`: TURN servers, UDP through firewalls.",
				"`dtls`: a middlebox that drops or inspects DTLS.",
				"`media`: see EarshotMediaLost.",
			},
			Run: []string{
				"`earshot call TARGET`: the ladder stops at the layer that broke, and the last line says what to do",
				"the probe's page of the last failed call, linked from the Target board: all layers with their times",
			},
			Call: "By the layer: DNS and network team up to `connect`; whoever renews certificates for `tls`; the platform for `signaling`; firewall and TURN operators for `gather`, `ice`, `dtls`, `media`.",
		},
	}
}
