package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/earshot-voip/earshot/mos"
	"github.com/earshot-voip/earshot/probe"
)

// lab is a site with one target on a path of these events, and the windows that
// its calls told of, with the time since the call began.
func lab(list ...event) *site {
	l := &leg{name: "lab", line: line{delay: 20 * ms, idle: 100 * time.Microsecond, busy: 100 * time.Microsecond}, events: newEvents(list)}
	return &site{name: "lab", paths: map[string]path{"x": {l}}, codecs: map[string]mos.Codec{"x": modelOf("opus")}}
}

type told struct {
	after time.Duration
	probe.Window
}

// place places a call with media from half a second or so after Monday's begin.
func (s *site) place(t *testing.T, duration time.Duration, end <-chan struct{}) (*probe.Result, []told) {
	t.Helper()
	time.Sleep(time.Until(monday))
	var windows []told
	r, err := s.Call(context.Background(), probe.Target{Name: "x", URL: "https://x.example/echo", Duration: duration, End: end,
		OnWindow: func(w probe.Window) { windows = append(windows, told{time.Since(monday), w}) }})
	if err != nil {
		t.Fatal(err)
	}
	return r, windows
}

func after(s float64) time.Time { return monday.Add(seconds(s)) }

func TestCalls(t *testing.T) {
	for _, row := range []struct {
		name     string
		events   []event
		duration time.Duration
		end      time.Duration // when the agent asks for it; zero: never
		verdict  probe.Verdict
		code     probe.Code
		windows  int
		bad      int           // of them
		latest   time.Duration // that the last was told of
		took     time.Duration
	}{
		{name: "a good call", duration: 10 * time.Second, verdict: probe.Good, windows: 2, latest: 10900 * ms, took: 10900 * ms},
		{name: "a call that is ended early is judged by what it measured", duration: time.Hour, end: 12500 * ms, verdict: probe.Good, windows: 3, latest: 13100 * ms, took: 13100 * ms},
		{name: "loss degrades it", events: []event{{kind: blip, way: up, from: after(0), span: time.Minute, loss: 0.2, run: 2}},
			duration: 10 * time.Second, verdict: probe.Degraded, windows: 2, bad: 2, latest: 10900 * ms, took: 10900 * ms},
		{name: "windows of an outage are told when it is over", events: []event{{kind: outage, way: both, from: after(3), span: 8 * time.Second}},
			duration: 20 * time.Second, verdict: probe.Degraded, windows: 4, bad: 3, latest: 20900 * ms, took: 20900 * ms},
		{name: "a long outage costs the consent", events: []event{{kind: outage, way: both, from: after(7), span: time.Minute}},
			duration: time.Hour, verdict: probe.Failed, code: probe.CodeConsentLost, windows: 5, bad: 4, latest: 22 * time.Second, took: 22 * time.Second},
		{name: "media that stops before the end is a failure", events: []event{{kind: outage, way: both, from: after(7), span: 9 * time.Second}},
			duration: 10 * time.Second, verdict: probe.Failed, code: probe.CodeMediaStopped, windows: 2, bad: 1, latest: 14300 * ms, took: 14300 * ms},
		{name: "nobody answers in an outage", events: []event{{kind: outage, way: both, from: after(-1), span: 9 * time.Second}},
			duration: 10 * time.Second, verdict: probe.Failed, code: probe.CodeConnectTimeout, took: 5 * time.Second},
		{name: "a short outage is waited for", events: []event{{kind: outage, way: both, from: after(-1), span: 1900 * ms}},
			duration: 10 * time.Second, verdict: probe.Good, windows: 2, latest: 11900 * ms, took: 11900 * ms},
		{name: "a server that restarts refuses", events: []event{{kind: refusal, way: both, from: after(-1), span: 3 * time.Second}},
			duration: 10 * time.Second, verdict: probe.Failed, code: probe.CodeUnavailable, took: 80 * ms},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := lab(row.events...)
				var end chan struct{}
				if row.end > 0 {
					end = make(chan struct{})
					time.AfterFunc(time.Until(monday)+row.end, func() { close(end) })
				}
				r, windows := s.place(t, row.duration, end)
				code := probe.Code("")
				if r.Failure != nil {
					code = r.Failure.Code
				}
				if r.Verdict != row.verdict || code != row.code || len(windows) != row.windows {
					t.Errorf("got %s %q with %d windows, want %s %q with %d", r.Verdict, code, len(windows), row.verdict, row.code, row.windows)
				}
				bad := 0
				var sent time.Duration
				for _, w := range windows {
					if w.Returned == 0 || w.Uplink.Score == nil || w.Uplink.Score.MOS < 3.6 {
						bad++
					}
					sent += w.Length
				}
				if bad != row.bad {
					t.Errorf("%d bad windows, want %d", bad, row.bad)
				}
				near := func(what string, got, want time.Duration) {
					if got < want-200*ms || got > want+500*ms {
						t.Errorf("%s: got %v, want about %v", what, got, want)
					}
				}
				if len(windows) > 0 {
					near("the last window was told", windows[len(windows)-1].after, row.latest)
				}
				near("the call took", r.Elapsed, row.took)
			})
		})
	}
}
