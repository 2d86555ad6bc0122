package web

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/earshot-voip/earshot/probe"
)

// document is what the pages show of a report (earshot.report/v1). A nil is not
// known. The report is read as any other program would read it.
type document struct {
	ID           string        `json:"id"`
	Name         string        `json:"name"`
	Site         string        `json:"site"`
	Target       string        `json:"target"`
	Started      time.Time     `json:"started"`
	Elapsed      float64       `json:"elapsed_seconds"`
	Verdict      probe.Verdict `json:"verdict"`
	Summary      string        `json:"summary"`
	Failure      *docFailure   `json:"failure"`
	Layers       []docLayer    `json:"layers"`
	FirstMedia   *float64      `json:"first_media_seconds"`
	Codec        *docCodec     `json:"codec"`
	Route        *docRoute     `json:"route"`
	Echo         docEcho       `json:"echo"`
	Deviations   []string      `json:"deviations"`
	Certificates []docCert     `json:"certificates"`
	Uplink       docDirection  `json:"uplink"`
	Downlink     docDirection  `json:"downlink"`
	RoundTrip    docRoundTrip  `json:"round_trip"`
	Audio        docAudio      `json:"audio"`
	Self         docSelf       `json:"self"`
	Windows      []docWindow   `json:"windows"`
	Dropped      int           `json:"windows_dropped"`
}

type docFailure struct {
	Layer probe.Layer `json:"layer"`
	Code  probe.Code  `json:"code"`
	Hint  string      `json:"hint"`
	Error string      `json:"error"`
}

type docLayer struct {
	Layer   probe.Layer `json:"layer"`
	State   probe.State `json:"state"`
	Start   *float64    `json:"start_seconds"`
	Seconds *float64    `json:"seconds"`
	Detail  string      `json:"detail"`
}

type docCodec struct {
	Name      string  `json:"name"`
	ClockRate int     `json:"clock_rate"`
	Frame     float64 `json:"frame_seconds"`
	Asked     string  `json:"asked"` // "": a document that is older than the field
}

type docEndpoint struct {
	Address  string `json:"address"`
	Type     string `json:"type"`
	Protocol string `json:"protocol"`
}

type docRoute struct {
	Local   docEndpoint `json:"local"`
	Remote  docEndpoint `json:"remote"`
	Relayed bool        `json:"relayed"`
}

type docEcho struct {
	Kind probe.EchoKind `json:"kind"`
}

type docCert struct {
	Hop      string    `json:"hop"`
	NotAfter time.Time `json:"not_after"`
}

type docQuantiles struct {
	P50 *float64 `json:"p50"`
	P95 *float64 `json:"p95"`
	P99 *float64 `json:"p99"`
	Max *float64 `json:"max"`
}

type docDirection struct {
	Evidence     probe.Evidence `json:"evidence"`
	Expected     *int64         `json:"packets_expected"`
	Lost         *int64         `json:"packets_lost"`
	LossRatio    *float64       `json:"loss_ratio"`
	Duplicated   *int64         `json:"packets_duplicated"`
	Reordered    *int64         `json:"packets_reordered"`
	Discarded    *int64         `json:"packets_discarded"`
	DiscardRatio *float64       `json:"discard_ratio"`
	Jitter       *float64       `json:"jitter_seconds"`
	JitterMax    *float64       `json:"jitter_max_seconds"`
	Variation    *docQuantiles  `json:"delay_variation_seconds"`
	Burst        *struct {
		Count    int64    `json:"count"`
		Duration *float64 `json:"duration_seconds"`
		R        *float64 `json:"burst_r"`
	} `json:"burst"`
	Score *docScore `json:"score"`
}

type docScore struct {
	Scale     string   `json:"scale"`
	R         *float64 `json:"r"`
	MOS       *float64 `json:"mos"`
	MOSLow    *float64 `json:"mos_low"`
	MOSHigh   *float64 `json:"mos_high"`
	DelayCost *float64 `json:"delay_cost"`
	LossCost  *float64 `json:"loss_cost"`
	CodecCost *float64 `json:"codec_cost"`
}

type docRoundTrip struct {
	Sent      int64         `json:"packets_sent"`
	Returned  int64         `json:"packets_returned"`
	LossRatio *float64      `json:"loss_ratio"`
	RTT       *docQuantiles `json:"rtt_seconds"`
}

type docAudio struct {
	State probe.AudioState `json:"state"`
	Level *float64         `json:"level_dbov"`
	Match *float64         `json:"match_ratio"`
	Delay *float64         `json:"delay_seconds"`
}

type docSelf struct {
	Trusted     *bool         `json:"trusted"`
	Reasons     []string      `json:"reasons"`
	Timestamps  *string       `json:"timestamps"`
	SendLate    *docQuantiles `json:"send_late_seconds"`
	SlotsMissed *int64        `json:"slots_missed"`
	ReceiveWake *docQuantiles `json:"receive_wake_seconds"`
	SocketDrops *int64        `json:"socket_drops"`
	SendErrors  *int64        `json:"send_errors"`
}

type docWindow struct {
	Start    float64       `json:"start_seconds"`
	Seconds  float64       `json:"seconds"`
	Trusted  bool          `json:"trusted"`
	Uplink   docDirection  `json:"uplink"`
	Downlink docDirection  `json:"downlink"`
	RTT      *docQuantiles `json:"rtt_seconds"`
}

// readDocument reads a report as the history holds it.
func readDocument(raw []byte) (*document, error) {
	var d document
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	return &d, nil
}

// mos of a direction; nil: not known.
func (d *docDirection) mos() *float64 {
	if d.Score == nil {
		return nil
	}
	return d.Score.MOS
}

// lossAndDiscards is what a listener did not get, as a ratio; nil: not known.
func (d *docDirection) lossAndDiscards() *float64 {
	if d.LossRatio == nil {
		return nil
	}
	sum := *d.LossRatio
	if d.DiscardRatio != nil {
		sum += *d.DiscardRatio
	}
	return &sum
}

// scale of the scores; empty when there are none.
func (d *document) scale() string {
	for _, s := range []*docScore{d.Uplink.Score, d.Downlink.Score} {
		if s != nil {
			return s.Scale
		}
	}
	return ""
}
