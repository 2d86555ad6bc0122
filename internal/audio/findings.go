package audio

import (
	"math"
	"time"
)

// State is what came back, in one word.
type State uint8

// The states.
const (
	NotChecked   State = iota // too little to tell
	OK                        // the clip that was sent
	Silent                    // nothing audible
	ComfortNoise              // a steady noise in place of speech
	Wrong                     // something else
)

// String names the state.
func (s State) String() string {
	switch s {
	case OK:
		return "ok"
	case Silent:
		return "silent"
	case ComfortNoise:
		return "comfort noise"
	case Wrong:
		return "wrong"
	}
	return "not checked"
}

// The limits of a verdict.
const (
	// exactEnough is the share of payloads that must come back bit for bit for
	// the rest not to be listened to.
	exactEnough = 0.9
	// oursAtLeast is the share of ours in what is audible, and heardAtLeast its
	// share in all that came, without which it is not the clip that is heard.
	oursAtLeast, heardAtLeast = 0.5, 0.1
	// leastFrames is how much there must be to tell anything: 0.1 s.
	leastFrames = 5
	// manyFrames is how many must have been sent for so few to be silence: 1 s.
	manyFrames = 50
)

// Findings are what was found on a tape, or on several. Counts are frames of
// 20 ms; where the clip itself pauses, altered audio counts as nothing.
type Findings struct {
	Skipped bool  // nobody listened: nothing is known
	Since   int64 // frames that had been sent before
	Sent    int64 // frames that were sent meanwhile
	Checked int64 // returned frames that were compared: the sum of the next five, and what the exact check left
	Matched int64 // the sent ones bit for bit

	Recognised int64 // the sent ones by correlation
	Muted      int64 // silent where the clip speaks; or all of it, where no clip is found
	Hiss       int64 // comfort noise where the clip speaks
	Other      int64 // something else
	Lost       int64 // altered audio that never came where the clip speaks; not part of Checked

	// SampleExact counts, of Recognised, frames whose samples are those of the
	// clip, though not in the same packets.
	SampleExact int64

	Energy, Heard float64 // sum of mean squares, and of how many frames: the level
	Speech        float64 // frames of it that ITU-T P.56 counts as speech
	Clipped       float64 // frames of it that are clipped
	lead          int64   // of Muted, before the first frame of ours
	gain          spreadOf
	delay         spread
	coarse        bool // the delay is that of a correlation

	// Tail is how long nothing of ours has come, at the end.
	Tail time.Duration
	Gaps []Gap // in the altered audio of a window
	Lag  Lag   // where altered audio stands in the clip
}

// Lag is where altered audio was last found in the clip. It makes the next
// search shorter.
type Lag struct {
	Known   bool
	samples int64 // of the clip, at fineRate, less RTP time
}

// spreadOf is a sum of decibels.
type spreadOf struct{ sum, n float64 }

// Add adds the findings of the window that follows.
func (f *Findings) Add(g *Findings) {
	if g.Skipped {
		return
	}
	if f.Ours() == 0 {
		f.lead += g.lead
	}
	f.Sent += g.Sent
	f.Checked += g.Checked
	f.Matched += g.Matched
	f.Recognised += g.Recognised
	f.Muted += g.Muted
	f.Hiss += g.Hiss
	f.Other += g.Other
	f.Lost += g.Lost
	f.SampleExact += g.SampleExact
	f.Energy += g.Energy
	f.Heard += g.Heard
	f.Speech += g.Speech
	f.Clipped += g.Clipped
	f.gain.sum += g.gain.sum
	f.gain.n += g.gain.n
	f.delay.merge(g.delay)
	f.coarse = f.coarse || g.coarse
	if g.Ours() == 0 {
		f.Tail += g.Tail
	} else {
		f.Tail = g.Tail
	}
	if g.Lag.Known {
		f.Lag = g.Lag
	}
}

// Call gives the findings of a whole call. The silence before an echo's first
// word is its delay, and no gap: as much of it as was measured is not counted.
func (f *Findings) Call() Findings {
	whole := *f
	if delay, _, ok := f.Delay(); ok && f.Ours() > 0 {
		early := min(f.lead, int64(delay/(20*time.Millisecond))+1)
		whole.Muted -= early
		whole.Checked -= early
	}
	return whole
}

// Ours is how many frames came back as they were sent, to an ear.
func (f *Findings) Ours() int64 { return f.Matched + f.Recognised }

// State gives the verdict.
func (f *Findings) State() State {
	ours := float64(f.Ours())
	quiet := float64(f.Muted + f.Hiss)
	other := float64(f.Checked) - ours - quiet
	switch all := ours + quiet + other; {
	case f.Skipped:
		return NotChecked
	case all < leastFrames && f.Sent < manyFrames:
		return NotChecked
	case all < leastFrames:
		return Silent
	case ours >= oursAtLeast*(ours+other) && ours >= heardAtLeast*all:
		return OK
	case other >= heardAtLeast*all:
		return Wrong
	case 4*f.Hiss > f.Muted: // noise comes with pauses: a far end sends it now and then
		return ComfortNoise
	}
	return Silent
}

// Level is the level of what came back, in dBov; ok is false when there was
// nothing.
func (f *Findings) Level() (dbov float64, ok bool) {
	return decibels(f.Energy / f.Heard), f.Heard > 0 && f.Energy > 0
}

// ActiveLevel is the active speech level by ITU-T P.56, method B, in dBov.
func (f *Findings) ActiveLevel() (dbov float64, ok bool) {
	return decibels(f.Energy / f.Speech), f.Speech > 0 && f.Energy > 0
}

// ClippingRatio is the share of samples that are clipped.
func (f *Findings) ClippingRatio() (ratio float64, ok bool) {
	return f.Clipped / f.Heard, f.Heard > 0
}

// Gain is how much louder the clip came back than it was sent, in decibels.
func (f *Findings) Gain() (db float64, ok bool) {
	if f.Matched >= f.Recognised {
		return 0, f.Matched > 0
	}
	return f.gain.sum / f.gain.n, f.gain.n > 0
}

// The least uncertainty of a delay: of departure and arrival of a packet, and of
// a correlation, which is one sample.
const (
	exactAccuracy  = 100 * time.Microsecond
	coarseAccuracy = time.Second / fineRate
)

// Delay is how far what came back lies behind what was sent: from the departure
// of a sample's packet to the arrival of the packet that brings it back, its
// place within each packet taken into account. accuracy is half the width of
// the 95 % interval of the mean, and not less than the method allows.
func (f *Findings) Delay() (delay, accuracy time.Duration, ok bool) {
	mean, err := f.delay.mean()
	least := exactAccuracy
	if f.coarse {
		least = coarseAccuracy
	}
	return mean, max(time.Duration(1.96*float64(err)), least), f.delay.n > 0
}

// level in decibels of a mean square; silence has a finite one.
func levelOf(energy float32) float64 { return decibels(math.Max(float64(energy), 1e-12)) }
