package rtpflow

import (
	"slices"
	"time"
)

// flow is the final stage of one direction: it takes the fates of packets in
// sequence order, each once, and keeps the figures of the running window and
// of the call. Positions count the packets of the direction from 0.
type flow struct {
	final int64 // positions whose fate is final

	playout   playoutBuffer
	variation variation
	trip      *tripTally // nil where no journeys are timed

	window, call             tally
	windowBursts, callBursts burstMachine
	windowSpread, callSpread Histogram

	edges  []edge // cuts that the final stage has not reached, in order
	turned int    // edges that the jitter has passed
	closed []*closedSpan
	start  time.Duration // of the window that is becoming final
	frame  time.Duration
}

// edge is a cut: the window before it ends in front of position.
type edge struct {
	position int64
	at       time.Duration
	after    tally // what is counted on arrival for the window behind the cut
}

type closedSpan struct {
	Span
	trip     Quantiles
	spread   []Bucket // of the journeys
	returned int64
}

// tally holds the counts of a window or of the closed windows of a call.
type tally struct {
	received, lost, unknown, discarded int64
	duplicated, reordered, late        int64
	depth                              int64 // sum over received packets
	deepest                            int64
	returned                           int64
	discontinuities, restarts, routes  int
	jitter                             jitterTally
}

// tripTally times journeys.
type tripTally struct {
	window, call samples
	spread       Buckets // of the window
}

func (t *tripTally) add(d time.Duration) {
	t.window.add(d)
	t.call.add(d)
	t.spread.Add(d)
}

// open prepares a flow of zeroes. Do not make it return one: two of that size on
// the stack of who makes a call would stay there for as long as the call.
func (f *flow) open(c Config) {
	f.playout = newPlayoutBuffer(c.Playout)
	f.frame = c.Frame
	f.edges = make([]edge, 0, 2)
}

// receive makes the next position a received packet whose transit time is
// known. at is its time on any clock that runs with time.
func (f *flow) receive(at, transit int64) {
	t := &f.window
	depth := f.playout.depth
	if f.playout.offer(at, transit) {
		f.discard()
	}
	t.received++
	t.depth += depth
	if depth > t.deepest {
		t.deepest = depth
	}
	v := &f.variation
	if v.n > 0 && at < v.until && v.n < blockSamples {
		v.latest = at
		v.samples[v.n] = transit
		v.n++
	} else {
		f.turnBlock(at, transit)
	}
	f.final++
	if len(f.edges) > 0 {
		f.close()
	}
}

// receiveBlind makes the next position a received packet of which no transit
// time is known: it is played, and gives no sample.
func (f *flow) receiveBlind() {
	f.window.received++
	f.window.depth += f.playout.depth
	f.window.deepest = max(f.window.deepest, f.playout.depth)
	f.advance(1)
}

// turnBlock ends the block of the delay variation and begins the next.
func (f *flow) turnBlock(at, transit int64) {
	f.flush()
	f.variation.begin(at, transit)
}

func (f *flow) discard() {
	f.windowBursts.hit(f.window.received+f.window.lost, 1)
	f.callBursts.hit(f.call.received+f.call.lost+f.window.received+f.window.lost, 1)
	f.window.discarded++
}

// lose makes the next n positions lost packets. No cut may lie inside them.
func (f *flow) lose(n int64) {
	if n <= 0 {
		return
	}
	f.windowBursts.hit(f.window.received+f.window.lost, n)
	f.callBursts.hit(f.call.received+f.call.lost+f.window.received+f.window.lost, n)
	f.window.lost += n
	f.advance(n)
}

// pass makes the next position a packet of unknown fate. A row that is broken
// off cannot go on as a burst or a run behind it.
func (f *flow) pass() {
	f.windowBursts.interrupt()
	f.callBursts.interrupt()
	f.window.unknown++
	f.advance(1)
}

func (f *flow) advance(n int64) {
	f.final += n
	if len(f.edges) > 0 {
		f.close()
	}
}

func (f *flow) flush() {
	before := f.variation.routes
	f.variation.flush(&f.windowSpread)
	f.window.routes += f.variation.routes - before
}

// at gives the tally of the window that a position lies in. What belongs to a
// window that is closed counts for the running one.
func (f *flow) at(position int64) *tally {
	t := &f.window
	for i := range f.edges {
		if position < f.edges[i].position {
			break
		}
		t = &f.edges[i].after
	}
	return t
}

// sample counts one value of the jitter, of a packet at the given position,
// in order of arrival. The first packet behind a cut turns the jitter to the
// next window.
func (f *flow) sample(position int64, j int64) {
	if len(f.edges) == 0 {
		f.window.jitter.add(j)
		return
	}
	for f.turned < len(f.edges) && position >= f.edges[f.turned].position {
		f.turned++
	}
	if f.turned == 0 {
		f.window.jitter.add(j)
	} else {
		f.edges[f.turned-1].after.jitter.add(j)
	}
}

// cut ends the running window in front of a position.
func (f *flow) cut(position int64, at time.Duration) {
	f.edges = append(f.edges, edge{position: position, at: at})
	f.close()
}

// close closes the windows that the final stage has passed.
func (f *flow) close() {
	for len(f.edges) > 0 && f.final >= f.edges[0].position {
		e := &f.edges[0]
		f.flush()
		span := &closedSpan{Span: Span{Start: f.start, End: e.at}, returned: f.window.returned}
		f.window.fill(&span.Figures)
		span.Bursts = f.windowBursts.figures(span.Expected, f.spacing())
		span.Variation = f.windowSpread.Quantiles()
		f.describe(&span.Figures)
		f.callSpread.Merge(&f.windowSpread)
		f.windowSpread.Reset()
		if f.trip != nil {
			span.trip = f.trip.window.quantiles()
			f.trip.window.reset()
			span.spread = f.trip.spread.Filled()
			f.trip.spread.Reset()
		}
		f.closed = append(f.closed, span)

		f.call.merge(&f.window)
		f.window, f.windowBursts = e.after, burstMachine{}
		f.start = e.at
		f.turned = max(f.turned-1, 0)
		f.edges = append(f.edges[:0], f.edges[1:]...)
	}
}

// next takes the oldest closed window, of which there must be one.
func (f *flow) next() *closedSpan {
	span := f.closed[0]
	f.closed = slices.Delete(f.closed, 0, 1)
	return span
}

// total gives the figures of the call as far as they are final.
func (f *flow) total() Figures {
	f.flush()
	sum := f.call
	sum.merge(&f.window)
	for i := range f.edges {
		sum.merge(&f.edges[i].after)
	}
	var t Figures
	sum.fill(&t)
	t.Bursts = f.callBursts.figures(t.Expected, f.spacing())
	t.Variation = quantiles(&f.callSpread, &f.windowSpread)
	f.describe(&t)
	return t
}

// describe fills in what is not counted by window.
func (f *flow) describe(t *Figures) {
	t.Playout.Last = time.Duration(f.playout.depth)
	slope, ok := f.variation.drift.estimate()
	if ok {
		t.DriftPPM, t.DriftKnown = slope*1e6, true
	}
}

func (f *flow) spacing() time.Duration {
	if f.frame == 0 {
		return DefaultFrame
	}
	return f.frame
}

func (t *tally) merge(o *tally) {
	t.received += o.received
	t.lost += o.lost
	t.unknown += o.unknown
	t.discarded += o.discarded
	t.duplicated += o.duplicated
	t.reordered += o.reordered
	t.late += o.late
	t.depth += o.depth
	t.deepest = max(t.deepest, o.deepest)
	t.returned += o.returned
	t.discontinuities += o.discontinuities
	t.restarts += o.restarts
	t.routes += o.routes
	t.jitter.merge(&o.jitter)
}

// fill sets what is counted.
func (t *tally) fill(f *Figures) {
	*f = Figures{
		Expected:        t.received + t.lost,
		Received:        t.received,
		Lost:            t.lost,
		Unknown:         t.unknown,
		Duplicated:      t.duplicated,
		Reordered:       t.reordered,
		Late:            t.late,
		Discarded:       t.discarded,
		Jitter:          t.jitter.figures(),
		Discontinuities: t.discontinuities,
		Restarts:        t.restarts,
		RouteChanges:    t.routes,
	}
	f.Playout.Max = time.Duration(t.deepest)
	if t.received > 0 {
		f.Playout.Mean = time.Duration(t.depth / t.received)
	}
}
