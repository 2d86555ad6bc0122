package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// way is a set of directions.
type way uint8

const (
	up   way = 1 << iota // probe to echo
	down                 // echo to probe
	both = up | down
)

// kind is what an event does to the packets of a leg.
type kind string

// The kinds of noise.
const (
	blip    kind = "burst of loss"         // a share of packets is lost for some seconds
	outage  kind = "short outage"          // nothing gets through
	swell   kind = "swell of load"         // queues fill for minutes, then empty
	detour  kind = "change of route"       // another delay, for hours
	refusal kind = "server that restarts"  // new calls are refused for some seconds
	fault   kind = "incident of a control" // loss that people must hear of
)

// event is something that happens on a leg.
type event struct {
	kind kind
	way  way
	from time.Time
	span time.Duration

	loss  float64       // share of packets, while it lasts
	run   float64       // mean number of packets lost in a row
	queue time.Duration // mean wait on top, at its height
	delay time.Duration // on top of the leg's own, may be negative
}

func (e *event) to() time.Time { return e.from.Add(e.span) }

// overlap is how much of a stretch the event covers.
func (e *event) overlap(from, to time.Time) time.Duration {
	return max(min(to.Sub(e.from), e.span, to.Sub(from), e.to().Sub(from)), 0)
}

// swollen is how far a swell has grown at a time, 0..1: it rises and falls by a
// quarter of its span each.
func (e *event) swollen(at time.Time) float64 {
	since, left := at.Sub(e.from), e.to().Sub(at)
	if since < 0 || left < 0 {
		return 0
	}
	return min(1, 4*min(since, left).Seconds()/e.span.Seconds())
}

// events of a leg, in order of their start.
type events struct {
	list    []event
	longest time.Duration
}

func newEvents(list []event) events {
	slices.SortFunc(list, func(a, b event) int { return a.from.Compare(b.from) })
	e := events{list: list}
	for i := range list {
		e.longest = max(e.longest, list[i].span)
	}
	return e
}

// during lists what happens at some time of a stretch.
func (e *events) during(from, to time.Time) func(yield func(*event) bool) {
	first, _ := slices.BinarySearchFunc(e.list, from.Add(-e.longest), func(one event, at time.Time) int { return one.from.Compare(at) })
	return func(yield func(*event) bool) {
		for i := first; i < len(e.list) && e.list[i].from.Before(to); i++ {
			if e.list[i].to().After(from) && !yield(&e.list[i]) {
				return
			}
		}
	}
}

// draw is the source of one leg's events.
type draw struct {
	*rand.Rand
	from time.Time
	days int
}

// poisson lists times of a Poisson process of so many a day. Where office is
// set, most of them are in office hours, as what people cause is.
func (d draw) poisson(perDay float64, office bool) []time.Time {
	var list []time.Time
	const most = 3.7 // of the busyness below, over its mean of a week
	rate := perDay
	if office {
		rate *= most
	}
	for at := 0.0; rate > 0; {
		at += d.ExpFloat64() / rate
		if at >= float64(d.days) {
			return list
		}
		when := d.from.Add(time.Duration(at * float64(24*time.Hour)))
		if !office || d.Float64() < 0.1+0.9*officeHours(when) {
			list = append(list, when)
		}
	}
	return list
}

// between draws evenly on a logarithmic scale.
func (d draw) between(low, high float64) float64 {
	return low * math.Pow(high/low, d.Float64())
}

func (d draw) seconds(low, high float64) time.Duration {
	return time.Duration(d.between(low, high) * float64(time.Second))
}

// somewhere draws a direction: most of what happens to a line is in one.
func (d draw) somewhere() way { return []way{up, up, down, down, both}[d.IntN(5)] }

// habits say how often things happen on a leg, a day.
type habits struct {
	blips, longBlips, outages, longOutages, swells, detours, refusals float64
}

// events draws what happens on a leg of such habits.
func (d draw) events(h habits) events {
	var list []event
	add := func(perDay float64, office bool, one func() event) {
		for _, at := range d.poisson(perDay, office) {
			e := one()
			e.from = at
			list = append(list, e)
		}
	}
	// A single bad window: up to 5 s, often across the border of two.
	add(h.blips, true, func() event {
		return event{kind: blip, way: d.somewhere(), span: d.seconds(0.3, 5), loss: d.between(0.05, 0.6), run: 1 + 3*d.Float64()}
	})
	add(h.longBlips, true, func() event {
		return event{kind: blip, way: d.somewhere(), span: d.seconds(5, mostNoise.Seconds()), loss: d.between(0.05, 0.3), run: 1 + 3*d.Float64()}
	})
	add(h.outages, false, func() event { return event{kind: outage, way: both, span: d.seconds(0.1, 3)} })
	add(h.longOutages, false, func() event {
		return event{kind: outage, way: []way{up, down, both, both}[d.IntN(4)], span: d.seconds(3, mostNoise.Seconds())}
	})
	add(h.swells, true, func() event {
		return event{kind: swell, way: []way{up, up, down}[d.IntN(3)], span: d.seconds(20, 180),
			queue: time.Duration(d.between(0.3, 1.2) * float64(time.Millisecond)), loss: d.between(0.0002, 0.0008), run: 1.5}
	})
	add(h.detours, false, func() event {
		return event{kind: detour, way: both, span: time.Duration(d.between(0.2, 12) * float64(time.Hour)),
			delay: time.Duration((20*d.Float64() - 4) * float64(time.Millisecond))}
	})
	add(h.refusals, false, func() event { return event{kind: refusal, way: both, span: d.seconds(1, 6)} })
	return newEvents(list)
}

// mostNoise is the longest burst of loss or outage that nobody is to be paged
// for: it is over before anybody can look.
const mostNoise = 10 * time.Second

// count says how many events of each kind there are in a stretch.
func (e *events) count(from, to time.Time, into map[kind]int) {
	for one := range e.during(from, to) {
		into[one.kind]++
	}
}

// officeHours is how busy people are, 0..1: two humps on working days.
func officeHours(at time.Time) float64 {
	at = at.UTC()
	if day := at.Weekday(); day == time.Saturday || day == time.Sunday {
		return 0
	}
	hour := at.Sub(at.Truncate(24 * time.Hour)).Hours()
	hump := func(middle, width float64) float64 { return math.Exp(-math.Pow((hour-middle)/width, 2)) }
	return min(1, hump(10.5, 1.8)+0.9*hump(15, 2))
}
