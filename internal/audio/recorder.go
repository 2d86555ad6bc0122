package audio

import (
	"slices"
	"time"

	"github.com/earshot-voip/earshot/internal/media"
)

// NoisePayload is the payload type of comfort noise at 8 kHz (RFC 3389). It is
// static: an endpoint may send it without having announced it.
const NoisePayload = 13

// Packet is one returned packet.
type Packet struct {
	At          time.Duration // arrival
	Seq         int64         // RTP, extended; so is Timestamp
	Timestamp   int64
	Payload     []byte
	PayloadType uint8
	// Position is that of the sent frame that this packet answers, as a stamp
	// tells; -1: nothing tells.
	Position int64
	// Sent is how many frames had been sent when it came.
	Sent int64
}

// Recorder looks at every returned packet of a call. It belongs to whoever
// measures the call: one goroutine, or one mutex.
type Recorder struct {
	clip     *media.Clip
	codec    media.Codec
	departed func(position int64) (time.Duration, bool)
	tape     Tape
	gaps     Gaps
	behind   int64         // how many frames had been sent since the last that was ours
	ours     time.Duration // arrival of that one; 0: none came
	last     time.Duration // arrival of the last one looked at
	missed   [mostMissed]miss
	misses   int
}

// mostMissed bounds how many misses are remembered: who misses more is not trusted.
const mostMissed = 64

// miss is where this side missed slots to send in: before the frame at a position.
type miss struct{ position, slots int64 }

// Missed notes that this side missed slots before it sent the frame at a position.
// What the far end plays in their place is no pause of its own.
func (r *Recorder) Missed(position, slots int64) {
	r.missed[r.misses%mostMissed] = miss{position, slots}
	r.misses++
}

// NewRecorder returns the recorder of a call that sends the clip. departed tells
// when the frame at a position left, if that is still known; it is called with
// Take and must not allocate.
func NewRecorder(clip *media.Clip, departed func(position int64) (time.Duration, bool)) *Recorder {
	r := &Recorder{clip: clip, codec: clip.Codec(), departed: departed}
	r.tape.clip = clip
	return r
}

// Take looks at one packet, and returns the position of the frame whose payload it
// carries bit for bit, if it does. It does not allocate while payloads come back as
// they were sent. Packets of other payload types (telephone events) are not
// looked at.
func (r *Recorder) Take(p *Packet) (position int64, ours bool) {
	t := &r.tape
	r.last = p.At
	switch {
	case p.PayloadType == NoisePayload && r.codec.ClockRate == 8000:
		t.noise++
		t.record(p, altered)
		return 0, false
	case p.PayloadType != r.codec.PayloadType:
		return 0, false
	}
	t.checked++
	frame, position, ours := r.find(p)
	if !ours {
		t.record(p, altered)
		return 0, false
	}
	level := r.clip.Level(frame)
	t.matched++
	t.energy += float64(level.MeanSquare)
	t.active += float64(level.Active)
	if departed, ok := r.departed(position); ok {
		t.delay.add(p.At - departed)
	}
	r.ours, r.behind = p.At, p.Sent-1-position
	if t.reel != nil {
		t.record(p, int16(frame))
	}
	return position, true
}

// find compares a payload with what was sent: with the very frame when that is
// known, else with the whole clip. A frame that repeats one that came before is
// not ours, since whoever is stuck in it says nothing; nor is one that was not
// sent yet, since that is a recording.
func (r *Recorder) find(p *Packet) (frame, position int64, ours bool) {
	if position = p.Position; position >= 0 {
		frame = r.clip.Index(position)
		if ours = string(r.clip.Frame(frame)) == string(p.Payload); ours {
			r.gaps.heard(position)
		}
		return frame, position, ours
	}
	found, ours := r.clip.Find(p.Payload)
	if !ours {
		return 0, 0, false
	}
	// The clip repeats: of all rounds it is the one that keeps the delay, also
	// behind a pause of any length.
	if position = r.clip.Nearest(found, max(p.Sent-1-r.behind, 0)); position >= p.Sent {
		position -= int64(r.clip.Len())
	}
	if position < 0 || !r.gaps.heard(position) {
		return 0, 0, false
	}
	return int64(found), position, true
}

// Cut ends the running window and returns its tape. sent is how many frames had
// been sent by then.
func (r *Recorder) Cut(sent int64) Tape {
	t := r.tape
	t.sent = sent - t.since
	if r.ours != 0 {
		t.tail = max(r.last-r.ours, 0)
	}
	if t.reel != nil && r.misses > 0 {
		t.missed = slices.Clone(r.missed[:min(r.misses, mostMissed)])
	}
	r.tape = Tape{clip: r.clip, since: sent}
	return t
}

// Exact returns how many payloads were compared in the running window, and how
// many were the sent ones bit for bit.
func (r *Recorder) Exact() (checked, matched int64) { return r.tape.checked, r.tape.matched }

// Gaps returns the map of what did not come back bit for bit, of a call in which
// so many frames were sent. Frames that are still on their way by the delay of
// those before them are not missing.
func (r *Recorder) Gaps(sent int64, delay time.Duration) Gaps {
	g := r.gaps
	late := int64((delay + r.codec.Frame - 1) / r.codec.Frame)
	g.end(sent - late)
	return g
}
