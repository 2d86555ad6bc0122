package catalog

import (
	"github.com/earshot-voip/earshot/internal/agent"
)

const (
	groupTargets = "Targets and their schedule"
	groupAgent   = "The agent"
)

// What the configuration says of a target, for rules that compare.
var (
	TargetInfo = add(Metric{
		Name: "earshot_target_info", Type: Gauge, PerTarget: true, Group: groupTargets, Life: Forever,
		Labels:   []string{"mode", "relay"},
		Help:     "1, with how the target is watched (periodic or continuous) and whether a relay is allowed (auto, only or never).",
		FromPlan: func(j agent.Job, put Put) { put(1, string(j.Mode), relayPolicy(j)) },
	})
	TargetInterval = add(Metric{
		Name: "earshot_target_interval_seconds", Type: Gauge, Unit: Seconds, PerTarget: true, Group: groupTargets, Life: Forever,
		Help: "Time from start to start of a periodic target's calls, or after which a continuous target's call is renewed, in seconds.",
		FromPlan: func(j agent.Job, put Put) {
			if j.Mode == agent.Continuous {
				put(j.Renew.Seconds())
				return
			}
			put(j.Every.Seconds())
		},
	})
	LimitMOS = add(Metric{
		Name: "earshot_target_limit_mos", Type: Gauge, Unit: MOS, PerTarget: true, Group: groupTargets, Life: Forever,
		Help:     "MOS under which a window of the target counts as bad, 1 to 5.",
		FromPlan: func(j agent.Job, put Put) { put(j.Target.Limits.WithDefaults().BadMOS) },
	})
	LimitLoss = add(Metric{
		Name: "earshot_target_limit_loss_ratio", Type: Gauge, Unit: Ratio, PerTarget: true, Group: groupTargets, Life: Forever,
		Help:     "Loss over which a call to the target counts as degraded, 0 to 1.",
		FromPlan: func(j agent.Job, put Put) { put(j.Target.Limits.WithDefaults().Loss) },
	})
	LimitJitter = add(Metric{
		Name: "earshot_target_limit_jitter_seconds", Type: Gauge, Unit: Seconds, PerTarget: true, Group: groupTargets, Life: Forever,
		Help:     "Mean jitter over which a call to the target counts as degraded, in seconds.",
		FromPlan: func(j agent.Job, put Put) { put(j.Target.Limits.WithDefaults().Jitter.Seconds()) },
	})
	LimitRTT = add(Metric{
		Name: "earshot_target_limit_rtt_seconds", Type: Gauge, Unit: Seconds, PerTarget: true, Group: groupTargets, Life: Forever,
		Help:     "Median round-trip time over which a call to the target counts as degraded, in seconds.",
		FromPlan: func(j agent.Job, put Put) { put(j.Target.Limits.WithDefaults().RTT.Seconds()) },
	})
)

// What the agent is doing about a target.
var (
	TargetRunning = add(Metric{
		Name: "earshot_target_calls_running", Type: Gauge, Unit: Calls, PerTarget: true, Group: groupTargets,
		Help:    "Calls to the target that are running.",
		FromJob: func(j *agent.JobStatus, put Put) { put(float64(len(j.Calls))) },
	})
	ScheduleNext = add(Metric{
		Name: "earshot_schedule_next_timestamp_seconds", Type: Gauge, Unit: Timestamp, PerTarget: true, Group: groupTargets,
		Help: "When the target's next call is to start, in seconds since 1970.",
		FromJob: func(j *agent.JobStatus, put Put) {
			if !j.Next.IsZero() {
				put(seconds(j.Next))
			}
		},
	})
	ScheduleSkipped = add(Metric{
		Name: "earshot_schedule_skipped_total", Type: Counter, Unit: Count, PerTarget: true, Group: groupTargets,
		Help:    "Slots of the schedule that passed while the target's last call still ran or waited for a place.",
		FromJob: func(j *agent.JobStatus, put Put) { put(float64(j.Skipped)) },
	})
	ScheduleLate = add(Metric{
		Name: "earshot_schedule_late_seconds", Type: Gauge, Unit: Seconds, PerTarget: true, Group: groupTargets,
		Help:    "How late the target's last call started, against its slot, in seconds.",
		FromJob: func(j *agent.JobStatus, put Put) { put(j.Late.Seconds()) },
	})
)

// The agent as a whole.
var (
	AgentJobs = add(Metric{
		Name: "earshot_agent_jobs", Type: Gauge, Unit: Count, Group: groupAgent,
		Help:       "Targets in the configuration.",
		FromStatus: func(s *agent.Status, put Put) { put(float64(len(s.Jobs))) },
	})
	AgentRunning = add(Metric{
		Name: "earshot_agent_calls_running", Type: Gauge, Unit: Calls, Group: groupAgent,
		Help:       "Calls that are running.",
		FromStatus: func(s *agent.Status, put Put) { put(float64(s.Running)) },
	})
	AgentWaiting = add(Metric{
		Name: "earshot_agent_calls_waiting", Type: Gauge, Unit: Calls, Group: groupAgent,
		Help:       "Calls that are due and wait for a place in the budget of parallel calls.",
		FromStatus: func(s *agent.Status, put Put) { put(float64(s.Waiting)) },
	})
	AgentParallel = add(Metric{
		Name: "earshot_agent_parallel_calls_limit", Type: Gauge, Unit: Calls, Group: groupAgent,
		Help: "How many calls may run at once; absent without a limit.",
		FromStatus: func(s *agent.Status, put Put) {
			if s.ParallelCalls > 0 {
				put(float64(s.ParallelCalls))
			}
		},
	})
	AgentBytesToday = add(Metric{
		Name: "earshot_agent_media_last_day_bytes", Type: Gauge, Unit: Bytes, Group: groupAgent,
		Help:       "Media of the last 24 hours, both directions with headers, in bytes.",
		FromStatus: func(s *agent.Status, put Put) { put(float64(s.BytesToday)) },
	})
	AgentBytesPerDay = add(Metric{
		Name: "earshot_agent_media_day_limit_bytes", Type: Gauge, Unit: Bytes, Group: groupAgent,
		Help: "Media of 24 hours beyond which there are no re-tests, in bytes; absent without a limit.",
		FromStatus: func(s *agent.Status, put Put) {
			if s.BytesPerDay > 0 {
				put(float64(s.BytesPerDay))
			}
		},
	})
	AgentRetests = add(Metric{
		Name: "earshot_agent_retests_total", Type: Counter, Unit: Calls, Group: groupAgent,
		Help:       "Calls beside the schedule, after bad ones.",
		FromStatus: func(s *agent.Status, put Put) { put(float64(s.Retests)) },
	})
	AgentRetestsDenied = add(Metric{
		Name: "earshot_agent_retests_denied_total", Type: Counter, Unit: Calls, Group: groupAgent,
		Help:       "Calls beside the schedule that were not placed for want of budget.",
		FromStatus: func(s *agent.Status, put Put) { put(float64(s.RetestsDenied)) },
	})
	AgentPanics = add(Metric{
		Name: "earshot_agent_panics_total", Type: Counter, Unit: Calls, Group: groupAgent,
		Help:       "Calls that ended in a defect of the probe.",
		FromStatus: func(s *agent.Status, put Put) { put(float64(s.Panics)) },
	})
)

func relayPolicy(j agent.Job) string {
	if j.Target.Relay == "" {
		return "auto"
	}
	return string(j.Target.Relay)
}
