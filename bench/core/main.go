// Command core measures what a received packet costs in Earshot's core, beside
// pion's statistics and report interceptors, LiveKit's receive statistics and
// the bare parse of the header: the same packets, in turns, in one run.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/earshot-voip/earshot/bench/internal/rig"
)

func main() {
	rig.Bench{Name: "core", Title: "Core: nanoseconds per received packet", Run: run}.Main()
}

// contestant is one way to account for packets.
type contestant struct {
	name string
	does string
	// start makes a fresh state and returns what takes one packet.
	start func() func(at time.Duration, raw []byte)
	// run measures in a way of its own, in place of start.
	run func(packets int) (sample, error)
}

// sample is one repetition.
type sample struct{ Nanoseconds, Allocations float64 } // per packet

func run(ctx context.Context, o rig.Options, r *rig.Report) error {
	packets := rig.Pick(o, 2_000_000, 50_000)
	repetitions := rig.Pick(o, 11, 3)
	r.Text("PCMU packets of 172 bytes, every 20 ms, in order, already in the cache; %d packets and %d repetitions of each, in turns. "+
		"Median, and least to most. *Allocations* are per packet.", packets, repetitions)

	contestants := all()
	livekit, err := buildLiveKit(ctx)
	if err != nil {
		r.Text("LiveKit's statistics could not be built here: %v", err)
	} else {
		defer func() { _ = os.RemoveAll(filepath.Dir(livekit)) }()
		contestants = append(contestants, contestant{
			name: "LiveKit RTPStatsReceiver", does: "parse, sequence and timestamp by mediatransportutil, loss history, jitter, snapshots, a lock",
			run: func(packets int) (sample, error) { return runLiveKit(ctx, livekit, packets) },
		})
	}
	samples := make([][]sample, len(contestants))
	for i := range repetitions {
		rig.Progress("repetition %d of %d", i+1, repetitions)
		for j, c := range contestants {
			s, err := c.measure(packets)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			samples[j] = append(samples[j], s)
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	table(r, contestants, samples)
	return nil
}

func (c contestant) measure(packets int) (sample, error) {
	if c.run != nil {
		return c.run(packets)
	}
	take := c.start()
	s := newStream()
	s.each(stream, take) // warm
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	s.each(packets, take)
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	return sample{
		Nanoseconds: float64(took.Nanoseconds()) / float64(packets),
		Allocations: float64(after.Mallocs-before.Mallocs) / float64(packets),
	}, nil
}

func table(r *rig.Report, contestants []contestant, samples [][]sample) {
	base := median(samples[slices.IndexFunc(contestants, func(c contestant) bool { return c.name == receiver })])
	var rows [][]string
	for i, c := range contestants {
		m := median(samples[i])
		sorted := sorted(samples[i])
		rows = append(rows, []string{
			c.name, fmt.Sprintf("%.1f", m.Nanoseconds),
			fmt.Sprintf("%.1f to %.1f", sorted[0].Nanoseconds, sorted[len(sorted)-1].Nanoseconds),
			fmt.Sprintf("%.2f", m.Allocations), fmt.Sprintf("%.1f", m.Nanoseconds/base.Nanoseconds), c.does,
		})
		if m.Allocations > 0.001 && c.name == receiver {
			r.Complain("the core allocates %.3f times per packet", m.Allocations)
		}
	}
	r.Table([]string{"what", "ns/packet", "spread", "allocations", "times the receiver", "does"}, rows)
}

func sorted(s []sample) []sample {
	return slices.SortedFunc(slices.Values(s), func(a, b sample) int { return cmp.Compare(a.Nanoseconds, b.Nanoseconds) })
}

func median(s []sample) sample { return sorted(s)[len(s)/2] }

// buildLiveKit builds the measurement of LiveKit's statistics. It is a module
// of its own, since it brings most of LiveKit's server with it.
func buildLiveKit(ctx context.Context) (program string, err error) {
	folder, err := os.MkdirTemp("", "core-")
	if err != nil {
		return "", err
	}
	program = filepath.Join(folder, "livekit")
	build := exec.CommandContext(ctx, "go", "build", "-C", filepath.Join("bench", "livekit"), "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		_ = os.RemoveAll(folder)
		return "", fmt.Errorf("go build: %w: %.200s", err, out)
	}
	return program, nil
}

func runLiveKit(ctx context.Context, program string, packets int) (sample, error) {
	out, err := exec.CommandContext(ctx, program, fmt.Sprint(packets)).Output()
	if err != nil {
		return sample{}, err
	}
	var s sample
	return s, json.Unmarshal(out, &s)
}
