package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/earshot-voip/earshot/bench/internal/relay"
	"github.com/earshot-voip/earshot/internal/impair"
)

// passage is what happened to one packet of one direction: when it entered the
// network, and when it and its copies left it, in order. A lost one never left.
type passage struct {
	sequence uint16
	in       time.Duration
	out      []time.Duration
}

func fromLedger(l impair.Ledger) []passage {
	passages := make([]passage, len(l.Packets))
	for i, p := range l.Packets {
		passages[i] = passage{sequence: uint16(p.Tag), in: p.At}
		if p.Cause != impair.Delivered {
			continue
		}
		passages[i].out = append(passages[i].out, p.At+p.Delay)
		if p.Duplicated {
			passages[i].out = append(passages[i].out, p.At+p.CopyDelay)
		}
		slices.Sort(passages[i].out)
	}
	return passages
}

func fromBook(book []relay.Record) []passage {
	passages := make([]passage, len(book))
	for i, p := range book {
		passages[i] = passage{p.Sequence, p.In, p.Out}
	}
	return passages
}

// truth is what happened to a call, in the terms of its report.
type truth struct {
	up, down direction
	rtt      time.Duration // median
}

// direction is the truth of one direction.
type direction struct {
	offered, lost, duplicated, reordered int64
	jitter                               time.Duration // mean
}

// delivery is one datagram that left the network.
type delivery struct {
	index int // of its passage
	at    time.Duration
	first bool // of the passage's deliveries
}

// deliveries puts all that left in order.
func deliveries(passages []passage) []delivery {
	var list []delivery
	for i, p := range passages {
		for n, at := range p.out {
			list = append(list, delivery{i, at, n == 0})
		}
	}
	slices.SortStableFunc(list, func(a, b delivery) int { return cmp.Compare(a.at, b.at) })
	return list
}

// newTruth works out the figures. The echo returns whatever reaches it, in order
// of arrival: so the k-th datagram that left the uplink is the k-th that entered
// the downlink.
func newTruth(up, down []passage) (truth, error) {
	arrived := deliveries(up)
	if len(arrived) != len(down) {
		return truth{}, fmt.Errorf("the books do not fit: %d datagrams left the uplink, and %d entered the downlink", len(arrived), len(down))
	}
	t := truth{up: count(up, arrived)}
	returned := deliveries(down)
	t.down = count(down, returned)
	t.down.jitter = jitter(transits(down, returned))

	var known []delivery // arrivals at the echo of which the caller heard
	var trips []time.Duration
	seen := map[int]bool{}
	for k, a := range arrived {
		if len(down[k].out) == 0 {
			continue
		}
		known = append(known, a)
		if !seen[a.index] {
			seen[a.index] = true
			trips = append(trips, a.at-up[a.index].in+down[k].out[0]-down[k].in)
		}
	}
	t.up.jitter = jitter(transits(up, known))
	if len(trips) > 0 {
		slices.Sort(trips)
		t.rtt = trips[(len(trips)-1)/2]
	}
	return t, nil
}

// count tells lost, duplicated and reordered packets by what left, in order.
func count(passages []passage, left []delivery) direction {
	d := direction{offered: int64(len(passages))}
	for _, p := range passages {
		switch {
		case len(p.out) == 0:
			d.lost++
		default:
			d.duplicated += int64(len(p.out) - 1)
		}
	}
	highest := -1
	for _, l := range left {
		if l.first && l.index < highest {
			d.reordered++
		}
		highest = max(highest, l.index)
	}
	return d
}

func transits(passages []passage, left []delivery) []time.Duration {
	list := make([]time.Duration, len(left))
	for i, l := range left {
		list[i] = l.at - passages[l.index].in
	}
	return list
}

// jitter is the interarrival jitter of RFC 3550, A.8, in floating point, as its
// mean over the datagrams in order of arrival.
func jitter(transits []time.Duration) time.Duration {
	if len(transits) < 2 {
		return 0
	}
	j, sum := 0.0, 0.0
	for i := 1; i < len(transits); i++ {
		j += (math.Abs(float64(transits[i]-transits[i-1])) - j) / 16
		sum += j
	}
	return time.Duration(sum / float64(len(transits)-1))
}
