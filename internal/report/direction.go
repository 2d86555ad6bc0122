package report

import "github.com/earshot-voip/earshot/probe"

// direction is null in all that its evidence does not cover.
type direction struct {
	Evidence probe.Evidence `json:"evidence"`

	Expected   *int64   `json:"packets_expected"`
	Received   *int64   `json:"packets_received"`
	Lost       *int64   `json:"packets_lost"`
	LossRatio  *float64 `json:"loss_ratio"`
	Duplicated *int64   `json:"packets_duplicated"`
	Reordered  *int64   `json:"packets_reordered"`
	Discarded  *int64   `json:"packets_discarded"`
	Unknown    *int64   `json:"packets_unknown"` // sent, and nothing was ever heard of them

	Jitter       *float64   `json:"jitter_seconds"`
	JitterMax    *float64   `json:"jitter_max_seconds"`
	JitterMean   *float64   `json:"jitter_mean_seconds"`
	DiscardRatio *float64   `json:"discard_ratio"`
	Burst        *burst     `json:"burst"`
	Variation    *quantiles `json:"delay_variation_seconds"`
	PlayoutDepth *float64   `json:"playout_depth_seconds"`
	RouteChanges *int       `json:"route_changes"`
	Drift        *float64   `json:"clock_drift_ppm"`
	Score        *scorings  `json:"score"`
}

type burst struct {
	Count       int64    `json:"count"`
	Density     *float64 `json:"density"`
	Duration    *float64 `json:"duration_seconds"`
	GapDensity  *float64 `json:"gap_density"`
	GapDuration *float64 `json:"gap_duration_seconds"`
	R           *float64 `json:"burst_r"`
}

type scorings struct {
	Scale        string   `json:"scale"`
	R            *float64 `json:"r"`
	MOS          *float64 `json:"mos"`
	MOSLow       *float64 `json:"mos_low"`
	MOSHigh      *float64 `json:"mos_high"`
	MOSListening *float64 `json:"mos_listening"`
	DelayCost    *float64 `json:"delay_cost"`
	LossCost     *float64 `json:"loss_cost"`
	CodecCost    *float64 `json:"codec_cost"`
	OneWayDelay  *float64 `json:"one_way_delay_seconds"`
}

func newDirection(d *probe.Direction) direction {
	out := direction{Evidence: d.Evidence}
	if !d.Evidence.Known() {
		out.Evidence = probe.EvidenceNone
		return out
	}
	out.Expected, out.Received, out.Lost = &d.Expected, &d.Received, &d.Lost
	out.Score = newScore(d.Score)
	if d.Expected > 0 {
		out.LossRatio = number(d.LossRatio())
	}
	if jitterKnown(d) {
		out.Jitter = seconds(d.Jitter)
	}
	if !d.Evidence.PerPacket() {
		return out
	}
	out.Duplicated, out.Reordered, out.Discarded, out.Unknown = &d.Duplicated, &d.Reordered, &d.Discarded, &d.Unknown
	if jitterKnown(d) {
		out.JitterMax, out.JitterMean = seconds(d.JitterMax), seconds(d.JitterMean)
	}
	if d.Expected > 0 {
		out.DiscardRatio = number(d.DiscardRatio())
		out.Burst = newBurst(&d.Burst)
	}
	if d.Received > 0 {
		out.PlayoutDepth = seconds(d.PlayoutDepth)
	}
	out.Variation = newQuantiles(d.Variation)
	out.RouteChanges = &d.RouteChanges
	if d.DriftPPM != 0 {
		out.Drift = rounded(d.DriftPPM, 1e3)
	}
	return out
}

// jitterKnown reports whether there was a pair of packets to compare.
func jitterKnown(d *probe.Direction) bool { return d.Received > 1 }

func newBurst(b *probe.Burst) *burst {
	return &burst{
		Count: b.Count, Density: number(b.Density), Duration: seconds(b.Duration),
		GapDensity: number(b.GapDensity), GapDuration: seconds(b.GapDuration), R: number(b.R),
	}
}

// newScore keeps the six decimals that earshot mos gives.
func newScore(s *probe.Score) *scorings {
	if s == nil {
		return nil
	}
	six := func(x float64) *float64 { return rounded(x, 1e6) }
	return &scorings{
		Scale: s.Scale, R: six(s.R), MOS: six(s.MOS), MOSLow: six(s.MOSLow), MOSHigh: six(s.MOSHigh),
		MOSListening: six(s.MOSListening), DelayCost: six(s.DelayCost), LossCost: six(s.LossCost),
		CodecCost: six(s.CodecCost), OneWayDelay: seconds(s.OneWayDelay),
	}
}

// quantiles are in seconds.
type quantiles struct {
	Min *float64 `json:"min"`
	P50 *float64 `json:"p50"`
	P95 *float64 `json:"p95"`
	P99 *float64 `json:"p99"`
	Max *float64 `json:"max"`
}

// newQuantiles is nil without a sample.
func newQuantiles(q probe.Quantiles) *quantiles {
	if q.Count == 0 {
		return nil
	}
	return &quantiles{Min: seconds(q.Min), P50: seconds(q.P50), P95: seconds(q.P95), P99: seconds(q.P99), Max: seconds(q.Max)}
}
