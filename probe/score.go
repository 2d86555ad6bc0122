package probe

import (
	"time"

	"github.com/earshot-voip/earshot/internal/media"
	"github.com/earshot-voip/earshot/mos"
)

// score rates a direction by the E-model, if enough is known of it: its loss
// from at least mos.MinExpected packets, some of which arrived. trip is how long
// a sound takes there and back.
func (c *call) score(d *Direction, trip time.Duration) {
	codec, err := modelCodec(c.codec)
	if err != nil || !d.Evidence.Known() || d.Expected < mos.MinExpected || d.Received == 0 {
		return
	}
	path := mos.Path{
		Loss:   d.LossRatio() + d.DiscardRatio(),
		BurstR: d.Burst.R,
		Delay:  c.mouthToEar(d, trip),
	}
	rated := mos.Rate(codec, path)
	interval := mos.Interval(codec, path, uint64(d.Lost+d.Discarded), uint64(d.Expected))
	d.Score = &Score{
		Scale:        rated.Scale.String(),
		R:            rated.R,
		MOS:          rated.MOS,
		MOSLow:       interval.MOSLow,
		MOSHigh:      interval.MOSHigh,
		MOSListening: mos.Listening(codec, path).MOS,
		DelayCost:    rated.DelayCost,
		LossCost:     rated.LossCost,
		CodecCost:    rated.CodecCost,
		OneWayDelay:  path.Delay,
	}
}

// mouthToEar is the one-way delay Ta of G.107: half the round trip (the two ends
// share no clock, so the halves cannot be told apart), one frame, the codec's
// look-ahead, and the depth of the modelled de-jitter buffer.
func (c *call) mouthToEar(d *Direction, trip time.Duration) time.Duration {
	return trip/2 + c.codec.Frame + c.codec.LookAhead + d.PlayoutDepth
}

// modelCodec finds the E-model's values for a codec of ours.
func modelCodec(c media.Codec) (mos.Codec, error) {
	if c.Bandwidth == media.Narrowband {
		return mos.Lookup(c.Name)
	}
	mode := mos.VBR
	if c.RateMode == media.ConstantRate {
		mode = mos.CBR
	}
	return mos.Opus(mos.FB, mode, float64(c.BitRate)/1000)
}
