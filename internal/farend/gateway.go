package farend

import (
	"bytes"
	_ "embed"
	"sync"

	"github.com/pion/opus/pkg/oggreader"
	"github.com/pion/rtp"

	"github.com/earshot-voip/earshot/internal/media"
)

//go:embed voice/gateway.opus
var gatewayOpus []byte

// gatewayFrames are the clip's frames as a gateway to G.711 encodes them again in
// Opus: the second of two rounds, as its encoder goes on without end.
var gatewayFrames = sync.OnceValues(func() ([][]byte, error) {
	reader, _, err := oggreader.NewWith(bytes.NewReader(gatewayOpus))
	if err != nil {
		return nil, err
	}
	n := opusClip().Len()
	frames := make([][]byte, 0, 2*n)
	for len(frames) < 2*n {
		packet, _, err := reader.ParseNextPacket()
		if err != nil {
			return nil, err
		}
		if !bytes.HasPrefix(packet, []byte("OpusTags")) {
			frames = append(frames, packet)
		}
	}
	return frames[n:], nil
})

func opusClip() *media.Clip {
	codec, err := media.Lookup("opus")
	if err != nil {
		panic(err) // Opus has a clip
	}
	return codec.Clip()
}

// Gateway returns Opus that went through G.711 at 8 kHz on the way.
func Gateway() func(*rtp.Packet) bool {
	frames, err := gatewayFrames()
	return func(p *rtp.Packet) bool {
		n, ok := opusClip().Find(p.Payload)
		if err != nil || !ok {
			return false
		}
		p.Payload = frames[n]
		return true
	}
}
