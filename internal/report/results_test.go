package report

import (
	"errors"
	"net/netip"
	"time"

	"github.com/earshot-voip/earshot/probe"
)

const (
	us = time.Microsecond
	ms = time.Millisecond
)

// results are calls as they end, by the name of their golden files.
var results = map[string]func() *probe.Result{
	"good":      goodCall,
	"degraded":  degradedCall,
	"tls":       callFailedAtTLS,
	"one_way":   oneWayCall,
	"untrusted": untrustedCall,
	"rtcp":      callKnownByReports,
	"short":     callTooShortToScore,
	"altered":   alteredCall,
	"silent":    silentCall,
	"empty":     func() *probe.Result { return &probe.Result{Verdict: probe.Failed} },
}

func goodCall() *probe.Result {
	level, speech, gain, clipped, behind, ear := -26.1, -25.4, 0.0, 0.0, 43*ms, 83*ms
	return &probe.Result{
		ID: "9f86d081884c7d65", Name: "echo.example.com:8443", Site: "paris-front-office",
		Target:  "https://echo.example.com:8443/echo",
		Started: time.Date(2026, 11, 23, 21, 6, 0, 123_456_789, time.FixedZone("CET", 3600)),
		Elapsed: 11200 * ms,
		Verdict: probe.Good,
		Summary: "The call to echo.example.com:8443 is good in both directions: MOS 4.29 up, 4.35 down.",
		Steps: []probe.Step{
			{Layer: probe.LayerResolve, State: probe.StateOK, Start: 3 * ms, Took: 1200 * us, Detail: "192.0.2.7"},
			{Layer: probe.LayerConnect, State: probe.StateOK, Start: 4200 * us, Took: 12400 * us, Detail: "192.0.2.7:8443"},
			{Layer: probe.LayerTLS, State: probe.StateOK, Start: 17 * ms, Took: 25 * ms, Detail: "TLS 1.3, certificate of echo.example.com until 2027-01-31"},
			{Layer: probe.LayerSignaling, State: probe.StateOK, Start: 42 * ms, Took: 14800 * us, Detail: "201 Created"},
			{Layer: probe.LayerGather, State: probe.StateOK, Took: 2900 * us, Detail: "1 host, 1 srflx"},
			{Layer: probe.LayerICE, State: probe.StateOK, Start: 57 * ms, Took: 17 * ms, Detail: "host 198.51.100.4:41234 ↔ host 192.0.2.7:40000"},
			{Layer: probe.LayerDTLS, State: probe.StateOK, Start: 74 * ms, Took: 38 * ms, Detail: "AEAD_AES_128_GCM, this side is the client"},
			{Layer: probe.LayerMedia, State: probe.StateOK, Start: 112 * ms, Took: 11050 * ms, Detail: "500 packets sent, 480 came back, the first after 190ms"},
			{Layer: probe.LayerAudio, State: probe.StateOK, Start: 11162 * ms, Took: 24 * us, Detail: "480 of 480 returned frames are the ones that were sent"},
			{Layer: probe.LayerQuality, State: probe.StateOK, Start: 11162 * ms, Took: 1 * us, Detail: "within all limits"},
		},
		FirstMedia: 190 * ms,
		Codec:      &probe.Codec{Name: "PCMU", ClockRate: 8000, Frame: 20 * ms, Asked: "PCMU"},
		Route: &probe.Route{
			Local:  probe.Endpoint{Address: netip.MustParseAddrPort("198.51.100.4:41234"), Type: "host", Protocol: "udp"},
			Remote: probe.Endpoint{Address: netip.MustParseAddrPort("192.0.2.7:40000"), Type: "host", Protocol: "udp"},
		},
		Echo:         probe.EchoStamping,
		Certificates: []probe.Certificate{{Hop: "echo.example.com:8443", NotAfter: time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)}},
		Uplink: probe.Direction{
			Evidence: probe.EvidenceStamps,
			Expected: 500, Received: 490, Lost: 10, Discarded: 2,
			Jitter: 3100 * us, JitterMax: 4400 * us, JitterMean: 2900 * us,
			Variation:    probe.Quantiles{Count: 490, P50: 1 * ms, P95: 6 * ms, P99: 8100 * us, Max: 12 * ms},
			Burst:        probe.Burst{Count: 2, Density: 0.5, Duration: 80 * ms, GapDensity: 0.1 + 0.2, GapDuration: 4900 * ms, R: 1.9},
			PlayoutDepth: 40 * ms,
			Score: &probe.Score{Scale: "nb", R: 88.1, MOS: 4.29, MOSLow: 4.21, MOSHigh: 4.34, MOSListening: 4.31,
				DelayCost: 0.2, LossCost: 4.9, OneWayDelay: 85 * ms},
		},
		Downlink: probe.Direction{
			Evidence: probe.EvidenceSequence,
			Expected: 490, Received: 480, Lost: 10, Duplicated: 1, Reordered: 3,
			Jitter: 210 * us, JitterMax: 950 * us, JitterMean: 200 * us,
			Variation:    probe.Quantiles{Count: 480, P50: 150 * us, P95: 700 * us, P99: 950 * us, Max: 2100 * us},
			Burst:        probe.Burst{GapDensity: 10.0 / 490, GapDuration: 9800 * ms, R: 1.02},
			PlayoutDepth: 20 * ms, DriftPPM: -12.25,
			Score: &probe.Score{Scale: "nb", R: 90.3, MOS: 4.35, MOSLow: 4.3, MOSHigh: 4.38, MOSListening: 4.36,
				DelayCost: 0.15, LossCost: 2.75, OneWayDelay: 65 * ms},
		},
		RoundTrip: probe.RoundTrip{Sent: 500, Returned: 480,
			RTT: probe.Quantiles{Count: 480, Min: 12 * ms, P50: 12600 * us, P95: 18 * ms, P99: 20 * ms, Max: 24 * ms}},
		Audio: probe.Audio{
			State: probe.AudioOK, Checked: 480, Matched: 480,
			LevelDBOV: &level, ActiveLevelDBOV: &speech, GainDB: &gain, ClippingRatio: &clipped,
			Delay: &behind, DelayAccuracy: 210 * us, MouthToEar: &ear,
			Missing: 400 * ms, GapCount: 14, Gaps: []probe.Gap{{Start: 1200 * ms, Length: 40 * ms}, {Start: 3 * time.Second, Length: 140 * ms}},
		},
		Self: probe.Self{
			Trusted: true, KernelTimestamps: true,
			SendLate:    probe.Quantiles{Count: 500, Min: 4 * us, P50: 24 * us, P95: 41 * us, P99: 56 * us, Max: 130 * us},
			ReceiveWake: probe.Quantiles{Count: 480, Min: 9 * us, P50: 31 * us, P95: 60 * us, P99: 88 * us, Max: 400 * us},
		},
		Windows: []probe.Window{
			{Length: 5000 * ms, Trusted: true, Uplink: probe.Direction{Evidence: probe.EvidenceStamps, Expected: 250, Received: 245, Lost: 5, Jitter: 3 * ms, JitterMax: 4 * ms, Burst: probe.Burst{R: 1},
				Score: &probe.Score{Scale: "nb", R: 70, MOS: 3.6}},
				Downlink: probe.Direction{Evidence: probe.EvidenceSequence, Expected: 245, Received: 245, Jitter: 200 * us, Burst: probe.Burst{R: 1}},
				RTT:      probe.Quantiles{Count: 245, Min: 12 * ms, P50: 12500 * us, P95: 18 * ms, P99: 20 * ms, Max: 24 * ms},
				Audio:    probe.Audio{State: probe.AudioOK, Checked: 245, Matched: 245, LevelDBOV: &level}},
			{Start: 5000 * ms, Length: 5000 * ms, Uplink: probe.Direction{Evidence: probe.EvidenceStamps, Expected: 250, Received: 245, Lost: 5,
				Score: &probe.Score{Scale: "nb", R: 50, MOS: 2.58}},
				Downlink: probe.Direction{Evidence: probe.EvidenceNone},
				Audio:    probe.Audio{State: probe.AudioSilent}},
		},
	}
}

func degradedCall() *probe.Result {
	r := goodCall()
	r.Name = "contact centre echo"
	r.Verdict = probe.Degraded
	r.Steps[9].State = probe.StateDegraded
	r.Steps[9].Detail = "uplink loses 12.4 %, limit 3.0 %; uplink MOS 2.31, limit 3.60; uplink jitter 48.1ms, limit 30ms"
	r.Summary = "The call to contact centre echo works, but its quality is poor: uplink loses 12.4 %, limit 3.0 %."
	r.Uplink.Lost, r.Uplink.Received = 62, 438
	r.Uplink.Unknown = 4
	r.Uplink.Score.MOS, r.Uplink.Score.MOSLow, r.Uplink.Score.MOSHigh = 2.31, 2.18, 2.44
	r.Uplink.Score.R, r.Uplink.Score.LossCost = 45.1, 47.9
	r.Deviations = []string{"no a=mid", "no a=rtcp-mux"}
	mos := 2.4
	r.Opinions = []probe.Opinion{{Source: "X-VoiceQuality", Text: "24 red", MOS: &mos}, {Source: "X-RTP-Stat", Text: "PS=438;PR=500;PL=62"}}
	r.Route.Relayed = true
	r.Route.Server, r.Route.Transport = "turns:turn.example.com:5349?transport=tcp", "tls"
	r.Route.Local.Type = "relay"
	return r
}

func callFailedAtTLS() *probe.Result {
	r := &probe.Result{
		ID: "60303ae22b998861", Name: "echo.example.com", Target: "https://echo.example.com/echo",
		Started: time.Date(2026, 11, 23, 20, 6, 0, 0, time.UTC), Elapsed: 49 * ms,
		Verdict: probe.Failed,
		Summary: "The call to echo.example.com failed at TLS: the server's certificate is out of date.",
		Failure: &probe.Failure{Layer: probe.LayerTLS, Code: probe.CodeTLSExpired, Hint: probe.CodeTLSExpired.Hint(),
			Err: errors.New("TLS with 192.0.2.7:443: x509: certificate has expired or is not yet valid: current time 2026-11-23T20:06:00Z is after 2026-11-01T00:00:00Z")},
		Echo:     probe.EchoUnknown,
		Uplink:   probe.Direction{Evidence: probe.EvidenceNone},
		Downlink: probe.Direction{Evidence: probe.EvidenceNone},
		Audio:    probe.Audio{State: probe.AudioNotChecked},
	}
	for _, l := range probe.Layers {
		r.Steps = append(r.Steps, probe.Step{Layer: l, State: probe.StateNotRun})
	}
	r.Steps[0] = probe.Step{Layer: probe.LayerResolve, State: probe.StateOK, Start: 2 * ms, Took: 1 * ms, Detail: "192.0.2.7"}
	r.Steps[1] = probe.Step{Layer: probe.LayerConnect, State: probe.StateOK, Start: 3 * ms, Took: 12 * ms, Detail: "192.0.2.7:443"}
	r.Steps[2] = probe.Step{Layer: probe.LayerTLS, State: probe.StateFailed, Start: 15 * ms, Took: 30 * ms, Detail: r.Failure.Err.Error()}
	r.Steps[4] = probe.Step{Layer: probe.LayerGather, State: probe.StateOK, Took: 2 * ms, Detail: "1 host"}
	return r
}

// oneWayCall heard nothing but reports: what was sent arrived, nothing returned.
func oneWayCall() *probe.Result {
	r := callFailedAtTLS()
	r.Target, r.Name = "http://192.0.2.7:8080/echo", "192.0.2.7:8080"
	for i, l := range probe.Layers[:7] {
		r.Steps[i] = probe.Step{Layer: l, State: probe.StateOK, Start: time.Duration(i) * ms, Took: 1 * ms}
	}
	r.Steps[0] = probe.Step{Layer: probe.LayerResolve, State: probe.StateNotApplicable, Detail: "the target is an address"}
	r.Steps[2] = probe.Step{Layer: probe.LayerTLS, State: probe.StateNotApplicable}
	err := errors.New("the far end received 198 packets, nothing came back within 4s")
	r.Steps[7] = probe.Step{Layer: probe.LayerMedia, State: probe.StateFailed, Start: 9 * ms, Took: 4 * time.Second, Detail: err.Error()}
	r.Failure = &probe.Failure{Layer: probe.LayerMedia, Code: probe.CodeOneWay, Hint: probe.CodeOneWay.Hint(), Err: err}
	r.Summary = "The call to 192.0.2.7:8080 failed at media: media goes in one direction only."
	r.Elapsed = 4100 * ms
	r.Codec = &probe.Codec{Name: "opus", ClockRate: 48000, Frame: 20 * ms, Asked: "PCMU"}
	r.Uplink = probe.Direction{Evidence: probe.EvidenceRTCP, Expected: 198, Received: 198, Jitter: 125 * us}
	r.RoundTrip.Sent = 200
	r.Audio.State = probe.AudioOneWay
	r.Self = probe.Self{Trusted: true, SendLate: probe.Quantiles{Count: 200, P50: 20 * us, P95: 30 * us, P99: 40 * us, Max: 50 * us}}
	return r
}

func untrustedCall() *probe.Result {
	r := goodCall()
	r.Verdict = probe.Untrusted
	r.Self.Trusted, r.Self.KernelTimestamps = false, false
	r.Self.SlotsMissed, r.Self.SendStalls, r.Self.SocketDrops, r.Self.SendErrors = 31, 4, 7, 1
	r.Self.SendLate = probe.Quantiles{Count: 469, Min: 10 * us, P50: 2 * ms, P95: 11 * ms, P99: 14200 * us, Max: 80 * ms}
	r.Self.Reasons = []string{
		"1 % of packets left more than 14.2ms late, 10ms is the limit",
		"31 of 500 send slots were missed, 1 % is the limit",
		"this host dropped 7 packets at the probe's own socket",
	}
	r.Uplink.Score, r.Downlink.Score = nil, nil
	r.Steps[9].State, r.Steps[9].Detail = probe.StateNotApplicable, "not judged: 31 of 500 send slots were missed, 1 % is the limit"
	r.Summary = "The call to echo.example.com:8443 went through, but its quality could not be measured: 31 of 500 send slots were missed, 1 % is the limit."
	return r
}

// callKnownByReports went to an echo that rebuilds what it gets.
func callKnownByReports() *probe.Result {
	r := goodCall()
	r.Echo = probe.EchoRebuilder
	r.Uplink.Evidence, r.Uplink.Discarded = probe.EvidenceRTCP, 0
	r.Uplink.JitterMax = r.Uplink.Jitter
	r.Uplink.Variation, r.Uplink.Burst, r.Uplink.PlayoutDepth = probe.Quantiles{}, probe.Burst{}, 0
	r.Uplink.Score = nil
	r.Downlink = probe.Direction{Evidence: probe.EvidenceNone}
	r.Summary = "The call to echo.example.com:8443 is good in both directions, but too short to be scored."
	return r
}

// alteredCall went through a gateway that drops some of what it decodes.
func alteredCall() *probe.Result {
	r := callKnownByReports()
	r.Echo = probe.EchoTranscoder
	level, speech, gain, clipped, behind, ear := -14.2, -13.1, 12.3, 0.021, 162300*us, 222300*us
	r.Audio = probe.Audio{
		State: probe.AudioOK, Checked: 420, Matched: 3, Recognised: 380, Silent: 30, Noise: 2,
		LevelDBOV: &level, ActiveLevelDBOV: &speech, GainDB: &gain, ClippingRatio: &clipped,
		Delay: &behind, DelayAccuracy: 125 * us, MouthToEar: &ear,
		Missing: 640 * ms, GapCount: 1, Gaps: []probe.Gap{{Start: 4120 * ms, Length: 640 * ms}},
	}
	r.Verdict = probe.Degraded
	r.Steps[8].Detail = "3 of 420 returned frames are the ones that were sent, 380 are ours by ear, 30 are silent, 2 are comfort noise, 5 are something else"
	r.Steps[9].State, r.Steps[9].Detail = probe.StateDegraded, "7.6 % of the clip came back silent, limit 3.0 %; 2.1 % of the audio is clipped, limit 0.5 %"
	r.Summary = "The call to echo.example.com:8443 works, but its quality is poor: " + r.Steps[9].Detail + "."
	r.Uplink.Score, r.Downlink.Score = nil, nil
	return r
}

// silentCall heard comfort noise in place of the clip.
func silentCall() *probe.Result {
	r := callKnownByReports()
	r.Echo = probe.EchoUnknown
	level := -51.9
	r.Audio = probe.Audio{State: probe.AudioSilent, Checked: 480, Noise: 480, LevelDBOV: &level}
	r.Verdict = probe.Failed
	err := errors.New("comfort noise came back: 0 of 480 returned frames are the ones that were sent, 480 are comfort noise")
	r.Failure = &probe.Failure{Layer: probe.LayerAudio, Code: probe.CodeComfortNoise, Hint: probe.CodeComfortNoise.Hint(), Err: err}
	r.Summary = "The call to echo.example.com:8443 failed at audio: comfort noise came back."
	r.Steps[8].State, r.Steps[8].Detail = probe.StateFailed, err.Error()
	r.Steps[9] = probe.Step{Layer: probe.LayerQuality, State: probe.StateNotRun}
	r.Uplink.Score, r.Downlink.Score = nil, nil
	return r
}

// callTooShortToScore was interrupted after a few packets.
func callTooShortToScore() *probe.Result {
	r := goodCall()
	r.Verdict = probe.Failed
	err := errors.New("the call was interrupted: context canceled")
	r.Failure = &probe.Failure{Layer: probe.LayerMedia, Code: probe.CodeCanceled, Hint: probe.CodeCanceled.Hint(), Err: err}
	r.Summary = "The call to echo.example.com:8443 failed at media: it was interrupted."
	r.Steps[7].State, r.Steps[7].Detail = probe.StateFailed, err.Error()
	r.Steps[8] = probe.Step{Layer: probe.LayerAudio, State: probe.StateNotRun}
	r.Steps[9] = probe.Step{Layer: probe.LayerQuality, State: probe.StateNotRun}
	r.Uplink = probe.Direction{Evidence: probe.EvidenceStamps, Expected: 1, Received: 1}
	r.Downlink = probe.Direction{Evidence: probe.EvidenceSequence}
	r.RoundTrip = probe.RoundTrip{Sent: 2}
	r.Audio = probe.Audio{State: probe.AudioNotChecked}
	r.Windows = nil
	return r
}
