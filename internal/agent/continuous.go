package agent

import (
	"slices"
	"time"
)

// Times of continuous jobs.
const (
	settled      = 30 * time.Second // a call that lived as long was not ended at once
	leastBackOff = time.Second      // between calls that end at once
	mostBackOff  = time.Minute
	startSpread  = 5 * time.Second // over which the first calls of all jobs are spread
	// silenceLimit is how long nothing may come back before a fresh call is tried
	// beside the one that is up. It is that of ICE consent (RFC 7675, 5.1), which
	// such a far end still gives: who has been silent for so long is gone. The
	// windows have paged by then.
	silenceLimit = 30 * time.Second
)

// link is what a continuous job is at: the call that is up, and now and then
// the one that is to replace it.
type link struct {
	w         *worker
	current   *running
	successor *running
	failing   time.Duration // since when calls end at once; never: they do not
	retryAt   time.Duration // when to call again, with no current call
	renewAt   time.Duration // when to place a successor; never: one is on its way
}

// continuous keeps one call up.
func (w *worker) continuous() {
	release, ok := w.agent.places.acquire(false, w.quit)
	if !ok {
		return
	}
	defer release()
	l := &link{w: w, retryAt: w.agent.now() + spread(w.job.Name(), startSpread), renewAt: never, failing: never}
	for l.step() {
	}
	for _, r := range w.running() {
		r.finish()
	}
	for _, r := range w.running() {
		<-r.done
	}
}

// step waits for the next thing to happen and deals with it; false: the worker
// is to stop.
func (l *link) step() bool {
	w := l.w
	wake := l.retryAt
	if l.current != nil {
		wake = l.renewAt
	}
	w.plan(wake)
	var timer <-chan time.Time
	if wake != never {
		t := time.NewTimer(wake - w.agent.now())
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-w.quit:
		return false
	case <-timer:
		l.call()
	case <-doneOf(l.current):
		l.lost()
	case <-doneOf(l.successor):
		l.unrenewed()
	case <-upOf(l.successor):
		l.renewed()
	case <-muteOf(l.current):
		l.silent()
	}
	return true
}

// call places the next call: the first one, one after a loss, or a successor.
func (l *link) call() {
	t := l.w.job.Target
	// A call stays up until its successor is, for as long again as it should.
	t.Duration, t.Timeout = 2*l.w.job.Renew, 0
	r := l.w.begin(t, false)
	if l.current != nil {
		l.successor, l.renewAt = r, never
		return
	}
	l.current = r
	// The first renewals of jobs that begin together are spread.
	half := l.w.job.Renew / 2
	l.renewAt = r.began + half + spread(l.w.job.Name(), half)
}

// lost deals with the end of the current call: another is placed at once, or
// after a while when calls keep ending at once.
func (l *link) lost() {
	now := l.w.agent.now()
	old := l.current
	l.current = l.successor
	l.successor = nil
	if l.current != nil {
		l.renewAt = l.current.began + l.w.job.Renew
		return
	}
	l.retryAt = now + l.backOff(now-old.began)
}

// unrenewed deals with the end of a successor that was to replace the current
// call. That one stays up meanwhile.
func (l *link) unrenewed() {
	now := l.w.agent.now()
	lived := now - l.successor.began
	l.successor = nil
	l.forget()
	l.renewAt = now + l.backOff(lived)
}

// renewed ends the current call: its successor is up.
func (l *link) renewed() {
	l.current.finish()
	l.current, l.successor = l.successor, nil
	l.renewAt = l.current.began + l.w.job.Renew
	l.failing = never
}

// silent deals with a current call of which nothing comes back, though its far end
// still answers connectivity checks. A new call may get media where this one does
// not: a session that a media server lost, the binding of a firewall that timed
// out. So it is replaced ahead of its time, and ends, failed, when its successor
// has media. Until then it stays up: its windows go on to tell of the silence. A
// successor that fails too is tried again less and less often.
func (l *link) silent() {
	l.forget()
	if l.successor != nil || l.failing != never {
		return // on its way, or to be tried again in its time
	}
	// The same outage may have silenced the calls of all jobs.
	l.renewAt = min(l.renewAt, l.w.agent.now()+spread(l.w.job.Name(), startSpread))
}

// forget that calls failed before the current one, which stands.
func (l *link) forget() {
	if l.failing < l.current.began {
		l.failing = never
	}
}

// backOff is how long to wait after a call that lived so long: not at all after
// one that was up for a while, else for half the time for which calls have been
// failing. A far end that is back is found soon, measured by how long it was away.
// Jobs whose calls all died with the same echo do not come back in step.
func (l *link) backOff(lived time.Duration) time.Duration {
	if lived >= settled {
		l.failing = never
		return 0
	}
	now := l.w.agent.now()
	if l.failing == never {
		l.failing = now
	}
	gap := min(max((now-l.failing)/2, leastBackOff), mostBackOff)
	return gap*3/4 + spread(l.w.job.Name(), gap/2)
}

// running lists the calls that have not ended.
func (w *worker) running() []*running {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

func doneOf(r *running) <-chan struct{} {
	if r == nil {
		return nil
	}
	return r.done
}

func muteOf(r *running) <-chan struct{} {
	if r == nil {
		return nil
	}
	return r.mute
}

func upOf(r *running) <-chan struct{} {
	if r == nil {
		return nil
	}
	return r.up
}
