package audio

import (
	"context"
	"slices"
	"time"
)

// Limits of what is heard, as mean squares.
const (
	speaking = 1e-5  // -50 dBov: the clip says something
	audible  = 1e-6  // -60 dBov: above the idle noise of a line
	quietly  = 1e-4  // -40 dBov: comfort noise is not louder
	hushed   = 0.003 // of what is expected: 25 dB under it a frame is muted
	steady   = 8.0   // dB that the levels of a noise spread over at most
)

// desk is what listening needs. There is one for the process: it works on one
// tape at a time, so that a host with many calls is not overrun, and a call
// holds no memory for it.
type desk struct {
	line    timeline
	match   match
	decoder *opusDecoder
}

var desks = make(chan *desk, 1)

func init() { desks <- &desk{} }

// Listen gives the findings of a tape and takes the tape. lag is where the window
// before was found, if it was. departed tells when the frame at a position left.
//
// A tape that holds what was sent bit for bit is done at once. Another one waits
// for its turn; if ctx ends before, its error is returned and nothing is known.
func Listen(ctx context.Context, t Tape, lag Lag, departed func(position int64) (time.Duration, bool)) (Findings, error) {
	defer t.release()
	if !t.Altered() {
		return t.exact(), nil
	}
	select {
	case d := <-desks:
		defer func() { desks <- d }()
		return d.listen(&t, lag, departed)
	case <-ctx.Done():
		return t.Skip(), ctx.Err()
	}
}

// Skip gives up a tape that nobody has time to listen to.
func (t *Tape) Skip() Findings {
	t.release()
	return Findings{Skipped: true, Since: t.since, Sent: t.sent}
}

// Altered reports whether a tape must be listened to: fewer payloads than nine
// in ten are the sent ones bit for bit.
func (t *Tape) Altered() bool {
	return t.reel != nil && float64(t.matched) < exactEnough*float64(t.checked+t.noise)
}

// exact gives what is known without listening.
func (t *Tape) exact() Findings {
	if t.matched == 0 {
		t.tail = 0 // nothing came at all
	}
	return Findings{
		Since: t.since, Sent: t.sent, Checked: t.checked, Matched: t.matched,
		Energy: t.energy, Heard: float64(t.matched), Speech: t.active,
		delay: t.delay, Tail: t.tail,
	}
}

func (d *desk) listen(t *Tape, lag Lag, departed func(int64) (time.Duration, bool)) (Findings, error) {
	f := Findings{Since: t.since, Sent: t.sent, Matched: t.matched, delay: t.delay}
	ref, err := referenceOf(t.clip)
	if err != nil {
		return t.Skip(), err
	}
	if d.decoder == nil {
		if d.decoder, err = newOpusDecoder(opusRate); err != nil {
			return t.Skip(), err
		}
	}
	d.line.lay(t, d.decoder)
	d.match.ref, d.match.line = ref, &d.line
	d.loudness(&f)
	since := d.line.base * fineRate / int64(t.clip.Codec().ClockRate)
	if d.match.locate(wrap64(lag.samples+since, len(ref.fine)), lag.Known) {
		d.classify(&f, departed, t.missed)
		f.Lag = Lag{Known: true, samples: int64(d.match.blocks[len(d.match.blocks)-1].lag) - since}
	} else {
		d.unlike(&f)
	}
	f.Checked = f.Matched + f.Recognised + f.Muted + f.Hiss + f.Other
	return f, nil
}

func wrap64(i int64, n int) int { return int((i%int64(n) + int64(n)) % int64(n)) }

// loudness measures the levels of what came.
func (d *desk) loudness(f *Findings) {
	m := newMeter(d.line.rate)
	m.add(d.line.pcm)
	for i := range d.line.frames {
		if s := d.line.frames[i].state; s == noise || s == present {
			f.Energy += float64(d.line.frames[i].energy)
			f.Heard++
		}
	}
	perFrame := float64(d.line.rate / 50)
	f.Speech = m.activity() / perFrame
	f.Clipped = float64(clipped(d.line.pcm)) / perFrame
}

// clipped counts the samples of flat tops: runs of at least three of one sign
// that stay within a step of G.711 (a thirty-second) of the loudest sample. Below
// -20 dBov nothing is clipped: there the steps of a codec look like it.
func clipped(pcm []float32) int {
	var peak float32
	for _, s := range pcm {
		peak = max(peak, s, -s)
	}
	if peak < 0.1 {
		return 0
	}
	top := peak * 31 / 32
	count, run, sign := 0, 0, false
	for _, s := range pcm {
		switch up := s > 0; {
		case s < top && -s < top:
			run = 0
		case run > 0 && up == sign:
			run++
		default:
			run, sign = 1, up
		}
		switch {
		case run == 3:
			count += 3
		case run > 3:
			count++
		}
	}
	return count
}

// unlike says what it is that came, when it is not the clip.
func (d *desk) unlike(f *Findings) {
	var levels []float64
	quiet, hiss := int64(0), int64(0)
	for i := range d.line.frames {
		switch frame := &d.line.frames[i]; {
		case frame.exact, frame.state == absent:
		case frame.state == noise:
			hiss++
		case frame.state == garbled:
			f.Other++
		case frame.state == paused:
			quiet++
		default:
			levels = append(levels, levelOf(frame.energy))
		}
	}
	f.Tail = time.Duration(len(d.line.frames)) * 20 * time.Millisecond
	f.Hiss += hiss
	switch n := int64(len(levels)); likeness(levels) {
	case Silent:
		quiet += n
	case ComfortNoise:
		f.Hiss += n
	default:
		f.Other += n
	}
	f.Muted += quiet
	if f.Matched == 0 {
		f.lead = quiet
	}
}

// likeness says what the levels of frames sound like, in decibels.
func likeness(levels []float64) State {
	n := len(levels)
	if n == 0 {
		return Silent
	}
	slices.Sort(levels)
	low, high := levels[n/10], levels[n-1-n/20]
	switch {
	case high < decibels(audible):
		return Silent
	case high < decibels(quietly) && high-low < steady:
		return ComfortNoise
	}
	return Wrong
}
