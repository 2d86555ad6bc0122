package dashgen

import c "github.com/earshot-voip/earshot/internal/catalog"

// process is a metric of client_golang's own collectors.
type process string

// What is used of them.
const (
	processCPU    process = "process_cpu_seconds_total"
	processMemory process = "process_resident_memory_bytes"
	processFiles  process = "process_open_fds"
	processStart  process = "process_start_time_seconds"
	goRoutines    process = "go_goroutines"
)

func (p process) pick() string {
	return q("%s{%s} and on (%s) %s", string(p), ofProbe, perProbe, pick(c.AgentInfo))
}

func (p process) rate() string {
	return q("rate(%s{%s}[$__rate_interval]) and on (%s) %s", string(p), ofProbe, perProbe, pick(c.AgentInfo))
}

const byProbe = "{{instance}}"

func healthBoard() dashboard {
	each := func(m *c.Metric) string { return q("sum by (%s) (%s)", perProbe, pick(m)) }
	return newBoard(boardHealth, "Probe health", "The instrument: its own error, what it does not trust, its schedule, queues and resources.",
		section{"Trust", []panel{
			number(about{"Probes", "Probes that answer.", unitShort, 4, 5}, steps("red", 1, "blue"), curve{"probes", q("count(%s)", pick(c.AgentInfo))}),
			number(about{"Untrusted windows", "Share of windows in five minutes that the probe does not trust, the worst probe.", unitShare, 4, 5}, badSteps, curve{"untrusted", q("max(%s)", pick(untrustedRatio))}),
			number(about{"Untrusted calls", "Calls in the time range whose quality could not be measured.", unitShort, 4, 5}, anySteps, curve{"calls", q("sum(increase(%s[$__range]))", pick(c.CallsUntrusted))}).whole(),
			graph(about{"Untrusted windows by probe", "Share of windows that the probe does not trust. They are counted nowhere else.", unitShare, 12, 5},
				curve{byProbe, pick(untrustedRatio)}),
		}},
		section{"The probe's own error", []panel{
			heatmap(about{"Packets left late", "How late each packet left against its slot.", unitSeconds, 12, 8}, c.SelfSendLate),
			heatmap(about{"Packets read late", "How long each packet lay in the kernel before the probe read it.", unitSeconds, 12, 8}, c.SelfReceiveWake),
			graph(about{"Lateness, quantiles", "99th percentile of lateness of sending and of reading. Half a frame, 10 ms, is the limit of trust.", unitSeconds, 12, 8},
				curve{"sending p99", quantileOf(0.99, c.SelfSendLate)}, curve{"reading p99", quantileOf(0.99, c.SelfReceiveWake)}),
			graph(about{"Missed, dropped, refused", "Slots in which nothing was sent, packets dropped at the probe's own sockets, packets that could not be sent, per second.", unitPackets, 12, 8},
				curve{"slots missed " + byProbe, perSecond(c.SelfSlotsMissed)}, curve{"dropped " + byProbe, perSecond(c.SelfSocketDrops)}, curve{"not sent " + byProbe, perSecond(c.SelfSendErrors)}),
		}},
		section{"Schedule", []panel{
			graph(about{"Calls", "Calls that run, that wait for a place, and how many may run at once.", unitShort, 12, 8},
				curve{"running " + byProbe, pick(c.AgentRunning)}, curve{"waiting " + byProbe, pick(c.AgentWaiting)}, curve{"limit " + byProbe, pick(c.AgentParallel)}),
			graph(about{"Lateness of calls", "How late the last call of each target started against its slot.", unitSeconds, 12, 8}, curve{byTarget, pick(c.ScheduleLate)}).to(toTarget),
			counted(about{"Slots skipped", "Slots of the schedule per bar that passed while the last call still ran or waited.", unitShort, 8, 7},
				curve{"{{target}}", q("sum by (target) (%s) > 0", happened(c.ScheduleSkipped))}).orElse("none skipped"),
			counted(about{"Re-tests", "Calls per bar that were placed beside the schedule after bad ones, and those not placed for want of budget.", unitShort, 8, 7},
				curve{"placed " + byProbe, happened(c.AgentRetests)}, curve{"denied " + byProbe, happened(c.AgentRetestsDenied)}),
			graph(about{"Media of a day", "Media of the last 24 hours, both directions, and the budget beyond which there are no re-tests.", unitBytes, 8, 7},
				curve{"media " + byProbe, pick(c.AgentBytesToday)}, curve{"limit " + byProbe, pick(c.AgentBytesPerDay)}),
		}},
		section{"Queues", []panel{
			graph(about{"Push: what waits", "Age of the oldest sample that waits for a receiver. Empty without remote write.", unitSeconds, 8, 7}, curve{byProbe + " {{receiver}}", pick(c.RemoteWriteBacklogAge)}).orElse("nothing is pushed"),
			graph(about{"Push: samples", "Samples sent and lost, per second. Empty without remote write.", unitCounts, 8, 7},
				curve{"sent {{receiver}}", perSecond(c.RemoteWriteSent)}, curve{"lost {{receiver}}: {{reason}}", perSecond(c.RemoteWriteLost)}).orElse("nothing is pushed"),
			graph(about{"History", "Size of the history of calls on disk, and the most that it may have. Empty without a history.", unitBytes, 8, 7},
				curve{"held " + byProbe, pick(c.HistoryBytes)}, curve{"limit " + byProbe, pick(c.HistoryLimit)}).orElse("no history is kept"),
		}},
		section{"Resources", []panel{
			graph(about{"CPU", "CPU time per second of the probe.", unitShare, 8, 7}, curve{byProbe, processCPU.rate()}),
			graph(about{"Memory", "Resident memory of the probe.", unitBytes, 8, 7}, curve{byProbe, processMemory.pick()}),
			graph(about{"Files and goroutines", "Open file descriptors, and goroutines.", unitShort, 8, 7},
				curve{"files " + byProbe, processFiles.pick()}, curve{"goroutines " + byProbe, goRoutines.pick()}),
			table(about{"Versions", "What runs where, since when, and whether its configuration is the one on disk.", unitNone, 24, 6},
				curve{"", q("max by (%s, version, revision, goversion) (%s)", perProbe, pick(c.BuildInfo))}, curve{"", q("max by (%s, site) (%s)", perProbe, pick(c.AgentInfo))}, curve{"", "1000 * " + q("(%s)", processStart.pick())}, curve{"", each(c.ConfigReloadOK)}).
				ordered("instance", "site", "version", "revision", "goversion").column("Time", hidden()).column("Value #A", hidden()).column("Value #B", hidden()).column("job", hidden()).
				column("Value #C", called("started"), unitOf(unitDate)).column("Value #D", called("configuration loaded"), unitOf(unitYes)),
		}})
}
