package audio

import (
	"math"
	"time"
)

// trace is where a frame of the timeline stands in the clip.
type trace struct {
	lag        int
	xy, xx, yy float64
	lost       bool // nothing came for it, and the clip went on meanwhile
}

// settle gives each frame the lag of its block, and compares it there. One with
// nothing to compare has that of the frame before.
func (m *match) settle() {
	m.traces = append(m.traces[:0], make([]trace, len(m.line.frames))...)
	for j := range m.blocks {
		b := &m.blocks[j]
		for i := b.first; i < b.last; i++ {
			t := &m.traces[i]
			if t.lag = b.lag; i > 0 && !m.comparable(i) {
				t.lag = m.traces[i-1].lag
				continue
			}
			t.xy, t.xx, t.yy = m.products(i, i+1, t.lag)
		}
	}
	m.lose()
}

func (m *match) comparable(i int) bool {
	f := &m.line.frames[i]
	return f.state == present && f.energy >= faint
}

// lose marks what is missing between packets: as many frames as the clip went on
// while nothing came. When it stood still, nothing was lost.
func (m *match) lose() {
	frames := m.line.frames
	for i := 1; i < len(frames); i++ {
		if frames[i].state > paused {
			continue
		}
		end := i
		for end < len(frames) && frames[end].state <= paused {
			end++
		}
		if end < len(frames) {
			went := (end*fineFrame + m.traces[end].lag - i*fineFrame - m.traces[i-1].lag + fineFrame/2) / fineFrame
			for j := i; j < min(i+went, end); j++ {
				m.traces[j].lost = true
			}
		}
		i = end
	}
}

// around is the correlation of a frame with its neighbours: half a second holds
// vowels, which survive any codec, where a frame may be a hiss.
func (m *match) around(i int) float64 {
	const reach = 12
	var xy, xx, yy float64
	for j := max(i-reach, 0); j <= min(i+reach, len(m.traces)-1); j++ {
		t := &m.traces[j]
		xy, xx, yy = xy+t.xy, xx+t.xx, yy+t.yy
	}
	return math.Abs(correlation(xy, xx, yy))
}

// delays measures, for each sure block, the arrival of its middle against the
// departure of the same moment of the clip.
func (m *match) delays(f *Findings, departed func(int64) (time.Duration, bool)) {
	for i := range m.blocks {
		if !m.blocks[i].sure {
			continue
		}
		middle := (m.blocks[i].first + m.blocks[i].last) * fineFrame / 2
		p := m.place(middle)
		if p == nil {
			continue
		}
		position, within := m.position(middle+m.blocks[i].lag, p.sent)
		left, ok := departed(position)
		if !ok {
			continue
		}
		arrived := p.at + samples(middle-p.start)
		f.delay.add(arrived - left - samples(within))
	}
	f.coarse = f.coarse || f.delay.n > 0
}

// place is the packet that brought a sample; nil if none did.
func (m *match) place(sample int) *place {
	for i := range m.line.places {
		if p := &m.line.places[i]; p.start <= sample && sample < p.end {
			return p
		}
	}
	return nil
}

// position is the frame of the endless clip that a sample of the clip was last
// sent with, when so many frames had been sent, and the sample's place in it.
func (m *match) position(sample int, sent int64) (position int64, within int) {
	round := int64(len(m.ref.fine) / fineFrame)
	at := wrap(sample, len(m.ref.fine))
	position, within = int64(at/fineFrame), at%fineFrame
	if rounds := (sent - 1 - position) / round; rounds > 0 {
		position += rounds * round
	}
	return position, within
}

func samples(n int) time.Duration { return time.Duration(n) * time.Second / fineRate }
