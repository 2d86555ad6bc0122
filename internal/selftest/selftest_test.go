package selftest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/selftest"
	"github.com/earshot-voip/earshot/probe"
)

// patience bounds what only broken code waits for.
const patience = 20 * time.Second

// farEnd serves a real echo and counts its calls.
type farEnd struct {
	url   string
	ended atomic.Int64
	slow  atomic.Bool // the next offer waits before it is answered
}

// slowness is longer than calls of a burst take to begin at random.
const slowness = 1500 * time.Millisecond

func serve(t *testing.T) *farEnd {
	t.Helper()
	f := new(farEnd)
	server, err := echo.New(echo.Config{OnEnd: func(echo.Call) { f.ended.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && f.slow.CompareAndSwap(true, false) {
			time.Sleep(slowness)
		}
		server.ServeHTTP(w, r)
	}))
	f.url = front.URL + "/echo"
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := server.Close(ctx); err != nil {
			t.Error(err)
		}
		front.Close()
	})
	return f
}

func TestCallsOfABurstTalkTogether(t *testing.T) {
	t.Parallel()
	const calls = 12 // more than are set up at once
	far := serve(t)
	far.slow.Store(true)
	var begun atomic.Int64
	var ready atomic.Int64
	burst := selftest.Burst{
		Target:  probe.Target{URL: far.url, Codec: "pcmu", Duration: time.Second, Timeout: patience},
		Calls:   calls,
		OnMedia: func() { ready.Store(begun.Add(1)) },
	}
	o, err := burst.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if o.Failed != 0 || len(o.Results) != calls || o.Err != nil {
		t.Fatalf("%d calls failed (%v), %d have results, want none and %d", o.Failed, o.Err, len(o.Results), calls)
	}
	if ready.Load() != 1 {
		t.Errorf("OnMedia was called %d times, want once", ready.Load())
	}
	// The steps of a call say when it was set up and when it talked, since its own
	// start: nobody talks before the last one is set up, and nobody is over before
	// the last one has talked.
	var lastReady, lastTalked time.Time
	for _, r := range o.Results {
		if at := r.Started.Add(end(r, probe.LayerDTLS)); at.After(lastReady) {
			lastReady = at
		}
		if at := r.Started.Add(end(r, probe.LayerMedia)); at.After(lastTalked) {
			lastTalked = at
		}
	}
	const clockStep = 5 * time.Millisecond // Started is of the wall clock
	for i, r := range o.Results {
		if began := r.Started.Add(start(r, probe.LayerMedia)); began.Before(lastReady.Add(-clockStep)) {
			t.Errorf("call %d: media began %v before the last call was set up", i, lastReady.Sub(began))
		}
		if over := r.Started.Add(r.Elapsed); over.Before(lastTalked.Add(-clockStep)) {
			t.Errorf("call %d was over %v before the last one had talked", i, lastTalked.Sub(over))
		}
		if slots := r.RoundTrip.Sent + r.Self.SlotsMissed; slots < 25 {
			t.Errorf("call %d had %d slots in its second", i, slots)
		}
	}
	if o.SetUp <= 0 || o.SetUp > patience {
		t.Errorf("setting up took %v", o.SetUp)
	}
}

func step(r *probe.Result, l probe.Layer) probe.Step {
	for _, s := range r.Steps {
		if s.Layer == l {
			return s
		}
	}
	return probe.Step{}
}

func start(r *probe.Result, l probe.Layer) time.Duration { return step(r, l).Start }

func end(r *probe.Result, l probe.Layer) time.Duration { return step(r, l).Start + step(r, l).Took }

func TestCallsOfABurstThatFailHoldNobodyUp(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String() + "/echo"
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	o, err := selftest.Burst{Target: probe.Target{URL: url}, Calls: 10}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if o.Failed != 10 || len(o.Results) != 0 {
		t.Errorf("%d failed and %d have results, want 10 and 0", o.Failed, len(o.Results))
	}
	var failure *probe.Failure
	if !errors.As(o.Err, &failure) || failure.Code != probe.CodeConnectRefused {
		t.Errorf("got %v, want a refused connection inside", o.Err)
	}
}

func TestATargetThatCannotBeCalledIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := (selftest.Burst{Target: probe.Target{URL: "ftp://x/"}, Calls: 2}).Run(t.Context()); err == nil {
		t.Error("no error")
	}
}

// config is a self-test of a few seconds against an echo in this process.
func config(far *farEnd, stopped *atomic.Bool) selftest.Config {
	return selftest.Config{
		Echo: func(context.Context) (string, func() error, error) {
			return far.url, func() error { stopped.Store(true); return nil }, nil
		},
		Levels: []int{1, 4}, Hold: time.Second, Budget: time.Second,
	}
}

func TestSelftestReportsWhatItMeasured(t *testing.T) {
	t.Parallel()
	far := serve(t)
	var stopped atomic.Bool
	var progress []string
	var at []time.Time
	c := config(far, &stopped)
	c.Progress = func(text string) { progress, at = append(progress, text), append(at, time.Now()) }
	r, err := selftest.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if !stopped.Load() {
		t.Error("the echo was not stopped")
	}
	want := "pacing 1 tickers, pacing 4 tickers, placing 1 calls, placing 4 calls"
	if got := strings.Join(progress, ", "); got != want {
		t.Errorf("progress %q, want %q: with its time over the test searches no further", got, want)
	}
	for i, n := range []int{1, 4} {
		p, l := r.Pacing[i], r.Loopback[i]
		// Slots of 20 ms for half a second, longer when a busy host ends it late,
		// less those that it had not come to by then.
		most := int64(n) * (int64(at[i+1].Sub(at[i])/(20*time.Millisecond)) + 1)
		if slots := p.Late.Count + p.Missed; p.Tickers != n || slots < int64(n)*12 || slots > most {
			t.Errorf("%d tickers had %d slots in half a second, want about %d", p.Tickers, slots, 25*n)
		}
		if p.Wake.Count != p.Late.Count {
			t.Errorf("%d packets were sent and %d were noticed", p.Late.Count, p.Wake.Count)
		}
		if l.Calls != n || l.Failed != 0 || l.RTT.Median <= 0 || l.RTT.Worst < l.RTT.Median {
			t.Errorf("loopback with %d calls: %+v", n, l)
		}
	}
	if far.ended.Load() != 5 {
		t.Errorf("%d calls were placed, want 1 and 4", far.ended.Load())
	}
	if r.Trusted != (len(r.Reasons) == 0) {
		t.Errorf("trusted is %v with reasons %q", r.Trusted, r.Reasons)
	}
	checkJSON(t, r)
}

// checkJSON reads the object as a user would, and compares some of it.
func checkJSON(t *testing.T, r *selftest.Report) {
	t.Helper()
	var text bytes.Buffer
	if err := r.JSON(&text); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Schema   string
		Trusted  bool
		Pacing   []map[string]any
		Loopback []struct {
			Calls int
			Noise struct {
				Worst float64 `json:"worst_seconds"`
			} `json:"own_noise_p99"`
		}
	}
	if err := json.Unmarshal(text.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Schema != "earshot.selftest/v1" || got.Trusted != r.Trusted || len(got.Pacing) != 2 || len(got.Loopback) != 2 {
		t.Errorf("got %+v", got)
	}
	if worst := r.Loopback[1].Noise.Worst.Seconds(); got.Loopback[1].Calls != 4 || got.Loopback[1].Noise.Worst != worst {
		t.Errorf("got %+v, want 4 calls with %v s", got.Loopback[1], worst)
	}
}

func TestAnInterruptedSelftestEndsAndStopsItsEcho(t *testing.T) {
	t.Parallel()
	far := serve(t)
	var stopped atomic.Bool
	c := config(far, &stopped)
	ctx, cancel := context.WithCancel(t.Context())
	c.Progress = func(text string) {
		if strings.HasPrefix(text, "placing") {
			time.AfterFunc(300*time.Millisecond, cancel)
		}
	}
	c.Levels, c.Hold, c.Budget = []int{2}, 2*time.Second, time.Hour
	began := time.Now()
	_, err := selftest.Run(ctx, c)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was canceled", err)
	}
	if !stopped.Load() {
		t.Error("the echo was not stopped")
	}
	if took := time.Since(began); took > patience {
		t.Errorf("it took %v to end", took)
	}
}

func TestASelftestWithoutAnEchoIsAnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("no port is free")
	_, err := selftest.Run(t.Context(), selftest.Config{
		Levels: []int{1}, Hold: 200 * time.Millisecond,
		Echo: func(context.Context) (string, func() error, error) { return "", nil, broken },
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want %v inside", err, broken)
	}
}
