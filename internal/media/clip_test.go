package media

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func clips(t testing.TB) []*Clip {
	t.Helper()
	var all []*Clip
	for _, name := range Names() {
		codec, err := Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, codec.Clip())
	}
	return all
}

func TestEmbeddedFilesAreWhatTheGeneratorWrote(t *testing.T) {
	embedded := map[string][]byte{
		"pcmu.raw": pcmuData, "pcma.raw": pcmaData, "opus.bin": opusData,
		"pcmu.levels": pcmuLevels, "pcma.levels": pcmaLevels, "opus.levels": opusLevels,
	}
	check := func(file, want string) {
		data := embedded[file]
		sum := sha256.Sum256(data)
		if got := hex.EncodeToString(sum[:]); got != want {
			t.Errorf("%s: got hash %s want %s; hint: go generate ./internal/media", file, got, want)
		}
		onDisk, err := os.ReadFile(filepath.Join("clips", file))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(onDisk, data) {
			t.Errorf("%s: the embedded bytes are not those of the file", file)
		}
		delete(embedded, file)
	}
	for _, m := range manifestClips() {
		check(m.File, m.SHA256)
		check(m.Levels, m.LevelsSHA256)
	}
	for file := range embedded {
		t.Errorf("%s is not in the manifest", file)
	}
}

func TestClipIsLongEnoughAndRepeats(t *testing.T) {
	for _, c := range clips(t) {
		t.Run(c.Codec().Name, func(t *testing.T) {
			if c.Duration() < 12*time.Second || c.Duration() > 20*time.Second {
				t.Errorf("duration: got %v want 12s to 20s", c.Duration())
			}
			if want := time.Duration(c.Len()) * 20 * time.Millisecond; c.Duration() != want {
				t.Errorf("duration: got %v want %v", c.Duration(), want)
			}
			n := int64(c.Len())
			for _, at := range []int64{0, 1, n - 1} {
				if !bytes.Equal(c.Frame(at), c.Frame(at+3*n)) {
					t.Errorf("frame %d differs three rounds later", at)
				}
			}
			if f := c.Frame(0); cap(f) != len(f) {
				t.Errorf("an append to frame 0 would write into frame 1: capacity %d of %d bytes", cap(f), len(f))
			}
		})
	}
}

// Unique also means that each differs from its neighbours, across the seam of
// the loop too.
func TestEveryFrameOfAClipIsUnique(t *testing.T) {
	for _, c := range clips(t) {
		frames := make([][]byte, c.Len())
		for i := range frames {
			frames[i] = c.Frame(int64(i))
		}
		slices.SortFunc(frames, bytes.Compare)
		for i := 1; i < len(frames); i++ {
			if bytes.Equal(frames[i-1], frames[i]) {
				t.Errorf("%s: two frames are alike: % x…", c.Codec().Name, frames[i][:8])
			}
		}
	}
}

// expand turns a G.711 code into full scale 1 by the characteristic of the
// Recommendation: value = sign * (2^segment * mantissa - offset).
func expand(codec string, code byte) float64 {
	var value float64
	if codec == "PCMU" {
		code ^= 0xff
		mantissa := 1 + (float64(code&15)+0.5)/16 // 1..2
		value = (math.Exp2(float64(code>>4&7))*mantissa*32 - 33) / 8192
	} else {
		code ^= 0xd5
		segment := float64(code >> 4 & 7)
		if segment == 0 {
			value = (float64(code&15) + 0.5) / 2048
		} else {
			value = math.Exp2(segment-1) * (1 + (float64(code&15)+0.5)/16) / 128
		}
	}
	if code&0x80 != 0 {
		return -value
	}
	return value
}

func dBOV(meanSquare float64) float64 { return 10 * math.Log10(meanSquare) }

func TestG711ClipIsSpeechAtItsLevel(t *testing.T) {
	for _, c := range clips(t) {
		name := c.Codec().Name
		if name == "opus" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			var loud, loudFrames, peak, mean float64
			var quietRun, longestQuiet time.Duration
			levels := make([]float64, 0, c.Len())
			for n := range c.Len() {
				frame := c.Frame(int64(n))
				if len(frame) != 160 {
					t.Fatalf("frame %d: got %d bytes want 160", n, len(frame))
				}
				var square float64
				for _, code := range frame {
					x := expand(name, code)
					square += x * x / 160
					mean += x
					peak = max(peak, math.Abs(x))
				}
				level := dBOV(square)
				levels = append(levels, level)
				quietRun += c.Codec().Frame
				if level > -50 {
					quietRun = 0
				}
				longestQuiet = max(longestQuiet, quietRun)
				// The active level counts pauses inside words, so frames of
				// up to 20 dB below it belong to it.
				if level > -46 {
					loud += square
					loudFrames++
				}
			}
			if got := dBOV(loud / loudFrames); math.Abs(got-c.ActiveLevelDBOV()) > 1.5 {
				t.Errorf("level of frames with speech: got %.2f dBov, the clip says %.2f", got, c.ActiveLevelDBOV())
			}
			if got := c.ActiveLevelDBOV(); math.Abs(got+26) > 0.1 {
				t.Errorf("active level: got %.2f dBov want -26", got)
			}
			if longestQuiet > 600*time.Millisecond {
				t.Errorf("silent for %v", longestQuiet)
			}
			if longestQuiet < 200*time.Millisecond {
				t.Errorf("the longest pause is %v: this is not speech in sentences", longestQuiet)
			}
			if low := slices.Min(levels); low < -66 || low > -58 {
				t.Errorf("noise floor: quietest frame at %.1f dBov want about -62", low)
			}
			if peak > 0.9 {
				t.Errorf("peak: got %.3f of full scale", peak)
			}
			if mean /= float64(160 * c.Len()); math.Abs(mean) > 0.001 {
				t.Errorf("direct current: got %.5f of full scale", mean)
			}
		})
	}
}

// The level of each frame is that of its codes, expanded by the definition. The
// active level of the whole is the clip's, and pauses do not count as active.
func TestLevelsAreThoseOfTheFrames(t *testing.T) {
	for _, c := range clips(t) {
		var energy, active float64
		pauses := 0
		for n := range int64(c.Len()) {
			l := c.Level(n)
			energy, active = energy+float64(l.MeanSquare), active+float64(l.Active)
			if l.Active == 0 {
				pauses++
			}
			if l.Active < 0 || l.Active > 1 {
				t.Fatalf("%s frame %d: %v of it is active", c.Codec().Name, n, l.Active)
			}
			if c.Codec().Name == "opus" {
				continue
			}
			var square float64
			for _, code := range c.Frame(n) {
				x := expand(c.Codec().Name, code)
				square += x * x / 160
			}
			if got, want := dBOV(float64(l.MeanSquare)), dBOV(square); math.Abs(got-want) > 0.3 {
				t.Fatalf("%s frame %d: got %.2f dBov want %.2f", c.Codec().Name, n, got, want)
			}
		}
		if got := dBOV(energy / active); math.Abs(got-c.ActiveLevelDBOV()) > 0.1 {
			t.Errorf("%s: active level %.2f dBov by frames, the clip says %.2f", c.Codec().Name, got, c.ActiveLevelDBOV())
		}
		if share := float64(pauses) / float64(c.Len()); share < 0.005 || share > 0.1 {
			t.Errorf("%s: %.1f %% of the frames are pauses", c.Codec().Name, 100*share)
		}
	}
}

// The two G.711 clips are the same audio, so their samples differ by no more
// than the steps of the two laws.
func TestBothG711ClipsSayTheSame(t *testing.T) {
	all := clips(t)
	mu, a := all[0], all[1]
	if mu.Len() != a.Len() || mu.Len() != all[2].Len() {
		t.Fatalf("lengths: %d, %d and %d frames", mu.Len(), a.Len(), all[2].Len())
	}
	for n := range mu.Len() {
		for i, code := range mu.Frame(int64(n)) {
			x, y := expand("PCMU", code), expand("PCMA", a.Frame(int64(n))[i])
			// Half a step of each: 1/64 of the value in either law, and at
			// the bottom 8 and 16 of 32768.
			if math.Abs(x-y) > math.Abs(x)/16+24.0/32768 {
				t.Fatalf("frame %d sample %d: mu-law %.5f, A-law %.5f", n, i, x, y)
			}
		}
	}
}

// The first byte of a packet (RFC 6716 section 3.1): configuration 13 is hybrid,
// super-wideband, 20 ms; then one bit for stereo and two for the frame count.
func TestOpusPacketsAreOneMonoFrameOfSuperWideband(t *testing.T) {
	c := clips(t)[2]
	sizes := make(map[int]bool)
	for n := range c.Len() {
		packet := c.Frame(int64(n))
		if len(packet) < 20 || len(packet) > 300 {
			t.Fatalf("packet %d has %d bytes", n, len(packet))
		}
		sizes[len(packet)] = true
		config, stereo, count := packet[0]>>3, packet[0]>>2&1, packet[0]&3
		if config != 13 || stereo != 0 || count != 0 {
			t.Fatalf("packet %d: got configuration %d, stereo %d, code %d want 13, 0, 0", n, config, stereo, count)
		}
	}
	if len(sizes) < 20 {
		t.Errorf("only %d sizes: this is not a variable rate", len(sizes))
	}
	if math.Abs(c.ActiveLevelDBOV()+26) > 0.5 {
		t.Errorf("active level: got %.2f dBov want about -26", c.ActiveLevelDBOV())
	}
}

func TestFrameAllocatesNothing(t *testing.T) {
	c := clips(t)[2]
	n := int64(0)
	if got := testing.AllocsPerRun(1000, func() { sink = c.Frame(n); n++ }); got != 0 {
		t.Errorf("got %v allocations", got)
	}
}

func TestOnlyTheTablesCodecsHaveAClip(t *testing.T) {
	if c := (Codec{Name: "G722"}).Clip(); c != nil {
		t.Errorf("got a clip of %d frames for G722", c.Len())
	}
}

var sink []byte
