package media

import (
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
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

//go:embed clips/pcmu.levels
var pcmuLevels []byte

//go:embed clips/pcma.levels
var pcmaLevels []byte

//go:embed clips/opus.levels
var opusLevels []byte

//go:embed clips/manifest.json
var manifestText []byte

// manifestClip is what the generator recorded about one clip.
type manifestClip struct {
	Codec           string  `json:"codec"`
	File            string  `json:"file"`
	SHA256          string  `json:"sha256"`
	Levels          string  `json:"levels"`
	LevelsSHA256    string  `json:"levels_sha256"`
	Frames          int     `json:"frames"`
	ActiveLevelDBOV float64 `json:"active_level_dbov"`
	PayloadBitRate  int     `json:"payload_bit_rate"`
}

// Clip is a piece of encoded speech that repeats without end. It never changes
// and may be used from any number of goroutines.
type Clip struct {
	codec  Codec
	frames [][]byte
	levels []Level
	level  float64

	indexOnce sync.Once
	index     map[string]int32 // payload -> frame
}

var (
	pcmuClip = sync.OnceValue(func() *Clip { return newClip("PCMU", splitFixed(pcmuData, 160), pcmuLevels) })
	pcmaClip = sync.OnceValue(func() *Clip { return newClip("PCMA", splitFixed(pcmaData, 160), pcmaLevels) })
	opusClip = sync.OnceValue(func() *Clip { return newClip("opus", splitPrefixed(opusData), opusLevels) })
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
func (c *Clip) Frame(n int64) []byte { return c.frames[c.Index(n)] }

// Index gives the place of frame n of the endless clip within a round of it. It
// divides only when it must: it stands on the path of every packet.
func (c *Clip) Index(n int64) int64 {
	if round := int64(len(c.frames)); n >= round {
		return n % round
	}
	return n
}

// Len is the number of frames before the clip repeats.
func (c *Clip) Len() int { return len(c.frames) }

// Duration is the time before the clip repeats.
func (c *Clip) Duration() time.Duration { return time.Duration(len(c.frames)) * c.codec.Frame }

// Codec returns the codec that the clip is encoded with.
func (c *Clip) Codec() Codec { return c.codec }

// ActiveLevelDBOV is the active speech level of the decoded clip by ITU-T P.56
// method B, in dB relative to overload (0 dBov: a full-scale square wave).
func (c *Clip) ActiveLevelDBOV() float64 { return c.level }

// Level is how loud one decoded frame of a clip is.
type Level struct {
	MeanSquare float32 // of the samples; full scale is 1, so its decibels are dBov
	Active     float32 // share of the frame that ITU-T P.56 counts as speech, 0..1
}

// Level returns the loudness of frame n of the endless clip. n is not negative.
func (c *Clip) Level(n int64) Level { return c.levels[c.Index(n)] }

// newClip panics if the embedded files do not fit each other, which no input
// can cause and the tests would see.
func newClip(name string, frames [][]byte, levels []byte) *Clip {
	codec, err := Lookup(name)
	if err != nil {
		panic(err)
	}
	for _, m := range manifestClips() {
		if strings.EqualFold(m.Codec, name) && m.Frames == len(frames) && len(levels) == 4*m.Frames {
			return &Clip{codec: codec, frames: frames, levels: readLevels(levels), level: m.ActiveLevelDBOV}
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

// readLevels reads what the generator recorded of each frame: hundredths of a
// decibel below overload, and active ten-thousandths.
func readLevels(data []byte) []Level {
	levels := make([]Level, 0, len(data)/4)
	for ; len(data) >= 4; data = data[4:] {
		below := float64(binary.BigEndian.Uint16(data)) / 100
		levels = append(levels, Level{
			MeanSquare: float32(math.Pow(10, -below/10)),
			Active:     float32(binary.BigEndian.Uint16(data[2:])) / 10000,
		})
	}
	return levels
}
