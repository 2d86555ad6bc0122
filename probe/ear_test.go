package probe

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/earshot-voip/earshot/internal/audio"
	"github.com/earshot-voip/earshot/internal/media"
	"github.com/earshot-voip/earshot/internal/mono"
	"github.com/earshot-voip/earshot/internal/pace"
	"github.com/earshot-voip/earshot/internal/peer"
	"github.com/earshot-voip/earshot/internal/rtpflow"
)

// alteringWire is an echo behind a network of 15 ms each way that rebuilds
// packets and changes their payloads; nil is not sent.
type alteringWire struct {
	exchange *exchange
	alter    func(n int, payload []byte) []byte
	n        int
	seq      uint16
}

func (w *alteringWire) Codec() media.Codec { codec, _ := media.Lookup("pcmu"); return codec }
func (w *alteringWire) SSRC() uint32       { return 1 }
func (w *alteringWire) StampID() uint8     { return 0 }
func (w *alteringWire) Incoming() (codec, events rtpflow.PayloadSet) {
	return rtpflow.PayloadTypes(0), rtpflow.PayloadSet{}
}
func (w *alteringWire) WriteReport(_ peer.Report) error { return nil }

func (w *alteringWire) WriteRTP(packet []byte) error {
	payload := w.alter(w.n, bytes.Clone(packet[rtpHeaderSize:]))
	w.n++
	if payload == nil {
		return nil
	}
	w.seq++
	header := rtpflow.Header{SSRC: 2, SequenceNumber: w.seq, Timestamp: uint32(w.n * 160)}
	back := append(header.AppendTo(nil), payload...)
	time.AfterFunc(30*time.Millisecond, func() { w.exchange.received(mono.Now(), mono.Now(), back) })
	return nil
}

// converse plays a call of so many windows of five seconds and returns it.
func converse(t *testing.T, windows int, alter func(n int, payload []byte) []byte) *call {
	t.Helper()
	c, err := newCall(Target{URL: "http://127.0.0.1/echo", Codec: "pcmu"}.WithDefaults())
	if err != nil {
		t.Fatal(err)
	}
	x := newExchange(c.target.Trust)
	c.exchange, c.ear = x, &ear{x: x}
	x.prepare(&alteringWire{exchange: x, alter: alter})
	first := mono.Now()
	for n := range int64(windows * 250) {
		due := first + time.Duration(n)*x.frame
		time.Sleep(due - mono.Now())
		x.send(pace.Slot{N: n, Due: due, Now: due})
		if n%250 == 249 && n < int64(windows*250)-1 {
			x.cut(mono.Now())
			c.ear.take(t.Context(), x.tape())
			c.closeWindows(mono.Now())
		}
	}
	listenedToTheEnd(t, c)
	return c
}

// listenedToTheEnd does what the end of a call does for the audio.
func listenedToTheEnd(t *testing.T, c *call) {
	t.Helper()
	c.exchange.cut(mono.Now())
	time.Sleep(time.Second)
	c.exchange.finish(mono.Now())
	c.ear.take(t.Context(), c.exchange.tape())
	c.ear.settle()
	c.closeWindows(mono.Now())
	c.collectAudio()
}

// spoken are the windows in which something was sent.
func spoken(c *call) []Window {
	return slices.DeleteFunc(slices.Clone(c.result.Windows), func(w Window) bool { return w.Sent == 0 })
}

func silence(payload []byte) []byte { return bytes.Repeat([]byte{0xff}, len(payload)) }

// In a call that stays up for long, silence shows in the window in which it is,
// and is gone in the one behind it. What is kept does not grow.
func TestALongCallNoticesSilenceWithinAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const windows = 120 // ten minutes
		c := converse(t, windows, func(n int, payload []byte) []byte {
			if window := n / 250; window >= 70 && window < 76 {
				return silence(payload)
			}
			return payload
		})
		if len(spoken(c)) != windows {
			t.Fatalf("got %d windows", len(spoken(c)))
		}
		for i, w := range spoken(c) {
			want := AudioOK
			if i >= 70 && i < 76 {
				want = AudioSilent
			}
			if w.Audio.State != want || (w.Downlink.Score == nil) != (want == AudioSilent) {
				t.Errorf("window %d: got %+v, score %+v, want %s", i, w.Audio, w.Downlink.Score, want)
			}
		}
		a := &c.result.Audio
		if a.State != AudioOK || a.Silent < 1480 || a.Silent > 1500 || a.Missing < 29*time.Second || a.Missing > 31*time.Second || len(a.Gaps) != 1 {
			t.Errorf("got %+v", a)
		}
		if err := c.listen(t.Context()); err != nil {
			t.Errorf("five per cent of silence: got %v", err)
		}
	})
}

// The call that looks alive and is dead: packets go on, the audio ends.
func TestACallWhoseAudioStoppedHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := converse(t, 20, func(n int, payload []byte) []byte {
			if n >= 19*250 {
				return silence(payload)
			}
			return payload
		})
		err := c.listen(t.Context())
		var found *mediaError
		if !errors.As(err, &found) || found.code != CodeAudioStopped || c.result.Audio.State != AudioSilent {
			t.Errorf("got %v, audio %+v", err, c.result.Audio)
		}
	})
}

// No packet at all comes back for a while, by the far end's own will: its
// sequence numbers have no gap.
func TestAnEchoThatPausesIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := converse(t, 8, func(n int, payload []byte) []byte {
			if n >= 500 && n < 1250 {
				return nil
			}
			return payload
		})
		var states []AudioState
		for _, w := range spoken(c) {
			states = append(states, w.Audio.State)
		}
		want := []AudioState{AudioOK, AudioOK, AudioSilent, AudioSilent, AudioSilent, AudioOK, AudioOK, AudioOK}
		if !slices.Equal(states, want) {
			t.Errorf("got %v want %v", states, want)
		}
		if a := &c.result.Audio; a.Missing != 15*time.Second || a.GapCount != 1 || a.Gaps[0] != (Gap{10 * time.Second, 15 * time.Second}) {
			t.Errorf("got %v missing in %v", a.Missing, a.Gaps)
		}
	})
}

// alteredTape is a window in which silence came back.
func alteredTape() audio.Tape {
	codec, _ := media.Lookup("pcmu")
	r := audio.NewRecorder(codec.Clip(), func(int64) (time.Duration, bool) { return 0, false })
	for n := range int64(250) {
		r.Take(&audio.Packet{At: time.Duration(n) * codec.Frame, Seq: n, Timestamp: 160 * n, Payload: silence(make([]byte, 160)), Position: -1, Sent: n + 1})
	}
	return r.Cut(250)
}

// While a window is being listened to, the next one is left out: nothing queues up.
func TestAWindowIsLeftOutWhileTheOneBeforeTakesLonger(t *testing.T) {
	e := &ear{x: newExchange(Trust{}), began: true}
	e.x.flow = rtpflow.NewEcho(rtpflow.Config{})
	e.busy = &hearing{done: make(chan struct{})}
	e.waiting = []*hearing{e.busy}
	e.take(t.Context(), alteredTape())
	if e.ready() {
		t.Error("the first window is ready before it was listened to")
	}
	close(e.busy.done)
	e.next()
	if f := e.next(); !f.Skipped || f.State() != audio.NotChecked || f.Sent != 250 {
		t.Errorf("got %+v want it left out", f)
	}
	e.take(t.Context(), alteredTape())
	e.settle()
	if f := e.next(); f.State() != audio.Silent {
		t.Errorf("got %+v want silence", f)
	}
	if e.total.Checked != 250 {
		t.Errorf("got %d frames in all, want those of the one window", e.total.Checked)
	}
}

// The end of a call does not wait for ever for its turn.
func TestTheEndOfACallDoesNotWaitForEverForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ear{x: newExchange(Trust{})}
		ctx, cancel := context.WithCancel(t.Context())
		e.busy = &hearing{done: make(chan struct{}), cancel: cancel}
		go func() {
			<-ctx.Done()
			close(e.busy.done)
		}()
		start := mono.Now()
		e.settle()
		if waited := mono.Now() - start; waited != listenAtMost {
			t.Errorf("waited %v want %v", waited, listenAtMost)
		}
	})
}

// A host that sent the clip in pieces must not say that the far end plays
// something else.
func TestWrongAudioIsNotJudgedByAHostThatIsNotTrusted(t *testing.T) {
	for _, trusted := range []bool{true, false} {
		c, err := newCall(Target{URL: "http://127.0.0.1/echo", Codec: "pcmu"}.WithDefaults())
		if err != nil {
			t.Fatal(err)
		}
		c.ear = &ear{total: audio.Findings{Sent: 500, Checked: 500, Other: 500}}
		c.result.Self = Self{Trusted: trusted, Reasons: []string{"100 of 500 send slots were missed"}}
		if err := c.listen(t.Context()); (err != nil) != trusted {
			t.Errorf("trusted %v: got %v", trusted, err)
		}
	}
}

// The path of a returned packet, from the datagram to the recorder, must not
// allocate.
func TestReceivingDoesNotAllocate(t *testing.T) {
	for _, stamped := range []bool{true, false} {
		x := newExchange(Trust{})
		w := &stampingWire{exchange: x, mirror: rtpflow.NewMirror(mono.Now())}
		if x.prepare(w); !stamped {
			x.prepare(&alteringWire{exchange: x})
		}
		var packets [][]byte
		for n := range 500 {
			x.next(pace.Slot{})
			h := rtpflow.Header{SSRC: 2, SequenceNumber: uint16(n), Timestamp: uint32(160 * n)}
			if stamped {
				stamp := w.mirror.Reflect(x.firstSN+uint16(n), mono.Now(), mono.Now())
				packets = append(packets, append(h.AppendStamped(nil, stampID, &stamp), x.packet[rtpHeaderSize:]...))
			} else {
				packets = append(packets, append(h.AppendTo(nil), x.packet[rtpHeaderSize:]...))
			}
		}
		n := 0
		if got := testing.AllocsPerRun(400, func() {
			at := mono.Now()
			x.received(at, at, packets[n])
			n++
		}); got != 0 {
			t.Errorf("stamped %v: got %v allocations", stamped, got)
		}
		if checked, matched := x.recorder.Exact(); checked != 401 || matched != 401 {
			t.Errorf("stamped %v: got %d of %d ours", stamped, matched, checked)
		}
	}
}
