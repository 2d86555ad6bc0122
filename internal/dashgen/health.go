package dashgen

import (
	"time"

	c "github.com/earshot-voip/earshot/internal/catalog"
)

// untrustedRatio is the share of a probe's windows that it does not trust.
const untrustedRatio recorded = "earshot:windows_untrusted:ratio5m"

// probeRules tell when the instrument is broken, so that silence is not taken for
// health.
func probeRules() Group {
	allWindows := func(in string) string {
		return q("increase(%s%s) + increase(%s%s) + increase(%s%s)", c.WindowsScored, in, c.WindowsUnscored, in, c.WindowsUntrusted, in)
	}
	return Group{Name: "earshot-probe", Interval: 15 * time.Second, Rules: []Rule{
		{Record: untrustedRatio, Expr: sited(lines(
			q("sum by (%s) (increase(%s[5m]))", perProbe, c.WindowsUntrusted),
			q("/ (sum by (%s) (%s) > 0)", perProbe, allWindows("[5m]"))))},
		{
			Expr: lines(q("max by (%s, site) (max_over_time(%s[1h]))", perProbe, c.AgentInfo), q("unless on (%s) %s", perProbe, c.AgentInfo)),
			Alert: &Alert{
				Name: "EarshotProbeMissing", Severity: Warning, Layer: "probe", For: 2 * time.Minute, Keep: keepPage, Within: 3 * time.Minute, Board: boardHealth,
				Summary:     "The probe {{ $labels.instance }}{{ with $labels.site }} at {{ . }}{{ end }} is gone",
				Description: "Nothing has come from the probe {{ $labels.instance }} for two minutes. Its targets are not watched.",
				Meaning:     "Prometheus cannot read the probe, or the probe no longer pushes. Nobody watches its targets: that nothing else fires says nothing.",
				Checks:      []string{"Is the host up, and reachable from Prometheus?", "Does the service run?", "Was it taken out of service on purpose? The alert ends an hour after the last sample."},
				Run:         []string{"`systemctl status earshot` on the host", "`curl -sf http://HOST:9725/-/healthy`", "`journalctl -u earshot -e`"},
				Call:        "Whoever runs the probe's host.",
			},
		},
		{
			Expr: sited(notMeasured()),
			Alert: &Alert{
				Name: "EarshotTargetNotMeasured", Severity: Warning, Layer: "probe", For: time.Minute, Keep: keepPage, Within: 6 * time.Minute, Board: boardHealth,
				Summary:     "{{ $labels.target }} is no longer measured{{ with $labels.site }} from {{ . }}{{ end }}",
				Description: "The probe runs, but no call to {{ $labels.target }} has ended for three of its intervals, or its long call has no windows.",
				Meaning:     "The probe is there and this one target of it stands still: it waits for a place in the budget of parallel calls, or hangs.",
				Checks:      []string{"Calls that wait: *Schedule* on the Probe health board; raise `budget.parallel_calls` or call less often.", "A call that hangs: the target's page on the probe shows its layer."},
				Run:         []string{"`curl -s http://HOST:9725/api/v1/calls` on the probe", "`journalctl -u earshot -e`"},
				Call:        "Whoever runs the probe.",
			},
		},
		{
			Expr: q("%s > 0.2", untrustedRatio),
			Alert: &Alert{
				Name: "EarshotProbeUntrusted", Severity: Warning, Layer: "probe", For: 30 * time.Second, Keep: 5 * time.Minute, Within: 3 * time.Minute, Board: boardHealth,
				Summary:     "The probe {{ $labels.instance }}{{ with $labels.site }} at {{ . }}{{ end }} is too busy to measure",
				Description: "{{ $value | humanizePercentage }} of its windows in five minutes are untrusted: the probe itself could have caused what it saw. They are not counted.",
				Meaning:     "The host was too slow to send or receive on time. Such windows have no score and raise no alert; while it lasts, the site is watched by what is left.",
				Checks: []string{
					"Another program on the host, a noisy neighbour on the hypervisor, or too many calls for it.",
					"CPU that sleeps deeply or is throttled: steal time and frequency.",
					"Packets dropped at the probe's own socket: the receive buffer, or a reader that got no CPU.",
				},
				Run:  []string{"`earshot selftest` on the host: what it can measure", "`top`, `vmstat 1`: steal and load"},
				Call: "Whoever runs the probe's host. Nobody else: this says nothing about the network.",
			},
		},
		{
			Expr: sited(q("%s == 0", c.ConfigReloadOK)),
			Alert: &Alert{
				Name: "EarshotConfigRejected", Severity: Warning, Layer: "probe", For: time.Minute, Within: 2 * time.Minute, Board: boardHealth,
				Summary:     "The probe {{ $labels.instance }} runs on an old configuration",
				Description: "The last configuration could not be loaded; the one before it still runs.",
				Meaning:     "A change of the configuration did not take effect. What ran before still runs.",
				Checks:      []string{"The log names every problem with its place."},
				Run:         []string{"`earshot check-config /etc/earshot/earshot.yml`", "`journalctl -u earshot -e`"},
				Call:        "Whoever changed the configuration.",
			},
		},
		{
			Expr: sited(q("%s > 0", grown(c.AgentPanics, 15*time.Minute))),
			Alert: &Alert{
				Name: "EarshotProbeDefect", Severity: Warning, Layer: "probe", Within: time.Minute, Board: boardHealth,
				Summary:     "Calls of the probe {{ $labels.instance }} ended in a defect of the probe",
				Description: "{{ $value | humanize }} calls in 15 minutes ended in a defect of the program.",
				Meaning:     "A call met a defect of Earshot. It counts as failed with `internal_error`; other calls go on.",
				Checks:      []string{"The stack trace is in the log."},
				Run:         []string{"`journalctl -u earshot | grep -A40 panic`", "`earshot version`"},
				Call:        "The maintainers of Earshot, with the trace.",
			},
		},
		{
			Expr: sited(q("%s == 0", c.HistoryWritable)),
			Alert: &Alert{
				Name: "EarshotHistoryStuck", Severity: Warning, Layer: "probe", For: 5 * time.Minute, Within: 6 * time.Minute, Board: boardHealth,
				Summary:     "The probe {{ $labels.instance }} cannot write its history",
				Description: "The disk has refused the history for five minutes. Calls go on and metrics are right; pages and reports of past calls will have a gap.",
				Meaning:     "The file system that holds the history is full, read-only or broken.",
				Checks:      []string{"Is the disk full, and is it Earshot that fills it? *History* on the Probe health board shows size and limit."},
				Run:         []string{"`df -h /var/lib/earshot`", "`dmesg | tail`"},
				Call:        "Whoever runs the probe's host.",
			},
		},
		{
			Expr: sited(q("max by (%s, receiver) (%s) > 600", perProbe, c.RemoteWriteBacklogAge)),
			Alert: &Alert{
				Name: "EarshotPushBehind", Severity: Warning, Layer: "probe", For: time.Minute, Keep: keepPage, Within: 2 * time.Minute, Board: boardHealth,
				Summary:     "The probe {{ $labels.instance }} is behind with pushing to {{ $labels.receiver }}",
				Description: "The oldest sample that waits is {{ $value | humanizeDuration }} old. What is alerted on from there comes late.",
				Meaning:     "The probe cannot reach the receiver of its metrics, or is refused. It keeps them on disk until its queue is full.",
				Checks:      []string{"Is the receiver up and reachable from the probe's site?", "Is it refused: credentials, or samples that are too old?", "Is the uplink of the site itself down?"},
				Run:         []string{"`journalctl -u earshot | grep remote`", "`curl -v` to the receiver's address from the probe"},
				Call:        "Whoever runs the receiver; the network team of the site if it cannot be reached.",
			},
		},
		{
			Expr: sited(q("%s >= 2", grown(c.ScheduleSkipped, 15*time.Minute))),
			Alert: &Alert{
				Name: "EarshotScheduleSlips", Severity: Info, Layer: "probe", Keep: 5 * time.Minute, Within: 15 * time.Minute, Board: boardHealth,
				Summary:     "Calls to {{ $labels.target }} cannot keep their schedule",
				Description: "{{ $value | humanize }} slots in 15 minutes passed while the last call still ran or waited.",
				Meaning:     "Calls are due more often than they can be placed: they take longer than the interval, or the budget of parallel calls is too small.",
				Checks:      []string{"How long do calls take against `every`?", "Calls waiting against `budget.parallel_calls` on the Probe health board."},
				Run:         []string{"`earshot check-config /etc/earshot/earshot.yml`"},
				Call:        "Whoever runs the probe.",
			},
		},
	}}
}

// notMeasured finds periodic targets whose last call is too long ago, and
// continuous ones whose call has neither windows nor failures.
func notMeasured() string {
	return lines(
		q("(time() - %s > 3 * %s + 90)", c.CallLast, c.TargetInterval),
		q(`and on (%s) %s{mode="periodic"}`, perTarget, c.TargetInfo),
		"or",
		q("(increase(%s[5m]) + increase(%s[5m]) + increase(%s[5m]) + increase(%s[5m]) == 0)",
			c.WindowsScored, c.WindowsUnscored, c.WindowsUntrusted, c.CallsFinished),
		q(`and on (%s) %s{mode="continuous"}`, perTarget, c.TargetInfo),
		q("and on (%s) (%s offset 5m)", perTarget, c.TargetInfo),
	)
}
