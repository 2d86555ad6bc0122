package capture

import (
	"fmt"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/internal/rtpflow"
	"github.com/earshot-voip/earshot/mos"
)

// Score is the E-model's rating of a stream. A capture does not show the delay
// of the network: what needs it is nil unless the caller knows it.
type Score struct {
	Scale string `json:"scale"` // nb, wb or fb; not comparable
	Model string `json:"model"` // name of the codec's values in the E-model

	// For somebody who only listens, with the 95 % interval of the loss ratio.
	MOSListening     *float64 `json:"mos_listening"`
	MOSListeningLow  *float64 `json:"mos_listening_low"`
	MOSListeningHigh *float64 `json:"mos_listening_high"`

	// For conversation.
	R           *float64 `json:"r"`
	MOS         *float64 `json:"mos"`
	MOSLow      *float64 `json:"mos_low"`
	MOSHigh     *float64 `json:"mos_high"`
	DelayCost   *float64 `json:"delay_cost"`
	OneWayDelay *float64 `json:"one_way_delay_seconds"` // mouth to ear

	LossCost    *float64 `json:"loss_cost"`
	CodecCost   *float64 `json:"codec_cost"`
	Provisional bool     `json:"provisional"` // the codec's values are not those of the ITU
}

// rate scores a stream, or says why not.
func (s *stream) rate(out *Stream, total *rtpflow.Figures) {
	codec, reason := s.model(out, total)
	if reason != "" {
		out.ScoreReason = &reason
		return
	}
	path := mos.Path{Loss: total.LossRatio() + total.DiscardRatio(), BurstR: total.Bursts.BurstR}
	heard := mos.Rate(codec, path)
	six := func(x float64) *float64 { return rounded(x, 1e6) }
	score := &Score{
		Scale: heard.Scale.String(), Model: codec.Name, MOSListening: six(heard.MOS),
		LossCost: six(heard.LossCost), CodecCost: six(heard.CodecCost), Provisional: !codec.ITU,
	}
	// Without a Bpl nothing can be said of losses, not even of those that
	// chance may have spared.
	bounded := codec.Bpl > 0
	bad, expected := uint64(total.Lost+total.Discarded), uint64(total.Expected)
	if bounded {
		interval := mos.Interval(codec, path, bad, expected)
		score.MOSListeningLow, score.MOSListeningHigh = six(interval.MOSLow), six(interval.MOSHigh)
	}
	if s.options.DelayKnown {
		path.Delay = s.options.Delay + s.frame() + lookAhead(*out.Codec) + total.Playout.Mean
		talked := mos.Rate(codec, path)
		score.R, score.MOS, score.DelayCost = six(talked.R), six(talked.MOS), six(talked.DelayCost)
		score.OneWayDelay = seconds(path.Delay.Round(time.Microsecond))
		if bounded {
			interval := mos.Interval(codec, path, bad, expected)
			score.MOSLow, score.MOSHigh = six(interval.MOSLow), six(interval.MOSHigh)
		}
	}
	out.Score = score
}

// model finds the E-model's values for the codec, or why there is no score.
func (s *stream) model(out *Stream, total *rtpflow.Figures) (c mos.Codec, reason string) {
	if out.Codec == nil {
		return c, fmt.Sprintf("the codec of payload type %d is not known: name it with --payload-type %d=CODEC/RATE", s.main, s.main)
	}
	if !s.timed() {
		return c, "without times of arrival it is not known which packets came too late to be heard"
	}
	if total.Expected < mos.MinExpected {
		return c, fmt.Sprintf("%d packets are too few to score; it takes %d", total.Expected, mos.MinExpected)
	}
	c, err := s.modelCodec(*out.Codec)
	if err != nil {
		return c, err.Error()
	}
	if c.Bpl == 0 && total.Lost+total.Discarded > 0 {
		return c, fmt.Sprintf("codec %s: no Bpl is published, so that its loss has no cost to score", c.Name)
	}
	return c, ""
}

// modelCodec chooses among the bit rates of a codec by the size of its packets.
func (s *stream) modelCodec(name string) (mos.Codec, error) {
	kbit := s.kbitPerSecond()
	switch strings.ToLower(name) {
	case "g722":
		name = "g722-64" // the only rate of this payload format (RFC 3551, 4.5.2)
	case "g728":
		name = "g728-16"
	case "g723":
		name = "g7231-6.3"
		if kbit > 0 && kbit < 5.8 {
			name = "g7231-5.3"
		}
	case "opus":
		// Super-wideband with variable rate is what WebRTC sends for speech.
		return mos.Opus(mos.FB, mos.VBR, kbit)
	}
	return mos.Lookup(name)
}

// kbitPerSecond is the rate of the main payload type within its packets, so
// that silence does not lower it; 0: unknown. It is rounded to a tenth.
func (s *stream) kbitPerSecond() float64 {
	frame := s.frame().Seconds()
	for _, t := range s.types {
		if t.payloadType == s.main && frame > 0 {
			return *rounded(float64(t.bytes)*8/float64(t.packets)/frame/1000, 10)
		}
	}
	return 0
}
