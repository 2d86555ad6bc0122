package audio

import "math"

// The limits of the match. They were found with the clips through other codecs
// and with other speech; the tests hold both sides of them.
const (
	foundAt   = 15.0 // peak of the correlation over its own noise that leaves no doubt
	maybeAt   = 6.0  // peak that must be confirmed block by block
	sameAt    = 0.4  // correlation of a stretch that is ours
	sureAt    = 0.7  // correlation of a block that the lag may follow
	sureShare = 0.5  // of the blocks that confirm a peak in doubt
	blockOf   = 8    // frames of a block, at most: 160 ms

	leastBlock = 4    // frames of a block that is looked for
	nearby     = 8    // samples at fineRate that the lag may move from block to block
	elsewhere  = 240  // samples at coarseRate within which a jump of the lag is looked for
	faint      = 1e-7 // mean square of a frame, -70 dBov, under which there is nothing to compare
)

// match compares a timeline with the clip.
type match struct {
	ref    *reference
	line   *timeline
	buffer []complex64
	peak   float64 // of the last search
	blocks []block
	traces []trace
}

// block is the comparison of a few frames, from first to before last.
type block struct {
	first      int
	last       int
	lag        int     // sample of the clip minus sample of the timeline, at fineRate
	xy, xx, yy float64 // products of timeline and clip
	compared   bool    // both had something to compare
	sure       bool
}

func (b *block) correlation() float64 { return correlation(b.xy, b.xx, b.yy) }

func correlation(xy, xx, yy float64) float64 {
	if xx <= 0 || yy <= 0 {
		return 0
	}
	return xy / math.Sqrt(xx*yy)
}

// find looks for the timeline in the clip, at coarseRate: the lag at fineRate,
// from 0 to the length of the clip, and by how much its correlation stands out.
func (m *match) find() (lag int, peak float64) {
	x := m.line.coarse
	if cap(m.buffer) < searchSize {
		m.buffer = make([]complex64, searchSize)
	}
	z := m.buffer[:searchSize]
	clear(z)
	var energy float64
	for i, s := range x {
		z[i] = complex(s, 0)
		energy += float64(s) * float64(s)
	}
	if energy == 0 {
		return 0, 0
	}
	t := search()
	t.forward(z)
	for i, r := range m.ref.spectrum {
		z[i] *= complex(real(r), -imag(r))
	}
	t.forward(z)
	// The transform of the conjugate is the conjugate of the inverse, and the
	// correlation is real: its values stand in the real parts, times searchSize.
	round := len(m.ref.coarse) - mostCoarse
	var under float64
	for _, r := range m.ref.coarse[:len(x)] {
		under += float64(r) * float64(r)
	}
	best, sum := 0.0, 0.0
	for l := range round {
		if l > 0 {
			out, in := float64(m.ref.coarse[l-1]), float64(m.ref.coarse[l-1+len(x)])
			under += in*in - out*out
		}
		c := float64(real(z[l])) / searchSize
		score := c * c / max(energy*under, 1e-12)
		sum += score
		if score > best {
			best, lag = score, l
		}
	}
	return lag * coarser, math.Sqrt(best / (sum / float64(round)))
}

// locate finds the timeline in the clip: at the lag of the window before if that
// still holds, else anywhere. Then the blocks are compared.
func (m *match) locate(lag int, known bool) bool {
	if len(m.line.frames) == 0 {
		return false
	}
	if known {
		lag = m.refine(lag)
		if xy, xx, yy := m.products(0, len(m.line.frames), lag); math.Abs(correlation(xy, xx, yy)) >= sameAt {
			m.follow(lag)
			return true
		}
	}
	if lag, m.peak = m.find(); m.peak < maybeAt {
		return false
	}
	m.follow(m.refine(lag))
	return m.peak >= foundAt || m.sureness() >= sureShare
}

// sureness is the share of comparable frames in blocks that are surely ours.
func (m *match) sureness() float64 {
	sure, compared := 0, 0
	for i := range m.blocks {
		b := &m.blocks[i]
		if b.compared {
			compared += b.last - b.first
		}
		if b.sure {
			sure += b.last - b.first
		}
	}
	return float64(sure) / float64(max(compared, 1))
}

// follow compares block by block, from the one that is most like the clip at a
// lag on, to the end and to the beginning.
func (m *match) follow(lag int) {
	m.divide()
	start := m.anchor(lag)
	at := m.track(start, lag)
	for j := start + 1; j < len(m.blocks); j++ {
		at = m.track(j, m.beyond(j, at, 1))
	}
	at = m.blocks[start].lag
	for j := start - 1; j >= 0; j-- {
		at = m.track(j, m.beyond(j+1, at, -1))
	}
}

// divide makes the blocks: each ends at its full length or before a pause of the
// far end, behind which the clip may stand elsewhere.
func (m *match) divide() {
	m.blocks = m.blocks[:0]
	frames := m.line.frames
	first := 0
	for i := 1; i <= len(frames); i++ {
		if i == len(frames) || i == first+blockOf || frames[i].state == paused && frames[i-1].state != paused {
			m.blocks = append(m.blocks, block{first: first, last: i})
			first = i
		}
	}
}

// anchor is the block that is most like the clip at a lag.
func (m *match) anchor(lag int) int {
	best, at := -1.0, 0
	for j := range m.blocks {
		b := &m.blocks[j]
		xy, xx, yy := m.products(b.first, b.last, lag)
		// Of two that are as like, the one in which more is said.
		if c := math.Abs(correlation(xy, xx, yy)) * math.Sqrt(xx); c > best {
			best, at = c, j
		}
	}
	return at
}

// beyond decides where the clip stands on the other side of the pause that block
// j begins with, if it does: behind it going forth, before it going back. If
// nothing was sent to the far end, the clip stood still; else it went on unheard.
func (m *match) beyond(j, lag, step int) int {
	frames := m.line.frames
	first := m.blocks[j].first
	end := first
	for end < len(frames) && frames[end].state == paused {
		end++
	}
	if end == first || end == len(frames) {
		return lag
	}
	stood := lag - step*(end-first)*fineFrame
	from, to := end, min(end+blockOf, len(frames))
	if step < 0 {
		from, to = max(first-blockOf, 0), first
	}
	if math.Abs(correlation(m.products(from, to, stood))) > math.Abs(correlation(m.products(from, to, lag))) {
		return stood
	}
	return lag
}

// track compares a block around a lag, and returns the lag for the next one.
func (m *match) track(j, lag int) int {
	b := m.compare(m.blocks[j].first, m.blocks[j].last, lag, 1)
	if b.compared && math.Abs(b.correlation()) < sureAt && b.last-b.first >= leastBlock {
		b = m.search(b)
	}
	if b.sure = b.compared && math.Abs(b.correlation()) >= sureAt; !b.sure {
		b.lag = lag
	}
	m.blocks[j] = b
	return b.lag
}

// search looks for a block that is not where the one before was: near by, then
// further away.
func (m *match) search(b block) block {
	near := m.compare(b.first, b.last, b.lag, nearby)
	if math.Abs(near.correlation()) >= sureAt {
		return near
	}
	if far := m.compare(b.first, b.last, m.jump(b.first, b.last, b.lag), nearby); math.Abs(far.correlation()) >= sureAt {
		return far
	}
	return near
}

// refine turns a lag of the search into one at fineRate, over all of the
// timeline.
func (m *match) refine(lag int) int {
	best, at := -1.0, lag
	for l := lag - 2*coarser; l <= lag+2*coarser; l++ {
		xy, xx, yy := m.products(0, len(m.line.frames), l)
		if c := math.Abs(correlation(xy, xx, yy)); c > best {
			best, at = c, l
		}
	}
	return at
}

// compare finds the best lag for a block around the given one.
func (m *match) compare(first, last, lag, reach int) block {
	var best block
	for l := lag - reach; l <= lag+reach; l++ {
		b := block{first: first, last: last, lag: l}
		b.xy, b.xx, b.yy = m.products(first, last, l)
		if l == lag-reach || math.Abs(b.correlation()) > math.Abs(best.correlation()) {
			best = b
		}
	}
	samples := float64((last - first) * fineFrame)
	best.compared = best.xx > 0 && best.yy > 1e-6*samples
	return best
}

// jump looks for a block further away, at coarseRate.
func (m *match) jump(first, last, lag int) int {
	from := first * fineFrame / coarser
	to := min(last*fineFrame/coarser, len(m.line.coarse))
	x := m.line.coarse[from:to]
	round := len(m.ref.coarse) - mostCoarse
	best, at := 0.0, lag
	for move := -elsewhere; move <= elsewhere; move++ {
		start := wrap(from+lag/coarser+move, round)
		y := m.ref.coarse[start:][:len(x)]
		var xy, yy float32
		for i, s := range x {
			xy += s * y[i]
			yy += y[i] * y[i]
		}
		if c := float64(xy) * float64(xy) / max(float64(yy), 1e-9); c > best {
			best, at = c, lag+move*coarser
		}
	}
	return at
}

// products sums over the frames of the timeline in which there is anything.
func (m *match) products(first, last, lag int) (xy, xx, yy float64) {
	for f := first; f < last; f++ {
		if m.line.frames[f].state != present || m.line.frames[f].energy < faint {
			continue
		}
		x := m.line.fine[f*fineFrame:][:fineFrame]
		a, b := m.clip(f*fineFrame+lag, fineFrame)
		ab, aa, bb := dot(x[:len(a)], a)
		cd, cc, dd := dot(x[len(a):], b)
		xy, xx, yy = xy+ab+cd, xx+aa+cc, yy+bb+dd
	}
	return xy, xx, yy
}

// clip gives n samples of the endless clip, in two pieces at its seam.
func (m *match) clip(start, n int) (a, b []float32) {
	round := len(m.ref.fine)
	start = wrap(start, round)
	a = m.ref.fine[start:min(start+n, round)]
	return a, m.ref.fine[:n-len(a)]
}

func wrap(i, n int) int { return (i%n + n) % n }

func dot(x, y []float32) (xy, xx, yy float64) {
	var ab, aa, bb float32
	y = y[:len(x)]
	for i, s := range x {
		ab += s * y[i]
		aa += s * s
		bb += y[i] * y[i]
	}
	return float64(ab), float64(aa), float64(bb)
}
