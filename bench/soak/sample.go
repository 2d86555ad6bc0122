package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/bench/internal/rig"
)

// sample is one look at both processes.
type sample struct {
	at                    time.Duration // since the agent was started
	agent, echo           rig.Usage
	agentFiles, echoFiles files
	metrics               map[string][]series // by family
	load                  string              // of the host
}

// series is one line of /metrics.
type series struct {
	labels string // as they stand there
	value  float64
}

// files are the open files of a process.
type files struct{ all, sockets int }

// watch takes samples until the run is over.
func (s *soak) watch(ctx context.Context, p plan) ([]sample, error) {
	var samples []sample
	ticker := time.NewTicker(p.pause)
	defer ticker.Stop()
	for time.Since(s.began) < p.length {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.agent.Over():
			return nil, fmt.Errorf("the agent ended: %w", s.agent.Err())
		case <-s.echo.Over():
			return nil, fmt.Errorf("the echo ended: %w", s.echo.Err())
		case <-ticker.C:
		}
		one, err := s.look(ctx)
		if err != nil {
			return nil, err
		}
		samples = append(samples, one)
		if len(samples)%6 == 0 {
			rig.Progress("%v: %.0f calls ended, %.0f up, %d MiB, %.0f goroutines", one.at.Round(time.Second), one.calls(),
				one.sum("earshot_agent_calls_running"), one.agent.Resident>>20, one.sum("go_goroutines"))
		}
	}
	return samples, nil
}

func (s *soak) look(ctx context.Context) (sample, error) {
	one := sample{at: time.Since(s.began), load: hostLoad()}
	var err error
	if one.agent, err = rig.UsageOf(s.agent.Process.Pid); err != nil {
		return one, err
	}
	if one.echo, err = rig.UsageOf(s.echo.Process.Pid); err != nil {
		return one, err
	}
	if one.agentFiles, err = openFiles(s.agent.Process.Pid); err != nil {
		return one, err
	}
	if one.echoFiles, err = openFiles(s.echo.Process.Pid); err != nil {
		return one, err
	}
	one.metrics, err = s.scrape(ctx)
	return one, err
}

func openFiles(pid int) (files, error) {
	folder := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return files{}, err
	}
	f := files{all: len(entries)}
	for _, e := range entries {
		if to, err := os.Readlink(filepath.Join(folder, e.Name())); err == nil && strings.HasPrefix(to, "socket:") {
			f.sockets++
		}
	}
	return f, nil
}

// scrape reads /metrics in the text form of Prometheus.
func (s *soak) scrape(ctx context.Context) (map[string][]series, error) {
	text, err := rig.Get(ctx, s.address+"/metrics", patience)
	if err != nil {
		return nil, err
	}
	return parse(bytes.NewReader(text))
}

func parse(r io.Reader) (map[string][]series, error) {
	families := map[string][]series{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		cut := strings.LastIndexByte(line, ' ')
		if cut < 0 {
			return nil, fmt.Errorf("/metrics: %q is no sample", line)
		}
		value, err := strconv.ParseFloat(line[cut+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("/metrics: %q: %w", line, err)
		}
		name, labels, _ := strings.Cut(line[:cut], "{")
		families[name] = append(families[name], series{labels, value})
	}
	return families, lines.Err()
}

// sum adds up the series of a family, or of one target when its name is given.
func (s *sample) sum(family string, target ...string) float64 {
	var sum float64
	for _, one := range s.metrics[family] {
		if len(target) == 0 || strings.Contains(one.labels, `target="`+target[0]+`"`) {
			sum += one.value
		}
	}
	return sum
}

// calls is how many calls have ended.
func (s *sample) calls() float64 { return s.sum("earshot_calls_total") }

// windows is how many windows of a target have closed, whatever they were worth.
func (s *sample) windows(target string) float64 {
	return s.sum("earshot_windows_total", target) + s.sum("earshot_windows_unscored_total", target) + s.sum("earshot_windows_untrusted_total", target)
}

func hostLoad() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

func agentOf(s *sample) rig.Usage { return s.agent }
func echoOf(s *sample) rig.Usage  { return s.echo }

// share is how much of a core a process took between the first and the last
// sample.
func share(samples []sample, of func(*sample) rig.Usage) float64 {
	load, _ := rig.Load(of(&samples[0]), of(&samples[len(samples)-1]))
	return load
}

func each(samples []sample, of func(*sample) float64) []float64 {
	values := make([]float64, len(samples))
	for i := range samples {
		values[i] = of(&samples[i])
	}
	return values
}

func median(samples []sample, of func(*sample) float64) float64 {
	values := each(samples, of)
	slices.SortFunc(values, cmp.Compare[float64])
	return values[len(values)/2]
}

func most(samples []sample, of func(*sample) float64) float64  { return slices.Max(each(samples, of)) }
func least(samples []sample, of func(*sample) float64) float64 { return slices.Min(each(samples, of)) }
