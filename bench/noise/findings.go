package main

import (
	"fmt"
	"time"

	"github.com/earshot-voip/earshot/bench/internal/rig"
	"github.com/earshot-voip/earshot/internal/selftest"
	"github.com/earshot-voip/earshot/internal/udp"
	"github.com/earshot-voip/earshot/probe"
)

// The limits beyond which a window counts as degraded: the defaults of
// probe.Limits.
const (
	badMOS    = 3.6
	badLoss   = 0.03
	badJitter = 30 * time.Millisecond
	badRTT    = 400 * time.Millisecond
)

// findings are what the calls of a scene said.
type findings struct {
	Calls, Failed        int
	Why                  string
	Kernel               bool // all have the kernel's times
	Up, Down             selftest.Spread
	RTT, RTTHigh         selftest.Spread
	Late, Woken          selftest.Spread
	Windows, Untrusted   int
	Degraded             int           // trusted windows over a limit
	DegradedCalls        int           // by their verdict
	WorstJitter          time.Duration // of a trusted window
	LostInTrustedWindows int64
}

func find(o *selftest.Outcome) findings {
	f := findings{
		Calls: len(o.Results), Failed: o.Failed, Kernel: true,
		Up: o.Over(selftest.JitterUp), Down: o.Over(selftest.JitterDown),
		RTT: o.Over(selftest.RTT), RTTHigh: o.Over(selftest.RTTHigh),
		Late: o.Over(selftest.SendLate), Woken: o.Over(selftest.OwnNoise),
	}
	if o.Err != nil {
		f.Why = o.Err.Error()
	}
	for _, r := range o.Results {
		f.Kernel = f.Kernel && r.Self.KernelTimestamps
		if r.Verdict == probe.Degraded {
			f.DegradedCalls++
		}
		for i := range r.Windows {
			f.window(&r.Windows[i])
		}
	}
	return f
}

func (f *findings) window(w *probe.Window) {
	f.Windows++
	if !w.Trusted {
		f.Untrusted++
		return
	}
	degraded := w.RTT.P50 > badRTT
	for _, d := range []*probe.Direction{&w.Uplink, &w.Downlink} {
		f.WorstJitter = max(f.WorstJitter, d.JitterMean)
		f.LostInTrustedWindows += d.Lost
		if d.LossRatio() > badLoss || d.JitterMean > badJitter || d.Score != nil && d.Score.MOS < badMOS {
			degraded = true
		}
	}
	if degraded {
		f.Degraded++
	}
}

// add sums what is complained of.
func (f *findings) add(o findings) {
	f.Windows += o.Windows
	f.Untrusted += o.Untrusted
	f.Degraded += o.Degraded
	f.DegradedCalls += o.DegradedCalls
	f.Failed += o.Failed
	if o.Why != "" {
		f.Why = o.Why
	}
}

func (f findings) row(times udp.Timestamps) []string {
	woken := "not known" // without the kernel's times
	both := func(s selftest.Spread) string { return rig.Micros(s.Median) + ", " + rig.Micros(s.Most) }
	if times == udp.Kernel {
		woken = both(f.Woken)
	}
	return []string{
		fmt.Sprint(f.Calls), times.String(), both(f.Up), both(f.Down), both(f.RTT), both(f.RTTHigh), both(f.Late), woken,
		fmt.Sprint(f.Windows), fmt.Sprint(f.Untrusted), fmt.Sprint(f.Degraded), rig.Micros(f.WorstJitter), fmt.Sprint(f.LostInTrustedWindows),
	}
}
