package agent

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/earshot-voip/earshot/probe"
)

// running is a call that was begun. Its worker's mu guards Call.
type running struct {
	Call
	retest bool
	began  time.Duration // since the agent's start

	ask     sync.Once
	asked   chan struct{} // closed: the agent wants it to end
	up      chan struct{} // closed: media came back in a window
	mute    chan struct{} // has an entry when nothing has come back for silenceLimit
	done    chan struct{} // closed: it has ended and observers were told
	silence time.Duration // of the last windows, in which nothing came back; guarded by its worker's mu

	// result is set when done is closed; nil: dropped.
	result *probe.Result
}

// finish asks the call to end and to be judged by what it measured. It does not
// wait.
func (r *running) finish() { r.ask.Do(func() { close(r.asked) }) }

// begin begins a call to the worker's target and tells observers.
func (w *worker) begin(t probe.Target, retest bool) *running {
	a := w.agent
	r := &running{
		Call: Call{ID: newID(), Started: time.Now()}, retest: retest, began: a.now(),
		asked: make(chan struct{}), up: make(chan struct{}), mute: make(chan struct{}, 1), done: make(chan struct{}),
	}
	t.ID, t.End, t.Log, t.UserAgent = r.ID, r.asked, a.log, a.program
	t.OnWindow = func(window probe.Window) { w.window(r, window) }
	a.running.Add(1)
	w.mu.Lock()
	w.calls = append(w.calls, r)
	w.mu.Unlock()
	w.tell(func(o Observer) { o.Started(w.job, r.ID, r.Started) })
	go func() {
		defer close(r.done)
		w.ended(r, a.place(t))
	}()
	return r
}

func newID() string {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

// window is told of each window of a call.
func (w *worker) window(r *running, window probe.Window) {
	w.agent.traffic.add(w.agent.now(), w.job.windowBytes(window), r.retest)
	w.mu.Lock()
	r.Windows++
	r.Last = &window
	switch {
	case Silent(&window):
		r.silence += window.Length
	case Heard(&window):
		r.silence = 0
	}
	mute := r.silence >= silenceLimit
	up := !r.isUp() && Heard(&window)
	back := up && w.job.Mode == Continuous && w.last != nil && w.last.Verdict == probe.Failed
	w.mu.Unlock()
	if up {
		close(r.up)
	}
	if mute {
		select {
		case r.mute <- struct{}{}:
		default: // it is known
		}
	}
	if back {
		w.agent.log.Info("the target answers again", "target", w.job.Name(), "call", r.ID)
	}
	w.tell(func(o Observer) { o.Window(w.job, r.ID, window) })
}

// isUp reports whether media has come back.
func (r *running) isUp() bool {
	select {
	case <-r.up:
		return true
	default:
		return false
	}
}

// LeastSent is the least number of packets whose absence is silence.
const LeastSent = 20

// Silent reports whether nothing came back of what was sent in a window.
func Silent(w *probe.Window) bool { return w.Sent >= LeastSent && !Heard(w) }

// Heard reports whether anything came back in a window.
func Heard(w *probe.Window) bool { return w.Returned > 0 || w.Downlink.Received > 0 }

// ended takes a finished call off the list and tells observers.
func (w *worker) ended(r *running, result *probe.Result) {
	dropped := r.wasAsked() && result.Failure != nil && result.Failure.Code == probe.CodeCanceled
	w.mu.Lock()
	w.calls = slices.DeleteFunc(slices.Clone(w.calls), func(one *running) bool { return one == r })
	if !dropped {
		r.result = result
		w.noteVerdict(result)
		last := *result
		last.Windows = nil // an hour of them for each target would be a burden
		w.last = &last
	}
	w.mu.Unlock()
	w.agent.running.Add(-1)
	if result.Failure != nil && result.Failure.Code == probe.CodeInternal {
		w.agent.panics.Add(1)
	}
	w.tell(func(o Observer) {
		if dropped {
			o.Dropped(w.job, r.ID)
		} else {
			o.Ended(w.job, result)
		}
	})
}

func (r *running) wasAsked() bool {
	select {
	case <-r.asked:
		return true
	default:
		return false
	}
}

// noteVerdict logs when things change, not each call.
func (w *worker) noteVerdict(result *probe.Result) {
	if w.last != nil && w.last.Verdict == result.Verdict || w.last == nil && result.Verdict == probe.Good {
		w.agent.log.Debug("call ended", "target", w.job.Name(), "call", result.ID, "verdict", result.Verdict)
		return
	}
	facts := []any{"target", w.job.Name(), "call", result.ID, "verdict", result.Verdict, "summary", result.Summary}
	if result.Failure != nil {
		facts = append(facts, "layer", result.Failure.Layer, "code", result.Failure.Code, "error", result.Failure.Err)
	}
	w.agent.log.Info("the verdict on a target changed", facts...)
}

// place places a call. A panic is a failed call, and so is a target that cannot
// be tried: a plan is checked before it is taken.
func (a *Agent) place(t probe.Target) (result *probe.Result) {
	began := time.Now()
	failed := func(err error) *probe.Result { return defect(t, began, err) }
	defer func() {
		if p := recover(); p != nil {
			a.log.Error("a call ended in a panic, which is a defect of earshot; please report it",
				"target", t.Name, "call", t.ID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			result = failed(fmt.Errorf("panic: %v", p))
		}
	}()
	result, err := a.call(a.ctx, t)
	if err != nil {
		return failed(err)
	}
	return result
}

// defect is the result of a call that could not even fail by itself.
func defect(t probe.Target, began time.Time, err error) *probe.Result {
	code := probe.CodeInternal
	r := &probe.Result{
		ID: t.ID, Name: t.Name, Site: t.Site, Started: began, Elapsed: time.Since(began),
		Verdict: probe.Failed, Summary: fmt.Sprintf("The call to %s failed: %s.", t.Name, code.Meaning()),
		Failure: &probe.Failure{Layer: probe.LayerGather, Code: code, Hint: code.Hint(), Err: err},
		Echo:    probe.EchoUnknown,
		Uplink:  probe.Direction{Evidence: probe.EvidenceNone}, Downlink: probe.Direction{Evidence: probe.EvidenceNone},
		Audio: probe.Audio{State: probe.AudioNotChecked},
	}
	for _, l := range probe.Layers {
		state, detail := probe.StateNotRun, ""
		if l == r.Failure.Layer {
			state, detail = probe.StateFailed, err.Error()
		}
		r.Steps = append(r.Steps, probe.Step{Layer: l, State: state, Detail: detail})
	}
	return r
}
