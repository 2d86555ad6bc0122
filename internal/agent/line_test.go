package agent

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/probe"
)

// line is what calls go out on in these tests: it does to a call what the test
// says, takes its time on the clock of the test's bubble, and remembers when
// each call began and ended.
type line struct {
	began time.Time

	mu sync.Mutex
	// fate says what becomes of the nth call to a target; nil: all go well.
	fate  func(target string, n int) fate
	calls map[string][]placed
	up    map[string]int
	most  int // calls at once
}

// fate is what becomes of a call.
type fate struct {
	setUp   time.Duration
	broken  bool                          // by a layer, after set-up
	dies    time.Duration                 // after so much media; 0: not
	quiet   func(sent time.Duration) bool // after so much media nothing comes back; nil: it always does
	dead    bool                          // nothing ever comes back
	poor    bool                          // degraded
	noisy   bool                          // untrusted
	panics  bool
	hangs   bool // until it is interrupted
	stuck   bool // for two hours, whatever anybody says
	untried bool
	deaf    bool // does not hear that it is to end, but hears that it is interrupted
}

// placed is a call as the line saw it; times since the line began.
type placed struct {
	id         string
	began, end time.Duration
	ended      bool // by the agent
	windows    int
}

func newLine() *line {
	return &line{began: time.Now(), calls: map[string][]placed{}, up: map[string]int{}}
}

func (l *line) now() time.Duration { return time.Since(l.began) }

// turn changes what becomes of calls from then on.
func (l *line) turn(f func(target string, n int) fate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fate = f
}

// peak is how many calls there were at once since the last time.
func (l *line) peak() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	most := l.most
	l.most = 0
	return most
}

// of lists the calls to a target.
func (l *line) of(target string) []placed {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.calls[target])
}

// starts lists when the calls to a target began.
func (l *line) starts(target string) (at []time.Duration) {
	for _, p := range l.of(target) {
		at = append(at, p.began)
	}
	return at
}

func (l *line) call(ctx context.Context, t probe.Target) (*probe.Result, error) {
	t = t.WithDefaults()
	l.mu.Lock()
	n := len(l.calls[t.Name])
	l.calls[t.Name] = append(l.calls[t.Name], placed{id: t.ID, began: l.now(), end: never})
	l.up[t.Name]++
	total := 0
	for _, up := range l.up {
		total += up
	}
	l.most = max(l.most, total)
	var f fate
	if l.fate != nil {
		f = l.fate(t.Name, n)
	}
	l.mu.Unlock()

	p := &placed{}
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		mine := &l.calls[t.Name][n]
		mine.end, mine.ended, mine.windows = l.now(), p.ended, p.windows
		l.up[t.Name]--
	}()
	return f.run(ctx, t, p)
}

var errSilent = errors.New("nothing answers")

func (f fate) run(ctx context.Context, t probe.Target, p *placed) (*probe.Result, error) {
	began := time.Now()
	canceled := false
	wait := func(d time.Duration) (over bool) {
		select {
		case <-time.After(d):
			return true
		case <-t.End:
			p.ended = true
		case <-ctx.Done():
			canceled = true
		}
		return false
	}
	result := func(v probe.Verdict, code probe.Code) (*probe.Result, error) {
		r := &probe.Result{ID: t.ID, Name: t.Name, Started: began, Elapsed: time.Since(began), Verdict: v}
		if code != "" {
			r.Failure = &probe.Failure{Layer: probe.LayerICE, Code: code, Err: errSilent}
		}
		return r, nil
	}
	switch {
	case f.untried:
		return nil, errors.New("cannot be tried")
	case f.stuck:
		time.Sleep(2 * time.Hour)
		return result(probe.Failed, probe.CodeTimeout)
	case f.deaf:
		<-ctx.Done()
		return result(probe.Failed, probe.CodeCanceled)
	case f.hangs && !wait(t.Timeout):
		return result(probe.Failed, probe.CodeCanceled)
	case f.hangs:
		return result(probe.Failed, probe.CodeTimeout)
	case !wait(f.setUp):
		return result(probe.Failed, probe.CodeCanceled)
	case f.panics:
		panic("as the test wants it")
	case f.broken:
		return result(probe.Failed, probe.CodeNoPair)
	}
	silent := false
	for sent := time.Duration(0); sent < t.Duration; {
		length := min(t.Window, t.Duration-sent)
		if f.dead {
			length = t.Deadlines.FirstMedia
		}
		silent = f.dead || f.quiet != nil && f.quiet(sent)
		if f.dies > 0 && sent+length > f.dies {
			wait(f.dies - sent)
			return result(probe.Failed, probe.CodeConsentLost)
		}
		at := time.Now()
		over := wait(length)
		w := probe.Window{Start: sent, Length: time.Since(at), Trusted: true, Sent: int64(time.Since(at) / (20 * time.Millisecond))}
		if !silent {
			w.Returned = w.Sent
		}
		t.OnWindow(w)
		p.windows++
		sent += length
		if f.dead {
			return result(probe.Failed, probe.CodeNoMedia)
		}
		if canceled {
			return result(probe.Failed, probe.CodeCanceled)
		}
		if !over {
			break
		}
	}
	switch {
	case silent:
		return result(probe.Failed, probe.CodeMediaStopped)
	case f.poor:
		return result(probe.Degraded, "")
	case f.noisy:
		return result(probe.Untrusted, "")
	}
	return result(probe.Good, "")
}

// witness is an observer that keeps what it was told and checks that it was
// told in order: of one job one thing after the other, of each call its begin,
// its windows and its end, of nothing outside Added and Removed.
type witness struct {
	t *testing.T

	mu      sync.Mutex
	talking map[string]bool
	there   map[string]bool
	open    map[string]string // name by id
	events  []string
	count   map[probe.Verdict]int
	results map[string][]*probe.Result
	windows map[string]int
	dropped int
}

func newWitness(t *testing.T) *witness {
	return &witness{t: t, talking: map[string]bool{}, there: map[string]bool{}, open: map[string]string{},
		count: map[probe.Verdict]int{}, results: map[string][]*probe.Result{}, windows: map[string]int{}}
}

// hear notes an event, and that nothing else is said of the job meanwhile.
func (w *witness) hear(j Job, event string, check func() string) {
	w.mu.Lock()
	if w.talking[j.Name()] {
		w.t.Errorf("%s of %s is told while something else is", event, j.Name())
	}
	w.talking[j.Name()] = true
	if wrong := check(); wrong != "" {
		w.t.Errorf("%s of %s: %s", event, j.Name(), wrong)
	}
	w.events = append(w.events, event+" "+j.Name())
	w.mu.Unlock()
	runtime.Gosched() // let others in, if they are not kept out
	w.mu.Lock()
	w.talking[j.Name()] = false
	w.mu.Unlock()
}

func (w *witness) Added(j Job) {
	w.hear(j, "added", func() string { w.there[j.Name()] = true; return "" })
}

func (w *witness) Started(j Job, id string, _ time.Time) {
	w.hear(j, "started", func() string {
		if !w.there[j.Name()] {
			return "the job is not there"
		}
		w.open[id] = j.Name()
		return ""
	})
}

func (w *witness) Window(j Job, id string, _ probe.Window) {
	w.hear(j, "window", func() string {
		w.windows[j.Name()]++
		return w.known(j, id)
	})
}

func (w *witness) Ended(j Job, r *probe.Result) {
	w.hear(j, "ended", func() string {
		wrong := w.known(j, r.ID)
		delete(w.open, r.ID)
		w.count[r.Verdict]++
		w.results[j.Name()] = append(w.results[j.Name()], r)
		return wrong
	})
}

func (w *witness) Dropped(j Job, id string) {
	w.hear(j, "dropped", func() string {
		wrong := w.known(j, id)
		delete(w.open, id)
		w.dropped++
		return wrong
	})
}

func (w *witness) Removed(j Job) {
	w.hear(j, "removed", func() string {
		for id, name := range w.open {
			if name == j.Name() {
				return "call " + id + " is still open"
			}
		}
		delete(w.there, j.Name())
		return ""
	})
}

func (w *witness) known(j Job, id string) string {
	if w.open[id] != j.Name() {
		return "call " + id + " was not begun"
	}
	return ""
}

// check checks that nothing is left open.
func (w *witness) check() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.open) > 0 {
		w.t.Errorf("calls were begun and never ended: %v", w.open)
	}
}

// ends lists what the calls to a target came to.
func (w *witness) ends(target string) (list []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.results[target] {
		text := string(r.Verdict)
		if r.Failure != nil {
			text = string(r.Failure.Code)
		}
		list = append(list, text)
	}
	return list
}

func periodic(name string, every, duration time.Duration) Job {
	return Job{Mode: Periodic, Every: every, Target: probe.Target{Name: name, URL: "http://far.end/echo", Duration: duration}.WithDefaults()}
}

func lasting(name string, renew time.Duration) Job {
	return Job{Mode: Continuous, Renew: renew, Target: probe.Target{Name: name, URL: "http://far.end/echo"}.WithDefaults()}
}

func many(n int, job func(name string) Job) (jobs []Job) {
	for i := range n {
		jobs = append(jobs, job(fmt.Sprintf("site-%02d", i)))
	}
	return jobs
}
