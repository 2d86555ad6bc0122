package audio

import (
	"math"
	"time"

	"github.com/earshot-voip/earshot/internal/media"
)

const (
	// mostFrames bounds what is listened to of a window: six seconds.
	mostFrames = 300
	// discontinuity is how far timestamps may leave the time of arrival before
	// they have begun anew: sources restart on a switch of media.
	discontinuity = time.Second
)

// timeline is the returned audio of a window, laid out by its RTP timestamps.
type timeline struct {
	rate   int       // of pcm
	pcm    []float32 // what did not come is zero
	fine   []float32 // at fineRate
	coarse []float32 // at coarseRate
	frames []frame   // of 20 ms
	base   int64     // timestamp of the first sample
	places []place   // of the packets, in the order of arrival
}

// frame is what is known of 20 ms of the timeline.
type frame struct {
	energy float32 // mean square
	state  presence
	exact  bool // ours, bit for bit
	missed bool // it stands for a slot that this side missed
}

type presence uint8

const (
	absent  presence = iota // nothing came for this time: lost, or sent by nobody
	paused                  // the far end sent nothing, by its sequence numbers
	noise                   // comfort noise stands for it
	garbled                 // something that is not of its codec
	present
)

// place says when a sample of the timeline arrived: with its packet.
type place struct {
	start, end int // samples at fineRate
	at         time.Duration
	sent       int64
}

// lay decodes a tape onto the timeline.
func (l *timeline) lay(t *Tape, decoder *opusDecoder) {
	codec := t.clip.Codec()
	l.reset(codec)
	decoder.reset()
	perTick := float64(l.rate) / float64(codec.ClockRate)
	base, end, seq := int64(0), 0, int64(0)
	for i := range t.reel.entries {
		e := &t.reel.entries[i]
		if i == 0 {
			base, l.base = e.timestamp, e.timestamp
		}
		start := int(float64(e.timestamp-base) * perTick)
		due := int((e.at - t.reel.entries[0].at).Seconds() * float64(l.rate))
		if off := start - due; max(off, -off) > int(discontinuity.Seconds()*float64(l.rate)) {
			start = max(end, due)
			base = e.timestamp - int64(float64(start)/perTick)
		}
		if start < 0 {
			continue // of the window before
		}
		if i > 0 && e.seq == seq+1 {
			l.pause(end, start)
		}
		seq = e.seq
		end = max(end, start+l.write(start, e, t, codec, decoder))
	}
	l.finish(min(end, mostFrames*l.rate/50))
}

func (l *timeline) reset(codec media.Codec) {
	l.rate = fineRate
	if codec.ClockRate == 48000 {
		l.rate = opusRate
	}
	n := mostFrames * l.rate / 50
	if cap(l.pcm) < n {
		l.pcm = make([]float32, n)
	}
	l.pcm = l.pcm[:n]
	clear(l.pcm)
	l.frames = append(l.frames[:0], make([]frame, mostFrames)...)
	l.places = l.places[:0]
}

// pause marks what the far end chose not to send, which is not what was lost.
func (l *timeline) pause(from, to int) {
	perFrame := l.rate / 50
	for f := (from + perFrame - 1) / perFrame; f < min(to/perFrame, len(l.frames)); f++ {
		if l.frames[f].state == absent {
			l.frames[f].state = paused
		}
	}
}

// write decodes one packet to its place and returns its length.
func (l *timeline) write(start int, e *entry, t *Tape, codec media.Codec, decoder *opusDecoder) int {
	payload := t.payload(e)
	perFrame := l.rate / 50
	if e.payloadType == NoisePayload {
		l.comfort(start/perFrame, payload)
		return perFrame
	}
	var n int
	if codec.ClockRate == 48000 {
		pcm, err := decoder.decode(payload)
		if err != nil {
			l.mark(start, perFrame, garbled)
			return perFrame
		}
		n = len(pcm)
		if start < len(l.pcm) {
			for i, s := range pcm[:min(n, len(l.pcm)-start)] {
				l.pcm[start+i] = min(max(s, -1), 1) // where a player's samples end too
			}
		}
	} else {
		n = len(payload)
		if start < len(l.pcm) {
			law := lawOf(codec.Name)
			for i, code := range payload[:min(n, len(l.pcm)-start)] {
				l.pcm[start+i] = law[code]
			}
		}
	}
	l.mark(start, n, present)
	if e.frame != altered && start/perFrame < len(l.frames) {
		l.frames[start/perFrame].exact = true
	}
	finer := l.rate / fineRate
	l.places = append(l.places, place{start / finer, (start + n) / finer, e.at, e.sent})
	return n
}

// mark sets what came for some samples.
func (l *timeline) mark(start, n int, p presence) {
	perFrame := l.rate / 50
	for f := start / perFrame; f < min((start+n+perFrame-1)/perFrame, len(l.frames)); f++ {
		l.frames[f].state, l.frames[f].exact = p, false
	}
}

// comfort fills frames with the level that a packet of comfort noise states, in
// its first byte, in decibels under overload (RFC 3389, 3.1). It stands until
// the next packet.
func (l *timeline) comfort(first int, payload []byte) {
	level := float32(0)
	if len(payload) > 0 {
		level = float32(math.Pow(10, -float64(payload[0]&0x7f)/10))
	}
	for f := first; f < len(l.frames) && l.frames[f].state <= paused; f++ {
		l.frames[f] = frame{energy: level, state: noise}
	}
}

// finish cuts the timeline to its length and looks at its frames.
func (l *timeline) finish(samples int) {
	perFrame := l.rate / 50
	l.frames = l.frames[:(samples+perFrame-1)/perFrame]
	l.pcm = l.pcm[:len(l.frames)*perFrame]
	for f := range l.frames {
		if l.frames[f].state == present {
			l.frames[f].energy = power(l.pcm[f*perFrame:][:perFrame])
		}
	}
	l.fine = append(l.fine[:0], l.pcm...)
	if l.rate != fineRate {
		l.fine = halve.decimate(l.fine[:0], l.pcm, l.rate/fineRate)
	}
	l.coarse = quarter.decimate(l.coarse[:0], l.fine, coarser)
}

// power is the mean square.
func power(samples []float32) float32 {
	var sum float32
	for _, s := range samples {
		sum += s * s
	}
	return sum / float32(len(samples))
}
