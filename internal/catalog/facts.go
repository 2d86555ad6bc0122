package catalog

import (
	"cmp"
	"strings"

	"github.com/earshot-voip/earshot/probe"
)

const groupFacts = "Audio, codec, route"

// What was heard. A running call's windows tell it as they close.
var (
	AudioState = add(Metric{
		Name: "earshot_audio_state", Type: Gauge, PerTarget: true, Group: groupFacts, Life: WhileCalls,
		Labels:     []string{"state"},
		Help:       "1 for the state of the audio of the last call or window, 0 for the others.",
		FromCall:   func(c *Call, put Put) { audioState(c.Audio.State, put) },
		FromWindow: func(w *Window, put Put) { audioState(w.Audio.State, put) },
	})
	AudioLevel = add(Metric{
		Name: "earshot_audio_level_dbov", Type: Gauge, Unit: DBOV, PerTarget: true, Group: groupFacts, Life: WhileCalls,
		Help:       "Level of the returned audio, in dB to overload; speech is about -26.",
		FromCall:   func(c *Call, put Put) { audioLevel(&c.Audio, put) },
		FromWindow: func(w *Window, put Put) { audioLevel(&w.Audio, put) },
	})
	AudioDelay = add(Metric{
		Name: "earshot_audio_delay_seconds", Type: Gauge, Unit: Seconds, PerTarget: true, Group: groupFacts, Life: WhileCalls,
		Help:       "How far the returned audio is behind what was sent, in seconds.",
		FromCall:   func(c *Call, put Put) { audioDelay(&c.Audio, put) },
		FromWindow: func(w *Window, put Put) { audioDelay(&w.Audio, put) },
	})
	AudioMatch = add(Metric{
		Name: "earshot_audio_match_ratio", Type: Gauge, Unit: Ratio, PerTarget: true, Group: groupFacts, Life: WhileCalls,
		Help:       "Share of the returned frames that are those that were sent, 0 to 1.",
		FromCall:   func(c *Call, put Put) { audioMatch(&c.Audio, put) },
		FromWindow: func(w *Window, put Put) { audioMatch(&w.Audio, put) },
	})
)

// What the call stands on.
var (
	CodecInfo = add(Metric{
		Name: "earshot_codec_info", Type: Gauge, PerTarget: true, Group: groupFacts, Life: WhileCalls,
		Labels:     []string{"codec"},
		Help:       "1, with the codec that was agreed on.",
		FromCall:   func(c *Call, put Put) { codec(c.Codec, put) },
		FromWindow: func(w *Window, put Put) { codec(w.Codec, put) },
	})
	EchoInfo = add(Metric{
		Name: "earshot_echo_info", Type: Gauge, PerTarget: true, Group: groupFacts, Life: WhileCalls,
		Labels:     []string{"kind"},
		Help:       "1, with the kind of echo that answered: stamping, reflector, rebuilder, transcoder or unknown.",
		FromCall:   func(c *Call, put Put) { put(1, string(c.Echo)) },
		FromWindow: func(w *Window, put Put) { put(1, string(w.Echo)) },
	})
	RouteRelayed = add(Metric{
		Name: "earshot_route_relayed", Type: Gauge, PerTarget: true, Group: groupFacts, Life: WhileCalls,
		Help:       "1 if media goes through a TURN server, 0 if it goes directly.",
		FromCall:   func(c *Call, put Put) { relayed(c.Route, put) },
		FromWindow: func(w *Window, put Put) { relayed(w.Route, put) },
	})
	RouteInfo = add(Metric{
		Name: "earshot_route_info", Type: Gauge, PerTarget: true, Group: groupFacts, Life: WhileCalls,
		Labels:     []string{"local", "remote", "protocol"},
		Help:       "1, with the types of the candidate pair that media takes (host, srflx, prflx, relay) and the protocol it takes from here: udp, or to a TURN server also tcp and tls.",
		FromCall:   func(c *Call, put Put) { route(c.Route, put) },
		FromWindow: func(w *Window, put Put) { route(w.Route, put) },
	})
	RouteDSCP = add(Metric{
		Name: "earshot_route_dscp", Type: Gauge, PerTarget: true, Group: groupFacts, Life: WhileCalls,
		Help:       "Differentiated services code point that returned media arrives with, 0 to 63; 46 is expedited forwarding.",
		FromCall:   func(c *Call, put Put) { dscp(c.Route, put) },
		FromWindow: func(w *Window, put Put) { dscp(w.Route, put) },
	})
)

var audioStates = []probe.AudioState{probe.AudioOK, probe.AudioSilent, probe.AudioWrong, probe.AudioOneWay, probe.AudioNotChecked}

func audioState(s probe.AudioState, put Put) {
	for _, each := range audioStates {
		put(truth(s == each), string(each))
	}
}

func audioLevel(a *probe.Audio, put Put) {
	if a.LevelDBOV != nil {
		put(*a.LevelDBOV)
	}
}

func audioDelay(a *probe.Audio, put Put) {
	if a.Delay != nil {
		put(a.Delay.Seconds())
	}
}

func audioMatch(a *probe.Audio, put Put) {
	if a.Checked > 0 {
		put(a.MatchRatio())
	}
}

func codec(c *probe.Codec, put Put) {
	if c != nil {
		put(1, strings.ToLower(c.Name))
	}
}

func relayed(r *probe.Route, put Put) {
	if r != nil {
		put(truth(r.Relayed))
	}
}

func route(r *probe.Route, put Put) {
	if r != nil {
		put(1, r.Local.Type, r.Remote.Type, cmp.Or(r.Transport, r.Local.Protocol))
	}
}

func dscp(r *probe.Route, put Put) {
	if r != nil && r.DSCP >= 0 {
		put(float64(r.DSCP))
	}
}
