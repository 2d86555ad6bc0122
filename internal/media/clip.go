package media

import (
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
)

//go:embed clips/pcmu.raw
var pcmuData []byte

//go:embed clips/pcma.raw
var pcmaData []byte

//go:embed clips/opus.bin
var opusData []byte

//go:embed clips/manifest.json
var manifestText []byte

// manifestClip is what the generator recorded about one clip.
type manifestClip struct {
	Codec           string  `json:"codec"`
	File            string  `json:"file"`
	SHA256          string  `json:"sha256"`
	Frames          int     `json:"frames"`
	ActiveLevelDBOV float64 `json:"active_level_dbov"`
	PayloadBitRate  int     `json:"payload_bit_rate"`
}

// Clip is a piece of encoded speech that repeats without end. It never changes
// and may be used from any number of goroutines.
type Clip struct {
	codec  Codec
	frames [][]byte
	level  float64

	indexOnce sync.Once
	index     map[string]int32 // payload -> frame
}

var (
	pcmuClip = sync.OnceValue(func() *Clip { return newClip("PCMU", splitFixed(pcmuData, 160)) })
	pcmaClip = sync.OnceValue(func() *Clip { return newClip("PCMA", splitFixed(pcmaData, 160)) })
	opusClip = sync.OnceValue(func() *Clip { return newClip("opus", splitPrefixed(opusData)) })
)

// Clip returns the codec's clip, or nil if c is not a codec of [Lookup].
func (c Codec) Clip() *Clip {
	switch c.Name {
	case "PCMU":
		return pcmuClip()
	case "PCMA":
		return pcmaClip()
	case "opus":
		return opusClip()
	}
	return nil
}

// Frame returns the payload of frame n of the endless clip. n is not negative.
// The caller must not write to it.
func (c *Clip) Frame(n int64) []byte { return c.frames[n%int64(len(c.frames))] }

// Len is the number of frames before the clip repeats.
func (c *Clip) Len() int { return len(c.frames) }

// Duration is the time before the clip repeats.
func (c *Clip) Duration() time.Duration { return time.Duration(len(c.frames)) * c.codec.Frame }

// Codec returns the codec that the clip is encoded with.
func (c *Clip) Codec() Codec { return c.codec }

// ActiveLevelDBOV is the active speech level of the decoded clip by ITU-T P.56
// method B, in dB relative to overload (0 dBov: a full-scale square wave).
func (c *Clip) ActiveLevelDBOV() float64 { return c.level }

// newClip panics if the embedded files do not fit each other, which no input
// can cause and the tests would see.
func newClip(name string, frames [][]byte) *Clip {
	codec, err := Lookup(name)
	if err != nil {
		panic(err)
	}
	for _, m := range manifestClips() {
		if strings.EqualFold(m.Codec, name) && m.Frames == len(frames) {
			return &Clip{codec: codec, frames: frames, level: m.ActiveLevelDBOV}
		}
	}
	panic(fmt.Sprintf("media: no clip %s of %d frames in the manifest", name, len(frames)))
}

func manifestClips() []manifestClip {
	var m struct {
		Clips []manifestClip `json:"clips"`
	}
	if err := json.Unmarshal(manifestText, &m); err != nil {
		panic(fmt.Sprintf("media: read the manifest: %v", err))
	}
	return m.Clips
}

// splitFixed cuts data into frames of size bytes. The frames' capacity ends
// with them, so that an append cannot reach the next one.
func splitFixed(data []byte, size int) [][]byte {
	frames := make([][]byte, 0, len(data)/size)
	for ; len(data) >= size; data = data[size:] {
		frames = append(frames, data[:size:size])
	}
	return frames
}

// splitPrefixed cuts data into frames that each follow their length in two
// bytes, high byte first.
func splitPrefixed(data []byte) [][]byte {
	var frames [][]byte
	for len(data) >= 2 {
		end := 2 + int(binary.BigEndian.Uint16(data))
		frames = append(frames, data[2:end:end])
		data = data[end:]
	}
	return frames
}
