// Command density measures how many calls one host carries before the probe's
// own noise exceeds 1 ms at p99, what a call costs in CPU and memory, how fast
// calls are set up, and where the time goes; beside it the same call written
// plainly on pion's defaults. Caller and echo are two processes on loopback.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/bench/internal/rig"
	"github.com/earshot-voip/earshot/internal/selftest"
)

// limit is the own noise, at p99 in 19 of 20 calls, up to which a number of
// calls counts as carried.
const limit = time.Millisecond

// What Earshot aims at, against the baseline.
const (
	aimCalls  = 3.0
	aimMemory = 0.4
)

func main() {
	rig.Bench{
		Name:  "density",
		Title: "Density: calls per host, CPU and memory per call, set-up rate",
		Run:   run,
		Roles: map[string]rig.Role{roleEarshot: playEarshot, roleBaseline: playBaseline},
	}.Main()
}

// side is one of the two programs that are compared.
type side struct {
	name, role string
	levels     []int
}

func run(ctx context.Context, o rig.Options, r *rig.Report) error {
	hold := rig.Pick(o, 8*time.Second, 2*time.Second)
	sides := []side{
		{"Earshot", roleEarshot, rig.Pick(o, []int{25, 50, 100, 200, 300, 400, 500, 600, 700, 800, 1000}, []int{5, 20})},
		{"pion's defaults", roleBaseline, rig.Pick(o, []int{10, 25, 50, 100, 150, 200, 250, 300, 400}, []int{5, 20})},
	}
	r.Text("PCMU, a packet each way every 20 ms, all calls to one echo in another process on loopback. *Own noise* is the time from the kernel's "+
		"receive timestamp until the probe (Earshot: the socket's reader; baseline: the goroutine in `ReadRTP`) has the packet: p99 of each call, "+
		"the median over the calls and what 19 of 20 of them keep. *CPU* is user and system time of the calling process and of the echo per call and "+
		"second. *Memory* is of the calling process, without what it has before its first call: resident, and live heap with stacks. %v of media for each "+
		"number of calls: after all are set up it begins at a random moment within a second, and nobody hangs up before all have talked.", hold)

	carried := make([]level, len(sides))
	common := make([][]level, len(sides))
	for i, s := range sides {
		levels, err := s.climb(ctx, hold)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		common[i] = levels
		carried[i] = best(levels)
		r.Section(s.name)
		table(r, levels)
	}
	compare(r, o, sides, carried, common)
	return profile(ctx, o, r)
}

// always is up to how many calls both sides are measured, whatever their noise,
// so that their costs can be set side by side.
const always = 200

// climb measures number after number of calls, until the noise was over the
// limit twice.
func (s side) climb(ctx context.Context, hold time.Duration) ([]level, error) {
	var levels []level
	over := 0
	for _, n := range s.levels {
		rig.Progress("%s, %d calls", s.name, n)
		l, err := measure(ctx, load{Calls: n, Hold: hold}, s.role)
		if err != nil {
			return nil, fmt.Errorf("%d calls: %w", n, err)
		}
		levels = append(levels, l)
		if !l.carried() {
			over++
		}
		if over >= 2 && n >= always {
			break
		}
	}
	return levels, nil
}

// level is what was measured with a number of calls.
type level struct {
	Calls  int
	Result outcome
	SetUps float64 // a second
	CPU    time.Duration
	Echo   time.Duration
	RSS    int64 // per call
	Heap   int64
}

func (l level) carried() bool { return l.Result.Failed == 0 && l.Result.Noise.Most <= limit }

// best is the largest number of calls that was carried.
func best(levels []level) level {
	var b level
	for _, l := range levels {
		if l.carried() && l.Calls > b.Calls {
			b = l
		}
	}
	return b
}

// byMedian is the largest number of calls of which half kept the limit.
func byMedian(levels []level) int {
	most := 0
	for _, l := range levels {
		if l.Result.Failed == 0 && l.Result.Noise.Median <= limit {
			most = max(most, l.Calls)
		}
	}
	return most
}

// measure runs one number of calls in processes of its own.
func measure(ctx context.Context, l load, role string) (_ level, err error) {
	echo, err := rig.StartEcho(rig.EchoConfig{})
	if err != nil {
		return level{}, err
	}
	defer func() { err = errors.Join(err, echo.Stop()) }()
	l.URL = echo.URL
	caller, err := rig.Spawn(role, l)
	if err != nil {
		return level{}, err
	}
	defer func() { err = errors.Join(err, caller.Stop()) }()

	var idle, media phase
	if err := caller.Hear(&idle); err != nil {
		return level{}, err
	}
	before, err := caller.Usage()
	if err != nil {
		return level{}, err
	}
	if err := caller.Hear(&media); err != nil {
		return level{}, err
	}
	// The first and the last moments are not those of calls that simply run.
	settle := l.Hold / 6
	if err := wait(ctx, settle); err != nil {
		return level{}, err
	}
	from, echoFrom, err := usages(caller, echo)
	if err != nil {
		return level{}, err
	}
	if err := wait(ctx, l.Hold-2*settle); err != nil {
		return level{}, err
	}
	to, echoTo, err := usages(caller, echo)
	if err != nil {
		return level{}, err
	}
	var result outcome
	if err := caller.Hear(&result); err != nil {
		return level{}, err
	}
	n := int64(l.Calls)
	return level{
		Calls: l.Calls, Result: result,
		SetUps: float64(l.Calls) / result.SetUp.Seconds(),
		CPU:    perCall(from, to, l.Calls), Echo: perCall(echoFrom, echoTo, l.Calls),
		RSS: (to.Resident - before.Resident) / n, Heap: (result.Heap - idle.Heap) / n,
	}, nil
}

func usages(caller *rig.Child, echo *rig.Echo) (c, e rig.Usage, err error) {
	c, err = caller.Usage()
	e, err2 := echo.Usage()
	return c, e, errors.Join(err, err2)
}

func perCall(from, to rig.Usage, calls int) time.Duration {
	share, _ := rig.Load(from, to)
	return time.Duration(share * float64(time.Second) / float64(calls))
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func table(r *rig.Report, levels []level) {
	var rows [][]string
	for _, l := range levels {
		verdict := "yes"
		if !l.carried() {
			verdict = "no"
		}
		if l.Result.Failed > 0 {
			verdict = fmt.Sprintf("no, %d failed (%s)", l.Result.Failed, l.Result.Why)
		}
		rows = append(rows, []string{
			fmt.Sprint(l.Calls), rig.Micros(l.Result.Noise.Median), rig.Micros(l.Result.Noise.Most), rig.Micros(l.Result.Noise.Worst), verdict,
			late(l.Result.Late), rig.Millis(l.CPU), rig.Millis(l.Echo),
			kilobytes(l.RSS), kilobytes(l.Heap), fmt.Sprintf("%.0f", l.SetUps), fmt.Sprint(l.Result.Untrusted),
		})
	}
	r.Table([]string{"calls", "own noise p99: median µs", "19 of 20 µs", "worst µs", "under 1 ms", "sent late p99 µs", "CPU ms/call·s", "echo's CPU",
		"resident kB/call", "heap kB/call", "set-ups/s", "untrusted"}, rows)
}

func late(s selftest.Spread) string {
	if s.Most == 0 {
		return "not known"
	}
	return rig.Micros(s.Most)
}

func kilobytes(b int64) string { return fmt.Sprintf("%.0f", float64(b)/1000) }

// compare sets the two sides against each other and against the aims.
func compare(r *rig.Report, o rig.Options, sides []side, carried []level, levels [][]level) {
	r.Section("Side by side")
	ours, theirs := carried[0], carried[1]
	bound := ""
	if last := levels[0][len(levels[0])-1]; last.Calls == ours.Calls {
		bound = ", and the search ended there"
	}
	// Of a baseline that carried nothing the least that was tried is an upper bound.
	most, times := theirs.Calls, "times as many"
	if most == 0 {
		most, times = levels[1][0].Calls, "times as many at least"
	}
	ratio := float64(ours.Calls) / float64(most)
	r.Text("Calls on this host with own noise under 1 ms: %s %d%s, %s %d: %.1f %s (aim: %.0f).",
		sides[0].name, ours.Calls, bound, sides[1].name, theirs.Calls, ratio, times, aimCalls)
	r.Text("Going by the median call in place of 19 of 20: %d and %d.", byMedian(levels[0]), byMedian(levels[1]))
	var rows [][]string
	for _, a := range levels[0] {
		for _, b := range levels[1] {
			if a.Calls != b.Calls {
				continue
			}
			rows = append(rows, []string{fmt.Sprint(a.Calls), percent(share(a.RSS, b.RSS)), percent(share(a.Heap, b.Heap)), percent(share(int64(a.CPU), int64(b.CPU))),
				fmt.Sprintf("%.1f", a.SetUps/b.SetUps)})
		}
	}
	r.Table([]string{"calls", "resident memory", "heap", "CPU", "set-ups/s, times"}, rows)
	rss, heap := memory(r, levels)
	if o.Smoke {
		return // too few calls to judge
	}
	if ratio < aimCalls {
		r.Complain("%.1f times the baseline's calls, the aim is %.0f", ratio, aimCalls)
	}
	if rss > aimMemory {
		r.Complain("%s of the baseline's memory per call (its heap: %s), the aim is %s", percent(rss), percent(heap), percent(aimMemory))
	}
}

// memory says what a call more costs: the slope over the numbers of calls, so that
// what a process has once is not counted as a call's. What a host must have is the
// resident memory; the heap says what of it the calls use.
func memory(r *rig.Report, levels [][]level) (rss, heap float64) {
	var of [2]struct{ rss, heap float64 }
	for i := range levels {
		of[i].rss = slope(levels[i], func(l level) int64 { return l.RSS })
		of[i].heap = slope(levels[i], func(l level) int64 { return l.Heap })
	}
	rss, heap = of[0].rss/of[1].rss, of[0].heap/of[1].heap
	r.Text("Memory of one call more, by the slope over all numbers of calls: resident %.0f and %.0f kB, %s (aim: %s); heap and stacks in use %.0f and %.0f kB, %s.",
		of[0].rss/1e3, of[1].rss/1e3, percent(rss), percent(aimMemory), of[0].heap/1e3, of[1].heap/1e3, percent(heap))
	return rss, heap
}

// slope fits a line by least squares through what all calls of each level have
// together, and returns bytes per call.
func slope(levels []level, perCall func(level) int64) float64 {
	var n, x, y, xx, xy float64
	for _, l := range levels {
		calls, all := float64(l.Calls), float64(perCall(l))*float64(l.Calls)
		n, x, y, xx, xy = n+1, x+calls, y+all, xx+calls*calls, xy+calls*all
	}
	return (n*xy - x*y) / (n*xx - x*x)
}

func share(a, b int64) float64 { return float64(a) / float64(max(b, 1)) }

func percent(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }

// profile says where the caller's time goes.
func profile(ctx context.Context, o rig.Options, r *rig.Report) error {
	calls := rig.Pick(o, 200, 20)
	rig.Progress("profile with %d calls", calls)
	file, err := os.CreateTemp("", "density-*.pprof")
	if err != nil {
		return err
	}
	_ = file.Close()
	defer func() { _ = os.Remove(file.Name()) }()
	if _, err := measure(ctx, load{Calls: calls, Hold: rig.Pick(o, 10*time.Second, 2*time.Second), Profile: file.Name()}, roleEarshot); err != nil {
		return err
	}
	top, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-cum", "-nodecount=40", file.Name()).Output()
	if err != nil {
		return fmt.Errorf("read the profile: %w", err)
	}
	r.Section(fmt.Sprintf("Where the caller's time goes, %d calls", calls))
	r.Listing(withoutHead(string(top)))
	return nil
}

// withoutHead drops pprof's lines about the file.
func withoutHead(top string) string {
	if i := strings.Index(top, "Showing nodes"); i >= 0 {
		return top[i:]
	}
	return top
}
