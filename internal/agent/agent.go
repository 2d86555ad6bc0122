// Package agent places calls on a schedule and without pause, for as long as
// the process runs, and tells an observer what happened.
//
// What is to be called is a Plan, which can be replaced while the agent runs;
// what became of it is told to an Observer, call by call and window by window.
// The agent keeps no results: metrics, history and pages are observers.
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

// Status is what an agent is doing.
type Status struct {
	Jobs          []JobStatus // in the order of the plan
	Running       int         // calls
	Waiting       int         // calls that are due and wait for a place in the budget
	ParallelCalls int         // the budget's; 0: no bound
	BytesToday    int64       // of the last 24 hours
	BytesPerDay   int64       // the budget's; 0: no bound
	Retests       int64       // calls beside the schedule, since the start
	RetestsDenied int64       // for want of budget
	Panics        int64       // calls that ended in one, since the start
}

// JobStatus is what an agent is doing about one job.
type JobStatus struct {
	Job     Job
	Calls   []Call        // running, the oldest first
	Next    time.Time     // start of the next call; zero: none is planned
	Last    *probe.Result // of the last finished call; nil: none yet
	Skipped int64         // slots of the schedule that passed while the last call still ran or waited
	Late    time.Duration // of the last start, against its slot
}

// Call is a running call.
type Call struct {
	ID      string
	Started time.Time
	Windows int64 // closed so far
	Last    *probe.Window
}
