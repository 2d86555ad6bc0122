package probe

import (
	"context"
	"time"

	"github.com/earshot-voip/earshot/internal/audio"
	"github.com/earshot-voip/earshot/internal/rtpflow"
)

// listenAtMost is how long the end of a call waits for its last window to be
// listened to, on a host where many others want that too.
const listenAtMost = 3 * time.Second

// ear listens to the windows of a call, one after the other. What came back bit
// for bit is done at once; altered audio takes some 10 ms and is listened to
// beside the call. While that takes longer than a window, the next one is left
// out: not checked. It belongs to the call's goroutine.
type ear struct {
	x       *exchange
	total   audio.Findings
	missing *audio.Gaps // of altered audio; nil: there was none
	began   bool        // something has come back
	waiting []*hearing  // one for each window that is cut and not handed out
	busy    *hearing    // the last that was listened to beside the call
}

// hearing is what becomes of a window.
type hearing struct {
	findings audio.Findings
	done     chan struct{} // nil: it is done
	cancel   context.CancelFunc
}

func (h *hearing) ready() bool {
	if h.done == nil {
		return true
	}
	select {
	case <-h.done:
		return true
	default:
		return false
	}
}

// take gets the tape of a window that is cut.
func (e *ear) take(ctx context.Context, t audio.Tape) {
	h := &hearing{}
	e.waiting = append(e.waiting, h)
	switch {
	case !t.Altered():
		h.findings, _ = audio.Listen(ctx, t, audio.Lag{}, e.x.whenDeparted) // does not fail without listening
	case e.busy != nil && !e.busy.ready():
		h.findings = t.Skip()
	default:
		lag := e.total.Lag
		if e.busy != nil && e.busy.findings.Lag.Known {
			lag = e.busy.findings.Lag
		}
		ctx, h.cancel = context.WithCancel(ctx)
		h.done = make(chan struct{})
		e.busy = h
		go func() {
			defer close(h.done)
			defer e.x.survive()
			h.findings = audio.Findings{Skipped: true}
			h.findings, _ = audio.Listen(ctx, t, lag, e.x.whenDeparted) // who gets no turn leaves it out
		}()
	}
}

// ready reports whether the oldest window that is cut has been listened to.
func (e *ear) ready() bool { return len(e.waiting) == 0 || e.waiting[0].ready() }

// next gives the oldest window that is cut, which must be ready.
func (e *ear) next() audio.Findings {
	if len(e.waiting) == 0 {
		return audio.Findings{Skipped: true} // behind the last tape
	}
	h := e.waiting[0]
	e.waiting = append(e.waiting[:0], e.waiting[1:]...)
	if h.cancel != nil {
		h.cancel()
	}
	f := h.findings
	if e.began = e.began || f.Checked > 0; !e.began {
		return audio.Findings{Skipped: true} // the call is not up yet
	}
	e.total.Add(&f)
	e.note(&f)
	e.x.content(rtpflow.Content{
		Checked:  e.total.Checked,
		Intact:   e.total.Matched + e.total.SampleExact,
		Reshaped: e.total.Recognised - e.total.SampleExact,
	})
	return f
}

// note puts the gaps of altered audio on the map. In a window of silence nothing
// shows where in the clip it stands; the delay does.
func (e *ear) note(f *audio.Findings) {
	if f.State() == audio.Silent && e.total.Recognised > 0 {
		delay, _, _ := e.total.Delay()
		e.miss(audio.Gap{Start: max(f.Since-int64(delay/e.x.frame), 0), Length: f.Sent})
		return
	}
	for _, g := range f.Gaps {
		e.miss(g)
	}
}

func (e *ear) miss(g audio.Gap) {
	if e.missing == nil {
		e.missing = &audio.Gaps{}
	}
	e.missing.Add(g)
}

// settle waits until all windows are listened to, but not for long.
func (e *ear) settle() {
	if e.busy == nil {
		return
	}
	enough := time.NewTimer(listenAtMost)
	defer enough.Stop()
	select {
	case <-e.busy.done:
	case <-enough.C:
		e.busy.cancel()
		<-e.busy.done
	}
}

// gaps is the map of the call.
func (e *ear) gaps() audio.Gaps {
	switch {
	case e.total.Recognised <= e.total.Matched:
	case e.missing == nil:
		return audio.Gaps{}
	default:
		return *e.missing
	}
	delay, _, _ := e.total.Delay()
	return e.x.gaps(delay)
}
