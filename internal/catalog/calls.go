package catalog

import (
	"net/url"
	"strings"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/probe"
)

const groupCalls = "Calls"

// Calls counts by verdict. Calls is the sum of the other four.
var (
	CallsFinished = add(Metric{
		Name: "earshot_calls_total", Type: Counter, Unit: Calls, PerTarget: true, Group: groupCalls,
		Help:     "Finished test calls.",
		FromCall: func(_ *Call, put Put) { put(1) },
	})
	CallsGood = add(Metric{
		Name: "earshot_calls_good_total", Type: Counter, Unit: Calls, PerTarget: true, Group: groupCalls,
		Help:     "Finished test calls in which every layer worked and all figures were within their limits.",
		FromCall: ofVerdict(probe.Good),
	})
	CallsDegraded = add(Metric{
		Name: "earshot_calls_degraded_total", Type: Counter, Unit: Calls, PerTarget: true, Group: groupCalls,
		Help:     "Finished test calls in which every layer worked and a figure was beyond its limit.",
		FromCall: ofVerdict(probe.Degraded),
	})
	CallsFailed = add(Metric{
		Name: "earshot_calls_failed_total", Type: Counter, Unit: Calls, PerTarget: true, Group: groupCalls,
		Labels: []string{"layer", "code"},
		Help:   "Finished test calls in which a layer broke, by the lowest layer that did and why.",
		FromPlan: func(j agent.Job, put Put) {
			for _, c := range probe.Codes() {
				if possible(j.Target.URL, c.Layer()) && (!c.OfServer() || len(j.Target.ICEServers) > 0) {
					put(0, string(c.Layer()), string(c))
				}
			}
		},
		FromCall: func(c *Call, put Put) {
			if c.Verdict == probe.Failed && c.Failure != nil {
				put(1, string(c.Failure.Layer), string(c.Failure.Code))
			}
		},
	})
	CallsUntrusted = add(Metric{
		Name: "earshot_calls_untrusted_total", Type: Counter, Unit: Calls, PerTarget: true, Group: groupCalls,
		Help:     "Finished test calls whose quality the probe could not measure: it was too busy, or nothing is known of either direction.",
		FromCall: ofVerdict(probe.Untrusted),
	})
)

// What is known of the last call, and how long set-up took.
var (
	CallVerdict = add(Metric{
		Name: "earshot_call_verdict", Type: Gauge, PerTarget: true, Group: groupCalls, Life: WhileCalls,
		Labels: []string{"verdict"},
		Help:   "1 for the verdict of the last finished call, 0 for the others.",
		FromCall: func(c *Call, put Put) {
			for _, v := range []probe.Verdict{probe.Good, probe.Degraded, probe.Failed, probe.Untrusted} {
				put(truth(v == c.Verdict), string(v))
			}
		},
	})
	CallFailureStreak = add(Metric{
		Name: "earshot_call_failure_streak", Type: Gauge, Unit: Calls, PerTarget: true, Group: groupCalls, Life: WhileCalls,
		Streak: true, Row: true,
		Help:     "Finished test calls in a row in which a layer broke; 0 again when a later call without pause has had media for 30 s.",
		FromCall: func(c *Call, put Put) { put(truth(c.Verdict == probe.Failed)) },
	})
	CallFailing = add(Metric{
		Name: "earshot_call_failing_seconds", Type: Gauge, Unit: Seconds, PerTarget: true, Group: groupCalls, Life: WhileCalls,
		Row:      true,
		Help:     "Time from the end of the first of the test calls that failed in a row, or from when nothing more came back in it, to the start of the last one, in seconds; 0 when the last call worked.",
		FromCall: func(c *Call, put Put) { put(c.Failing.Seconds()) },
	})
	CallFailure = add(Metric{
		Name: "earshot_call_failure_info", Type: Gauge, PerTarget: true, Group: groupCalls, Life: WhileCalls,
		Labels: []string{"layer", "code"},
		Help:   "1 if a layer broke in the last finished call, with the lowest layer that did and why; else absent.",
		FromCall: func(c *Call, put Put) {
			if c.Failure != nil {
				put(1, string(c.Failure.Layer), string(c.Failure.Code))
			}
		},
	})
	CallLast = add(Metric{
		Name: "earshot_call_last_timestamp_seconds", Type: Gauge, Unit: Timestamp, PerTarget: true, Group: groupCalls, Life: Forever,
		Help:     "When the last finished call ended, in seconds since 1970.",
		FromCall: func(c *Call, put Put) { put(seconds(c.Started.Add(c.Elapsed))) },
	})
	CallLayerSeconds = add(Metric{
		Name: "earshot_call_layer_seconds", Type: Histogram, Unit: Seconds, PerTarget: true, Group: groupCalls,
		Labels:  []string{"layer"},
		Buckets: []float64{0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10},
		Help:    "Time that each layer of set-up took where it worked, in seconds.",
		FromCall: func(c *Call, put Put) {
			for _, s := range c.Steps {
				if setUp[s.Layer] && s.State == probe.StateOK {
					put(s.Took.Seconds(), string(s.Layer))
				}
			}
		},
	})
	CallFirstMedia = add(Metric{
		Name: "earshot_call_first_media_seconds", Type: Histogram, Unit: Seconds, PerTarget: true, Group: groupCalls,
		Buckets: []float64{0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10},
		Help:    "Time from the start of a call to the first echoed packet, in seconds.",
		FromCall: func(c *Call, put Put) {
			if c.FirstMedia > 0 {
				put(c.FirstMedia.Seconds())
			}
		},
	})
	CallDeviations = add(Metric{
		Name: "earshot_call_deviations", Type: Gauge, Unit: Count, PerTarget: true, Group: groupCalls, Life: WhileCalls,
		Help: "What the far end's session description left out or did against the standards in the last call.",
		FromCall: func(c *Call, put Put) {
			if c.Codec != nil {
				put(float64(len(c.Deviations)))
			}
		},
	})
	CertificateNotAfter = add(Metric{
		Name: "earshot_certificate_not_after_timestamp_seconds", Type: Gauge, Unit: Timestamp, PerTarget: true, Group: groupCalls, Life: WhileCalls,
		Labels: []string{"hop"}, Keep: true,
		Help: "Until when the TLS certificate of a hop of signalling is valid, in seconds since 1970.",
		FromCall: func(c *Call, put Put) {
			for _, cert := range c.Certificates {
				put(seconds(cert.NotAfter), cert.Hop)
			}
		},
	})
)

// setUp are the layers whose time is that of setting up; the others take as long
// as the call is meant to.
var setUp = map[probe.Layer]bool{
	probe.LayerResolve: true, probe.LayerConnect: true, probe.LayerTLS: true, probe.LayerSignaling: true,
	probe.LayerGather: true, probe.LayerICE: true, probe.LayerDTLS: true,
}

// possible reports whether a layer can break in calls to a target: those that
// can break anywhere ("") are not counted before they happen, and a plain URL
// has no TLS.
func possible(target string, l probe.Layer) bool {
	if l == "" {
		return false
	}
	u, err := url.Parse(target)
	plain := err == nil && (u.Scheme == "http" || strings.HasSuffix(u.Scheme, "+http") || strings.HasSuffix(u.Scheme, "+ws"))
	return l != probe.LayerTLS || !plain
}

func ofVerdict(v probe.Verdict) func(*Call, Put) {
	return func(c *Call, put Put) {
		if c.Verdict == v {
			put(1)
		}
	}
}
