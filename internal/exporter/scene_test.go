package exporter

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/probe"
)

const (
	us = time.Microsecond
	ms = time.Millisecond
)

// The targets of the tests.
var (
	office = agent.Job{
		Target: probe.Target{Name: "office", URL: "https://echo.example.com/echo"},
		Mode:   agent.Periodic, Every: time.Minute,
	}
	core = agent.Job{
		Target: probe.Target{Name: "core", URL: "http://192.0.2.9/echo", Relay: probe.RelayNever, Limits: probe.Limits{BadMOS: 4}},
		Mode:   agent.Continuous, Renew: time.Hour,
	}
)

// window is a good window: 250 packets each way, 5 of them lost on the way up.
func window() probe.Window {
	return probe.Window{
		Length: 5 * time.Second, Trusted: true, Sent: 250, Returned: 245,
		Uplink: probe.Direction{
			Evidence: probe.EvidenceStamps, Expected: 250, Received: 245, Lost: 5, Discarded: 1, Duplicated: 2, Reordered: 3,
			JitterMean: 2500 * us, Variation: probe.Quantiles{Count: 245, P95: 6 * ms}, PlayoutDepth: 40 * ms, RouteChanges: 1,
			Burst: probe.Burst{Count: 2, Duration: 80 * ms, R: 1.5},
			Score: &probe.Score{Scale: "nb", R: 80, MOS: 3.9, MOSLow: 3.7, MOSHigh: 4.1, MOSListening: 4, DelayCost: 1, LossCost: 9, OneWayDelay: 90 * ms},
		},
		Downlink: probe.Direction{
			Evidence: probe.EvidenceSequence, Expected: 245, Received: 245, JitterMean: 200 * us,
			Variation: probe.Quantiles{Count: 245, P95: 1 * ms}, PlayoutDepth: 20 * ms, Burst: probe.Burst{R: 1},
			Score: &probe.Score{Scale: "nb", R: 92, MOS: 4.4, MOSLow: 4.35, MOSHigh: 4.41, MOSListening: 4.41, DelayCost: 0.5, OneWayDelay: 70 * ms},
		},
		RTT: probe.Quantiles{Count: 245, Max: 24 * ms},
		RTTs: probe.Histogram{Count: 245, Sum: 245 * 13 * ms, Buckets: []probe.Bucket{
			{Upper: 0.01, Count: 5}, {Upper: 1.0 / 64, Count: 230}, {Upper: 0.02, Count: 8}, {Upper: 1.0 / 32, Count: 2},
		}},
		Self: probe.WindowSelf{
			SendLate:    probe.Histogram{Count: 250, Sum: 10 * ms, Buckets: []probe.Bucket{{Upper: 1.0 / (1 << 15), Count: 200}, {Upper: 1.0 / (1 << 14), Count: 50}}},
			ReceiveWake: probe.Histogram{Count: 245, Sum: 8 * ms, Buckets: []probe.Bucket{{Upper: 0.0001, Count: 245}}},
		},
		Codec: &probe.Codec{Name: "PCMU"}, Echo: probe.EchoStamping, Route: direct(),
		Audio: probe.Audio{State: probe.AudioOK, Checked: 245, Matched: 245},
	}
}

func direct() *probe.Route {
	return &probe.Route{
		Local:  probe.Endpoint{Address: netip.MustParseAddrPort("198.51.100.4:41234"), Type: "host", Protocol: "udp"},
		Remote: probe.Endpoint{Address: netip.MustParseAddrPort("192.0.2.7:40000"), Type: "host", Protocol: "udp"},
		DSCP:   46, TTL: 60,
	}
}

// goodCall ended at the time of the test with two good windows.
func goodCall(id string) *probe.Result {
	level, behind := -26.1, 43*ms
	r := &probe.Result{
		ID: id, Name: "office", Started: time.Now().Add(-11 * time.Second), Elapsed: 11 * time.Second,
		Verdict: probe.Good, FirstMedia: 190 * ms, Codec: &probe.Codec{Name: "PCMU"}, Route: direct(), Echo: probe.EchoStamping,
		Deviations:   []string{"no a=mid"},
		Certificates: []probe.Certificate{{Hop: "echo.example.com:443", NotAfter: time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)}},
		RoundTrip:    probe.RoundTrip{Sent: 500, Returned: 490},
		Audio:        probe.Audio{State: probe.AudioOK, Checked: 490, Matched: 490, LevelDBOV: &level, Delay: &behind},
		Self:         probe.Self{Trusted: true, KernelTimestamps: true},
		Windows:      []probe.Window{window(), window()},
	}
	for i, l := range probe.Layers {
		r.Steps = append(r.Steps, probe.Step{Layer: l, State: probe.StateOK, Took: time.Duration(i+1) * 10 * ms})
	}
	return r
}

func failedCall(id string, code probe.Code) *probe.Result {
	return &probe.Result{
		ID: id, Name: "office", Started: time.Now().Add(-time.Second), Elapsed: time.Second,
		Verdict: probe.Failed, Failure: &probe.Failure{Layer: code.Layer(), Code: code, Err: errors.New("x")},
		Echo: probe.EchoUnknown, Uplink: probe.Direction{Evidence: probe.EvidenceNone}, Downlink: probe.Direction{Evidence: probe.EvidenceNone},
		Audio: probe.Audio{State: probe.AudioNotChecked},
		Steps: []probe.Step{{Layer: probe.LayerResolve, State: probe.StateOK, Took: 4 * ms}, {Layer: code.Layer(), State: probe.StateFailed, Took: time.Second}},
	}
}

// place tells an exporter of a whole call.
func place(e *Exporter, job agent.Job, r *probe.Result) {
	e.Started(job, r.ID, r.Started)
	for _, w := range r.Windows {
		e.Window(job, r.ID, w)
	}
	e.Ended(job, r)
}

// exposition is what a scraper gets from collectors.
func exposition(t *testing.T, format expfmt.Format, collectors ...prometheus.Collector) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collectors...)
	return render(t, format, registry)
}

func render(t *testing.T, format expfmt.Format, g prometheus.Gatherer) string {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	encoder := expfmt.NewEncoder(&out, format)
	for _, f := range families {
		if err := encoder.Encode(f); err != nil {
			t.Fatal(err)
		}
	}
	if c, ok := encoder.(expfmt.Closer); ok {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

var (
	textFormat  = expfmt.NewFormat(expfmt.TypeTextPlain)
	openMetrics = expfmt.NewFormat(expfmt.TypeOpenMetrics)
)
