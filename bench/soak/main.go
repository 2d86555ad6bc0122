// Command soak runs a real agent for half an hour against a real echo, two
// hundred targets on schedule and twenty without pause, and looks every ten
// seconds at what both processes hold: memory, goroutines, sockets, files. It
// checks that these stay flat, that no slot of the schedule is missed, that the
// counts of calls agree with each other and with the echo's books, and that calls
// that stay up still measure after half an hour.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/earshot-voip/earshot/bench/internal/rig"
)

var minutes = flag.Float64("minutes", 31, "how long to run; the first two fifths warm up")

func main() {
	rig.Bench{
		Name:  "soak",
		Title: "Soak: an agent with 220 targets for half an hour",
		Run:   run,
	}.Main()
}

// plan is what the agent is told to do.
type plan struct {
	periodic, lasting, renewed int // targets; renewed are continuous too, but renewed often
	every, duration            time.Duration
	length, pause              time.Duration // of the run; between samples
}

func run(ctx context.Context, o rig.Options, r *rig.Report) error {
	p := rig.Pick(o,
		plan{200, 10, 10, time.Minute, 5 * time.Second, time.Duration(*minutes * float64(time.Minute)), 10 * time.Second},
		plan{12, 2, 2, 6 * time.Second, time.Second, 40 * time.Second, 2 * time.Second})
	folder, err := os.MkdirTemp("", "earshot-soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	rig.Progress("building and starting")
	s, err := start(ctx, folder, p)
	if err != nil {
		return err
	}
	defer s.kill()
	samples, err := s.watch(ctx, p)
	if err != nil {
		return errors.Join(err, s.last())
	}
	failed, err := s.failures(ctx)
	if err != nil {
		return errors.Join(err, s.last())
	}
	rig.Progress("ending")
	end, err := s.end()
	if err != nil {
		return err
	}
	write(r, p, samples, end)
	for _, f := range failed {
		r.Complain("a call failed: %s", f.described())
	}
	return nil
}

// write makes the page: what was run, the table, and what is not as it must be.
func write(r *rig.Report, p plan, samples []sample, e ending) {
	last := samples[len(samples)-1]
	r.Text("`earshot agent` with %d targets that are called every %v for %v (half with PCMU, half with Opus), %d whose call stays up and has a window every "+
		"second, and %d whose call is renewed every minute, against one `earshot echo`, two processes on loopback, for %v. *Agent* and *echo* are the memory "+
		"of their own (anonymous), the most of samples every %v; *files* is what the agent maps, its program and the history on disk, which grows to its "+
		"bound and can be given up at any time. *Heap* is the least in use, what is left after a collection. The others are medians.",
		p.periodic, p.every, p.duration, p.lasting, p.renewed, p.length.Round(time.Second), p.pause)
	table(r, samples, p)
	r.Section("What must hold")
	var rows [][]string
	for _, c := range checks(p, samples, e) {
		rows = append(rows, []string{c.name, c.value, c.must})
		if !c.ok {
			r.Complain("%s: %s, must be %s", c.name, c.value, c.must)
		}
	}
	r.Table([]string{"figure", "is", "must be"}, rows)
	r.Text("%.0f calls ended: %.0f good, %.0f degraded, %.0f failed, %.0f untrusted. A busy host makes calls untrusted; that is no fault of the agent, "+
		"but fewer figures. Processor: agent %.1f %%, echo %.1f %% of a core on average; load of the host from %s to %s.",
		last.calls(), last.sum("earshot_calls_good_total"), last.sum("earshot_calls_degraded_total"), last.sum("earshot_calls_failed_total"),
		last.sum("earshot_calls_untrusted_total"), 100*share(samples, agentOf), 100*share(samples, echoOf), samples[0].load, last.load)
}

// table shows the course of the run in at most sixteen rows.
func table(r *rig.Report, samples []sample, p plan) {
	const rows = 16
	var lines [][]string
	for i := range rows {
		part := samples[i*len(samples)/rows : (i+1)*len(samples)/rows]
		if len(part) == 0 {
			continue
		}
		lines = append(lines, []string{
			part[len(part)-1].at.Round(time.Second).String(),
			mib(most(part, func(s *sample) float64 { return float64(s.agent.Own) })),
			mib(least(part, func(s *sample) float64 { return s.sum("go_memstats_heap_inuse_bytes") })),
			fmt.Sprintf("%.0f", median(part, func(s *sample) float64 { return s.sum("go_goroutines") })),
			fmt.Sprintf("%.0f", median(part, func(s *sample) float64 { return float64(s.agentFiles.all) })),
			fmt.Sprintf("%.0f", median(part, func(s *sample) float64 { return float64(s.agentFiles.sockets) })),
			fmt.Sprintf("%.0f", median(part, func(s *sample) float64 { return s.sum("earshot_agent_calls_running") })),
			fmt.Sprintf("%.0f", part[len(part)-1].calls()),
			mib(median(part, func(s *sample) float64 { return float64(s.agent.Resident - s.agent.Own) })),
			mib(most(part, func(s *sample) float64 { return float64(s.echo.Own) })),
			fmt.Sprintf("%.0f", median(part, func(s *sample) float64 { return float64(s.echoFiles.all) })),
		})
	}
	r.Table([]string{"until", "agent MiB", "heap MiB", "goroutines", "files", "sockets", "calls up", "calls ended", "files MiB", "echo MiB", "echo files"}, lines)
}

func mib(bytes float64) string { return fmt.Sprintf("%.1f", bytes/(1<<20)) }
