package rtpflow

import "time"

// begin sets the start of the first window.
func (e *Echo) begin(at time.Duration) {
	e.down.begin(at)
	e.up.start = e.down.start
}

// Cut ends the running window at the given time: packets sent and expected so
// far belong to it.
func (e *Echo) Cut(at time.Duration) {
	e.begin(at)
	e.down.Cut(at)
	e.up.cut(e.up.count, at)
	e.marks = append(e.marks, e.up.reports.mark())
}

// Closed returns the next window whose packets are all final in both
// directions, in order: soon after a cut and the grace, and up to 1024 packets
// later while nothing comes back from a stamping echo.
func (e *Echo) Closed() (w *Window, ok bool) {
	if len(e.down.closed) == 0 || len(e.up.closed) == 0 {
		return nil, false
	}
	down, up := e.down.next(), e.up.next()
	m := e.marks[0]
	e.marks = append(e.marks[:0], e.marks[1:]...)
	w = &Window{Start: down.Start, End: down.End, Up: up.Figures, Down: down.Figures}
	w.RoundTrip = RoundTrip{Sent: w.Up.Expected + w.Up.Unknown, Returned: up.returned, RTT: down.trip, Spread: down.spread}
	if !m.seen {
		m.highest, m.lost = e.marked.highest, e.marked.lost
	}
	e.attribute(&w.Up, &w.Down, &w.RoundTrip, m, e.marked)
	e.marked = m
	return w, true
}

// Finish ends the call: everything that is not final becomes final by the
// evidence at hand, and the running window closes at the given time.
func (e *Echo) Finish(at time.Duration) {
	e.begin(at)
	e.down.Finish(at)
	e.useSummary()
	e.up.finish()
	e.up.cut(e.up.count, at)
	e.marks = append(e.marks, e.up.reports.mark())
}

// Total gives the figures of the call, as far as they are final.
func (e *Echo) Total() Summary {
	s := Summary{
		Kind:      e.Kind(),
		Up:        e.up.total(),
		Down:      e.down.Total(),
		ReportRTT: e.up.reports.trip,
		Self:      e.self.figures(),
	}
	sum := e.up.call
	sum.merge(&e.up.window)
	for i := range e.up.edges {
		sum.merge(&e.up.edges[i].after)
	}
	s.RoundTrip = RoundTrip{Sent: e.up.count, Returned: sum.returned, RTT: e.journeys()}
	r := &e.up.reports
	now := mark{seen: r.seen, highest: r.highest, lost: r.lost, jitter: r.whole}
	e.attribute(&s.Up, &s.Down, &s.RoundTrip, now, mark{highest: -1})
	return s
}

// attribute says how each direction is known, and fills in what reports know
// where stamps say nothing.
func (e *Echo) attribute(up, down *Figures, trip *RoundTrip, now, before mark) {
	e.down.attest(down)
	if e.up.stampsIn > 0 {
		up.Evidence = EvidenceStamps
		return
	}
	now.fill(up, before, trip.Sent)
	trip.Returned = down.Received
	switch {
	case e.Kind() == KindReflector:
	case e.up.base.held() && down.Lost > 0 && (up.Evidence == EvidenceNone || up.Lost > 0):
		// It returns gaps as gaps, or else what is missing was lost on the way
		// down: without reports nobody can tell.
	default:
		return
	}
	if up.Evidence == EvidenceNone {
		down.Evidence = EvidenceNone
		return
	}
	down.Lost = max(down.Lost-up.Lost, 0)
	down.Expected = down.Received + down.Lost
	down.Evidence = EvidenceRTCP
}

// journeys summarises the round-trip times of the call.
func (e *Echo) journeys() Quantiles {
	return e.up.journeys.call.quantiles()
}
