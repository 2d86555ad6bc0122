package main

import (
	"fmt"
	"strconv"
	"time"
)

// check is one thing that must hold.
type check struct {
	name, value, must string
	ok                bool
}

// checks looks at the whole run.
func checks(p plan, samples []sample, e ending) []check {
	// Until then memory grows that is bounded: the windows of calls that stay up, of
	// which the last 720 are kept, and the series of metrics.
	early := samples[2*len(samples)/5 : 3*len(samples)/5]
	late := samples[4*len(samples)/5:]
	flat := func(name, format string, unit, leeway float64, pick func([]sample, func(*sample) float64) float64, of func(*sample) float64) check {
		from, to := pick(early, of)/unit, pick(late, of)/unit
		limit := from*1.1 + leeway/unit
		return check{name + ", third fifth and last", fmt.Sprintf(format+" → "+format, from, to), fmt.Sprintf("at most "+format, limit), to <= limit}
	}
	const mi = 1 << 20
	list := []check{
		flat("heap left after collections, MiB", "%.1f", mi, 4*mi, least, func(s *sample) float64 { return s.sum("go_memstats_heap_inuse_bytes") }),
		flat("memory of the agent, MiB", "%.1f", mi, 8*mi, median, func(s *sample) float64 { return float64(s.agent.Own) }),
		flat("memory of the echo, MiB", "%.1f", mi, 8*mi, median, func(s *sample) float64 { return float64(s.echo.Own) }),
		flat("goroutines", "%.0f", 1, 40, median, func(s *sample) float64 { return s.sum("go_goroutines") }),
		flat("open files of the agent", "%.0f", 1, 8, median, func(s *sample) float64 { return float64(s.agentFiles.all) }),
		flat("open sockets of the agent", "%.0f", 1, 8, median, func(s *sample) float64 { return float64(s.agentFiles.sockets) }),
		flat("open files of the echo", "%.0f", 1, 8, median, func(s *sample) float64 { return float64(s.echoFiles.all) }),
	}
	absent := missing(&samples[len(samples)-1])
	list = append(list, check{"metrics that are not there", fmt.Sprint(absent), "none", len(absent) == 0})
	list = append(list, schedule(p, samples)...)
	list = append(list, counts(p, samples, e)...)
	return append(list, lasting(p, samples), check{
		"end on SIGTERM", fmt.Sprintf("%v after %v, %s calls were up", orNone(e.agentErr), e.agentTook.Round(time.Millisecond), e.atEnd),
		"no error within 10 s", e.agentErr == nil && e.agentTook < 10*time.Second,
	}, check{"calls that the echo has left", e.left, "0", e.left == "0"}, check{
		"errors in the agent's log", fmt.Sprintf("%d bytes %.80s", len(e.log), e.log), "none", e.log == "",
	})
}

func orNone(err error) string {
	if err == nil {
		return "no error"
	}
	return err.Error()
}

// schedule looks at the calls of the periodic targets: each slot has one.
func schedule(p plan, samples []sample) []check {
	last := &samples[len(samples)-1]
	var fewest, most float64
	for i := range p.periodic {
		n := last.sum("earshot_calls_total", fmt.Sprintf("periodic-%03d", i))
		if i == 0 {
			fewest, most = n, n
		}
		fewest, most = min(fewest, n), max(most, n)
	}
	// The last slot before the end may still be running; the first may come up to
	// an interval after the start.
	full := float64(last.at / p.every)
	retests := last.sum("earshot_agent_retests_total")
	return []check{
		{"slots of the schedule that were skipped", fmt.Sprintf("%.0f", last.sum(skippedSlots)), "0", last.sum(skippedSlots) == 0},
		{"calls of a periodic target, fewest and most", fmt.Sprintf("%.0f, %.0f", fewest, most),
			fmt.Sprintf("%.0f to %.0f, or more by the %.0f beside the schedule", full-1, full+1, retests), fewest >= full-1 && most <= full+1+retests},
		{"latest start of a call against its slot, any sample", fmt.Sprintf("%.3f s", latest(samples)), "under 5 s", latest(samples) < 5},
	}
}

const (
	skippedSlots = "earshot_schedule_skipped_total"
	startLate    = "earshot_schedule_late_seconds"
)

// read are the families that must be there: what is not there adds up to 0, and
// 0 is what most checks want.
var read = []string{
	"earshot_calls_total", "earshot_calls_good_total", "earshot_calls_degraded_total", "earshot_calls_untrusted_total",
	"earshot_windows_total", "earshot_windows_unscored_total", "earshot_windows_untrusted_total",
	"earshot_agent_retests_total", "earshot_agent_panics_total", "earshot_agent_calls_running",
	skippedSlots, startLate, "go_goroutines", "go_memstats_heap_inuse_bytes",
}

func missing(s *sample) (names []string) {
	for _, name := range read {
		if len(s.metrics[name]) == 0 {
			names = append(names, name)
		}
	}
	return names
}

func latest(samples []sample) float64 {
	var late float64
	for i := range samples {
		for _, one := range samples[i].metrics[startLate] {
			late = max(late, one.value)
		}
	}
	return late
}

// counts looks at whether the numbers of calls agree.
func counts(p plan, samples []sample, e ending) []check {
	wrong, looks := 0, 0
	for i := range samples {
		s := &samples[i]
		for _, one := range s.metrics["earshot_calls_total"] {
			target := one.labels[len(`target="`) : len(one.labels)-len(`"}`)]
			looks++
			sum := s.sum("earshot_calls_good_total", target) + s.sum("earshot_calls_degraded_total", target) +
				s.sum("earshot_calls_failed_total", target) + s.sum("earshot_calls_untrusted_total", target)
			if sum != one.value {
				wrong++
			}
		}
	}
	last := &samples[len(samples)-1]
	// Between the last sample and the end more calls end, and begin.
	atEnd, _ := strconv.Atoi(e.atEnd)
	low := int(last.calls())
	high := low + atEnd + int(last.sum("earshot_agent_calls_running")) + 1 + int(float64(p.periodic)*p.pause.Seconds()/p.every.Seconds())
	return []check{
		{"targets and samples in which calls are not good + degraded + failed + untrusted", fmt.Sprintf("%d of %d", wrong, looks), "0", wrong == 0 && looks > 0},
		{"calls in the echo's books", strconv.Itoa(e.ledger), fmt.Sprintf("%d to %d", low, high), e.ledger >= low && e.ledger <= high},
		{"failed calls", fmt.Sprintf("%.0f", last.sum("earshot_calls_failed_total")), "0", last.sum("earshot_calls_failed_total") == 0},
		{"defects (internal_error)", fmt.Sprintf("%.0f", last.sum("earshot_agent_panics_total")), "0", last.sum("earshot_agent_panics_total") == 0},
	}
}

// lasting looks at the calls that stay up: each must be the first of its target
// and have measured at all times, a window every second.
func lasting(p plan, samples []sample) check {
	last := &samples[len(samples)-1]
	var ended float64
	fewest := last.at.Seconds()
	gaps := 0
	for i := range p.lasting {
		name := fmt.Sprintf("lasting-%02d", i)
		ended += last.sum("earshot_calls_total", name)
		fewest = min(fewest, last.windows(name))
		before, since := samples[0].windows(name), samples[0].at
		for j := range samples {
			if now := samples[j].windows(name); now > before {
				before, since = now, samples[j].at
			} else if samples[j].at-since > 20*time.Second {
				gaps++
			}
		}
	}
	least := 0.98*last.at.Seconds() - 15 // the first begin within 5 s, and a window closes when the fate of its packets is known
	return check{
		"calls that stay up: age at the end, fewest windows, ended, samples without a new window for 20 s",
		fmt.Sprintf("%v, %.0f, %.0f, %d", last.at.Round(time.Second), fewest, ended, gaps),
		fmt.Sprintf("at least %.0f windows, 0 ended, 0 without", least), fewest >= least && ended == 0 && gaps == 0,
	}
}
