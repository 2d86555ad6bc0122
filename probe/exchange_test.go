package probe

import (
	"bytes"
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/earshot-voip/earshot/internal/media"
	"github.com/earshot-voip/earshot/internal/mono"
	"github.com/earshot-voip/earshot/internal/pace"
	"github.com/earshot-voip/earshot/internal/peer"
	"github.com/earshot-voip/earshot/internal/rtpflow"
)

// stampingWire is a network that takes oneWay each way to a stamping echo and
// back, behind a host that stands still in every tenth system call that sends,
// before the packet leaves.
type stampingWire struct {
	exchange *exchange
	mirror   *rtpflow.Mirror
	halt     time.Duration
	oneWay   time.Duration
	lost     int // which packet is lost on the way back, counted from 1; 0: none
	sent     int
}

const stampID = 1

func (w *stampingWire) Codec() media.Codec { codec, _ := media.Lookup("pcmu"); return codec }
func (w *stampingWire) SSRC() uint32       { return 1 }
func (w *stampingWire) StampID() uint8     { return stampID }
func (w *stampingWire) Incoming() (codec, events rtpflow.PayloadSet) {
	return rtpflow.PayloadTypes(0), rtpflow.PayloadSet{}
}
func (w *stampingWire) WriteReport(_ peer.Report) error { return nil }

func (w *stampingWire) WriteRTP(packet []byte) error {
	if w.sent%10 == 5 {
		time.Sleep(w.halt)
	}
	w.sent++
	w.reflect(packet, mono.Now()+w.oneWay)
	return nil
}

// reflect returns what reaches the echo at a time.
func (w *stampingWire) reflect(packet []byte, arrival time.Duration) {
	stamp := w.mirror.Reflect(binary.BigEndian.Uint16(packet[2:]), arrival, arrival)
	header := rtpflow.Header{SSRC: 2, SequenceNumber: uint16(stamp.Index), Timestamp: binary.BigEndian.Uint32(packet[4:])}
	back := append(header.AppendStamped(nil, stampID, &stamp), packet[rtpHeaderSize:]...)
	if w.sent == w.lost {
		return
	}
	time.AfterFunc(arrival+w.oneWay-mono.Now(), func() { w.exchange.received(mono.Now(), mono.Now(), back) })
}

// What this host does between the clock and the system call is in its own error,
// and in no figure of the network.
func TestAStallWhileSendingIsThisHosts(t *testing.T) {
	for name, row := range map[string]struct {
		halt    time.Duration
		trusted bool
	}{
		"short":                  {3 * time.Millisecond, true},
		"more than half a frame": {12 * time.Millisecond, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const packets = 200
				c, w := talking(t, stampingWire{halt: row.halt}, packets)
				x := c.exchange
				x.cut(mono.Now())
				time.Sleep(time.Second)
				synctest.Wait()
				x.finish(mono.Now())
				c.closeWindows(mono.Now())

				total := x.total()
				self := c.self(&total.Self, peer.Stats{})
				if self.SendStalls != packets/10 || self.SendLate.Count != packets || self.SendLate.Max != row.halt {
					t.Errorf("got %d stalls, late %+v, want %d of %v", self.SendStalls, self.SendLate, packets/10, row.halt)
				}
				if self.Trusted != row.trusted || len(c.result.Windows) == 0 || c.result.Windows[0].Trusted != row.trusted {
					t.Errorf("trusted is %v and the windows are %+v, want %v", self.Trusted, c.result.Windows, row.trusted)
				}
				if total.Up.Received != packets || total.RoundTrip.Returned != packets {
					t.Errorf("got %d received and %d returned of %d", total.Up.Received, total.RoundTrip.Returned, packets)
				}
				if total.Up.Jitter.Max != 0 || total.Up.Jitter.Samples != packets-packets/10-1 || total.Up.Variation.Max != 0 {
					t.Errorf("got jitter %+v, variation %+v of a network without any", total.Up.Jitter, total.Up.Variation)
				}
				if rtt := total.RoundTrip.RTT; rtt.Min != 2*w.oneWay || rtt.Max != 2*w.oneWay {
					t.Errorf("got round trips %+v, want %v", rtt, 2*w.oneWay)
				}
			})
		})
	}
}

// talking is a call in the middle of its media, with so many packets sent.
func talking(t *testing.T, w stampingWire, packets int64) (*call, *stampingWire) {
	t.Helper()
	c, err := newCall(Target{URL: "http://127.0.0.1/echo", Codec: "pcmu"}.WithDefaults())
	if err != nil {
		t.Fatal(err)
	}
	x := newExchange(c.target.Trust)
	c.exchange, c.ear = x, &ear{x: x}
	w.exchange, w.mirror, w.oneWay = x, rtpflow.NewMirror(mono.Now()), 15*time.Millisecond
	x.prepare(&w)
	first := mono.Now()
	for n := range packets {
		due := first + time.Duration(n)*x.frame
		time.Sleep(due - mono.Now())
		x.send(pace.Slot{N: n, Due: due, Now: due})
	}
	return c, &w
}

// The copy of a call's last packet is told of behind the packet itself, when
// every packet's fate is known and the last window closes. It must be in a window
// all the same.
func TestACopyBehindTheLastPacketIsInAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const packets = 60
		c, w := talking(t, stampingWire{lost: packets - 1}, packets)
		w.reflect(c.exchange.packet, mono.Now()+w.oneWay)
		time.Sleep(100 * time.Millisecond)
		c.exchange.cut(mono.Now())
		time.Sleep(2 * time.Second)
		c.exchange.finish(mono.Now())
		c.closeWindows(mono.Now())

		var sent, up int64
		for _, w := range c.result.Windows {
			sent, up = sent+w.Uplink.Expected, up+w.Uplink.Duplicated
		}
		total := c.exchange.total()
		if total.Up.Duplicated != 1 || up != 1 || sent != packets || total.Down.Lost != 1 {
			t.Errorf("the windows have %d packets and %d copies, the call has %d copies and lost %d coming back, want %d, 1, 1, 1",
				sent, up, total.Up.Duplicated, total.Down.Lost, packets)
		}
	})
}

// keepingWire has agreed on a codec and keeps what is sent.
type keepingWire struct {
	stampingWire
	codec media.Codec
	sent  [][]byte
}

func (w *keepingWire) Codec() media.Codec { return w.codec }

func (w *keepingWire) WriteRTP(packet []byte) error {
	w.sent = append(w.sent, bytes.Clone(packet))
	return nil
}

// What is sent is the clip of the codec that was agreed on, under its payload type
// and by its clock (RFC 3551, 4.1; RFC 7587, 4.1).
func TestWhatIsSentIsInTheAgreedCodec(t *testing.T) {
	for name, row := range map[string]struct {
		payloadType uint8
		ticks       uint32
	}{"pcmu": {0, 160}, "pcma": {8, 160}, "opus": {96, 960}} {
		codec, err := media.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		codec.PayloadType = row.payloadType
		x, w := newExchange(Trust{}), &keepingWire{codec: codec}
		x.prepare(w)
		for n := range int64(3) {
			x.send(pace.Slot{N: n})
		}
		for n, packet := range w.sent {
			if packet[1]&0x7f != row.payloadType || !bytes.Equal(packet[rtpHeaderSize:], codec.Clip().Frame(int64(n))) {
				t.Errorf("%s: packet %d has payload type %d and %d bytes that are not the clip's", name, n, packet[1]&0x7f, len(packet)-rtpHeaderSize)
			}
			if stamp := binary.BigEndian.Uint32(packet[4:]) - binary.BigEndian.Uint32(w.sent[0][4:]); stamp != row.ticks*uint32(n) {
				t.Errorf("%s: packet %d is %d ticks after the first, want %d", name, n, stamp, row.ticks*uint32(n))
			}
		}
	}
}
