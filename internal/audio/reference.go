package audio

import (
	"fmt"
	"sync"

	"github.com/earshot-voip/earshot/internal/media"
)

// Rates at which audio is compared.
const (
	fineRate   = 8000 // the telephone band; what every echo passes
	coarseRate = 2000 // pitch and first formants: enough to find the place in the clip
	coarser    = fineRate / coarseRate
	fineFrame  = fineRate / 50 // samples of 20 ms
)

const (
	// mostCoarse is the longest piece that is looked for, in samples.
	mostCoarse = mostFrames * fineFrame / coarser
	// searchSize is the length of the transforms: the clip and such a piece.
	searchSize = 1 << 16
)

// reference is a clip as it is compared with: decoded, endless, at both rates.
type reference struct {
	fine     []float32   // one round
	coarse   []float32   // one round and the beginning of the next
	spectrum []complex64 // of coarse
}

var (
	search     = sync.OnceValue(func() *transform { return newTransform(searchSize) })
	references sync.Map // *media.Clip -> *reference
)

// referenceOf decodes a clip when it is first asked for: about 0.1 s for Opus.
func referenceOf(clip *media.Clip) (*reference, error) {
	if r, ok := references.Load(clip); ok {
		return r.(*reference), nil
	}
	fine, err := decodeClip(clip)
	if err != nil {
		return nil, err
	}
	r := &reference{fine: fine}
	// The loop is filtered as a loop: its end stands before its beginning.
	const lead = 1000
	looped := append(append(append([]float32{}, fine[len(fine)-lead:]...), fine...), fine[:coarser*mostCoarse+lead]...)
	r.coarse = quarter.decimate(nil, looped, coarser)[lead/coarser:][:len(fine)/coarser+mostCoarse]
	r.spectrum = make([]complex64, searchSize)
	for i, s := range r.coarse {
		r.spectrum[i] = complex(s, 0)
	}
	search().forward(r.spectrum)
	references.Store(clip, r)
	return r, nil
}

// decodeClip gives one round of a clip, as it sounds when it is repeated.
func decodeClip(clip *media.Clip) ([]float32, error) {
	var pcm []float32
	switch clip.Codec().Name {
	case "PCMU", "PCMA":
		for n := range int64(clip.Len()) {
			pcm = lawOf(clip.Codec().Name).decode(pcm, clip.Frame(n))
		}
		return pcm, nil
	}
	decoder, err := newOpusDecoder(opusRate)
	if err != nil {
		return nil, err
	}
	const warmUp = 50 // frames of the end that the decoder needs to forget its start
	n := int64(clip.Len())
	for i := n - warmUp; i < 2*n; i++ {
		samples, err := decoder.decode(clip.Frame(i))
		if err != nil {
			return nil, fmt.Errorf("decode the clip: %w", err)
		}
		pcm = append(pcm, samples...)
	}
	pcm = halve.decimate(nil, pcm, opusRate/fineRate)
	return pcm[warmUp*fineFrame:][:n*fineFrame], nil
}

func lawOf(codec string) *law {
	if codec == "PCMA" {
		return aLaw
	}
	return muLaw
}
