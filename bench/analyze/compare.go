package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// figures are what both programs say of a stream.
type figures struct {
	packets, lost int64
	jitter        float64 // largest, ms
}

// row sums up the streams of a capture.
type row struct {
	streams            int
	packets, lost      int64
	jitter, difference float64
}

// compareOne holds the streams of a capture against each other. want is how
// many there must be, 0: any number.
func compareOne(earshot, file string, want int) (r row, err error) {
	theirs, err := tsharkStreams(file)
	if err != nil {
		return r, err
	}
	ours, err := earshotStreams(earshot, file)
	if err != nil {
		return r, err
	}
	var problems []error
	if len(ours) == 0 || want > 0 && len(ours) != want {
		problems = append(problems, fmt.Errorf("earshot finds %d streams, %d were written", len(ours), want))
	}
	for _, id := range slices.Sorted(maps.Keys(theirs)) {
		if _, ok := ours[id]; !ok {
			problems = append(problems, fmt.Errorf("%s: tshark has %+v, earshot does not have it", id, theirs[id]))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(ours)) {
		o := ours[id]
		t, ok := theirs[id]
		if !ok {
			problems = append(problems, fmt.Errorf("%s: earshot has %+v, tshark does not have it", id, o))
			continue
		}
		difference := math.Abs(o.jitter - t.jitter)
		// tshark rounds to 0.0005 ms.
		if o.packets != t.packets || o.lost != t.lost || difference > 0.001 {
			problems = append(problems, fmt.Errorf("%s: earshot has %+v, tshark %+v", id, o, t))
		}
		r.streams++
		r.packets += o.packets
		r.lost += o.lost
		r.jitter, r.difference = max(r.jitter, o.jitter), max(r.difference, difference)
	}
	return r, errors.Join(problems...)
}

// earshotStreams runs earshot analyze.
func earshotStreams(earshot, file string) (map[string]figures, error) {
	text, err := exec.Command(earshot, "analyze", "--output", "json", file).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("earshot analyze: %w", err)
	}
	var report struct {
		Streams []struct {
			Source, Destination string
			SSRC                uint32   `json:"ssrc"`
			Packets             int64    `json:"packets"`
			Lost                int64    `json:"packets_lost"`
			JitterMax           *float64 `json:"jitter_max_seconds"`
		}
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return nil, err
	}
	streams := map[string]figures{}
	for _, s := range report.Streams {
		if s.JitterMax == nil {
			return nil, fmt.Errorf("earshot analyze: no jitter of stream %d", s.SSRC)
		}
		streams[fmt.Sprintf("%s %s 0x%08X", s.Source, s.Destination, s.SSRC)] = figures{s.Packets, s.Lost, *s.JitterMax * 1000}
	}
	return streams, nil
}

// tsharkStreams runs tshark and reads its table. The columns are: start, end,
// source, port, destination, port, SSRC, payload (one or more words), packets,
// lost, percentage, three of delta, three of jitter, problems (X or nothing).
func tsharkStreams(file string) (map[string]figures, error) {
	text, err := exec.Command("tshark", "-n", "-q", "-o", "rtp.heuristic_rtp:TRUE", "-z", "rtp,streams", "-r", file).Output()
	if err != nil {
		return nil, fmt.Errorf("tshark: %w", err)
	}
	streams := map[string]figures{}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(strings.TrimSuffix(strings.TrimSpace(line), "X"))
		if len(words) < 17 || !strings.HasPrefix(words[6], "0x") {
			continue
		}
		numbers := words[len(words)-9:]
		packets, err1 := strconv.ParseInt(numbers[0], 10, 64)
		lost, err2 := strconv.ParseInt(numbers[1], 10, 64)
		jitter, err3 := strconv.ParseFloat(numbers[8], 64)
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, fmt.Errorf("tshark wrote %q: %w", line, err)
		}
		id := fmt.Sprintf("%s %s %s", address(words[2], words[3]), address(words[4], words[5]), words[6])
		streams[id] = figures{packets, lost, jitter}
	}
	if len(streams) == 0 {
		return nil, fmt.Errorf("tshark found no stream; it wrote:\n%s", text)
	}
	return streams, nil
}

func address(host, port string) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + port
}
