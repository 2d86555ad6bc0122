package agent

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/pace"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/internal/udp"
	"github.com/earshot-voip/earshot/probe"
)

// The tests of this file place real calls to a real echo over loopback.

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for until := time.Now().Add(patience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("not so after %v: %s", patience, what)
		}
	}
}

// farEnd is an echo that can go away and come back at the same address.
type farEnd struct {
	t       *testing.T
	address string
	server  *echo.Server
	http    *http.Server
	ended   chan echo.Call
}

// noLeaks fails the test when goroutines are left at its end. What a process
// starts once and never ends is started before.
func noLeaks(t *testing.T) {
	pace.Default()
	if c, err := udp.Listen(netip.MustParseAddrPort("127.0.0.1:0"), udp.Config{}); err == nil {
		_ = c.Close()
	}
	signalingtest.NoLeaks(t)
}

func newFarEnd(t *testing.T) *farEnd {
	f := &farEnd{t: t, address: "127.0.0.1:0", ended: make(chan echo.Call, 1000)}
	f.come()
	t.Cleanup(f.leave)
	return f
}

func (f *farEnd) come() {
	f.t.Helper()
	listener, err := net.Listen("tcp", f.address)
	if err != nil {
		f.t.Fatal(err)
	}
	f.address = listener.Addr().String()
	if f.server, err = echo.New(echo.Config{OnEnd: func(c echo.Call) { f.ended <- c }}); err != nil {
		f.t.Fatal(err)
	}
	f.http = &http.Server{Handler: f.server, ReadHeaderTimeout: patience}
	go func() { _ = f.http.Serve(listener) }()
}

func (f *farEnd) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = f.http.Close()
	if err := f.server.Close(ctx); err != nil {
		f.t.Errorf("close the echo: %v", err)
	}
}

// job is one to the far end that no busy host makes fail.
func (f *farEnd) job(name string, mode Mode) Job {
	return Job{
		Mode: mode, Every: 2 * time.Second, Renew: 2 * time.Second,
		Target: probe.Target{
			Name: name, URL: "http://" + f.address + "/echo", Codec: "pcmu", Duration: time.Second, Window: 500 * time.Millisecond,
			Limits: probe.Limits{BadMOS: 1, Loss: 1, Jitter: time.Minute, RTT: time.Minute},
			Trust:  probe.Trust{SendLate: time.Minute, Missed: 1},
			Deadlines: probe.Deadlines{Connect: patience, Signaling: patience, Gather: patience, ICE: patience, DTLS: patience,
				FirstMedia: patience, Consent: 5 * time.Second, Hangup: patience},
		}.WithDefaults(),
	}
}

// prompt is a name whose first call is placed soon.
func prompt(name string) string {
	for i := 0; ; i++ {
		numbered := fmt.Sprintf("%s-%d", name, i)
		if spread(numbered, startSpread) < 200*time.Millisecond && spread(numbered, 2*time.Second) < 500*time.Millisecond {
			return numbered
		}
	}
}

func TestRealCallsOnScheduleAndWithoutPause(t *testing.T) {
	noLeaks(t)
	f := newFarEnd(t)
	w := newWitness(t)
	a := New(Config{Observer: w})
	often, always := prompt("often"), prompt("always")
	if err := a.Apply(Plan{Jobs: []Job{f.job(often, Periodic), f.job(always, Continuous)}, Budget: Budget{ParallelCalls: 2}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "two calls on schedule have ended, and two lasting ones were renewed", func() bool {
		return len(w.ends(often)) >= 2 && len(w.ends(always)) >= 2
	})
	if err := a.Close(patience); err != nil {
		t.Error(err)
	}
	w.check()
	for _, name := range []string{often, always} {
		for i, r := range w.results[name] {
			if r.Verdict != probe.Good || r.Name != name || r.ID == "" {
				t.Errorf("call %d to %s is %s: %s", i, name, r.Verdict, r.Summary)
			}
		}
	}
	// A renewed call has lived for about as long as it should, and each window of
	// it was told.
	told, kept := w.windows[always], 0
	for _, r := range w.results[always] {
		kept += len(r.Windows)
	}
	if told != kept || told < 6 {
		t.Errorf("%d windows were told, the results hold %d", told, kept)
	}
	// The far end is the oracle: as many calls as observers were told of, each of
	// them ended by its caller.
	total := w.dropped
	for _, results := range w.results {
		total += len(results)
	}
	if n := f.server.Calls(); n != 0 {
		t.Errorf("the far end still has %d calls", n)
	}
	if len(f.ended) != total {
		t.Errorf("the far end had %d calls, observers were told of %d", len(f.ended), total)
	}
	var packets int64
	for range len(f.ended) {
		c := <-f.ended
		packets += c.Uplink.Offered + c.Downlink.Offered
	}
	// PCMU: 160 bytes of payload, 60 of RTP with a stamp, 16 of tag, 28 of UDP and IPv4.
	want := packets * (160 + 60 + 16 + 28)
	if got := a.Status().BytesToday; got < want*95/100 || got > want*105/100 {
		t.Errorf("got %d bytes, the far end saw %d packets, so %d", got, packets, want)
	}
}

func TestTheFarEndGoesAwayAndComesBack(t *testing.T) {
	noLeaks(t)
	f := newFarEnd(t)
	w := newWitness(t)
	a := New(Config{Observer: w})
	often, always := prompt("often"), prompt("always")
	lasting := f.job(always, Continuous)
	lasting.Renew = time.Hour
	if err := a.Apply(Plan{Jobs: []Job{f.job(often, Periodic), lasting}}); err != nil {
		t.Fatal(err)
	}
	up := func() bool {
		for _, j := range a.Status().Jobs {
			if j.Job.Name() == always && len(j.Calls) == 1 && j.Calls[0].Windows >= 2 {
				return true
			}
		}
		return false
	}
	eventually(t, "both targets are called", func() bool { return len(w.ends(often)) > 0 && up() })
	f.leave()
	eventually(t, "the lasting call was ended, and it and the others find nobody", func() bool {
		lasted := w.ends(always)
		return len(lasted) >= 2 && slices.Contains(lasted[1:], string(probe.CodeConnectRefused)) &&
			slices.Contains(w.ends(often), string(probe.CodeConnectRefused))
	})
	if first := w.ends(always)[0]; first != string(probe.CodeRemoteHangup) {
		t.Errorf("the lasting call ended with %s, though the far end hung up", first)
	}
	f.come()
	before := len(w.ends(often))
	eventually(t, "calls go through again", func() bool {
		came := w.ends(often)
		return len(came) > before && came[len(came)-1] == "good" && up()
	})
	if err := a.Close(patience); err != nil {
		t.Error(err)
	}
	w.check()
	if last := w.ends(always); last[len(last)-1] != "good" {
		t.Errorf("the lasting call came to %v", last)
	}
}
