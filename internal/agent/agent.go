// Package agent places calls on a schedule and without pause, for as long as
// the process runs, and tells an observer what happened.
//
// What is to be called is a Plan, which can be replaced while the agent runs;
// what became of it is told to an Observer, call by call and window by window.
// The agent keeps no results: metrics, history and pages are observers.
//
// Its schedule is on monotonic time alone: setting the clock of the host neither
// delays a call nor brings calls forward.
package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/earshot-voip/earshot/probe"
)

// Config of an agent. The zero value of each field is its default.
type Config struct {
	Observer  Observer     // nil: nobody
	Log       *slog.Logger // nil: none
	UserAgent string       // how calls name this program to servers; default earshot

	// Call places one call; default probe.Run. It must end soon after the
	// target's End is closed, and at once when ctx ends.
	Call func(context.Context, probe.Target) (*probe.Result, error)
}

// Agent carries out a plan. Its methods may be called from anywhere, but Apply
// and Close not from an observer.
type Agent struct {
	call     func(context.Context, probe.Target) (*probe.Result, error)
	observer Observer
	log      *slog.Logger
	program  string    // as user agent
	start    time.Time // with its monotonic reading: all times of the schedule count from here
	ctx      context.Context
	cancel   context.CancelFunc // of all calls, when they do not end in time
	places   places
	traffic  traffic
	running  atomic.Int64
	panics   atomic.Int64

	applying sync.Mutex // one plan after the other

	mu      sync.Mutex
	closed  bool
	plan    Plan
	workers map[string]*worker // the newest of each name, until it is done
}

// New returns an agent with nothing to do. Close must be called in the end.
func New(c Config) *Agent {
	a := &Agent{
		call: c.Call, observer: c.Observer, log: c.Log, program: cmp.Or(c.UserAgent, "earshot"),
		start: time.Now(), workers: map[string]*worker{},
	}
	if a.call == nil {
		a.call = probe.Run
	}
	if a.observer == nil {
		a.observer = Nobody{}
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a
}

// now is the time since the agent's start. It never goes back.
func (a *Agent) now() time.Duration { return time.Since(a.start) }

// ErrClosed is for a plan that comes after Close.
var ErrClosed = errors.New("the agent is closed")

// Apply replaces the plan. Jobs that are the same in both go on undisturbed;
// calls of those that changed or are gone are ended and judged. It returns
// before these calls have ended. A plan that is not valid changes nothing.
func (a *Agent) Apply(p Plan) error {
	if err := p.Validate(); err != nil {
		return err
	}
	a.applying.Lock()
	defer a.applying.Unlock()
	p.Jobs = slices.Clone(p.Jobs)
	begin, err := a.take(p)
	if err != nil {
		return err
	}
	a.places.resize(p.Budget.ParallelCalls)
	a.traffic.plan(p)
	for _, w := range begin {
		if w.before == nil {
			w.add()
		}
		go func() {
			w.run()
			a.forget(w)
		}()
	}
	return nil
}

// take makes the plan the current one. It returns the workers to begin, and
// stops those that are in it no more.
func (a *Agent) take(p Plan) (begin []*worker, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, ErrClosed
	}
	planned := map[string]bool{}
	for _, j := range p.Jobs {
		planned[j.Name()] = true
		old := a.workers[j.Name()]
		switch {
		case old == nil:
		case old.stopping():
		case same(old.job, j):
			continue
		default:
			old.stop(false)
		}
		w := a.newWorker(j, old)
		a.workers[j.Name()] = w
		begin = append(begin, w)
	}
	for name, w := range a.workers {
		if !planned[name] && !w.stopping() {
			w.stop(true)
		}
	}
	a.plan = p
	return begin, nil
}

// forget drops a worker that is done, unless another has its place.
func (a *Agent) forget(w *worker) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.workers[w.job.Name()] == w {
		delete(a.workers, w.job.Name())
	}
}

// same reports whether two jobs are the same, so that calls need not be
// disturbed.
func same(a, b Job) bool {
	a, b = a.effective(), b.effective()
	x, y := a.Target, b.Target
	if (x.RootCAs == nil) != (y.RootCAs == nil) || x.RootCAs != nil && !x.RootCAs.Equal(y.RootCAs) {
		return false
	}
	x.RootCAs, y.RootCAs, x.Log, y.Log = nil, nil, nil, nil
	a.Target, b.Target = x, y
	return reflect.DeepEqual(a, b)
}

// Close ends all calls and waits for them: they are hung up and judged by what
// they measured. What has not ended after grace is cut off, which takes no
// longer than hanging up does. The error names targets whose calls do not end
// even then.
func (a *Agent) Close(grace time.Duration) error {
	a.mu.Lock()
	a.closed = true
	var workers []*worker
	for _, w := range a.workers {
		workers = append(workers, w)
		if !w.stopping() {
			w.stop(false)
		}
	}
	a.mu.Unlock()

	if a.wait(workers, grace) != nil {
		a.log.Warn("calls do not end in time and are cut off")
	}
	a.cancel()
	left := a.wait(workers, cutOff)
	if left == nil {
		return nil
	}
	slices.Sort(left)
	return fmt.Errorf("calls did not end: %s", strings.Join(left, ", "))
}

// cutOff is how long a call may take to end after its context did: hanging up
// has a deadline of its own.
const cutOff = 5 * time.Second

// wait waits for workers to be done, so long at most. It returns the names of
// those that are not.
func (a *Agent) wait(workers []*worker, atMost time.Duration) (left []string) {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	over := false
	for _, w := range workers {
		select {
		case <-w.done:
			continue
		default:
		}
		if !over {
			select {
			case <-w.done:
				continue
			case <-timer.C:
				over = true
			}
		}
		left = append(left, w.job.Name())
	}
	return left
}

// Status says what the agent is doing.
func (a *Agent) Status() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	since := now.Sub(a.start)
	s := Status{
		Running: int(a.running.Load()), ParallelCalls: a.plan.Budget.ParallelCalls,
		Panics: a.panics.Load(),
	}
	a.traffic.status(since, &s)
	_, s.Waiting = a.places.count()
	for _, j := range a.plan.Jobs {
		if w := a.workers[j.Name()]; w != nil {
			s.Jobs = append(s.Jobs, w.status(now, since))
		} else {
			s.Jobs = append(s.Jobs, JobStatus{Job: j}) // after Close
		}
	}
	return s
}
