// Command noise measures what the probe itself adds to its figures on a path
// that adds nothing: interarrival jitter and round trip on loopback with 1, 100
// and 400 calls, with the kernel's receive times and without, on an idle host
// and on one whose processors are burnt by something else. In the burnt case no
// window may be reported as a degraded network.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/earshot-voip/earshot/bench/internal/rig"
	"github.com/earshot-voip/earshot/internal/selftest"
	"github.com/earshot-voip/earshot/internal/udp"
	"github.com/earshot-voip/earshot/probe"
)

// The roles of child processes.
const (
	roleCalls  = "calls"
	roleBurner = "burner"
)

func main() {
	rig.Bench{
		Name:  "noise",
		Title: "Noise: what the probe adds on loopback",
		Run:   run,
		Roles: map[string]rig.Role{roleCalls: playCalls, roleBurner: playBurner},
	}.Main()
}

// scene is one row of the table.
type scene struct {
	calls  int
	times  udp.Timestamps // of both ends
	burnt  bool
	length time.Duration
}

func run(ctx context.Context, o rig.Options, r *rig.Report) error {
	length := rig.Pick(o, 8*time.Second, 3*time.Second)
	r.Text("PCMU to an echo in another process on loopback, %v of media, windows of 1 s. Jitter is the mean of a call (RFC 3550 A.8), round trips are of single "+
		"packets; of each the median over the calls and what 19 of 20 calls keep. *user* is both ends without the kernel's receive timestamps, which were "+
		"switched off at their sockets from outside: the code then takes the time of the read.", length)
	for _, burnt := range []bool{false, true} {
		title := "Idle host"
		if burnt {
			title = fmt.Sprintf("With all %d processors burnt by another process", runtime.NumCPU())
		}
		if err := compare(ctx, o, r, title, burnt, length); err != nil {
			return err
		}
	}
	return nil
}

// compare fills the table of an idle or a burnt host.
func compare(ctx context.Context, o rig.Options, r *rig.Report, title string, burnt bool, length time.Duration) error {
	var rows [][]string
	sum := findings{}
	for _, calls := range rig.Pick(o, []int{1, 100, 400}, []int{1, 10}) {
		for _, times := range []udp.Timestamps{udp.Kernel, udp.User} {
			rig.Progress("%s: %d calls, %v times", title, calls, times)
			f, err := (scene{calls, times, burnt, length}).measure(ctx)
			if err != nil {
				return fmt.Errorf("%s, %d calls: %w", title, calls, err)
			}
			if f.Calls > 0 && f.Kernel != (times == udp.Kernel) {
				return fmt.Errorf("%s, %d calls: the times are not the %v's", title, calls, times)
			}
			rows = append(rows, f.row(times))
			if times == udp.Kernel {
				sum.add(f)
			}
		}
	}
	r.Section(title)
	r.Table([]string{"calls", "times", "jitter up µs", "jitter down µs", "round trip p50 µs", "round trip p99 µs", "sent late p99 µs", "woken late p99 µs",
		"windows", "untrusted", "degraded", "worst jitter of a trusted window µs", "lost in trusted windows"}, rows)
	r.Text("Windows with kernel times: %d, of which %d say themselves that they cannot be trusted; %d of the others are reported as a degraded network. "+
		"Calls reported as degraded: %d.", sum.Windows, sum.Untrusted, sum.Degraded, sum.DegradedCalls)
	if sum.Degraded > 0 || sum.DegradedCalls > 0 {
		r.Complain("%s: %d windows and %d calls blame the network", title, sum.Degraded, sum.DegradedCalls)
	}
	if sum.Failed > 0 {
		r.Complain("%s: %d calls failed (%s)", title, sum.Failed, sum.Why)
	}
	return nil
}

// measure places the calls of a scene.
func (s scene) measure(ctx context.Context) (f findings, err error) {
	echo, err := rig.StartEcho(rig.EchoConfig{UserTimes: s.times == udp.User})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, echo.Stop()) }()
	caller, err := rig.Spawn(roleCalls, load{URL: echo.URL, Calls: s.calls, Length: s.length, UserTimes: s.times == udp.User})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, caller.Stop()) }()
	var ready struct{}
	if err := caller.Hear(&ready); err != nil {
		return f, err
	}
	if s.burnt {
		// The calls are set up; the fire is there before their media ends.
		burner, err2 := rig.Spawn(roleBurner, s.length+burnLonger)
		if err2 != nil {
			return f, err2
		}
		defer func() { err = errors.Join(err, burner.Stop()) }()
	}
	return f, errors.Join(caller.Hear(&f), ctx.Err())
}

// burnLonger is how long the burner goes on after the media would have ended.
const burnLonger = 10 * time.Second

// playBurner keeps all processors busy for a time.
func playBurner(ctx context.Context, text json.RawMessage, _ func(any) error) error {
	var most time.Duration
	if err := json.Unmarshal(text, &most); err != nil {
		return err
	}
	end := time.Now().Add(most)
	var burning sync.WaitGroup
	for range runtime.NumCPU() {
		burning.Go(func() {
			for x := uint64(1); ctx.Err() == nil && time.Now().Before(end); {
				for range 1 << 16 {
					x ^= x << 13
					x ^= x >> 7
					x ^= x << 17
				}
			}
		})
	}
	burning.Wait()
	return nil
}

// load is what the calling process is to do.
type load struct {
	URL       string
	Calls     int
	Length    time.Duration
	UserTimes bool
}

// playCalls places calls and says what they found.
func playCalls(ctx context.Context, text json.RawMessage, say func(any) error) error {
	var l load
	if err := json.Unmarshal(text, &l); err != nil {
		return err
	}
	var ready error
	o, err := selftest.Burst{
		Target: probe.Target{URL: l.URL, Codec: "pcmu", Duration: l.Length, Window: time.Second, Timeout: l.Length + 2*time.Minute},
		Calls:  l.Calls,
		OnMedia: func() {
			if l.UserTimes {
				ready = rig.TakeKernelTimes()
			}
			ready = errors.Join(ready, say(struct{}{}))
		},
	}.Run(ctx)
	if err = errors.Join(err, ready); err != nil {
		return err
	}
	return say(find(&o))
}
