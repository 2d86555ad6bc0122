package catalog

import (
	"fmt"
	"strings"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/probe"
)

const groupDirections = "Directions"

// Scores of a direction, by the E-model.
var (
	DirectionWindows = pair("windows_total", Metric{
		Type: Counter, Unit: Windows,
		Help: "Windows of calls with a score for media %s.",
	}, func(_ *Window, d *probe.Direction, put Put) { put(truth(d.Score != nil)) })
	DirectionWindowsBad = pair("windows_bad_total", Metric{
		Type: Counter, Unit: Windows,
		Help: "Windows of calls whose MOS for media %s was under the target's limit.",
	}, func(w *Window, d *probe.Direction, put Put) {
		put(truth(w.poor(d)))
	})
	// DirectionWindowsLossy tells loss that goes on from the same loss in one burst.
	DirectionWindowsLossy = pair("windows_lossy_total", Metric{
		Type: Counter, Unit: Windows,
		Help: "Windows of calls with a score for media %s in which a packet was lost or came too late.",
	}, func(_ *Window, d *probe.Direction, put Put) { put(truth(d.Score != nil && d.Lost+d.Discarded > 0)) })
	DirectionBadStreak = pair("windows_bad_streak", Metric{
		Type: Gauge, Unit: Windows, Streak: true,
		Help: "Windows in a row whose MOS for media %s was under the target's limit, or in which none of it arrived.",
	}, bad)
	// DirectionBadRecent holds on through a good window in a bad stretch, of which
	// there are some where the score is not far under the limit.
	DirectionBadRecent = pair("windows_bad_recent", Metric{
		Type: Gauge, Unit: Windows, Recent: 6,
		Help: "How many of the last six windows were such that the MOS for media %s was under the target's limit, or that none of it arrived.",
	}, bad)
	// DirectionWindowsSilent is of the windows in which the other direction, or
	// the far end's reports, show that it is this one that is dead.
	DirectionWindowsSilent = pair("windows_silent_total", Metric{
		Type: Counter, Unit: Windows,
		Help: "Windows of calls in which none of the media %s arrived.",
	}, func(w *Window, d *probe.Direction, put Put) { put(truth(w.dead(d))) })
	ConversationalMOS = pair("mos", Metric{
		Type: Gauge, Unit: MOS, Labels: []string{"scale"},
		Help: "Conversational MOS of media %s in the last window, 1 to 5, by the scale of the codec's bandwidth.",
	}, ofScore(func(s *probe.Score, put Put) { put(s.MOS, s.Scale) }))
	MOSLow = pair("mos_low", Metric{
		Type: Gauge, Unit: MOS, Labels: []string{"scale"},
		Help: "Lower end of the 95 %% interval of the MOS of media %s in the last window, 1 to 5.",
	}, ofScore(func(s *probe.Score, put Put) { put(s.MOSLow, s.Scale) }))
	MOSHigh = pair("mos_high", Metric{
		Type: Gauge, Unit: MOS, Labels: []string{"scale"},
		Help: "Upper end of the 95 %% interval of the MOS of media %s in the last window, 1 to 5.",
	}, ofScore(func(s *probe.Score, put Put) { put(s.MOSHigh, s.Scale) }))
	ListeningMOS = pair("mos_listening", Metric{
		Type: Gauge, Unit: MOS, Labels: []string{"scale"},
		Help: "Listening MOS of media %s in the last window, 1 to 5: the score without the cost of delay.",
	}, ofScore(func(s *probe.Score, put Put) { put(s.MOSListening, s.Scale) }))
	ScoreCost = pair("score_cost", Metric{
		Type: Gauge, Unit: RPoints, Labels: []string{"cause"},
		Help: "What delay, loss and codec cost the score of media %s in the last window, in points of R.",
	}, ofScore(func(s *probe.Score, put Put) {
		put(s.DelayCost, "delay")
		put(s.LossCost, "loss")
		put(s.CodecCost, "codec")
	}))
	OneWayDelay = pair("one_way_delay_seconds", Metric{
		Type: Gauge, Unit: Seconds,
		Help: "Mouth-to-ear delay of media %s that the last score reckons with, in seconds: half the round trip, frame, codec and modelled playout.",
	}, ofScore(func(s *probe.Score, put Put) { put(s.OneWayDelay.Seconds()) }))
)

// Packets of a direction.
var (
	PacketsExpected = pair("packets_expected_total", Metric{
		Type: Counter, Unit: Packets,
		Help: "Media packets sent %s whose fate is known.",
	}, known(func(d *probe.Direction, put Put) { put(float64(d.Expected)) }))
	PacketsLost = pair("packets_lost_total", Metric{
		Type: Counter, Unit: Packets,
		Help: "Media packets lost on the way %s.",
	}, known(func(d *probe.Direction, put Put) { put(float64(d.Lost)) }))
	PacketsDiscarded = pair("packets_discarded_total", Metric{
		Type: Counter, Unit: Packets,
		Help: "Media packets that came %s too late for the modelled de-jitter buffer.",
	}, byPacket(func(d *probe.Direction, put Put) { put(float64(d.Discarded)) }))
	PacketsDuplicated = pair("packets_duplicated_total", Metric{
		Type: Counter, Unit: Packets,
		Help: "Further copies of media packets that came %s.",
	}, byPacket(func(d *probe.Direction, put Put) { put(float64(d.Duplicated)) }))
	PacketsReordered = pair("packets_reordered_total", Metric{
		Type: Counter, Unit: Packets,
		Help: "Media packets that were overtaken on the way %s.",
	}, byPacket(func(d *probe.Direction, put Put) { put(float64(d.Reordered)) }))
	PacketsUnknown = pair("packets_unknown_total", Metric{
		Type: Counter, Unit: Packets,
		Help: "Media packets sent %s whose fate nothing tells.",
	}, func(_ *Window, d *probe.Direction, put Put) { put(float64(d.Unknown)) })
)

// Times and bursts of a direction.
var (
	Jitter = pair("jitter_seconds", Metric{
		Type: Histogram, Unit: Seconds, Buckets: []float64{0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.2},
		Help: "Mean interarrival jitter (RFC 3550) of media %s in each window, in seconds.",
	}, known(func(d *probe.Direction, put Put) {
		if d.Received > 1 {
			put(d.JitterMean.Seconds())
		}
	}))
	DelayVariation = pair("delay_variation_p95_seconds", Metric{
		Type: Gauge, Unit: Seconds,
		Help: "Delay of media %s over the smallest delay, 95th percentile of the last window, in seconds.",
	}, byPacket(func(d *probe.Direction, put Put) {
		if d.Variation.Count > 0 {
			put(d.Variation.P95.Seconds())
		}
	}))
	PlayoutDepth = pair("playout_depth_seconds", Metric{
		Type: Gauge, Unit: Seconds,
		Help: "Mean depth of the modelled de-jitter buffer for media %s in the last window, in seconds.",
	}, byPacket(func(d *probe.Direction, put Put) {
		if d.Received > 0 {
			put(d.PlayoutDepth.Seconds())
		}
	}))
	Bursts = pair("bursts_total", Metric{
		Type: Counter, Unit: Count,
		Help: "Bursts (RFC 3611, Gmin 16) of lost and discarded packets of media %s.",
	}, byPacket(func(d *probe.Direction, put Put) { put(float64(d.Burst.Count)) }))
	BurstSeconds = pair("burst_seconds_total", Metric{
		Type: Counter, Unit: Seconds,
		Help: "Time that media %s spent in bursts of loss, in seconds.",
	}, byPacket(func(d *probe.Direction, put Put) { put(float64(d.Burst.Count) * d.Burst.Duration.Seconds()) }))
	BurstR = pair("burst_r", Metric{
		Type: Gauge, Unit: Count,
		Help: "Burst ratio (G.107) of media %s in the last window: 1 for random loss, more for loss in runs.",
	}, byPacket(func(d *probe.Direction, put Put) {
		if d.Expected > 0 {
			put(d.Burst.R)
		}
	}))
	RouteChanges = pair("route_changes_total", Metric{
		Type: Counter, Unit: Count,
		Help: "Steps of the smallest delay of media %s, as when the network takes another path.",
	}, byPacket(func(d *probe.Direction, put Put) { put(float64(d.RouteChanges)) }))
	EvidenceInfo = pair("evidence_info", Metric{
		Type: Gauge, Labels: []string{"evidence"},
		Help: "1, with where the figures of media %s come from: stamps, sequence, rtcp or none.",
	}, func(_ *Window, d *probe.Direction, put Put) { put(1, string(d.Evidence)) })
)

// directionWords say which way in the help texts.
var directionWords = map[string]string{
	"uplink":   "from the probe to the echo",
	"downlink": "from the echo to the probe",
}

// pair makes the families of both directions. The help holds %s for the way.
func pair(name string, m Metric, read func(*Window, *probe.Direction, Put)) Pair {
	m.PerTarget, m.Group = true, groupDirections
	if m.Type == Gauge {
		m.Life = WhileWindow
	}
	help := m.Help
	of := func(direction string, pick func(*Window) *probe.Direction) *Metric {
		one := m
		one.Name = Prefix + direction + "_" + name
		one.Help = fmt.Sprintf(help, directionWords[direction])
		one.FromWindow = trusted(func(w *Window, put Put) { read(w, pick(w), put) })
		return add(one)
	}
	return Pair{
		Uplink:   of("uplink", func(w *Window) *probe.Direction { return &w.Uplink }),
		Downlink: of("downlink", func(w *Window) *probe.Direction { return &w.Downlink }),
	}
}

// Direction is the direction that a metric is of, or empty.
func (m *Metric) Direction() string {
	for d := range directionWords {
		if strings.HasPrefix(m.Name, Prefix+d+"_") {
			return d
		}
	}
	return ""
}

// dead reports whether none of a direction's media arrived, and it is known to
// be this direction.
func (w *Window) dead(d *probe.Direction) bool {
	if d == &w.Downlink {
		return silent(w) && w.Uplink.Received > 0
	}
	return d.Evidence.Known() && d.Expected >= agent.LeastSent && d.Received == 0
}

// bad reads whether a direction was bad in a window, where that is known.
func bad(w *Window, d *probe.Direction, put Put) {
	if bad := w.poor(d) || w.dead(d); bad || d.Score != nil {
		put(truth(bad))
	}
}

func ofScore(read func(*probe.Score, Put)) func(*Window, *probe.Direction, Put) {
	return func(_ *Window, d *probe.Direction, put Put) {
		if d.Score != nil {
			read(d.Score, put)
		}
	}
}

// known reads directions of which anything is known, byPacket those of which
// single packets are.
func known(read func(*probe.Direction, Put)) func(*Window, *probe.Direction, Put) {
	return func(_ *Window, d *probe.Direction, put Put) {
		if d.Evidence.Known() {
			read(d, put)
		}
	}
}

func byPacket(read func(*probe.Direction, Put)) func(*Window, *probe.Direction, Put) {
	return func(_ *Window, d *probe.Direction, put Put) {
		if d.Evidence.PerPacket() {
			read(d, put)
		}
	}
}
