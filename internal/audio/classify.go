package audio

import (
	"slices"
	"time"
)

// classify says of each frame of a timeline that was found in the clip what
// became of it, and what the whole says of gain, delay and gaps.
func (d *desk) classify(f *Findings, departed func(int64) (time.Duration, bool), missed []miss) {
	m, line := &d.match, &d.line
	m.settle()
	gain := m.gain()
	if gain > 0 {
		f.gain = spreadOf{decibels(gain), 1}
	}
	m.excuse(missed, gain)
	last, exact := -1, int64(0)
	for i := range line.frames {
		kind := m.kind(i, gain)
		switch kind {
		case ours:
			last = i
			if line.frames[i].exact {
				exact++
				continue
			}
			f.Recognised++
			if m.sampleExact(i) {
				f.SampleExact++
			}
		case muted:
			f.Muted++
			if last < 0 {
				f.lead++
			}
		case lost:
			f.Lost++
		case other:
			f.Other++
		}
	}
	if f.Matched > exact {
		f.lead = 0 // some of ours had come before the tape was running
	}
	f.Tail = time.Duration(len(line.frames)-1-last) * 20 * time.Millisecond
	m.delays(f, departed)
	m.gaps(f, gain)
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
	t := &m.traces[i]
	said := float64(m.said(i, t.lag))
	expected := said * gain
	speaks := said > speaking && expected > audible/4
	switch {
	case frame.missed:
		return nothing
	case frame.exact:
		return ours
	case frame.state <= paused && t.lost && speaks:
		return lost
	case frame.state <= paused:
		return nothing
	case frame.state == garbled:
		return other
	case speaks && (frame.state != present || float64(frame.energy) < hushed*expected):
		return muted
	case frame.state != present:
		return nothing
	case m.around(i) >= sameAt:
		if speaks {
			return ours
		}
		return nothing
	case speaks, float64(frame.energy) > max(10*expected, quietly):
		return other
	}
	return nothing
}

// excuse marks silence that stands for slots which this side missed: it lies
// between the frames before and behind them, and takes the place of either.
func (m *match) excuse(missed []miss, gain float64) {
	sent := int64(0)
	for i := range m.line.frames {
		if p := m.place(i * fineFrame); p != nil {
			sent = p.sent
		}
		if k := m.kind(i, gain); len(missed) == 0 || k != muted && k != lost || sent == 0 {
			continue
		}
		position, _ := m.position(i*fineFrame+m.traces[i].lag+fineFrame/2, sent)
		for j := range missed {
			if at := missed[j].position; missed[j].slots > 0 && (position == at || position == at-1) {
				missed[j].slots--
				m.line.frames[i].missed = true
				break
			}
		}
	}
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
	a, b := m.clip(i*fineFrame+m.traces[i].lag, fineFrame)
	x := m.line.fine[i*fineFrame:][:fineFrame]
	return slices.Equal(x[:len(a)], a) && slices.Equal(x[len(a):], b)
}

// mostGaps bounds the gaps of a window.
const mostGaps = 64

// gaps lists what is missing by the place that it has in what was sent.
func (m *match) gaps(f *Findings, gain float64) {
	sent := int64(0)
	for i := range m.line.frames {
		if p := m.place(i * fineFrame); p != nil {
			sent = p.sent
		}
		if k := m.kind(i, gain); k != muted && k != lost || sent == 0 {
			continue
		}
		position, _ := m.position(i*fineFrame+m.traces[i].lag+fineFrame/2, sent)
		if n := len(f.Gaps); n > 0 && f.Gaps[n-1].Start+f.Gaps[n-1].Length == position {
			f.Gaps[n-1].Length++
		} else if n < mostGaps {
			f.Gaps = append(f.Gaps, Gap{position, 1})
		}
	}
}
