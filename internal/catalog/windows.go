package catalog

import (
	"slices"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/probe"
)

const groupWindows = "Windows and round trips"

// Windows of calls, as they close.
var (
	WindowsScored = add(Metric{
		Name: "earshot_windows_total", Type: Counter, Unit: Windows, PerTarget: true, Group: groupWindows,
		Help:       "Windows of calls with a score in at least one direction.",
		FromWindow: trusted(func(w *Window, put Put) { put(truth(scored(w))) }),
	})
	WindowsUnscored = add(Metric{
		Name: "earshot_windows_unscored_total", Type: Counter, Unit: Windows, PerTarget: true, Group: groupWindows,
		Help:       "Windows of calls without a score, because nothing came back or too little is known of either direction.",
		FromWindow: trusted(func(w *Window, put Put) { put(truth(!scored(w))) }),
	})
	WindowsSilent = add(Metric{
		Name: "earshot_windows_silent_total", Type: Counter, Unit: Windows, PerTarget: true, Group: groupWindows,
		Help:       "Windows of calls in which media was sent and none came back.",
		FromWindow: trusted(func(w *Window, put Put) { put(truth(silent(w))) }),
	})
	WindowsSilentStreak = add(Metric{
		Name: "earshot_windows_silent_streak", Type: Gauge, Unit: Windows, PerTarget: true, Group: groupWindows, Life: WhileWindow,
		Streak: true,
		Help:   "Windows in a row in which media was sent and none came back.",
		FromWindow: trusted(func(w *Window, put Put) {
			// The last window of a call may be too short to be silent.
			if silent(w) || agent.Heard(w.Window) {
				put(truth(silent(w)))
			}
		}),
	})
	WindowsBad = add(Metric{
		Name: "earshot_windows_bad_total", Type: Counter, Unit: Windows, PerTarget: true, Group: groupWindows,
		Help:       "Windows of calls that users would complain of: the MOS of a direction was under the target's limit, or nothing came back.",
		FromWindow: trusted(func(w *Window, put Put) { put(truth(silent(w) || w.poor(&w.Uplink) || w.poor(&w.Downlink))) }),
	})
	WindowsAudio = add(Metric{
		Name: "earshot_windows_audio_total", Type: Counter, Unit: Windows, PerTarget: true, Group: groupWindows,
		Labels: []string{"state"},
		Help:   "Windows of calls by the state of the returned audio.",
		FromPlan: func(_ agent.Job, put Put) {
			for _, s := range audioStates {
				put(0, string(s))
			}
		},
		FromWindow: trusted(func(w *Window, put Put) {
			if slices.Contains(audioStates, w.Audio.State) {
				put(1, string(w.Audio.State))
			}
		}),
	})
	WindowsAudioStreak = add(Metric{
		Name: "earshot_windows_audio_bad_streak", Type: Gauge, Unit: Windows, PerTarget: true, Group: groupWindows, Life: WhileWindow,
		Streak: true,
		Help:   "Windows in a row in which audio came back and was not ok: silent, wrong, or in one direction only.",
		FromWindow: trusted(func(w *Window, put Put) {
			switch w.Audio.State {
			case probe.AudioOK:
				put(0)
			case probe.AudioSilent, probe.AudioWrong, probe.AudioOneWay:
				put(1)
			}
		}),
	})
	WindowsUntrusted = add(Metric{
		Name: "earshot_windows_untrusted_total", Type: Counter, Unit: Windows, PerTarget: true, Group: groupWindows,
		Help:       "Windows of calls in which the probe itself could have caused what it saw; none of their figures are counted.",
		FromWindow: func(w *Window, put Put) { put(truth(!w.Trusted)) },
	})
)

// Whole journeys.
var (
	RTT = add(Metric{
		Name: "earshot_rtt_seconds", Type: Histogram, Unit: Seconds, PerTarget: true, Group: groupWindows,
		Buckets: []float64{0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 1, 2},
		Help:    "Round-trip time of each packet, less the time that the echo held it, in seconds.",
		Spread: func(w *Window) probe.Histogram {
			if !w.Trusted {
				return probe.Histogram{}
			}
			return w.RTTs
		},
	})
	PacketsSent = add(Metric{
		Name: "earshot_packets_sent_total", Type: Counter, Unit: Packets, PerTarget: true, Group: groupWindows,
		Help:       "Media packets that the probe sent.",
		FromWindow: trusted(func(w *Window, put Put) { put(float64(w.Sent)) }),
	})
	PacketsReturned = add(Metric{
		Name: "earshot_packets_returned_total", Type: Counter, Unit: Packets, PerTarget: true, Group: groupWindows,
		Help:       "Of the media packets that the probe sent, those that came back.",
		FromWindow: trusted(func(w *Window, put Put) { put(float64(w.Returned)) }),
	})
)

// trusted reads trusted windows only: what the probe may have done itself is
// nobody's loss.
func trusted(read func(*Window, Put)) func(*Window, Put) {
	return func(w *Window, put Put) {
		if w.Trusted {
			read(w, put)
		}
	}
}

// silent reports whether nothing came back of what was sent.
func silent(w *Window) bool { return agent.Silent(w.Window) }

// poor reports whether a direction's score is under the target's limit.
func (w *Window) poor(d *probe.Direction) bool {
	return d.Score != nil && d.Score.MOS < w.Limits().BadMOS
}

func scored(w *Window) bool { return w.Uplink.Score != nil || w.Downlink.Score != nil }
