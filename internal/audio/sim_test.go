package audio

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/media"
)

const frameTime = 20 * time.Millisecond

// back is what a simulated far end returns.
type back struct {
	payload     []byte
	payloadType int           // -1: that of the codec
	skip        int           // frames of RTP time since the packet before, beyond the one
	ticks       int64         // of this packet, if it is not a frame
	lose        bool          // on the way back
	later       time.Duration // than the delay of the call
}

// call is a simulated call: frames leave every 20 ms, and what the far end makes
// of each comes back after a delay.
type call struct {
	t       testing.TB
	clip    *media.Clip
	rec     *Recorder
	delay   time.Duration
	stamped bool
	sent    int64
	seq     int64
	ts      int64
	late    map[int64]time.Duration // departures off their slot
	misses  int64                   // a send slot is missed every so many frames; 0: none
}

// slot is the time at which a frame should leave.
func (c *call) slot(position int64) time.Duration {
	n := position
	if c.misses > 0 {
		n += position / c.misses
	}
	return epoch + time.Duration(n)*frameTime
}

func newCall(t testing.TB, codec string, delay time.Duration) *call {
	t.Helper()
	c, err := media.Lookup(codec)
	if err != nil {
		t.Fatal(err)
	}
	one := &call{t: t, clip: c.Clip(), delay: delay, seq: 65000, ts: 1 << 33}
	one.rec = NewRecorder(one.clip, one.departed)
	return one
}

const epoch = 7 * time.Second

func (c *call) departed(position int64) (time.Duration, bool) {
	if position < 0 || position >= c.sent || position < c.sent-1024 {
		return 0, false
	}
	return c.slot(position) + c.late[position], true
}

// run exchanges so many frames.
func (c *call) run(frames int, far func(position int64, payload []byte) []back) {
	perFrame := int64(c.clip.Codec().TicksPerFrame)
	inFlight := int64(c.delay / frameTime)
	for range frames {
		c.sent++
		answers := c.sent - 1 - inFlight
		if answers < 0 {
			continue
		}
		if c.misses > 0 && answers > 0 && answers%c.misses == 0 {
			c.ts += perFrame // a far end's timestamps go on as ours do
		}
		for _, b := range far(answers, c.clip.Frame(answers)) {
			c.seq++
			ticks := b.ticks
			if ticks == 0 {
				ticks = perFrame
			}
			now := c.ts + perFrame*int64(b.skip)
			c.ts = now + ticks
			if b.lose {
				continue
			}
			p := Packet{
				At:  c.slot(answers) + c.delay + b.later,
				Seq: c.seq, Timestamp: now, Payload: b.payload, PayloadType: c.clip.Codec().PayloadType,
				Position: -1, Sent: c.sent,
			}
			if b.payloadType >= 0 {
				p.PayloadType = uint8(b.payloadType)
			}
			if c.stamped {
				p.Position = answers
			}
			c.rec.Take(&p)
		}
	}
}

// hear ends the window and listens to it.
func (c *call) hear(lag Lag) Findings {
	c.t.Helper()
	f, err := Listen(c.t.Context(), c.rec.Cut(c.sent), lag, c.departed)
	if err != nil {
		c.t.Fatal(err)
	}
	return f
}

// same returns one packet with a payload of the codec.
func same(payload []byte) []back { return []back{{payload: payload, payloadType: -1}} }

// encodeMu encodes by the definition: the nearest value of the law.
var encodeMu, encodeA = nearest(muLaw), nearest(aLaw)

func nearest(l *law) func(float32) byte {
	var table [1 << 16]byte
	for s := range table {
		x, best := float32(s-1<<15)/fullScale, float32(9)
		for code, v := range l {
			if d := (v - x) * (v - x); d < best {
				best, table[s] = d, byte(code)
			}
		}
	}
	return func(x float32) byte {
		return table[int(min(max(x*fullScale, -fullScale), fullScale-1))+fullScale]
	}
}

// bySample changes mu-law audio sample by sample.
func bySample(change func(float32) float32) func(int64, []byte) []back {
	return func(_ int64, payload []byte) []back {
		out := make([]byte, len(payload))
		for i, code := range payload {
			out[i] = encodeMu(change(muLaw[code]))
		}
		return same(out)
	}
}

// playing returns mu-law audio of its own, over and over.
func playing(audio []byte) func(int64, []byte) []back {
	at := 0
	return func(_ int64, payload []byte) []back {
		out := make([]byte, len(payload))
		for i := range out {
			out[i] = audio[at%len(audio)]
			at++
		}
		return same(out)
	}
}

// placed returns mu-law audio that stands for the clip sample by sample.
func placed(audio []byte) func(int64, []byte) []back {
	return func(position int64, payload []byte) []back {
		at := int(position) * len(payload) % len(audio)
		return same(audio[at:][:len(payload)])
	}
}

// silenced returns silence where it is so.
func silenced(so func(position int64) bool) func(int64, []byte) []back {
	return func(position int64, payload []byte) []back {
		if so(position) {
			return same(bytes.Repeat([]byte{0xff}, len(payload)))
		}
		return same(payload)
	}
}

// then lets one far end follow another from a position on.
func then(first func(int64, []byte) []back, from int64, second func(int64, []byte) []back) func(int64, []byte) []back {
	return func(position int64, payload []byte) []back {
		if position < from {
			return first(position, payload)
		}
		return second(position, payload)
	}
}

// recut cuts the stream of samples into packets of another size, shifted.
func recut(by, size int) func(int64, []byte) []back {
	held := bytes.Repeat([]byte{0xff}, by)
	return func(_ int64, payload []byte) (out []back) {
		held = append(held, payload...)
		for len(held) >= size {
			out = append(out, back{payload: bytes.Clone(held[:size]), payloadType: -1, ticks: int64(size)})
			held = held[size:]
		}
		return out
	}
}

func readFile(t testing.TB, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func repeat(code byte, n int) []byte { return bytes.Repeat([]byte{code}, n) }

func clipFrame(t testing.TB, codec string, n int64) []byte {
	t.Helper()
	c, err := media.Lookup(codec)
	if err != nil {
		t.Fatal(err)
	}
	return c.Clip().Frame(n)
}

// backwards is the clip from its end to its beginning: as much like the clip as
// anything that is not the clip.
func backwards(t testing.TB) []byte {
	var all []byte
	for n := range int64(894) {
		all = append(all, clipFrame(t, "pcmu", n)...)
	}
	slices.Reverse(all)
	return all
}

func tone(hertz, amplitude float64) []byte {
	var all []byte
	for _, s := range sine(8000, 1, hertz, amplitude) {
		all = append(all, encodeMu(s))
	}
	return all
}

// delayed returns every payload so many frames later; before, silence.
func delayed(frames int) func(int64, []byte) []back {
	var kept [][]byte
	return func(_ int64, payload []byte) []back {
		kept = append(kept, payload)
		if len(kept) <= frames {
			return same(repeat(0xff, len(payload)))
		}
		first := kept[0]
		kept = kept[1:]
		return same(first)
	}
}

func tandem() func(int64, []byte) []back {
	return bySample(func(s float32) float32 { return aLaw[encodeA(s)] })
}

func noisy(dbov float64) func(int64, []byte) []back {
	r := rand.New(rand.NewPCG(7, 8))
	return bySample(func(s float32) float32 { return s + float32(r.NormFloat64()*math.Pow(10, dbov/20)) })
}

// chain lets the second far end return what the first one does.
func chain(first, second func(int64, []byte) []back) func(int64, []byte) []back {
	return func(position int64, payload []byte) []back {
		return second(position, first(position, payload)[0].payload)
	}
}

// gateway returns the Opus that a gateway to G.711 makes of the clip.
func gateway(t testing.TB) func(int64, []byte) []back {
	packets, _ := readOpus(t, "..", "..", "farend", "voice", "gateway.opus")
	return func(position int64, _ []byte) []back { return same(packets[894+position%894]) }
}
