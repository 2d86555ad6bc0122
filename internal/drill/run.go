package drill

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
)

// pollEvery is how often alerts are asked for: the precision of the times at
// which they fired.
const pollEvery = time.Second

// AlertPrefix is what the names of Earshot's own alerts begin with.
const AlertPrefix = "Earshot"

// Drill is a scenario and what it is played on.
type Drill struct {
	Scenario Scenario
	// Set changes the conditions of the echo.
	Set func(context.Context, echo.Conditions) error
	// Start and Kill are for an echo of the drill's own; nil with another's,
	// and then the scenario must not stop it.
	Start func(context.Context) error
	Kill  func() error
	// Alerts asks for those that fire; nil: nobody watches.
	Alerts Alerts
	// Tell is told of each event when it happens, on the goroutine of Run.
	Tell func(Event)
}

// Event is something to tell whoever watches.
type Event struct {
	At   time.Duration // since the drill began
	Kind Kind
	Text string
}

// Kind is what an event is about.
type Kind string

// The kinds of events.
const (
	Changed    Kind = "changed"    // conditions
	Expected   Kind = "expected"   // an alert is due by a time
	Fired      Kind = "fired"      // an expected alert
	Resolved   Kind = "resolved"   // an expected alert
	Overdue    Kind = "overdue"    // an expected alert did not fire, or did not end, in time
	Unexpected Kind = "unexpected" // another alert of Earshot's fires
	Trouble    Kind = "trouble"    // alerts cannot be asked for
)

// State is what became of an expectation.
type State string

// The states.
const (
	InTime      State = "in_time"
	Early       State = "early"   // it fired before its cause
	Late        State = "late"    // it fired after its time
	Missing     State = "missing" // it did not fire
	Lasting     State = "lasting" // it fired in time and did not end in time
	NotWatched  State = "not_watched"
	Interrupted State = "interrupted"
)

// Finding is an expectation and what became of it.
type Finding struct {
	Expectation
	State    State
	Fired    *time.Duration // since the drill began; nil: it did not
	Resolved *time.Duration // the last time; nil: it did not
	firing   bool
	overdue  bool
}

// Outcome is what a drill found.
type Outcome struct {
	Scenario   string
	Began      time.Time
	Watched    bool
	Cut        bool // it was interrupted
	Findings   []Finding
	Unexpected []string // alerts of Earshot's that fired besides, critical ones
}

// Passed reports whether every alert did what was expected of it, and no other
// one paged.
func (o *Outcome) Passed() bool {
	return !o.Cut && len(o.Unexpected) == 0 && !slices.ContainsFunc(o.Findings, func(f Finding) bool {
		return f.State != InTime && f.State != NotWatched
	})
}

// Run plays the scenario. It returns when it is over, when ctx ends, or with an
// error when the echo does not follow. The echo is well again afterwards.
func (d Drill) Run(ctx context.Context) (*Outcome, error) {
	if d.Kill == nil && d.Scenario.Stops() {
		return nil, errors.New("this scenario kills the echo, and the echo is not the drill's own; hint: leave out the URL")
	}
	p := &play{Drill: d, began: time.Now(), changes: d.Scenario.changes(), running: d.Kill != nil}
	p.outcome = Outcome{Scenario: d.Scenario.Name, Began: p.began, Watched: d.Alerts != nil}
	for _, e := range d.Scenario.Expect {
		p.outcome.Findings = append(p.outcome.Findings, Finding{Expectation: e, State: NotWatched})
	}
	err := p.run(ctx)
	return &p.outcome, errors.Join(err, p.restore(ctx))
}

// play is a drill while it runs.
type play struct {
	Drill
	began   time.Time
	changes []change // still to come
	running bool     // our own echo
	outcome Outcome
	trouble string // the last of it that was told
	touched bool   // the echo's conditions are not what they were
}

func (p *play) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for poll := time.Duration(0); ; {
		now := time.Since(p.began)
		if err := p.apply(ctx, now); err != nil {
			return err
		}
		if now >= poll {
			p.watch(ctx, now)
			poll = now + pollEvery
		}
		if now >= p.Scenario.Lasts {
			p.conclude()
			return nil
		}
		next := min(poll, p.Scenario.Lasts)
		if len(p.changes) > 0 {
			next = min(next, p.changes[0].at)
		}
		timer.Reset(next - now)
		select {
		case <-timer.C:
		case <-ctx.Done():
			p.abandon()
			return ctx.Err()
		}
	}
}

// apply makes the changes that are due.
func (p *play) apply(ctx context.Context, now time.Duration) error {
	for len(p.changes) > 0 && p.changes[0].at <= now {
		c := p.changes[0]
		p.changes = p.changes[1:]
		if c.say != "" {
			p.tell(now, Changed, c.say)
		}
		if err := p.change(ctx, c); err != nil {
			return fmt.Errorf("%v into the drill: %w", c.at, err)
		}
		if c.say == "" {
			continue
		}
		for _, e := range p.Scenario.Expect {
			if e.From == c.at {
				p.tell(now, Expected, fmt.Sprintf("%s by %s", e, clock(e.From+e.Within)))
			}
		}
	}
	return nil
}

func (p *play) change(ctx context.Context, c change) error {
	switch {
	case c.stopped && p.running:
		p.running = false
		return p.Kill()
	case c.stopped:
		return nil
	case !p.running && p.Start != nil:
		if err := p.Start(ctx); err != nil {
			return err
		}
		p.running = true
	}
	err := p.Set(ctx, c.conditions)
	p.touched = p.touched || err == nil
	return err
}

// watch asks which alerts fire and notes what is new.
func (p *play) watch(ctx context.Context, now time.Duration) {
	if p.Alerts == nil {
		return
	}
	alerts, err := p.Alerts(ctx)
	if err != nil {
		if text := err.Error(); text != p.trouble && ctx.Err() == nil {
			p.trouble = text
			p.tell(now, Trouble, text)
		}
		return
	}
	p.trouble = ""
	for i := range p.outcome.Findings {
		p.note(&p.outcome.Findings[i], now, slices.ContainsFunc(alerts, p.outcome.Findings[i].matches))
	}
	for _, a := range alerts {
		p.noteUnexpected(a, now)
	}
}

// note follows one expected alert.
func (p *play) note(f *Finding, now time.Duration, fires bool) {
	switch {
	case fires && !f.firing && f.Fired == nil:
		f.Fired = &now
		switch {
		case now < f.From:
			f.State = Early
		case now > f.From+f.Within:
			f.State = Late
		default:
			f.State = InTime
		}
		p.tell(now, Fired, fmt.Sprintf("%s, %s after its cause", f.Expectation, (now-f.From).Round(time.Second)))
	case !fires && f.firing:
		f.Resolved = &now
		p.tell(now, Resolved, f.Expectation.String())
	case f.Fired == nil && now > f.From+f.Within && !f.overdue:
		f.overdue = true
		p.tell(now, Overdue, f.Expectation.String()+" has not fired")
	case fires && f.Gone != 0 && now > f.Gone && f.State == InTime:
		f.State = Lasting
		p.tell(now, Overdue, f.Expectation.String()+" still fires")
	}
	f.firing = fires
}

// noteUnexpected notes an alert that pages for nothing in the script.
func (p *play) noteUnexpected(a Alert, now time.Duration) {
	if !strings.HasPrefix(a.Name(), AlertPrefix) || a.Labels["severity"] != "critical" || slices.Contains(p.outcome.Unexpected, a.Name()) {
		return
	}
	if slices.ContainsFunc(p.outcome.Findings, func(f Finding) bool { return f.matches(a) }) {
		return
	}
	p.outcome.Unexpected = append(p.outcome.Unexpected, a.Name())
	p.tell(now, Unexpected, a.Name()+" fires")
}

// conclude gives the alerts that never fired their state.
func (p *play) conclude() {
	for i := range p.outcome.Findings {
		if f := &p.outcome.Findings[i]; p.Alerts != nil && f.Fired == nil {
			f.State = Missing
		}
	}
}

// abandon marks what can no longer be found out.
func (p *play) abandon() {
	p.outcome.Cut = true
	for i := range p.outcome.Findings {
		if f := &p.outcome.Findings[i]; p.Alerts != nil && f.Fired == nil {
			f.State = Interrupted
		}
	}
}

// restore makes the echo well again, whatever became of ctx.
func (p *play) restore(ctx context.Context) error {
	if !p.touched || p.Kill != nil && !p.running {
		return nil
	}
	if err := p.Set(context.WithoutCancel(ctx), echo.Conditions{}); err != nil {
		return fmt.Errorf("make the echo well again: %w", err)
	}
	return nil
}

func (p *play) tell(at time.Duration, kind Kind, text string) {
	if p.Tell != nil {
		p.Tell(Event{at, kind, text})
	}
}

// matches reports whether an alert is the expected one.
func (f Finding) matches(a Alert) bool {
	if a.Name() != f.Alert {
		return false
	}
	for name, want := range f.Labels {
		if a.Labels[name] != want {
			return false
		}
	}
	return true
}

// String is the alert as PromQL writes it.
func (e Expectation) String() string {
	if len(e.Labels) == 0 {
		return e.Alert
	}
	var parts []string
	for name, value := range e.Labels {
		parts = append(parts, fmt.Sprintf("%s=%q", name, value))
	}
	slices.SortFunc(parts, cmp.Compare[string])
	return e.Alert + "{" + strings.Join(parts, ",") + "}"
}

// clock writes a time of the drill as minutes and seconds.
func clock(d time.Duration) string {
	s := int(d.Round(time.Second) / time.Second)
	return fmt.Sprintf("%02d:%02d", s/60, s%60)
}

// Clock is the time of the event as minutes and seconds since the drill began.
func (e Event) Clock() string { return clock(e.At) }
