package capture

import (
	"math"
	"time"
)

const (
	// learnPackets and learnSpan are how much of a stream is kept to learn its
	// clock rate; leastPackets and leastSpan are how much it takes.
	learnPackets = 250
	learnSpan    = int64(5 * time.Second)
	leastPackets = 10
	leastSpan    = int64(150 * time.Millisecond)

	// clockTolerance is how far (as a ratio) the timestamps may run from a
	// rate that is believed.
	clockTolerance = 0.15
	// oddFrame is what a rate loses to its neighbours if it makes frames of a
	// length that audio codecs do not have. The rates in question are 44100 and
	// 48000 Hz, 8.5 % apart.
	oddFrame = 0.06
)

// clockRates are those that payload formats have.
var clockRates = [...]uint32{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 90000}

// guessClock learns the clock rate of the given payload type from how far its
// timestamps run in the time of the capture; 0: it cannot be told.
func guessClock(records []record, payloadType uint8) uint32 {
	var ticks, elapsed, packets int64
	var frames spacing
	var before *record
	for i := range records {
		r := &records[i]
		if r.kind != payloadType {
			continue
		}
		if r.untimed {
			return 0
		}
		if before != nil {
			step, took := int64(int32(r.timestamp-before.timestamp)), r.at-before.at
			// A step that no clock could make is one of the sender's mind.
			if limit := int64(float64(max(took, 0)+5e8) * 192e3 / 1e9); step > limit || step < -limit {
				before = r
				continue
			}
			ticks += step
			elapsed += took
			packets++
			frames.add(before, r)
		}
		before = r
	}
	if packets < leastPackets || elapsed < leastSpan || ticks <= 0 {
		return 0
	}
	rate := float64(ticks) * 1e9 / float64(elapsed)
	best, guess := math.Inf(1), uint32(0)
	for _, hz := range clockRates {
		off := math.Abs(math.Log(rate / float64(hz)))
		if off > clockTolerance {
			continue
		}
		if hz != 90000 && !evenFrame(frames.most(), hz) {
			off += oddFrame
		}
		if off < best {
			best, guess = off, hz
		}
	}
	return guess
}

// evenFrame reports whether a frame is a multiple of 2.5 ms, as in all
// conversational codecs, or of 1024 samples, as in AAC.
func evenFrame(ticks uint32, rate uint32) bool {
	return ticks > 0 && (ticks*400%rate == 0 || ticks%1024 == 0)
}

// spacing finds the timestamp step that most pairs of consecutive packets have
// (Misra and Gries, 1982): exact if it is that of more than a fifth of them.
type spacing struct {
	steps [4]struct {
		ticks uint32
		count int32
	}
}

// add takes a packet and the one that came before it.
func (s *spacing) add(before, r *record) {
	ticks := r.timestamp - before.timestamp
	if r.sequence != before.sequence+1 || r.kind != before.kind || ticks == 0 || ticks > math.MaxInt32 {
		return
	}
	free := -1
	for i := range s.steps {
		if s.steps[i].count > 0 && s.steps[i].ticks == ticks {
			s.steps[i].count++
			return
		}
		if s.steps[i].count == 0 {
			free = i
		}
	}
	if free >= 0 {
		s.steps[free].ticks, s.steps[free].count = ticks, 1
		return
	}
	for i := range s.steps {
		s.steps[i].count--
	}
}

// most gives the step, 0 if there is none.
func (s *spacing) most() uint32 {
	best := s.steps[0]
	for _, step := range s.steps[1:] {
		if step.count > best.count {
			best = step
		}
	}
	if best.count == 0 {
		return 0
	}
	return best.ticks
}
