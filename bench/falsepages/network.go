package main

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"time"
)

// leg is a stretch of network that calls share: a site's access, the path from a
// site to a target, or the target's own platform.
type leg struct {
	name string
	seed uint64
	line line
	events
}

// line is what a leg does to packets, each direction, from an idle hour to the
// busiest. The wait in its queues is exponential, as that of packets that come at
// random to a link that is partly used; that of a radio link's slots is even.
type line struct {
	delay     time.Duration
	idle      time.Duration // mean wait
	busy      time.Duration
	slots     time.Duration // a further wait, evenly 0..slots
	idleLoss  float64
	busyLoss  float64
	lossInRow float64 // mean number of packets lost in a row
}

// weather is what a leg does in a stretch of time, in one direction.
type weather struct {
	delay, queue, slots time.Duration
	loss, run           float64
	gone                time.Duration // of the stretch, in which nothing gets through
}

func newLeg(name string, seed uint64, l line, h habits, from time.Time, days int) *leg {
	own := seed ^ hash(name)
	return &leg{name: name, seed: own, line: l, events: draw{rand.New(rand.NewPCG(own, 1)), from, days}.events(h)}
}

func hash(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	return h.Sum64()
}

// load of the leg, 0..1: office hours, and what comes and goes within minutes
// and hours beside them.
func (l *leg) load(at time.Time) float64 {
	base := 0.05 + 0.75*officeHours(at)
	return min(1, max(0, base*(0.7+0.6*l.drift(at, time.Hour))+0.2*base*(2*l.drift(at, 5*time.Minute)-1)))
}

// drift is a smooth random course, 0..1, whose values some time apart are
// independent of each other. It depends on the seed and the time alone.
func (l *leg) drift(at time.Time, apart time.Duration) float64 {
	n := at.UnixNano() / int64(apart)
	f := float64(at.UnixNano()%int64(apart)) / float64(apart)
	f = f * f * (3 - 2*f)
	knot := func(n int64) float64 {
		x := (l.seed ^ uint64(apart) ^ uint64(n)*0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>31) * 0x94d049bb133111eb
		return float64((x^x>>29)>>11) / (1 << 53)
	}
	return knot(n)*(1-f) + knot(n+1)*f
}

// weather of a stretch in a direction.
func (l *leg) weather(w way, from, to time.Time) weather {
	load := l.load(from)
	squared := load * load
	out := weather{
		delay: l.line.delay, slots: l.line.slots, run: max(l.line.lossInRow, 1),
		queue: l.line.idle + time.Duration(squared*float64(l.line.busy-l.line.idle)),
		loss:  l.line.idleLoss + squared*(l.line.busyLoss-l.line.idleLoss),
	}
	length := to.Sub(from).Seconds()
	for e := range l.during(from, to) {
		if e.way&w == 0 {
			continue
		}
		share := e.overlap(from, to).Seconds() / length
		switch e.kind {
		case outage:
			out.gone += e.overlap(from, to)
		case blip, fault:
			out.run = (out.loss*out.run + share*e.loss*e.run) / (out.loss + share*e.loss)
			out.loss += share * e.loss
		case swell:
			height := e.swollen(from.Add(to.Sub(from) / 2))
			out.queue += time.Duration(height * float64(e.queue))
			out.loss += height * e.loss
		case detour:
			out.delay += time.Duration(share * float64(max(e.delay/2, -l.line.delay)))
		}
	}
	return out
}

// path is what the packets of one target's calls pass.
type path []*leg

// weather of all legs together.
func (p path) weather(w way, from, to time.Time) weather {
	all := p[0].weather(w, from, to)
	for _, l := range p[1:] {
		one := l.weather(w, from, to)
		if lost := all.loss + one.loss; lost > 0 {
			all.run = (all.loss*all.run + one.loss*one.run) / lost
		}
		all.loss = 1 - (1-all.loss)*(1-one.loss)
		all.delay += one.delay
		all.queue += one.queue
		all.slots = max(all.slots, one.slots)
		all.gone = min(max(all.gone, one.gone), to.Sub(from))
	}
	return all
}

// dead reports whether nothing gets through at a time, both ways needed, since
// when and until when.
func (p path) dead(at time.Time) (since, until time.Time, is bool) {
	since, until = at, at
	for again := true; again; {
		again = false
		for _, l := range p {
			for e := range l.during(since, until.Add(1)) {
				if e.kind != outage {
					continue
				}
				if e.from.Before(since) {
					since, again = e.from, true
				}
				if e.to().After(until) {
					until, again = e.to(), true
				}
				is = true
			}
		}
	}
	return since, until, is
}

// refuses reports whether the far end takes no calls at a time.
func (p path) refuses(at time.Time) bool {
	for _, l := range p {
		for e := range l.during(at, at.Add(1)) {
			if e.kind == refusal {
				return true
			}
		}
	}
	return false
}

// roundTrip without waiting.
func (p path) roundTrip() time.Duration {
	var d time.Duration
	for _, l := range p {
		d += 2 * l.line.delay
	}
	return d
}

// dice of a moment on a path: they depend on the seed, the name and the time
// alone, so that a run with an incident has the noise of the run without.
func (p path) dice(at time.Time) *rand.Rand {
	var seed uint64
	for _, l := range p {
		seed = seed*31 + l.seed
	}
	return rand.New(rand.NewPCG(seed, uint64(at.UnixNano())))
}

// poisson draws a count of so many on average.
func poisson(r *rand.Rand, mean float64) int64 {
	if mean > 60 {
		return max(0, int64(math.Round(mean+math.Sqrt(mean)*r.NormFloat64())))
	}
	n, product, limit := int64(0), r.Float64(), math.Exp(-mean)
	for ; product > limit; n++ {
		product *= r.Float64()
	}
	return n
}
