package agent

import (
	"errors"
	"fmt"
	"time"

	"github.com/earshot-voip/earshot/internal/media"
	"github.com/earshot-voip/earshot/internal/rtpflow"
	"github.com/earshot-voip/earshot/probe"
)

// Mode says how a target is watched.
type Mode string

// The modes.
const (
	Periodic   Mode = "periodic"   // a call every Every
	Continuous Mode = "continuous" // one call that stays up, renewed every Renew
)

// Job is a target and how it is watched. Its name is that of its target.
type Job struct {
	Target probe.Target // Name is unique in a plan; the callbacks, ID and End belong to the agent
	Mode   Mode
	Every  time.Duration // of periodic jobs: from start to start
	Renew  time.Duration // of continuous jobs: age at which a call is replaced by its successor
}

// Name of the job, as metrics and pages call it.
func (j Job) Name() string { return j.Target.Name }

// Budget bounds what all jobs together may do. Zero is no bound.
type Budget struct {
	// ParallelCalls bounds the calls that run at once. A continuous job keeps one
	// place for as long as it is planned, also for the moments in which its call
	// and the successor overlap.
	ParallelCalls int
	// BytesPerDay bounds the media of calls, both directions, with headers. The
	// schedule is not cut: what it leaves is for calls beside it, after a bad one.
	BytesPerDay int64
}

// Plan is everything that an agent is to do.
type Plan struct {
	Jobs   []Job
	Budget Budget
}

// SetUp is what a call may need besides its media, when all is well.
const SetUp = 2 * time.Second

// Validate reports everything that is wrong with the plan, joined.
func (p Plan) Validate() error {
	var problems []error
	names := map[string]bool{}
	for i, j := range p.Jobs {
		problem := func(format string, args ...any) {
			problems = append(problems, fmt.Errorf("jobs[%d] %q: %w", i, j.Name(), fmt.Errorf(format, args...)))
		}
		switch {
		case j.Name() == "":
			problem("has no name")
		case names[j.Name()]:
			problem("is there twice")
		}
		names[j.Name()] = true
		switch {
		case j.Mode == Periodic && j.Every <= 0:
			problem("every: must be more than 0, is %v", j.Every)
		case j.Mode == Continuous && j.Renew <= 0:
			problem("renew: must be more than 0, is %v", j.Renew)
		case j.Mode != Periodic && j.Mode != Continuous:
			problem("mode: must be periodic or continuous, is %q", j.Mode)
		}
		if err := j.Target.Validate(); err != nil {
			problem("%w", err)
		}
	}
	return errors.Join(problems...)
}

// Continuous is how many jobs are continuous.
func (p Plan) Continuous() int {
	n := 0
	for _, j := range p.Jobs {
		if j.Mode == Continuous {
			n++
		}
	}
	return n
}

// Load is how many calls run at once on average, when all of them go well.
func (p Plan) Load() float64 {
	var load float64
	for _, j := range p.Jobs {
		load += j.share()
	}
	return load
}

// BytesPerDay is what the schedule takes, when all calls go well.
func (p Plan) BytesPerDay() int64 {
	var sum int64
	for _, j := range p.Jobs {
		sum += int64(float64(j.bytes(day)) * j.mediaShare())
	}
	return sum
}

const day = 24 * time.Hour

// effective is the job without what its mode makes no use of.
func (j Job) effective() Job {
	if j.Mode == Continuous {
		j.Every, j.Target.Duration, j.Target.Timeout = 0, 0, 0
	} else {
		j.Renew = 0
	}
	return j
}

// usual is how long a call takes that goes well.
func (j Job) usual() time.Duration { return j.Target.WithDefaults().Duration + SetUp }

// longest is how long a call can take, with its end and a reserve.
func (j Job) longest() time.Duration { return j.Target.WithDefaults().Timeout + time.Minute }

// share is how much of the time a call runs.
func (j Job) share() float64 {
	if j.Mode == Continuous {
		return 1
	}
	return min(j.usual().Seconds()/j.Every.Seconds(), 1)
}

// mediaShare is how much of the time media flows.
func (j Job) mediaShare() float64 {
	if j.Mode == Continuous {
		return 1
	}
	return min(j.Target.WithDefaults().Duration.Seconds()/j.Every.Seconds(), 1)
}

// headers of a packet of media: IPv4, UDP, RTP with the echo's stamp on the way
// back, and SRTP's tag (RFC 7714). Stamps are counted in both directions, which
// leaves room for IPv6, RTCP and a relay's header.
const headers = 20 + 8 + rtpflow.StampedHeaderSize + 16

// packet is what a packet of a call takes on the wire, on average, and how long
// its audio is.
func (j Job) packet() (bytes int64, frame time.Duration) {
	codec, err := media.Lookup(j.Target.WithDefaults().Codec)
	if err != nil {
		return 0, time.Second // Validate says so
	}
	return headers + int64(float64(codec.BitRate)/8*codec.Frame.Seconds()), codec.Frame
}

// bytes is what a stretch of media takes, both directions.
func (j Job) bytes(d time.Duration) int64 {
	packet, frame := j.packet()
	return 2 * packet * int64(d/frame)
}

// windowBytes is what the media of a window took, as far as is known.
func (j Job) windowBytes(w probe.Window) int64 {
	packet, frame := j.packet()
	sent := int64(w.Length / frame)
	if w.Uplink.Evidence.Known() {
		sent = w.Uplink.Expected
	}
	back := sent
	if w.Downlink.Evidence.Known() {
		back = w.Downlink.Received + w.Downlink.Duplicated
	}
	return packet * (sent + back)
}
