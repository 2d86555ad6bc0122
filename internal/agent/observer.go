package agent

import (
	"time"

	"github.com/earshot-voip/earshot/probe"
)

// Observer is told what happens. For one job the methods are called one after
// the other; for different jobs at the same time. They must not block. After
// each Started comes one Ended or Dropped, with the id.
type Observer interface {
	// Added is told of each job before its first call, also of one that changed.
	Added(Job)
	// Started is told when a call begins; id is that of its result.
	Started(job Job, id string, at time.Time)
	// Window is told of each window of a running call when it closes.
	Window(job Job, id string, w probe.Window)
	// Ended is told of a finished call. A call that the agent itself ended, to
	// stop or to renew it, is judged by what it measured.
	Ended(Job, *probe.Result)
	// Dropped is told of a call that the agent itself ended before any media came
	// back. It says nothing about the target and counts nowhere.
	Dropped(job Job, id string)
	// Removed is told when a job is gone from the plan, after its last call ended.
	Removed(Job)
}

// Nobody observes nothing. An observer that cares for some events only embeds
// it.
type Nobody struct{}

// Added does nothing.
func (Nobody) Added(Job) {}

// Started does nothing.
func (Nobody) Started(Job, string, time.Time) {}

// Window does nothing.
func (Nobody) Window(Job, string, probe.Window) {}

// Ended does nothing.
func (Nobody) Ended(Job, *probe.Result) {}

// Dropped does nothing.
func (Nobody) Dropped(Job, string) {}

// Removed does nothing.
func (Nobody) Removed(Job) {}

// Observers are told one after the other, in their order.
type Observers []Observer

// Added tells all of them.
func (o Observers) Added(j Job) {
	for _, one := range o {
		one.Added(j)
	}
}

// Started tells all of them.
func (o Observers) Started(j Job, id string, at time.Time) {
	for _, one := range o {
		one.Started(j, id, at)
	}
}

// Window tells all of them.
func (o Observers) Window(j Job, id string, w probe.Window) {
	for _, one := range o {
		one.Window(j, id, w)
	}
}

// Ended tells all of them.
func (o Observers) Ended(j Job, r *probe.Result) {
	for _, one := range o {
		one.Ended(j, r)
	}
}

// Dropped tells all of them.
func (o Observers) Dropped(j Job, id string) {
	for _, one := range o {
		one.Dropped(j, id)
	}
}

// Removed tells all of them.
func (o Observers) Removed(j Job) {
	for _, one := range o {
		one.Removed(j)
	}
}
