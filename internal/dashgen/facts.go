package dashgen

import (
	"time"

	c "github.com/earshot-voip/earshot/internal/catalog"
)

// factRules tell of changes in what calls stand on.
func factRules() Group {
	before := func(m *c.Metric) string { return q("max_over_time(%s[10m] offset 30m)", m) }
	return Group{Name: "earshot-facts", Interval: 30 * time.Second, Rules: []Rule{
		certificate(Critical, 2),
		certificate(Warning, 14),
		{
			Expr: sited(lines(
				q("%s == 1", c.RouteRelayed),
				q("and on (%s) (min_over_time(%s[1d]) == 0)", perTarget, c.RouteRelayed),
				q(`and on (%s) %s{relay="auto"}`, perTarget, c.TargetInfo))),
			Alert: &Alert{
				Name: "EarshotOnlyRelayWorks", Severity: Warning, Layer: "ice", For: 10 * time.Minute, Keep: 5 * time.Minute, Within: 12 * time.Minute, Board: boardTarget,
				Summary:     "Media to {{ $labels.target }}" + whereFrom + " no longer goes directly",
				Description: "For ten minutes media has gone through a TURN server; today it went directly before.",
				Meaning:     "The direct way for UDP is closed, and calls fall back to the relay: it works, takes longer, and all calls of the site now depend on the TURN server and its capacity.",
				Checks:      []string{"A firewall that no longer lets UDP through, most often after a change.", "A NAT that changed its kind: another router, another carrier."},
				Run:         []string{"`earshot call TARGET` with `relay: never`: does it fail at `ice`?", "the firewall's log for UDP to the media address"},
				Call:        "The firewall's operators; tell those of the TURN server to expect load.",
			},
		},
		{
			Expr: sited(lines(
				c.CodecInfo.Name,
				q("unless on (%s, codec) %s", perTarget, before(c.CodecInfo)),
				q("and on (%s) %s", perTarget, before(c.CodecInfo)))),
			Alert: &Alert{
				Name: "EarshotCodecChanged", Severity: Info, Layer: "signaling", For: time.Minute, Keep: 5 * time.Minute, Within: 2 * time.Minute, Board: boardTarget,
				Summary:     "Calls to {{ $labels.target }}" + whereFrom + " now use {{ $labels.codec }}",
				Description: "Half an hour ago another codec was agreed on. Scores of different codecs have different scales and cannot be compared.",
				Meaning:     "The far end chose another codec. The MOS may have jumped without any change in the network.",
				Checks:      []string{"A change of the platform's codec list, or another server that answers.", "Is transcoding in the path now? *Echo kind* on the Target board."},
				Run:         []string{"`earshot call TARGET --codec opus --codec-only` and the same with `pcmu`: what is accepted"},
				Call:        "Whoever runs the platform.",
			},
		},
		{
			Expr: sited(q("%s < max_over_time(%s[1d])", c.RouteDSCP, c.RouteDSCP)),
			Alert: &Alert{
				Name: "EarshotPriorityLost", Severity: Info, Layer: "media", For: 10 * time.Minute, Keep: 5 * time.Minute, Within: 12 * time.Minute, Board: boardTarget,
				Summary:     "Media from {{ $labels.target }}" + whereFrom + " arrives with less priority",
				Description: "Media arrives with DSCP {{ $value }}; today it was higher before. Under load it will queue behind other traffic.",
				Meaning:     "A router on the way rewrites the marking. Nobody hears it as long as no link is full.",
				Checks:      []string{"A new path or a changed QoS policy: compare with route changes on the Target board."},
				Run:         []string{"`traceroute --tos 0xb8`, or captures at both ends: where the marking changes"},
				Call:        "The network team that owns the QoS policy.",
			},
		},
	}}
}

// certificate alerts when a certificate ends within so many days.
func certificate(s Severity, days int) Rule {
	return Rule{
		Expr: sited(q("%s - time() < %d", c.CertificateNotAfter, days*24*3600)),
		Alert: &Alert{
			Name: "EarshotCertificateExpires", Severity: s, Layer: "tls", For: time.Minute, Keep: 5 * time.Minute, Within: 2 * time.Minute, Board: boardTarget,
			Summary:     "The certificate of {{ $labels.hop }} ends in {{ $value | humanizeDuration }}",
			Description: "When it has ended, every call to {{ $labels.target }} fails at TLS.",
			Meaning:     "A certificate on the way of signalling ends within 14 days (critical: within two). After that nobody can call.",
			Checks:      []string{"Is it renewed by a program, and did that fail?", "Was it renewed on disk, and the server not reloaded?"},
			Run:         []string{"`openssl s_client -connect HOP -servername HOST </dev/null | openssl x509 -noout -enddate`"},
			Call:        "Whoever renews certificates.",
		},
	}
}
