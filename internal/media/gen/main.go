// Command gen makes the speech clips that internal/media embeds.
//
// It speaks a few sentences with espeak-ng, joins them with short pauses,
// brings them to the nominal active speech level, lays a low noise floor under
// them and encodes the result: G.711 with the code in this folder, Opus with
// opusenc. What it made, from what and with which tools is written to
// clips/manifest.json.
//
//	apt-get install espeak-ng sox opus-tools
//	go generate ./internal/media
//
// Every step has a fixed seed, so the same tools on the same kind of machine
// give the same bytes. The manifest's hashes say whether they did.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

const (
	activeLevel = -26.0                  // dBov, the level at which speech codecs are tested
	noiseLevel  = -62.0                  // dBov, so that a pause is quiet but never digital silence
	pause       = 0.32                   // seconds between two sentences
	frame       = 0.02                   // seconds
	opusBitRate = 32000                  // bit/s, inside the range of the published Ie for SWB VBR
	noiseSeed   = 0x6561_7273_686f_74_01 // any constant; it is part of the clips
)

// script is what the clip says: a person who picks up by mistake hears what
// this call is. Two voices, so that the pitch is not always the same.
var script = []sentence{
	{"en-us", "This is an automated call, placed by Earshot to check the quality of this line."},
	{"en-gb+f3", "Nobody is listening, nothing is recorded, and no answer is needed."},
	{"en-us", "A cheerful young judge measured five yellow boxes with the yardstick from her garage."},
	{"en-gb+f3", "Why should fresh coffee taste of thyme, or of the soap in the kitchen drawer?"},
}

// manifest describes the embedded clips; the package reads it for the levels
// and its tests check every hash.
type manifest struct {
	Script        []sentence        `json:"script"`
	Tools         map[string]string `json:"tools"`
	NoiseDBOV     float64           `json:"noise_dbov"`
	FrameSeconds  float64           `json:"frame_seconds"`
	Clips         []clip            `json:"clips"`
	LicenceReason string            `json:"licence_reason"`
}

type clip struct {
	Codec           string  `json:"codec"`
	File            string  `json:"file"`
	SHA256          string  `json:"sha256"`
	Levels          string  `json:"levels"` // file with the level of each frame
	LevelsSHA256    string  `json:"levels_sha256"`
	Frames          int     `json:"frames"`
	ActiveLevelDBOV float64 `json:"active_level_dbov"` // ITU-T P.56 method B, of the decoded clip
	ActivityRatio   float64 `json:"activity_ratio"`
	PayloadBitRate  int     `json:"payload_bit_rate"` // bit/s, mean over the clip, without headers
	LookAhead       int     `json:"look_ahead_samples"`
}

func main() {
	out := flag.String("out", "clips", "folder to write to")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := generate(ctx, *out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func generate(ctx context.Context, out string) error {
	tools, err := toolVersions(ctx)
	if err != nil {
		return err
	}
	spoken, err := speak(ctx, script)
	if err != nil {
		return err
	}
	narrow, err := resample(ctx, spoken, voiceRate, 8000)
	if err != nil {
		return err
	}
	wide, err := resample(ctx, spoken, voiceRate, 48000)
	if err != nil {
		return err
	}
	frames := len(spoken) / int(math.Round(voiceRate*frame))
	if narrow, err = finish(narrow, 8000, frames); err != nil {
		return err
	}
	if wide, err = finish(wide, 48000, frames); err != nil {
		return err
	}

	m := manifest{Script: script, Tools: tools, NoiseDBOV: noiseLevel, FrameSeconds: frame, LicenceReason: licenceReason}
	add := func(codec, file string, data []byte, payload int, decoded []float64, rate, lookAhead int) error {
		level, activity := speechLevel(decoded, rate)
		levels, levelsFile := frameLevels(decoded, rate, level), strings.TrimSuffix(file, filepath.Ext(file))+".levels"
		m.Clips = append(m.Clips, clip{
			Codec: codec, File: file, SHA256: hash(data), Levels: levelsFile, LevelsSHA256: hash(levels), Frames: frames,
			ActiveLevelDBOV: round2(level), ActivityRatio: round2(activity),
			PayloadBitRate: int(math.Round(float64(payload) * 8 / (float64(frames) * frame))),
			LookAhead:      lookAhead,
		})
		return errors.Join(
			os.WriteFile(filepath.Join(out, file), data, 0o644),
			os.WriteFile(filepath.Join(out, levelsFile), levels, 0o644),
		)
	}

	pcmu, pcma := encodeAll(narrow, encodeMu), encodeAll(narrow, encodeA)
	if err := add("PCMU", "pcmu.raw", pcmu, len(pcmu), decodeAll(pcmu, decodeMu), 8000, 0); err != nil {
		return err
	}
	if err := add("PCMA", "pcma.raw", pcma, len(pcma), decodeAll(pcma, decodeA), 8000, 0); err != nil {
		return err
	}
	packets, decoded, lookAhead, err := encodeOpus(ctx, wide, frames)
	if err != nil {
		return err
	}
	opus, payload := pack(packets)
	if err := add("opus", "opus.bin", opus, payload, decoded, 48000, lookAhead); err != nil {
		return err
	}

	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "manifest.json"), append(text, '\n'), 0o644)
}

const licenceReason = "The sentences were written for Earshot. The speech is what espeak-ng's formant synthesis says when it " +
	"is given them: the output of a program, not a copy of it, so the program's GPL does not extend to it " +
	"(gnu.org/licenses/gpl-faq.html#WhatCaseIsOutputGPL). No MBROLA voice and no recording of a person was used. " +
	"The clips are published under the project's own licence."

// finish cuts samples to the clip's length, brings the speech to the nominal
// active level and adds the noise floor.
func finish(samples []float64, rate, frames int) ([]float64, error) {
	n := frames * int(math.Round(float64(rate)*frame))
	if len(samples) < n {
		samples = append(samples, make([]float64, n-len(samples))...)
	}
	samples = samples[:n]
	level, _ := speechLevel(samples, rate)
	gain := math.Pow(10, (activeLevel-level)/20)
	noise := rand.New(rand.NewPCG(noiseSeed, uint64(rate)))
	sigma := math.Pow(10, noiseLevel/20)
	for i := range samples {
		samples[i] = samples[i]*gain + noise.NormFloat64()*sigma
		if math.Abs(samples[i]) >= 1 {
			return nil, errors.New("the speech clips at the nominal level; lower activeLevel")
		}
	}
	return samples, nil
}

// pack joins packets, each after its length in two bytes, high byte first. It
// also returns how many bytes the packets alone have.
func pack(packets [][]byte) (data []byte, payload int) {
	for _, p := range packets {
		data = append(data, byte(len(p)>>8), byte(len(p)))
		data = append(data, p...)
		payload += len(p)
	}
	return data, payload
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func round2(v float64) float64 { return math.Round(v*100) / 100 }
