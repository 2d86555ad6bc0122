package audio

import (
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pion/opus/pkg/oggreader"

	"github.com/earshot-voip/earshot/internal/media"
)

// readOpus reads the packets of an Ogg Opus file, without its headers, and the
// samples that a player leaves out at the start.
func readOpus(t testing.TB, path ...string) (packets [][]byte, preSkip int) {
	t.Helper()
	file, err := os.Open(filepath.Join(append([]string{"testdata"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	ogg, header, err := oggreader.NewWith(file)
	if err != nil {
		t.Fatal(err)
	}
	for {
		packet, _, err := ogg.ParseNextPacket()
		if errors.Is(err, io.EOF) {
			return packets, int(header.PreSkip)
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(packet), "OpusTags") {
			packets = append(packets, packet)
		}
	}
}

// ratioOf is the power of want over that of the difference, in decibels.
func ratioOf(got, want []float32) float64 {
	var signal, fault float64
	for i, w := range want {
		d := float64(got[i] - w)
		signal, fault = signal+float64(w*w), fault+d*d
	}
	return decibels(signal / fault)
}

// Every mode of Opus decodes as the reference decoder does it. RFC 6716 leaves the
// last bits to the decoder, so that the outputs are not equal but close.
func TestOpusDecodesAsTheReferenceDoes(t *testing.T) {
	files, err := filepath.Glob("testdata/opus/*.opus")
	if err != nil || len(files) < 7 {
		t.Fatalf("got %d files, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".opus")
		t.Run(name, func(t *testing.T) {
			packets, preSkip := readOpus(t, "opus", name+".opus")
			want := readPCM(t, "opus", name+".s16")
			decoder, err := newOpusDecoder(48000)
			if err != nil {
				t.Fatal(err)
			}
			var pcm []float32
			for _, p := range packets {
				samples, err := decoder.decode(p)
				if err != nil {
					t.Fatalf("packet of %d bytes, mode %d: %v", len(p), p[0]>>3, err)
				}
				pcm = append(pcm, samples...)
			}
			got := ratioOf(pcm[preSkip:], want)
			t.Logf("mode %d: %.1f dB over the difference, %d packets", packets[0][0]>>3, got, len(packets))
			if got < 30 {
				t.Errorf("the output is %.1f dB over its difference to the reference", got)
			}
		})
	}
}

// The generator measured the level of each frame on what the reference decoder
// makes of it.
func TestTheClipDecodesAsTheReferenceDoes(t *testing.T) {
	codec, err := media.Lookup("opus")
	if err != nil {
		t.Fatal(err)
	}
	clip := codec.Clip()
	decoder, err := newOpusDecoder(48000)
	if err != nil {
		t.Fatal(err)
	}
	n := int64(clip.Len())
	worst := 0.0
	for i := n - 20; i < 2*n; i++ {
		pcm, err := decoder.decode(clip.Frame(i))
		if err != nil {
			t.Fatal(err)
		}
		if len(pcm) != 960 {
			t.Fatalf("frame %d: got %d samples want 960", i%n, len(pcm))
		}
		if i < n {
			continue // the decoder has heard nothing before
		}
		off := math.Abs(levelOf(power(pcm)) - levelOf(clip.Level(i).MeanSquare))
		if worst = max(worst, off); off > 0.2 {
			t.Fatalf("frame %d: got %.2f dBov want %.2f", i-n, levelOf(power(pcm)), levelOf(clip.Level(i).MeanSquare))
		}
	}
	t.Logf("%d frames, the worst is off by %.3f dB", n, worst)
}
