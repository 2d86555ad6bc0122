package agent

import (
	"time"

	"github.com/earshot-voip/earshot/probe"
)

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
	Panics        int64       // calls that failed by a defect of Earshot (internal_error), since the start
}

// JobStatus is what an agent is doing about one job.
type JobStatus struct {
	Job     Job
	Calls   []Call        // running, the oldest first
	Next    time.Time     // start of the next call; zero: none is planned
	Last    *probe.Result // of the last finished call, without its windows; nil: none yet
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
