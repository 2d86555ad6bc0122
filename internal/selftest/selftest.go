// Package selftest characterises this host as a place to measure from: how
// punctually it sends, how soon it notices what arrives, what its own loopback
// looks like through the probe, and how many calls it can place before its own
// noise shows in the figures.
//
// Most callers call Run, which takes less than a minute. Burst is the tool
// under it: many calls whose media begins together.
package selftest

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
	"github.com/earshot-voip/earshot/probe"
)

// NoiseLimit is the own noise (OwnNoise in 19 of 20 calls) up to which a number
// of calls counts as carried.
const NoiseLimit = time.Millisecond

// patience is what a call may take beside its media, waiting for the others of
// its burst included. Only a call that hangs takes as long.
const patience = 50 * time.Second

// Config of a self-test. The zero value of each field but Echo is its default.
type Config struct {
	// Echo starts an echo endpoint and returns its URL. It should be in a
	// process of its own: in one with the callers its work keeps their packets
	// from leaving in time (200 calls: two to ten times later).
	Echo func(ctx context.Context) (url string, stop func() error, err error)

	Levels   []int         // numbers of calls, and of tickers; default 1, 50, 200
	Hold     time.Duration // of media per number of calls; default 3 s
	Budget   time.Duration // of the whole test; default 50 s
	MaxCalls int           // where the search for the capacity ends; default 1000

	// Progress is told what is being measured.
	Progress func(text string)
}

func (c Config) withDefaults() Config {
	if len(c.Levels) == 0 {
		c.Levels = []int{1, 50, 200}
	}
	c.Hold = cmp.Or(c.Hold, 3*time.Second)
	c.Budget = cmp.Or(c.Budget, 50*time.Second)
	c.MaxCalls = cmp.Or(c.MaxCalls, 1000)
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	return c
}

// Report is what was found out.
type Report struct {
	Processors int
	Kernel     bool // arrival times are the kernel's, not those of the read

	Pacing   []Pacing
	Loopback []Loopback
	Capacity Capacity

	Trusted bool     // calls from this host can be trusted, one at a time at least
	Reasons []string // why not
}

// Loopback is what calls over this host's loopback found.
type Loopback struct {
	Calls, Failed int
	Failure       error // of one of the failed calls; nil if none failed

	RTT, RTTHigh         Spread // per call: median, p99
	JitterUp, JitterDown Spread // per call: mean
	Noise                Spread // OwnNoise
	Late                 Spread // SendLate
	Missed               int64  // slots, over all calls
	Drops                int64  // packets that this host dropped at the probe's sockets
	Untrusted            int    // calls that say so themselves
	Reasons              []string
}

// carried reports whether this host placed so many calls without a trace of
// itself in their figures.
func (l *Loopback) carried() bool {
	return l.Failed == 0 && l.Untrusted == 0 && l.Noise.Most <= NoiseLimit
}

// test is a self-test as it runs.
type test struct {
	Config
	report Report
	url    string
	end    time.Duration // on internal/mono
}

// Run runs the self-test. The error is for a test that could not be done, or
// ctx's.
func Run(ctx context.Context, c Config) (_ *Report, err error) {
	t := &test{Config: c.withDefaults()}
	t.end = mono.Now() + t.Budget
	for _, n := range t.Levels {
		t.Progress(fmt.Sprintf("pacing %d tickers", n))
		p, err := measurePacing(ctx, n, t.Hold/2)
		if err != nil {
			return nil, fmt.Errorf("measure the pacing of %d tickers: %w", n, err)
		}
		t.report.Pacing = append(t.report.Pacing, p)
	}
	url, stop, err := t.Echo(ctx)
	if err != nil {
		return nil, fmt.Errorf("start an echo: %w", err)
	}
	defer func() {
		if stopped := stop(); stopped != nil && err == nil {
			err = fmt.Errorf("stop the echo: %w", stopped)
		}
	}()
	t.url = url
	t.report.Kernel, t.report.Processors = true, runtime.NumCPU()
	for _, n := range t.Levels {
		if _, err := t.call(ctx, n); err != nil {
			return nil, err
		}
	}
	if err := t.judge(); err != nil {
		return nil, err
	}
	if err := t.search(ctx); err != nil {
		return nil, err
	}
	return &t.report, nil
}

// call places n calls and keeps what they found.
func (t *test) call(ctx context.Context, n int) (*Loopback, error) {
	t.Progress(fmt.Sprintf("placing %d calls", n))
	burst := Burst{
		Target: probe.Target{URL: t.url, Codec: "pcmu", Duration: t.Hold, Timeout: spread + t.Hold + patience},
		Calls:  n,
	}
	o, err := burst.Run(ctx)
	if err != nil {
		return nil, fmt.Errorf("place %d calls: %w", n, err)
	}
	l := Loopback{
		Calls: n, Failed: o.Failed, Failure: o.Err,
		RTT: o.Over(RTT), RTTHigh: o.Over(RTTHigh),
		JitterUp: o.Over(JitterUp), JitterDown: o.Over(JitterDown),
		Noise: o.Over(OwnNoise), Late: o.Over(SendLate),
	}
	for _, r := range o.Results {
		t.report.Kernel = t.report.Kernel && r.Self.KernelTimestamps
		l.Missed += r.Self.SlotsMissed
		l.Drops += r.Self.SocketDrops
		if !r.Self.Trusted {
			l.Untrusted++
			l.Reasons = r.Self.Reasons
		}
	}
	t.report.Loopback = append(t.report.Loopback, l)
	return &t.report.Loopback[len(t.report.Loopback)-1], nil
}

// judge says whether this host can be trusted at all, by the fewest calls.
func (t *test) judge() error {
	first := &t.report.Loopback[0]
	if first.Failed > 0 {
		return fmt.Errorf("place a call over loopback: %w", first.Failure)
	}
	if first.Untrusted > 0 {
		t.report.Reasons = append(t.report.Reasons, first.Reasons...)
	}
	if first.Noise.Most > NoiseLimit {
		t.report.Reasons = append(t.report.Reasons, fmt.Sprintf("packets that had arrived waited %v for the probe (p99), %v is the limit",
			first.Noise.Most.Round(10*time.Microsecond), NoiseLimit))
	}
	t.report.Trusted = len(t.report.Reasons) == 0
	return nil
}
