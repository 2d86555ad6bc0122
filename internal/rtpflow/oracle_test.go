package rtpflow

import (
	"math"
	"slices"
	"sort"
	"time"
)

// The oracle keeps every packet and computes each figure from its definition
// once all is known. It is told the true place of each packet in its row and
// so needs no sequence arithmetic. Steps number the calls made to the code
// under test, since what is final by when depends on when it is called.

// oracleCall is one call: a packet, a tick or a cut.
type oracleCall struct {
	at     time.Duration
	packet *oraclePacket // nil: tick or cut
	cut    bool
}

// oraclePacket is one arriving copy.
type oraclePacket struct {
	place   int64         // true place in the row, 0 for the first that counts
	media   time.Duration // when it was sent, by the sender's clock
	seq     uint16
	stamp   uint32 // RTP timestamp
	ssrc    uint32
	foreign bool // not of the stream
	fresh   bool // first of a new clock: the base of transit starts again
	rebase  bool // first of a restarted row
}

// oracleFate is what became of one place in the row.
type oracleFate struct {
	arrived bool
	known   bool // transit time is known
	at      time.Duration
	transit time.Duration
}

type oracleFigures struct {
	expected, received, lost, duplicated, reordered, late, discarded int64
	jitterLast, jitterMax, jitterMean                                float64
	jitterN                                                          int64
	variation                                                        []time.Duration // sorted
	bursts                                                           Bursts
	depthMean, depthMax                                              float64
}

// oracleReceiver gives the classes of all packets and the figures of all
// windows and of the whole.
func oracleReceiver(calls []oracleCall, frame, grace time.Duration, ring int64) (classes []Class, windows []oracleFigures, whole oracleFigures) {
	high := int64(-1)
	noticed := map[int64]time.Duration{}
	first := map[int64]int{} // place -> step of its first copy
	gone := map[int64]int{}  // place -> step at which it was lost
	fates := map[int64]oracleFate{}
	var cuts []int64
	var cutSteps []int

	var shift, reference time.Duration
	haveReference := false
	type sample struct {
		step     int
		place    int64
		transit  time.Duration
		restarts bool
		fills    bool // a reordered packet
	}
	var samples []sample
	type happening struct {
		step  int
		place int64
		class Class
	}
	var happenings []happening

	for step, c := range calls {
		open := make([]int64, 0, len(noticed))
		for p := range noticed {
			open = append(open, p)
		}
		slices.Sort(open)
		for _, p := range open {
			if c.at >= noticed[p]+grace {
				gone[p] = step
				delete(noticed, p)
			}
		}
		if c.cut {
			cuts = append(cuts, high+1)
			cutSteps = append(cutSteps, step)
			continue
		}
		p := c.packet
		if p == nil {
			continue
		}
		if p.foreign {
			classes = append(classes, Foreign)
			continue
		}
		transit := c.at - p.media
		if p.place > high {
			for q := high + 1; q < p.place; q++ {
				noticed[q] = c.at
			}
			high = p.place
			for q := range noticed {
				if q <= high-ring {
					gone[q] = step
					delete(noticed, q)
				}
			}
			if (p.fresh || p.rebase) && haveReference {
				shift = reference - transit
			}
			reference, haveReference = transit+shift, true
			samples = append(samples, sample{step, p.place, transit + shift, p.fresh || p.rebase, false})
			class := InOrder
			if p.rebase {
				class = Foreign // until the next packet confirms the restart
			}
			classes = append(classes, class)
			first[p.place] = step
			fates[p.place] = oracleFate{true, true, c.at, transit + shift}
			continue
		}
		off := transit + shift - reference
		known := off <= 5*time.Second && off >= -5*time.Second
		class := Duplicate
		if _, came := first[p.place]; !came {
			first[p.place] = step
			if _, was := gone[p.place]; was {
				class = Late
			} else {
				class = Reordered
				delete(noticed, p.place)
				fates[p.place] = oracleFate{true, known, c.at, transit + shift}
			}
		}
		if known {
			samples = append(samples, sample{step, p.place, transit + shift, false, class == Reordered})
		}
		classes = append(classes, class)
		happenings = append(happenings, happening{step, p.place, class})
	}

	// final[p] is the step at which place p became final.
	total := high + 1
	final := make([]int, total)
	before := 0
	for p := range final {
		own := math.MaxInt
		if f, ok := fates[int64(p)]; ok && f.arrived {
			own = first[int64(p)]
		} else if s, ok := gone[int64(p)]; ok {
			own = s
		}
		before = max(before, own)
		final[p] = before
	}
	// closedBy counts the windows that were closed when a step's packet was
	// counted. A packet that fills a hole is counted before what it closes;
	// any other only finds closed what time has closed before it.
	closedBy := func(step int, fills bool) int {
		n := 0
		for i, b := range cuts {
			done := cutSteps[i]
			if b > 0 {
				done = max(done, final[b-1])
			}
			if done < step || done == step && !fills {
				n++
			}
		}
		return n
	}
	bounds := append(slices.Clone(cuts), total)
	windowOf := func(place int64) int {
		for i, b := range bounds {
			if place < b {
				return i
			}
		}
		return len(bounds) - 1
	}
	windows = make([]oracleFigures, len(bounds))

	for _, h := range happenings {
		w := max(windowOf(h.place), closedBy(h.step, h.class == Reordered))
		for _, f := range []*oracleFigures{&windows[w], &whole} {
			switch h.class {
			case Duplicate:
				f.duplicated++
			case Late:
				f.late++
			default:
				f.reordered++
			}
		}
	}

	var j float64
	current := 0
	for i, s := range samples {
		if i == 0 || s.restarts {
			continue
		}
		d := float64(s.transit - samples[i-1].transit)
		j += (math.Abs(d) - j) / 16
		current = max(current, closedBy(s.step, s.fills))
		for current < len(cuts) && cutSteps[current] < s.step && s.place >= cuts[current] {
			current++
		}
		for _, f := range []*oracleFigures{&windows[current], &whole} {
			f.jitterLast = j
			f.jitterMax = max(f.jitterMax, j)
			f.jitterMean += j
			f.jitterN++
		}
	}
	for i := range windows {
		windows[i].jitterMean /= max(float64(windows[i].jitterN), 1)
	}
	whole.jitterMean /= max(float64(whole.jitterN), 1)

	row := make([]oracleFate, total)
	for p, f := range fates {
		row[p] = f
	}
	oracleFinal(row, bounds, frame, windows, &whole)
	return classes, windows, whole
}

// oracleFinal computes what follows from the fates in sequence order.
func oracleFinal(row []oracleFate, bounds []int64, frame time.Duration, windows []oracleFigures, whole *oracleFigures) {
	bad := make([]bool, len(row))
	depths := make([]float64, len(row))
	oraclePlayout(row, bad, depths)
	oracleVariation(row, bounds, windows, whole)
	from := int64(0)
	for i, to := range bounds {
		oracleCount(row[from:to], bad[from:to], depths[from:to], frame, &windows[i])
		from = to
	}
	oracleCount(row, bad, depths, frame, whole)
}

func oracleCount(row []oracleFate, bad []bool, depths []float64, frame time.Duration, f *oracleFigures) {
	f.expected = int64(len(row))
	for i, r := range row {
		if !r.arrived {
			f.lost++
			continue
		}
		f.received++
		f.depthMean += depths[i]
		f.depthMax = max(f.depthMax, depths[i])
		if bad[i] {
			f.discarded++
		}
	}
	if f.received > 0 {
		f.depthMean /= float64(f.received)
	}
	f.bursts = oracleBursts(bad, frame)
}

// oraclePlayout runs the model as its comment says it, over whole history.
func oraclePlayout(row []oracleFate, bad []bool, depths []float64) {
	const least, most = 20e6, 200e6
	depth, mean, spread := least, 0.0, 0.0
	var stretches []time.Duration // smallest transit of each stretch of 10 s
	var begun time.Duration
	for i, r := range row {
		depths[i] = depth
		if !r.arrived {
			bad[i] = true
			continue
		}
		if !r.known {
			continue
		}
		if len(stretches) == 0 || r.at >= begun+10*time.Second {
			stretches = append(stretches, r.transit)
			begun = r.at
		}
		n := len(stretches)
		stretches[n-1] = min(stretches[n-1], r.transit)
		base := stretches[n-1]
		if n > 1 {
			base = min(base, stretches[n-2])
		}
		v := float64(r.transit - base)
		bad[i] = v > depth
		mean += (v - mean) / 64
		spread += (math.Abs(v-mean) - spread) / 64
		depth = math.Min(math.Max(mean+4*spread, least), most)
	}
}

// oracleVariation sets delay variation against the smallest transit time up
// to the end of each block. It holds for rows of up to 30 s.
func oracleVariation(row []oracleFate, bounds []int64, windows []oracleFigures, whole *oracleFigures) {
	floor := time.Duration(math.MaxInt64)
	var block []time.Duration
	var opened time.Duration
	window := 0
	flush := func() {
		for _, t := range block {
			floor = min(floor, t)
		}
		for _, t := range block {
			windows[window].variation = append(windows[window].variation, t-floor)
			whole.variation = append(whole.variation, t-floor)
		}
		block = block[:0]
	}
	for i := 0; i <= len(row); i++ {
		for window < len(bounds)-1 && int64(i) == bounds[window] {
			flush()
			window++
		}
		if i == len(row) {
			break
		}
		r := row[i]
		if !r.known {
			continue
		}
		if len(block) == 128 || len(block) > 0 && r.at-opened >= 5*time.Second {
			flush()
		}
		if len(block) == 0 {
			opened = r.at
		}
		block = append(block, r.transit)
	}
	flush()
	for i := range windows {
		slices.Sort(windows[i].variation)
	}
	slices.Sort(whole.variation)
}

// oracleBursts marks each packet as burst or gap by the words of RFC 3611,
// 4.7.2: a burst is a longest stretch that begins and ends with a bad packet,
// holds at least two of them, and holds no Gmin good packets in a row.
func oracleBursts(bad []bool, frame time.Duration) Bursts {
	inBurst := make([]bool, len(bad))
	var places []int
	for i, b := range bad {
		if b {
			places = append(places, i)
		}
	}
	for k := 1; k < len(places); k++ {
		if places[k]-places[k-1]-1 < 16 {
			for i := places[k-1]; i <= places[k]; i++ {
				inBurst[i] = true
			}
		}
	}
	var burstPackets, burstBad, gapPackets, gapBad, bursts, gaps, runs int64
	for i := range bad {
		starts := i == 0 || inBurst[i] != inBurst[i-1]
		if inBurst[i] {
			burstPackets++
			if starts {
				bursts++
			}
			if bad[i] {
				burstBad++
			}
		} else {
			gapPackets++
			if starts {
				gaps++
			}
			if bad[i] {
				gapBad++
			}
		}
		if bad[i] && (i == 0 || !bad[i-1]) {
			runs++
		}
	}
	b := Bursts{Count: bursts, BurstR: 1}
	if burstPackets > 0 {
		b.Density = float64(burstBad) / float64(burstPackets)
		b.Duration = time.Duration(burstPackets) * frame / time.Duration(bursts)
	}
	if gapPackets > 0 {
		b.GapDensity = float64(gapBad) / float64(gapPackets)
		b.GapDuration = time.Duration(gapPackets) * frame / time.Duration(gaps)
	}
	if n := int64(len(places)); n > 0 && n < int64(len(bad)) {
		b.BurstR = float64(n) / float64(runs) * (1 - float64(n)/float64(len(bad)))
	}
	return b
}

// rank gives the value of rank ceil(p·n) of a sorted row.
func rank(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	i := int(math.Ceil(p*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// sortCalls puts calls in order of time, keeping the order of equal times.
func sortCalls(calls []oracleCall) {
	sort.SliceStable(calls, func(i, j int) bool { return calls[i].at < calls[j].at })
}
