package probe

import (
	"bytes"
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
	"github.com/earshot-voip/earshot/internal/pace"
	"github.com/earshot-voip/earshot/internal/rtpflow"
)

// fillingWire is an echo that decodes, encodes again and plays by its own clock:
// where our timestamps skip a slot it plays silence.
type fillingWire struct {
	alteringWire
	next uint32 // timestamp that is due
}

func (w *fillingWire) WriteRTP(packet []byte) error {
	ts := binary.BigEndian.Uint32(packet[4:])
	if w.seq == 0 {
		w.next = ts
	}
	for ; w.next != ts; w.next += 160 {
		w.play(bytes.Repeat([]byte{0xff}, 160))
	}
	payload := bytes.Clone(packet[rtpHeaderSize:])
	for i := range payload {
		payload[i] ^= 1
	}
	w.play(payload)
	w.next += 160
	return nil
}

func (w *fillingWire) play(payload []byte) {
	w.seq++
	header := rtpflow.Header{SSRC: 2, SequenceNumber: w.seq, Timestamp: uint32(w.seq) * 160}
	back := append(header.AppendTo(nil), payload...)
	time.AfterFunc(30*time.Millisecond, func() { w.exchange.received(mono.Now(), mono.Now(), back) })
}

// Slots that this probe missed are its own error (self), and no gaps in the audio
// of the far end.
func TestSlotsThatTheProbeMissedAreNoGapsOfTheFarEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := newCall(Target{URL: "http://127.0.0.1/echo", Codec: "pcmu"}.WithDefaults())
		if err != nil {
			t.Fatal(err)
		}
		x := newExchange(c.target.Trust)
		c.exchange, c.ear = x, &ear{x: x}
		x.prepare(&fillingWire{alteringWire: alteringWire{exchange: x}})
		first, missed := mono.Now(), int64(0)
		for n := range int64(500) {
			var gone int64
			if n > 0 && n%40 == 0 {
				gone = 1
				missed++
			}
			due := first + time.Duration(n+missed)*x.frame
			time.Sleep(due - mono.Now())
			x.send(pace.Slot{N: n + missed, Due: due, Now: due, Missed: gone})
			if n == 249 {
				x.cut(mono.Now())
				c.ear.take(t.Context(), x.tape())
			}
		}
		listenedToTheEnd(t, c)
		if a := c.result.Audio; a.State != AudioOK || a.GapCount > 1 || c.ear.total.Recognised < 300 {
			t.Errorf("got %s, %d gaps %v of %d missed slots, %d recognised", a.State, a.GapCount, a.Gaps, missed, c.ear.total.Recognised)
		}
	})
}
