package audio

import (
	"slices"
	"time"
)

// Gap is a stretch of what was sent that did not come back to be heard.
type Gap struct {
	Start, Length int64 // in frames since the start of sending
}

const (
	openGaps = 16 // the last ones: a packet that comes late may still fill them
	keptGaps = 32 // the longest of the others
)

// Gaps is the map of what is missing, in constant memory: of more gaps than it
// has room for, it keeps the longest. The zero value is ready.
type Gaps struct {
	next    int64 // behind the last position that was heard
	missing int64 // frames
	count   int64 // gaps
	open    [openGaps]span
	kept    [keptGaps]span
	opened  int
	keeping int
}

// span is a Gap in half the memory: 2^32 frames are years.
type span struct{ start, length uint32 }

// heard notes that the frame at a position came back. It reports whether that
// is the first time, as far as it can tell. It must not allocate.
func (g *Gaps) heard(position int64) bool {
	if position >= g.next {
		if position > g.next {
			g.miss(g.next, position-g.next)
		}
		g.next = position + 1
		return true
	}
	return g.fill(position)
}

// miss adds a gap.
func (g *Gaps) miss(start, length int64) {
	g.missing += length
	g.count++
	if g.opened == openGaps {
		g.settle(g.open[0])
		copy(g.open[:], g.open[1:])
		g.opened--
	}
	g.open[g.opened] = span{uint32(start), uint32(length)}
	g.opened++
}

// Add adds a gap behind those that are known.
func (g *Gaps) Add(gap Gap) {
	g.miss(gap.Start, gap.Length)
	g.next = max(g.next, gap.Start+gap.Length)
}

// settle keeps a gap that nothing will fill, if it is long enough.
func (g *Gaps) settle(s span) {
	if g.keeping < keptGaps {
		g.kept[g.keeping] = s
		g.keeping++
		return
	}
	shortest := 0
	for i := range g.kept {
		if g.kept[i].length < g.kept[shortest].length {
			shortest = i
		}
	}
	if s.length > g.kept[shortest].length {
		copy(g.kept[shortest:], g.kept[shortest+1:])
		g.kept[keptGaps-1] = s
	}
}

// fill takes a position out of the open gaps.
func (g *Gaps) fill(position int64) bool {
	p := uint32(position)
	for i := g.opened - 1; i >= 0; i-- {
		s := &g.open[i]
		if p < s.start || p >= s.start+s.length {
			continue
		}
		g.missing--
		before, after := p-s.start, s.start+s.length-p-1
		switch {
		case before == 0 && after == 0:
			copy(g.open[i:], g.open[i+1:g.opened])
			g.opened--
			g.count--
		case before == 0:
			*s = span{p + 1, after}
		case after == 0:
			s.length = before
		default:
			*s = span{s.start, before}
			g.miss(int64(p+1), 0) // makes room; the frames are counted already
			g.open[g.opened-1] = span{p + 1, after}
			slices.SortFunc(g.open[:g.opened], func(a, b span) int { return int(a.start) - int(b.start) })
		}
		return true
	}
	return false
}

// end notes that nothing more will come, though frames up to a position should
// have.
func (g *Gaps) end(position int64) {
	if position > g.next {
		g.miss(g.next, position-g.next)
		g.next = position
	}
}

// Missing is the time that is missing, and in how many gaps.
func (g *Gaps) Missing(frame time.Duration) (time.Duration, int64) {
	return time.Duration(g.missing) * frame, g.count
}

// List returns the gaps in the order of time.
func (g *Gaps) List() []Gap {
	list := make([]Gap, 0, g.keeping+g.opened)
	for _, s := range g.kept[:g.keeping] {
		list = append(list, Gap{int64(s.start), int64(s.length)})
	}
	for _, s := range g.open[:g.opened] {
		list = append(list, Gap{int64(s.start), int64(s.length)})
	}
	slices.SortFunc(list, func(a, b Gap) int { return int(a.Start - b.Start) })
	return list
}
