package audio

import (
	"math"
	"slices"
	"time"
)

// classify says of each frame of a timeline that was found in the clip what
// became of it, and what the whole says of gain, delay and gaps.
func (d *desk) classify(f *Findings, departed func(int64) (time.Duration, bool)) {
	m, line := &d.match, &d.line
	gain := m.gain()
	if gain > 0 {
		f.gain = spreadOf{decibels(gain), 1}
	}
	last := -1
	for i := range line.frames {
		kind := m.kind(i, gain)
		switch kind {
		case ours:
			last = i
			if line.frames[i].exact {
				continue
			}
			f.Recognised++
			if m.sampleExact(i) {
				f.SampleExact++
			}
		case muted:
			f.Muted++
		case lost:
			f.Lost++
		case other:
			f.Other++
		}
	}
	f.Tail = time.Duration(len(line.frames)-1-last) * 20 * time.Millisecond
	m.delays(f, departed)
	m.gaps(f, gain, departed)
}

// kind is what became of a frame of the clip.
type kind uint8

const (
	nothing kind = iota // the clip pauses, and so does what came
	ours
	muted
	lost
	other
)

func (m *match) kind(i int, gain float64) kind {
	frame := &m.line.frames[i]
	b := i / blockOf
	said := float64(m.said(i, m.blocks[b].lag))
	expected := said * gain
	speaks := said > speaking && expected > audible/4
	switch {
	case frame.exact:
		return ours
	case frame.state <= paused && speaks:
		return lost
	case frame.state == garbled:
		return other
	case speaks && (frame.state != present || float64(frame.energy) < hushed*expected):
		return muted
	case frame.state != present:
		return nothing
	case m.around(b) >= sameAt:
		if speaks {
			return ours
		}
		return nothing
	case speaks, float64(frame.energy) > max(10*expected, quietly):
		return other
	}
	return nothing
}

// said is the mean square of the clip under a frame.
func (m *match) said(i, lag int) float32 {
	a, b := m.clip(i*fineFrame+lag, fineFrame)
	var sum float32
	for _, piece := range [2][]float32{a, b} {
		for _, s := range piece {
			sum += s * s
		}
	}
	return sum / fineFrame
}

// around is the correlation of a block with its neighbours: half a second holds
// vowels, which survive any codec, where a block may be a hiss.
func (m *match) around(b int) float64 {
	var xy, xx, yy float64
	for j := max(b-1, 0); j <= min(b+1, len(m.blocks)-1); j++ {
		xy += math.Abs(m.blocks[j].xy)
		xx += m.blocks[j].xx
		yy += m.blocks[j].yy
	}
	return correlation(xy, xx, yy)
}

// gain is the median over the sure blocks of the power that came for the power
// that was sent; 0 if none is sure.
func (m *match) gain() float64 {
	var gains []float64
	for i := range m.blocks {
		if b := &m.blocks[i]; b.sure {
			gains = append(gains, b.xx/b.yy)
		}
	}
	if len(gains) == 0 {
		return 0
	}
	slices.Sort(gains)
	return gains[len(gains)/2]
}

// sampleExact reports whether the samples of a frame are those of the clip. The
// two laws of G.711 turn most codes into each other without a loss, but hardly
// ever all of a frame.
func (m *match) sampleExact(i int) bool {
	a, b := m.clip(i*fineFrame+m.blocks[i/blockOf].lag, fineFrame)
	x := m.line.fine[i*fineFrame:][:fineFrame]
	return slices.Equal(x[:len(a)], a) && slices.Equal(x[len(a):], b)
}

// delays measures, for each sure block, the arrival of its middle against the
// departure of the same moment of the clip.
func (m *match) delays(f *Findings, departed func(int64) (time.Duration, bool)) {
	for i := range m.blocks {
		b := &m.blocks[i]
		if !b.sure {
			continue
		}
		middle := (i*blockOf + blockOf/2) * fineFrame
		p := m.place(middle)
		if p == nil {
			continue
		}
		position, within := m.position(middle+b.lag, p.sent)
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

// mostGaps bounds the gaps of a window.
const mostGaps = 64

// gaps lists what is missing by the place that it has in what was sent.
func (m *match) gaps(f *Findings, gain float64, departed func(int64) (time.Duration, bool)) {
	sent := int64(0)
	for i := range m.line.frames {
		if p := m.place(i * fineFrame); p != nil {
			sent = p.sent
		}
		if k := m.kind(i, gain); k != muted && k != lost || sent == 0 {
			continue
		}
		position, _ := m.position(i*fineFrame+m.blocks[i/blockOf].lag+fineFrame/2, sent)
		if n := len(f.Gaps); n > 0 && f.Gaps[n-1].Start+f.Gaps[n-1].Length == position {
			f.Gaps[n-1].Length++
		} else if n < mostGaps {
			f.Gaps = append(f.Gaps, Gap{position, 1})
		}
	}
}

func samples(n int) time.Duration { return time.Duration(n) * time.Second / fineRate }
