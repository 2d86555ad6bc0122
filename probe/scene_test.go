package probe_test

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/farend"
	"github.com/earshot-voip/earshot/internal/impair"
	"github.com/earshot-voip/earshot/probe"
)

// patience is how long a test waits for what must happen. No test waits that
// long when all is well.
const patience = 30 * time.Second

var loopback = netip.MustParseAddr("127.0.0.1")

// eventually waits until something is so, and fails the test if it never is.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("not so after %v: %s", patience, what)
			return
		}
	}
}

// far is a far end under test conditions: how many calls it has, and how many
// it was asked to create and to end.
type far struct {
	*farend.Sessions
	calls func() int
}

// startEcho starts a real echo endpoint. Its ledgers come on the channel.
func startEcho(t *testing.T, c echo.Config) (*echo.Server, far, <-chan echo.Call) {
	t.Helper()
	ended := make(chan echo.Call, 100)
	c.OnEnd = func(e echo.Call) { ended <- e }
	s, err := echo.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Errorf("close the echo: %v", err)
		}
	})
	return s, far{farend.CountSessions(s), s.Calls}, ended
}

func startPion(t *testing.T, c farend.PionConfig) far {
	t.Helper()
	p := farend.NewPion(t, c)
	return far{farend.CountSessions(p), p.Calls}
}

// schedule reads an impairment.
func schedule(t *testing.T, text string) impair.Schedule {
	t.Helper()
	s, err := impair.ParseSchedule(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// target is a short call to an endpoint, with deadlines that only a broken call
// reaches and limits on delay and on the probe's own error that none does: all of
// the network is on this host, and a loaded host must not make a good call fail.
func target(url string) probe.Target {
	return probe.Target{
		Name:     "far end",
		URL:      url,
		Codec:    "pcmu",
		Duration: time.Second,
		Deadlines: probe.Deadlines{
			Resolve: patience, Connect: patience, TLS: patience, Signaling: patience, Gather: patience,
			ICE: patience, DTLS: patience, FirstMedia: patience, Consent: patience, Hangup: patience,
		},
		Limits: probe.Limits{BadMOS: 1, Jitter: time.Minute, RTT: time.Minute},
		Trust:  probe.Trust{SendLate: time.Minute, Missed: 1},
	}
}

// place runs a call to its end.
func place(t *testing.T, ctx context.Context, target probe.Target) *probe.Result {
	t.Helper()
	r, err := probe.Run(ctx, target)
	if err != nil {
		t.Fatalf("the target cannot be tried: %v", err)
	}
	return r
}

// watched runs f and fails the test when a goroutine that f began is left
// afterwards. Tests that run beside this one do not disturb it: goroutines carry
// the label of who began them.
func watched(t *testing.T, f func()) {
	t.Helper()
	label := pprof.Labels("watched", t.Name())
	pprof.Do(context.Background(), label, func(context.Context) { f() })
	var left string
	mark := fmt.Sprintf("%q:%q", "watched", t.Name())
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		var profile bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
			t.Fatal(err)
		}
		if left = labelled(profile.String(), mark); left == "" {
			return
		}
	}
	t.Errorf("goroutines are left:\n%s", left)
}

// labelled picks the records of a goroutine profile that carry a label.
func labelled(profile, mark string) string {
	var found []string
	for record := range strings.SplitSeq(profile, "\n\n") {
		if strings.Contains(record, mark) {
			found = append(found, record)
		}
	}
	return strings.Join(found, "\n\n")
}

// noSocketsLeft fails the test when at its end the process has more sockets
// open than at the time of the call. Tests beside this one would disturb it.
func noSocketsLeft(t *testing.T) {
	t.Helper()
	before := sockets(t)
	t.Cleanup(func() {
		var after []string
		eventually(t, "all sockets are closed", func() bool {
			after = sockets(t)
			return len(after) <= len(before)
		})
		if len(after) > len(before) {
			t.Errorf("%d sockets before, %d after: %v", len(before), len(after), after)
		}
	})
}

// sockets lists the process's open sockets (Linux).
func sockets(t *testing.T) []string {
	t.Helper()
	const dir = "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Skipf("no way to count sockets on this system: %v", err)
	}
	var list []string
	for _, e := range entries {
		if to, err := os.Readlink(dir + "/" + e.Name()); err == nil && strings.HasPrefix(to, "socket:") {
			list = append(list, to)
		}
	}
	return list
}

// checkFarEndTold checks that the far end has no call left, and that each call
// it created was ended by the caller's own request, not by a timer: both by the
// time at which the call has returned, without waiting.
func checkFarEndTold(t *testing.T, f far) {
	t.Helper()
	if f.Sessions == nil {
		return
	}
	if n := f.calls(); n != 0 {
		t.Errorf("the far end still has %d calls", n)
	}
	if f.Ended() < f.Created() {
		t.Errorf("the far end created %d calls and was asked to end %d", f.Created(), f.Ended())
	}
}

// step returns the step of a layer.
func step(t *testing.T, r *probe.Result, l probe.Layer) probe.Step {
	t.Helper()
	i := slices.IndexFunc(r.Steps, func(s probe.Step) bool { return s.Layer == l })
	if i < 0 {
		t.Fatalf("no step for %s", l)
	}
	return r.Steps[i]
}

// checkGood checks that a call went well on every layer.
func checkGood(t *testing.T, r *probe.Result) {
	t.Helper()
	if r.Failure != nil {
		t.Fatalf("the call failed: %v", r.Failure)
	}
	for _, s := range r.Steps {
		fine := s.State == probe.StateOK ||
			s.State == probe.StateNotApplicable && (s.Layer == probe.LayerResolve || s.Layer == probe.LayerTLS)
		if !fine {
			t.Errorf("%s is %s (%s)", s.Layer, s.State, s.Detail)
		}
	}
	if r.Audio.State != probe.AudioOK || r.Audio.Checked == 0 || r.Audio.Matched != r.Audio.Checked {
		t.Errorf("got audio %+v, want every frame to match", r.Audio)
	}
	if r.RoundTrip.Sent == 0 || r.RoundTrip.Returned == 0 || r.FirstMedia <= 0 || r.Route == nil || r.Codec == nil {
		t.Errorf("got %d sent, %d returned, first media %v, route %v, codec %v", r.RoundTrip.Sent, r.RoundTrip.Returned, r.FirstMedia, r.Route, r.Codec)
	}
	if r.Verdict != probe.Good {
		t.Errorf("the verdict is %s: %s", r.Verdict, r.Summary)
	}
}

// switchboard tells a test where a call is.
type switchboard struct {
	mu   sync.Mutex
	once map[string]bool
}

// first reports whether this is the first time for name.
func (s *switchboard) first(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.once == nil {
		s.once = map[string]bool{}
	}
	again := s.once[name]
	s.once[name] = true
	return !again
}

// onStep calls f when a layer's step ends in a state.
func onStep(l probe.Layer, s probe.State, f func()) func(probe.Step) {
	var board switchboard
	return func(done probe.Step) {
		if done.Layer == l && done.State == s && board.first(string(l)) {
			f()
		}
	}
}

// onMedia calls f once, when media has begun to come back.
func onMedia(f func()) func(probe.Live) {
	var board switchboard
	return func(l probe.Live) {
		if l.Back > 0 && board.first("media") {
			f()
		}
	}
}
