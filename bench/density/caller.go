package main

import (
	"context"
	"encoding/json"
	"os"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/earshot-voip/earshot/bench/baseline"
	"github.com/earshot-voip/earshot/bench/internal/rig"
	"github.com/earshot-voip/earshot/internal/frugal"
	"github.com/earshot-voip/earshot/internal/selftest"
	"github.com/earshot-voip/earshot/probe"
)

// The roles of the calling process.
const (
	roleEarshot  = "earshot"
	roleBaseline = "baseline"
)

// load is what the calling process is to do.
type load struct {
	URL     string
	Calls   int
	Hold    time.Duration // of media
	Profile string        // file for a CPU profile of the time with media; empty: none
}

// phase is said before the first call and when media begins.
type phase struct{ Heap int64 }

// outcome is said when all calls are over.
type outcome struct {
	SetUp       time.Duration
	Noise, Late selftest.Spread
	Failed      int
	Why         string // one of the failed calls failed
	Untrusted   int    // calls that say themselves that they cannot be trusted
	Heap        int64  // while media ran
}

// sampled is the heap in the middle of the media.
func sampled(d time.Duration) func() int64 {
	found := make(chan int64, 1)
	time.AfterFunc(d, func() { found <- rig.Heap() })
	return func() int64 { return <-found }
}

// setUpMost bounds a call beside its media: many others are set up first.
const setUpMost = 2 * time.Minute

func playEarshot(ctx context.Context, text json.RawMessage, say func(any) error) error {
	frugal.Memory() // as the command does
	return play(text, say, func(l load, onMedia func()) (outcome, error) {
		burst := selftest.Burst{
			Target: probe.Target{URL: l.URL, Codec: "pcmu", Duration: l.Hold, Timeout: l.Hold + setUpMost},
			Calls:  l.Calls, OnMedia: onMedia,
		}
		o, err := burst.Run(ctx)
		if err != nil {
			return outcome{}, err
		}
		result := outcome{SetUp: o.SetUp, Noise: o.Over(selftest.OwnNoise), Late: o.Over(selftest.SendLate), Failed: o.Failed, Why: words(o.Err)}
		for _, r := range o.Results {
			if !r.Self.Trusted {
				result.Untrusted++
			}
		}
		return result, nil
	})
}

func playBaseline(ctx context.Context, text json.RawMessage, say func(any) error) error {
	return play(text, say, func(l load, onMedia func()) (outcome, error) {
		api, err := baseline.NewAPI(true)
		if err != nil {
			return outcome{}, err
		}
		o := baseline.Burst(ctx, api, baseline.Target{URL: l.URL, Duration: l.Hold}, l.Calls, onMedia)
		var noise []time.Duration
		for _, r := range o.Results {
			noise = append(noise, r.Noise.P99)
		}
		return outcome{SetUp: o.SetUp, Noise: selftest.SpreadOf(noise), Failed: o.Failed, Why: words(o.Err)}, nil
	})
}

func words(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// play places the calls and tells the parent of the phases.
func play(text json.RawMessage, say func(any) error, place func(load, func()) (outcome, error)) error {
	var l load
	if err := json.Unmarshal(text, &l); err != nil {
		return err
	}
	runtime.GC()
	if err := say(phase{rig.Heap()}); err != nil {
		return err
	}
	var heap func() int64
	var said error
	finish := func() error { return nil }
	result, err := place(l, func() {
		heap = sampled(l.Hold / 2)
		if l.Profile != "" {
			finish, said = startProfile(l.Profile)
		}
		if said == nil {
			said = say(phase{rig.Heap()})
		}
	})
	if err != nil {
		return err
	}
	if said != nil {
		return said
	}
	if err := finish(); err != nil {
		return err
	}
	result.Heap = heap()
	return say(result)
}

func startProfile(path string) (finish func() error, err error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		return file.Close()
	}, nil
}
