package audio

import (
	"math"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/media"
)

// Whatever a far end sends as Opus is decoded or refused.
func FuzzOpus(f *testing.F) {
	for n := range int64(20) {
		f.Add(clipFrame(f, "opus", n), clipFrame(f, "opus", n+1))
	}
	f.Add([]byte{}, []byte{0xff})
	f.Add([]byte{0x48}, []byte{0x03, 0xff, 0xff})
	decoder, err := newOpusDecoder(opusRate)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		for _, packet := range [][]byte{first, second, first} {
			pcm, err := decoder.decode(packet)
			if err != nil {
				continue
			}
			if len(pcm) == 0 || len(pcm) > opusRate*120/1000 {
				t.Errorf("got %d samples of %d bytes", len(pcm), len(packet))
			}
		}
	})
}

// Whatever comes in whatever order, there are findings, and they make sense. The
// bytes are packets: what to do, how far time goes on, a length, a payload.
func FuzzListen(f *testing.F) {
	f.Add(uint8(0), []byte{0, 1, 3, 9, 9, 9, 1, 1, 4, 1, 2, 3, 4})
	f.Add(uint8(1), []byte{2, 250, 1, 60, 3, 0, 0, 7, 128, 2, 5, 5})
	f.Add(uint8(2), []byte{0, 1, 20, 104, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 4, 4, 0, 4, 4, 0})
	f.Fuzz(func(t *testing.T, codec uint8, data []byte) {
		c := newCall(t, media.Names()[int(codec)%len(media.Names())], 0)
		p := Packet{At: epoch, Timestamp: 1 << 20, PayloadType: c.clip.Codec().PayloadType, Position: -1}
		for len(data) >= 3 {
			do, step, size := data[0], int64(int8(data[1])), int(data[2])
			data = data[3:]
			size = min(size, len(data))
			c.sent++
			p.Payload, data = data[:size], data[size:]
			p.PayloadType = c.clip.Codec().PayloadType
			switch do % 8 {
			case 1, 2:
				p.Payload = c.clip.Frame(max(c.sent+step, 0))
			case 3:
				p.PayloadType = NoisePayload
			case 4:
				p.Timestamp += step << 20
			case 5:
				p.Seq += step
			}
			p.Seq++
			p.Timestamp += int64(c.clip.Codec().TicksPerFrame) * step / 8
			p.At += max(time.Duration(step), 0) * time.Millisecond
			p.Sent = c.sent
			c.rec.Take(&p)
		}
		found := c.hear(Lag{})
		for name, n := range map[string]int64{"matched": found.Matched, "recognised": found.Recognised, "muted": found.Muted, "hiss": found.Hiss, "other": found.Other} {
			if n < 0 || n > found.Checked {
				t.Errorf("%s: %d of %d", name, n, found.Checked)
			}
		}
		if level, ok := found.Level(); ok && (math.IsNaN(level) || level > 0.1) {
			t.Errorf("level: got %v dBov", level)
		}
		if level, ok := found.ActiveLevel(); ok && (math.IsNaN(level) || math.IsInf(level, 0)) {
			t.Errorf("active level: got %v dBov", level)
		}
		if ratio, ok := found.ClippingRatio(); ok && !(ratio >= 0 && ratio <= 1) {
			t.Errorf("clipping: got %v", ratio)
		}
	})
}
