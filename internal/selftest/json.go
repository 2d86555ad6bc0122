package selftest

import (
	"encoding/json"
	"io"
	"time"

	"github.com/earshot-voip/earshot/internal/rtpflow"
)

// Schema names the JSON object and the version of its meaning.
const Schema = "earshot.selftest/v1"

// JSON writes the report as one object: times in seconds, null for what is not
// known.
func (r *Report) JSON(w io.Writer) error {
	d := document{Schema: Schema, Processors: r.Processors, Timestamps: "user", Trusted: r.Trusted, Reasons: r.Reasons}
	if r.Kernel {
		d.Timestamps = "kernel"
	}
	if d.Reasons == nil {
		d.Reasons = []string{}
	}
	for _, p := range r.Pacing {
		d.Pacing = append(d.Pacing, pacingJSON{p.Tickers, newQuantiles(p.Late), newQuantiles(p.Wake), p.Missed, p.Drops})
	}
	for _, l := range r.Loopback {
		d.Loopback = append(d.Loopback, newLoopback(l))
	}
	d.Capacity.State, d.Capacity.Limit, d.Capacity.Reason = r.Capacity.State, NoiseLimit.Seconds(), r.Capacity.Why
	if r.Capacity.State != CapacityUnknown {
		d.Capacity.Calls = &r.Capacity.Calls
	}
	if r.Capacity.Above > 0 {
		d.Capacity.Above = &r.Capacity.Above
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(d)
}

type document struct {
	Schema     string         `json:"schema"`
	Trusted    bool           `json:"trusted"`
	Reasons    []string       `json:"reasons"`
	Processors int            `json:"processors"`
	Timestamps string         `json:"timestamps"` // kernel or user
	Pacing     []pacingJSON   `json:"pacing"`
	Loopback   []loopbackJSON `json:"loopback"`
	Capacity   struct {
		State  CapacityState `json:"state"`
		Calls  *int          `json:"calls"` // null: unknown
		Above  *int          `json:"too_many"`
		Limit  float64       `json:"own_noise_limit_seconds"`
		Reason string        `json:"reason"`
	} `json:"capacity"`
}

type pacingJSON struct {
	Tickers int           `json:"tickers"`
	Late    quantilesJSON `json:"send_lateness"`
	Wake    quantilesJSON `json:"receive_wakeup"`
	Missed  int64         `json:"slots_missed"`
	Drops   uint64        `json:"socket_drops"`
}

type quantilesJSON struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50_seconds"`
	P99   float64 `json:"p99_seconds"`
	Max   float64 `json:"max_seconds"`
}

func newQuantiles(q rtpflow.Quantiles) quantilesJSON {
	return quantilesJSON{q.Count, q.P50.Seconds(), q.P99.Seconds(), q.Max.Seconds()}
}

// loopbackJSON has spreads over calls; they are null when all calls failed.
type loopbackJSON struct {
	Calls     int         `json:"calls"`
	Failed    int         `json:"calls_failed"`
	Untrusted int         `json:"calls_untrusted"`
	RTT       *spreadJSON `json:"round_trip_p50"`
	RTTHigh   *spreadJSON `json:"round_trip_p99"`
	Up        *spreadJSON `json:"jitter_up_mean"`
	Down      *spreadJSON `json:"jitter_down_mean"`
	Noise     *spreadJSON `json:"own_noise_p99"`
	Late      *spreadJSON `json:"send_lateness_p99"`
	Missed    int64       `json:"slots_missed"`
	Drops     int64       `json:"socket_drops"`
}

// spreadJSON is a figure of single calls over the calls.
type spreadJSON struct {
	Median float64 `json:"median_seconds"`
	Most   float64 `json:"of_19_in_20_seconds"`
	Worst  float64 `json:"worst_seconds"`
}

func newLoopback(l Loopback) loopbackJSON {
	j := loopbackJSON{Calls: l.Calls, Failed: l.Failed, Untrusted: l.Untrusted, Missed: l.Missed, Drops: l.Drops}
	if l.Failed == l.Calls {
		return j
	}
	spread := func(s Spread) *spreadJSON {
		seconds := time.Duration.Seconds
		return &spreadJSON{seconds(s.Median), seconds(s.Most), seconds(s.Worst)}
	}
	j.RTT, j.RTTHigh, j.Up, j.Down = spread(l.RTT), spread(l.RTTHigh), spread(l.JitterUp), spread(l.JitterDown)
	j.Noise, j.Late = spread(l.Noise), spread(l.Late)
	return j
}
