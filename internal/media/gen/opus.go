package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// encodeOpus returns one packet per frame, what a decoder makes of each, and
// the encoder's look-ahead in samples at 48 kHz: the pre-skip of the identification
// header (RFC 7845 section 5.1).
//
// The clip is encoded three times in a row and the middle round is kept: the
// encoder then enters it in the state in which it leaves it, so the loop has no
// click at its seam.
func encodeOpus(ctx context.Context, samples []float64, frames int) (packets [][]byte, decoded []float64, lookAhead int, err error) {
	const rounds = 3
	pcm := toPCM(samples)
	input := make([]byte, 0, rounds*len(pcm))
	for range rounds {
		input = append(input, pcm...)
	}
	dir, err := os.MkdirTemp("", "earshot-gen")
	if err != nil {
		return nil, nil, 0, err
	}
	defer os.RemoveAll(dir)
	ogg := filepath.Join(dir, "clip.opus")
	// The numbers are libopus controls: 4000=2048 the application VOIP,
	// 4004=1104 a bandwidth of at most SWB.
	if _, err := run(ctx, input, "opusenc", "--quiet", "--serial", "1",
		"--raw", "--raw-bits", "16", "--raw-rate", "48000", "--raw-chan", "1",
		"--bitrate", strconv.Itoa(opusBitRate/1000), "--vbr", "--speech", "--framesize", "20",
		"--set-ctl-int", "4000=2048", "--set-ctl-int", "4004=1104",
		"-", ogg); err != nil {
		return nil, nil, 0, err
	}
	data, err := os.ReadFile(ogg)
	if err != nil {
		return nil, nil, 0, err
	}
	packets, err = oggPackets(data)
	if err != nil {
		return nil, nil, 0, err
	}
	if len(packets) < 2+rounds*frames {
		return nil, nil, 0, fmt.Errorf("opusenc made %d packets, %d needed", len(packets), 2+rounds*frames)
	}
	head := packets[0]
	if len(head) < 12 || string(head[:8]) != "OpusHead" {
		return nil, nil, 0, errors.New("opusenc wrote no identification header")
	}
	wav, err := run(ctx, nil, "opusdec", "--quiet", "--rate", "48000", "--no-dither", ogg, "-")
	if err != nil {
		return nil, nil, 0, err
	}
	decoded = fromPCM(wav)
	if len(decoded) < 2*len(samples) {
		return nil, nil, 0, errors.New("opusdec gave less than it was fed")
	}
	lookAhead = int(binary.LittleEndian.Uint16(head[10:]))
	start := len(samples) - lookAhead // opusdec leaves out the pre-skip; a decoder of packets does not
	return packets[2+frames : 2+2*frames], decoded[start : start+len(samples)], lookAhead, nil
}

// oggPackets takes the packets out of an Ogg stream (RFC 3533): pages of
// segments of up to 255 bytes; a shorter segment ends a packet.
func oggPackets(data []byte) ([][]byte, error) {
	var packets [][]byte
	var open []byte
	for len(data) > 0 {
		if len(data) < 27 || string(data[:4]) != "OggS" {
			return nil, errors.New("not an Ogg page")
		}
		table := data[27:]
		segments := int(data[26])
		if len(table) < segments {
			return nil, errors.New("the Ogg page is cut short")
		}
		table, data = table[:segments], table[segments:]
		for _, length := range table {
			if len(data) < int(length) {
				return nil, errors.New("the Ogg page is cut short")
			}
			open = append(open, data[:length]...)
			data = data[length:]
			if length < 255 {
				packets = append(packets, open)
				open = nil
			}
		}
	}
	return packets, nil
}
