package audio

import (
	"math"
	"sync"
	"time"

	"github.com/earshot-voip/earshot/internal/media"
)

// The bounds of what a window may record: five seconds of G.711 in the smallest
// packets of its practice, 10 ms.
const (
	mostEntries = 512
	mostBytes   = 44 << 10
)

// Tape is what came back in a window: counts and sums of what came as it was
// sent, and, from the first payload on that did not, everything.
type Tape struct {
	clip             *media.Clip
	since, sent      int64 // frames sent before the window, and in it
	checked, matched int64
	noise            int64         // packets of comfort noise
	energy           float64       // sum of the mean squares of the matched frames
	active           float64       // of the matched frames, how many are speech
	delay            spread        // of the matched frames, arrival over departure
	tail             time.Duration // from the last matched frame of the call to the last packet; 0: there is no such frame
	reel             *reel         // nil: nothing was altered
	missed           []miss        // the last slots that this side missed, of an altered tape
	cut              bool          // the bounds were reached; what came then is not recorded
}

// reel holds packets one after the other.
type reel struct {
	entries []entry
	bytes   []byte
}

// altered stands for the frame of a payload that is not ours bit for bit.
const altered = -1

// entry is one packet. A payload of ours is known by its frame of the clip;
// others are in the reel's bytes.
type entry struct {
	at          time.Duration
	seq         int64
	timestamp   int64
	sent        int64
	offset      uint32
	size        uint16
	frame       int16
	payloadType uint8
}

var reels = sync.Pool{New: func() any {
	return &reel{entries: make([]entry, 0, mostEntries), bytes: make([]byte, 0, mostBytes)}
}}

// record keeps a packet, within the bounds. The first one of a window takes a
// reel, which is the one allocation that altered audio costs the path of the
// packets; reels are used again.
func (t *Tape) record(p *Packet, frame int16) {
	if t.reel == nil {
		t.reel = reels.Get().(*reel)
	}
	r := t.reel
	size := len(p.Payload)
	if frame != altered {
		size = 0
	}
	if t.cut = t.cut || len(r.entries) == mostEntries || len(r.bytes)+size > mostBytes; t.cut {
		return
	}
	r.entries = append(r.entries, entry{
		at: p.At, seq: p.Seq, timestamp: p.Timestamp, sent: p.Sent,
		offset: uint32(len(r.bytes)), size: uint16(size), frame: frame, payloadType: p.PayloadType,
	})
	r.bytes = append(r.bytes, p.Payload[:size]...)
}

// payload of an entry.
func (t *Tape) payload(e *entry) []byte {
	if e.frame != altered {
		return t.clip.Frame(int64(e.frame))
	}
	return t.reel.bytes[e.offset:][:e.size]
}

// release gives the reel to whoever needs one next.
func (t *Tape) release() {
	if r := t.reel; r != nil {
		r.entries, r.bytes = r.entries[:0], r.bytes[:0]
		t.reel = nil
		reels.Put(r)
	}
}

// spread sums up a measure of which the mean and its uncertainty are wanted.
type spread struct {
	n         int64
	sum, sum2 float64 // nanoseconds, and their squares
}

func (s *spread) add(d time.Duration) {
	x := float64(d)
	s.n++
	s.sum += x
	s.sum2 += x * x
}

func (s *spread) merge(o spread) {
	s.n += o.n
	s.sum += o.sum
	s.sum2 += o.sum2
}

// mean and the standard error of it; zero of nothing.
func (s *spread) mean() (mean, err time.Duration) {
	if s.n == 0 {
		return 0, 0
	}
	n := float64(s.n)
	m := s.sum / n
	variance := max(s.sum2/n-m*m, 0)
	return time.Duration(m), time.Duration(math.Sqrt(variance / n))
}
