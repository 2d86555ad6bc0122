package agent

import (
	"sync"
	"time"

	"github.com/earshot-voip/earshot/probe"
)

// worker looks after one job, on a goroutine of its own. A job that changes gets
// a new worker, which waits for the calls of the old one to end.
type worker struct {
	agent  *Agent
	job    Job
	before *worker       // had the name before, and is awaited; nil: none had, or it is done
	quit   chan struct{} // closed: end all calls, and then this
	done   chan struct{} // closed: nothing is left
	added  bool          // observers know of the job; of the goroutine that runs the worker

	// telling is held while observers are told: for one job they are called one
	// after the other. It is taken before mu, and mu is free meanwhile: an observer
	// may have a lock that somebody holds who asks for the status.
	telling sync.Mutex

	mu      sync.Mutex
	gone    bool // not in the plan any more
	calls   []*running
	next    time.Duration // since the agent's start; never: none is planned
	late    time.Duration
	skipped int64
	last    *probe.Result
}

// newWorker returns a worker that is to begin when before, if not nil, is done.
func (a *Agent) newWorker(j Job, before *worker) *worker {
	return &worker{agent: a, job: j, before: before, quit: make(chan struct{}), done: make(chan struct{}), next: never}
}

// succeed waits for the worker before to be done, and goes on where it ended.
func (w *worker) succeed() {
	if w.before == nil {
		return
	}
	<-w.before.done
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last, w.skipped = w.before.last, w.before.skipped
	w.before = nil
}

// stop ends the worker's calls and then the worker. It does not wait. gone is
// for a job that is in no plan any more.
func (w *worker) stop(gone bool) {
	w.mu.Lock()
	w.gone = gone
	w.mu.Unlock()
	close(w.quit)
}

// stopping reports whether stop was called.
func (w *worker) stopping() bool {
	select {
	case <-w.quit:
		return true
	default:
		return false
	}
}

// run is the worker's goroutine.
func (w *worker) run() {
	defer close(w.done)
	w.succeed()
	if !w.added {
		w.add()
	}
	if w.job.Mode == Continuous {
		w.continuous()
	} else {
		w.periodic()
	}
	w.mu.Lock()
	gone := w.gone
	w.mu.Unlock()
	if gone {
		w.tell(func(o Observer) { o.Removed(w.job) })
	}
}

// add tells observers of the job.
func (w *worker) add() {
	w.tell(func(o Observer) { o.Added(w.job) })
	w.added = true
}

func (w *worker) tell(f func(Observer)) {
	w.telling.Lock()
	defer w.telling.Unlock()
	f(w.agent.observer)
}

// sleep waits until a time since the agent's start; false: the worker is to
// stop.
func (w *worker) sleep(until time.Duration) bool {
	timer := time.NewTimer(until - w.agent.now())
	defer timer.Stop()
	select {
	case <-w.quit:
		return false
	default:
	}
	select {
	case <-timer.C:
		return true
	case <-w.quit:
		return false
	}
}

// plan notes for the status when the next call begins.
func (w *worker) plan(next time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = next
}

// suspect reports whether the last call found the target broken.
func (w *worker) suspect() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last != nil && w.last.Verdict == probe.Failed
}

// status says what the worker does.
func (w *worker) status(now time.Time, since time.Duration) JobStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := JobStatus{Job: w.job, Last: w.last, Skipped: w.skipped, Late: w.late}
	for _, r := range w.calls {
		s.Calls = append(s.Calls, r.Call)
	}
	if w.next != never {
		s.Next = now.Add(w.next - since)
	}
	return s
}
