package agent

import (
	"time"

	"github.com/earshot-voip/earshot/probe"
)

// periodic places calls on the job's schedule, one at a time.
func (w *worker) periodic() {
	a := w.agent
	s := newSchedule(w.job.Name(), w.job.Every, w.job.usual(), a.now())
	skippedBefore := w.skipped
	for {
		d := s.next()
		w.plan(d.at)
		if !w.sleep(d.at) {
			return
		}
		cost := w.job.bytes(w.job.Target.WithDefaults().Duration)
		if d.retest && !a.traffic.reserve(a.now(), cost) {
			s.deny()
			continue
		}
		release, ok := a.places.acquire(w.suspect(), w.quit)
		if !ok {
			return
		}
		began := a.now()
		w.began(d, began)
		s.begin(began)
		r := w.hold(d.retest, release)
		if d.retest {
			a.traffic.settle(cost)
		}
		if r == nil {
			return
		}
		s.end(a.now(), a.now()-began, outcomeOf(r))
		w.mu.Lock()
		w.skipped = skippedBefore + s.skipped
		w.mu.Unlock()
	}
}

// began notes for the status how a call began.
func (w *worker) began(d due, at time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = never
	if !d.retest {
		w.late = at - d.at
	}
}

// hold places one call and waits for its end; nil when the worker is to stop.
// release gives the call's place back.
func (w *worker) hold(retest bool, release func()) *probe.Result {
	defer release()
	r := w.begin(w.job.Target, retest)
	overdue := time.NewTimer(w.job.longest())
	defer overdue.Stop()
	for {
		select {
		case <-r.done:
			return r.result
		case <-overdue.C:
			// It ought to have ended by itself. It still keeps its target from being
			// called twice, but no other.
			w.agent.log.Error("a call does not end, though its time is over", "target", w.job.Name(), "call", r.ID)
			release()
		case <-w.quit:
			r.finish()
			<-r.done
			return nil
		}
	}
}

// outcomeOf says what a call means for the schedule. One that could not be
// trusted says that this host is busy: more calls would not help.
func outcomeOf(r *probe.Result) outcome {
	switch r.Verdict {
	case probe.Good:
		return fine
	case probe.Untrusted:
		return unknown
	}
	return bad
}
