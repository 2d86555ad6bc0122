package selftest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
	"github.com/earshot-voip/earshot/probe"
)

// setUpAtOnce is how many calls of a burst are set up side by side. More would
// not be faster: a set-up is cryptography, and that is the processor's.
const setUpAtOnce = 8

// spread is the time within which the media of a burst begins, each call at a
// random moment: a multiple of no interval in which calls do things, so that
// they do not do them all at once.
const spread = time.Second

// Burst is a number of calls to one target that talk at the same time. Each is
// set up, waits for the last one, begins to talk at a random moment within a
// second, and hangs up when all have talked. So no call measures the set-up or
// the end of another.
type Burst struct {
	Target probe.Target // of every call; OnStep is the burst's own. Timeout includes the waiting
	Calls  int

	// OnMedia is called once, when all are set up and before any of them sends.
	OnMedia func()
}

// Outcome is what came of a burst.
type Outcome struct {
	Results []*probe.Result // of the calls that had media
	Failed  int             // calls that did not get so far, or broke
	Err     error           // why the first of them failed
	SetUp   time.Duration   // from the first start until the last was ready
}

// Run places the calls and returns when all are over. The error is for a target
// that cannot be called, or ctx's; calls that fail are in the outcome.
func (b Burst) Run(ctx context.Context) (Outcome, error) {
	setUp, through := newGate(b.Calls), newGate(b.Calls)
	room := make(chan struct{}, setUpAtOnce)
	results := make([]*probe.Result, b.Calls)
	errs := make([]error, b.Calls)
	var (
		calls   sync.WaitGroup
		outcome Outcome
	)
	began := mono.Now()
	for i := range b.Calls {
		calls.Go(func() {
			room <- struct{}{}
			ready := sync.OnceFunc(func() {
				<-room
				setUp.arrive()
			})
			talked := sync.OnceFunc(through.arrive)
			defer talked()
			defer ready()
			target := b.Target
			target.OnStep = func(s probe.Step) {
				switch {
				case s.State != probe.StateOK:
				case s.Layer == probe.LayerDTLS:
					ready()
					setUp.wait(ctx)
					sleep(ctx, rand.N(spread))
				case s.Layer == probe.LayerMedia:
					talked()
					through.wait(ctx)
				}
			}
			results[i], errs[i] = probe.Run(ctx, target)
		})
	}
	setUp.full(func() {
		outcome.SetUp = mono.Now() - began
		if b.OnMedia != nil {
			b.OnMedia()
		}
	})
	through.full(func() {})
	calls.Wait()
	for i, r := range results {
		switch {
		case errs[i] != nil:
			return outcome, errs[i]
		case r.Failure != nil:
			outcome.Failed++
			outcome.Err = errors.Join(outcome.Err, r.Failure)
			if outcome.Failed > 1 {
				outcome.Err = fmt.Errorf("%d calls failed, one of them with: %w", outcome.Failed, r.Failure)
			}
		default:
			outcome.Results = append(outcome.Results, r)
		}
	}
	return outcome, ctx.Err()
}

// gate holds back who waits until all have arrived.
type gate struct {
	arrived sync.WaitGroup
	open    chan struct{}
}

func newGate(n int) *gate {
	g := &gate{open: make(chan struct{})}
	g.arrived.Add(n)
	return g
}

// arrive is called once by each, whatever became of it.
func (g *gate) arrive() { g.arrived.Done() }

// full waits for all to arrive, calls f and opens the gate.
func (g *gate) full(f func()) {
	g.arrived.Wait()
	f()
	close(g.open)
}

func (g *gate) wait(ctx context.Context) {
	select {
	case <-g.open:
	case <-ctx.Done():
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Spread is how a figure of single calls lies over the calls of a burst.
type Spread struct {
	Median, Worst time.Duration
	// Most is the figure that 19 of 20 calls keep: what counts for a limit.
	Most time.Duration
}

// SpreadOf sorts one figure per call; it is zero without calls.
func SpreadOf(values []time.Duration) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	return Spread{Median: values[n/2], Most: values[(n*19+19)/20-1], Worst: values[n-1]}
}

// Over collects one figure of each call of the outcome.
func (o *Outcome) Over(figure func(*probe.Result) time.Duration) Spread {
	values := make([]time.Duration, 0, len(o.Results))
	for _, r := range o.Results {
		values = append(values, figure(r))
	}
	return SpreadOf(values)
}

// Figures of a call that bursts are judged by.
var (
	// OwnNoise is how long a packet that had reached this host waited for the
	// probe, at p99.
	OwnNoise = func(r *probe.Result) time.Duration { return r.Self.ReceiveWake.P99 }
	// SendLate is how late packets left, at p99.
	SendLate = func(r *probe.Result) time.Duration { return r.Self.SendLate.P99 }
	// RTT is the median round trip.
	RTT = func(r *probe.Result) time.Duration { return r.RoundTrip.RTT.P50 }
	// RTTHigh is the round trip at p99.
	RTTHigh = func(r *probe.Result) time.Duration { return r.RoundTrip.RTT.P99 }
	// JitterUp and JitterDown are the mean interarrival jitter of a direction.
	JitterUp   = func(r *probe.Result) time.Duration { return r.Uplink.JitterMean }
	JitterDown = func(r *probe.Result) time.Duration { return r.Downlink.JitterMean }
)
