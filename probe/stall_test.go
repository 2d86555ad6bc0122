package probe

import (
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

// haltingWire is a host that stands still in every tenth system call that sends,
// before the packet leaves, on a network that takes oneWay each way to a stamping
// echo and back.
type haltingWire struct {
	exchange *exchange
	mirror   *rtpflow.Mirror
	halt     time.Duration
	oneWay   time.Duration
	sent     int
}

const stampID = 1

func (w *haltingWire) Codec() media.Codec              { codec, _ := media.Lookup("pcmu"); return codec }
func (w *haltingWire) SSRC() uint32                    { return 1 }
func (w *haltingWire) StampID() uint8                  { return stampID }
func (w *haltingWire) WriteReport(_ peer.Report) error { return nil }

func (w *haltingWire) WriteRTP(packet []byte) error {
	if w.sent%10 == 5 {
		time.Sleep(w.halt)
	}
	w.sent++
	arrival := mono.Now() + w.oneWay
	stamp := w.mirror.Reflect(binary.BigEndian.Uint16(packet[2:]), arrival, arrival)
	header := rtpflow.Header{SSRC: 2, SequenceNumber: uint16(stamp.Index), Timestamp: binary.BigEndian.Uint32(packet[4:])}
	back := append(header.AppendStamped(nil, stampID, &stamp), packet[rtpHeaderSize:]...)
	time.AfterFunc(2*w.oneWay, func() { w.exchange.received(mono.Now(), mono.Now(), back) })
	return nil
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
				c, err := newCall(Target{URL: "http://127.0.0.1/echo", Codec: "pcmu"}.WithDefaults())
				if err != nil {
					t.Fatal(err)
				}
				x := newExchange(c.codec, c.target.Trust)
				c.exchange = x
				w := &haltingWire{exchange: x, mirror: rtpflow.NewMirror(mono.Now()), halt: row.halt, oneWay: 15 * time.Millisecond}
				x.prepare(w)
				const packets = 200
				first := mono.Now()
				for n := range int64(packets) {
					due := first + time.Duration(n)*x.frame
					time.Sleep(due - mono.Now())
					x.send(pace.Slot{N: n, Due: due, Now: due})
				}
				x.cut(mono.Now())
				time.Sleep(time.Second)
				synctest.Wait()
				x.finish()
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
