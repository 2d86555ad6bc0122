package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// voiceRate is the sample rate of espeak-ng, in Hz: its speech ends at 11 kHz,
// just under the 12 kHz of super-wideband.
const voiceRate = 22050

type sentence struct {
	Voice string `json:"voice"`
	Text  string `json:"text"`
}

// speak returns the sentences joined with pauses, at voiceRate, full scale 1,
// as whole frames. The last pause is the seam of the loop.
func speak(ctx context.Context, script []sentence) ([]float64, error) {
	var all []float64
	for _, s := range script {
		// -z leaves out the pause after the sentence: the pauses are ours.
		wav, err := run(ctx, nil, "espeak-ng", "-v", s.Voice, "-s", "165", "-z", "--stdout", s.Text)
		if err != nil {
			return nil, err
		}
		if len(wav) < 44 || binary.LittleEndian.Uint32(wav[24:]) != voiceRate {
			return nil, fmt.Errorf("espeak-ng gave no wave file at %d Hz for voice %s", voiceRate, s.Voice)
		}
		all = append(all, trim(fromPCM(wav[44:]))...)
		all = append(all, make([]float64, int(pause*voiceRate))...)
	}
	perFrame := int(math.Round(voiceRate * frame))
	if over := len(all) % perFrame; over > 0 {
		all = append(all, make([]float64, perFrame-over)...)
	}
	return all, nil
}

// trim cuts what is quieter than -50 dBFS off both ends.
func trim(samples []float64) []float64 {
	const quiet = 0.00316
	first, last := 0, len(samples)
	for first < last && math.Abs(samples[first]) < quiet {
		first++
	}
	for last > first && math.Abs(samples[last-1]) < quiet {
		last--
	}
	return samples[first:last]
}

// resample converts between sample rates with sox, without its dither.
func resample(ctx context.Context, samples []float64, from, to int) ([]float64, error) {
	raw := []string{"-t", "raw", "-e", "signed", "-b", "16", "-c", "1", "-L"}
	args := append([]string{"-R", "-D", "-v", "0.5"}, raw...)
	args = append(args, "-r", strconv.Itoa(from), "-")
	args = append(args, raw...)
	args = append(args, "-r", strconv.Itoa(to), "-", "rate", "-v", strconv.Itoa(to))
	out, err := run(ctx, toPCM(samples), "sox", args...)
	return fromPCM(out), err
}

func fromPCM(pcm []byte) []float64 {
	samples := make([]float64, len(pcm)/2)
	for i := range samples {
		samples[i] = float64(int16(binary.LittleEndian.Uint16(pcm[2*i:]))) / 32768
	}
	return samples
}

func toPCM(samples []float64) []byte {
	pcm := make([]byte, 2*len(samples))
	for i, s := range samples {
		binary.LittleEndian.PutUint16(pcm[2*i:], uint16(toInt16(s)))
	}
	return pcm
}

func toInt16(s float64) int16 {
	return int16(min(max(math.Round(s*32768), -32768), 32767))
}

// toolVersions names the tools, since other versions may give other bytes.
func toolVersions(ctx context.Context) (map[string]string, error) {
	versions := make(map[string]string)
	for _, tool := range []string{"espeak-ng", "sox", "opusenc"} {
		out, err := run(ctx, nil, tool, "--version")
		if err != nil {
			return nil, err
		}
		line, _, _ := strings.Cut(string(out), "\n")
		line, _, _ = strings.Cut(line, "  Data at:")
		versions[tool] = strings.Join(strings.Fields(line), " ")
	}
	return versions, nil
}

func run(ctx context.Context, stdin []byte, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run %s: %w; hint: apt-get install espeak-ng sox opus-tools", name, err)
	}
	return out, nil
}
