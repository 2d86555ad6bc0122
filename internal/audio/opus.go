package audio

import (
	"fmt"

	"github.com/pion/opus"
)

// opusRate is the rate at which Opus is decoded: the speech band of 8 kHz, and
// a third less work than at 48 kHz.
const opusRate = 16000

// opusDecoder decodes a row of Opus packets of any mode, mixed down to mono.
type opusDecoder struct {
	decoder opus.Decoder
	rate    int
	pcm     []float32 // room for the longest packet, 120 ms (RFC 6716, 3.2.5)
}

// newOpusDecoder returns a decoder to a sample rate that Opus knows.
func newOpusDecoder(rate int) (*opusDecoder, error) {
	d, err := opus.NewDecoderWithOutput(rate, 1)
	if err != nil {
		return nil, fmt.Errorf("decode Opus at %d Hz: %w", rate, err)
	}
	return &opusDecoder{decoder: d, rate: rate, pcm: make([]float32, rate*120/1000)}, nil
}

// reset forgets what came before.
func (d *opusDecoder) reset() { _ = d.decoder.Init(d.rate, 1) } // fails on other rates alone

// decode returns the samples of a packet, valid until the next call.
func (d *opusDecoder) decode(packet []byte) (pcm []float32, err error) {
	// What comes from a far end must not bring a call down, whatever the
	// decoder makes of it.
	defer func() {
		if p := recover(); p != nil {
			d.reset()
			pcm, err = nil, fmt.Errorf("decode an Opus packet of %d bytes: %v", len(packet), p)
		}
	}()
	n, err := d.decoder.DecodeToFloat32(packet, d.pcm)
	if err != nil {
		return nil, err
	}
	return d.pcm[:n], nil
}
