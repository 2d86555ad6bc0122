package catalog

import (
	"github.com/earshot-voip/earshot/probe"
)

const (
	groupSelf    = "The probe's own error"
	groupProcess = "The process"
	groupShot    = "One-shot calls"
)

var selfBuckets = []float64{0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1}

// The instrument's own error, of all calls of the process.
var (
	SelfSendLate = add(Metric{
		Name: "earshot_self_send_late_seconds", Type: Histogram, Unit: Seconds, Group: groupSelf, Buckets: selfBuckets,
		Help:   "How late each packet left against its slot, in seconds.",
		Spread: func(w *Window) probe.Histogram { return w.Self.SendLate },
	})
	SelfReceiveWake = add(Metric{
		Name: "earshot_self_receive_wake_seconds", Type: Histogram, Unit: Seconds, Group: groupSelf, Buckets: selfBuckets,
		Help:   "How long each packet lay in the kernel before the probe read it, in seconds.",
		Spread: func(w *Window) probe.Histogram { return w.Self.ReceiveWake },
	})
	SelfSlotsMissed = add(Metric{
		Name: "earshot_self_slots_missed_total", Type: Counter, Unit: Count, Group: groupSelf,
		Help:       "Send slots in which nothing was sent because the probe was late by a frame or more.",
		FromWindow: func(w *Window, put Put) { put(float64(w.Self.SlotsMissed)) },
	})
	SelfSocketDrops = add(Metric{
		Name: "earshot_self_socket_drops_total", Type: Counter, Unit: Packets, Group: groupSelf,
		Help:     "Packets that the kernel dropped at the probe's own sockets.",
		FromCall: func(c *Call, put Put) { put(float64(c.Self.SocketDrops)) },
	})
	SelfSendErrors = add(Metric{
		Name: "earshot_self_send_errors_total", Type: Counter, Unit: Packets, Group: groupSelf,
		Help:     "Packets that the probe could not send.",
		FromCall: func(c *Call, put Put) { put(float64(c.Self.SendErrors)) },
	})
	SelfKernelTimestamps = add(Metric{
		Name: "earshot_self_kernel_timestamps", Type: Gauge, Group: groupSelf,
		Help: "1 if the kernel says when packets arrived, 0 if only the time of the read is known; as in the last call with media.",
		FromCall: func(c *Call, put Put) {
			if c.RoundTrip.Returned > 0 {
				put(truth(c.Self.KernelTimestamps))
			}
		},
		Keep: true,
	})
)

// The process and its configuration.
var (
	BuildInfo = add(Metric{
		Name: "earshot_build_info", Type: Gauge, Group: groupProcess, Labels: []string{"version", "revision", "goversion"},
		Help:        "1, with the version of the program.",
		FromProcess: func(p *Process, put Put) { put(1, p.Version, p.Revision, p.GoVersion) },
	})
	AgentInfo = add(Metric{
		Name: "earshot_agent_info", Type: Gauge, Group: groupProcess, Labels: []string{"site"},
		Help:        "1, with the name of the site.",
		FromProcess: func(p *Process, put Put) { put(1, p.Site) },
	})
	ConfigReloadOK = add(Metric{
		Name: "earshot_config_last_reload_successful", Type: Gauge, Group: groupProcess,
		Help: "1 if the last attempt to load the configuration worked, 0 if not.",
		FromProcess: func(p *Process, put Put) {
			if p.Reloads > 0 {
				put(truth(p.Reloaded))
			}
		},
	})
	ConfigReloadTime = add(Metric{
		Name: "earshot_config_last_reload_success_timestamp_seconds", Type: Gauge, Unit: Timestamp, Group: groupProcess,
		Help: "When the configuration was last loaded, in seconds since 1970.",
		FromProcess: func(p *Process, put Put) {
			if p.ReloadedAt > 0 {
				put(p.ReloadedAt)
			}
		},
	})
)

// One-shot calls, as /probe answers them.
var (
	ProbeSuccess = add(Metric{
		Name: "probe_success", Type: Gauge, Group: groupShot,
		Help:     "1 if no layer of the call broke, whatever its quality; 0 if one did.",
		FromShot: func(r *probe.Result, put Put) { put(truth(r.Verdict != probe.Failed)) },
	})
	ProbeDuration = add(Metric{
		Name: "probe_duration_seconds", Type: Gauge, Unit: Seconds, Group: groupShot,
		Help:     "How long the call took, set-up and hang-up included, in seconds.",
		FromShot: func(r *probe.Result, put Put) { put(r.Elapsed.Seconds()) },
	})
)
