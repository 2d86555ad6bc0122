package rtpflow

import (
	"testing"
	"time"
)

// A host that stands still between the clock and the system call sends later
// than it knows, and that must not look like the network's doing: the network
// here takes exactly 20 ms each way.
func TestAStallWhileSendingIsNotTheNetworks(t *testing.T) {
	const (
		packets = 500
		oneWay  = 20 * time.Millisecond
		stall   = 30 * time.Millisecond
	)
	stalls := func(i int) bool { return i%10 == 7 || i == 0 }
	for name, row := range map[string]struct{ early, quick bool }{
		"the packet left after the stall":                                {},
		"the packet left before the stall":                               {early: true},
		"the packet is back before the system call that sent it is over": {quick: true},
	} {
		t.Run(name, func(t *testing.T) {
			e, m := NewEcho(Config{StampID: 1, Frame: DefaultFrame}), NewMirror(0)
			var buffer [StampedHeaderSize]byte
			stalled := int64(0)
			for i := range packets {
				slot := rigTime(i)
				from, left, to := slot, slot, slot+10*time.Microsecond
				if stalls(i) {
					stalled++
					to = slot + stall
					if !row.early {
						left = to
					}
				}
				e.Sent(uint16(i), 0, slot, from)
				if !row.quick || !stalls(i) {
					e.Left(slot, from, to)
				}
				s := m.Reflect(uint16(i), left+oneWay, left+oneWay)
				h := Header{SSRC: 9, SequenceNumber: uint16(s.Index), Timestamp: uint32(i * 160)}
				e.Packet(left+2*oneWay, left+2*oneWay, h.AppendStamped(buffer[:0], 1, &s))
				if row.quick && stalls(i) {
					e.Left(slot, from, left+2*oneWay+time.Microsecond)
				}
			}
			e.Finish(rigTime(packets) + time.Second)
			got := e.Total()
			up := &got.Up
			if up.Expected != packets || up.Received != packets || up.Lost != 0 || up.Unknown != 0 || got.RoundTrip.Returned != packets {
				t.Errorf("got %d expected, %d received, %d lost, %d unknown, %d returned, want %d without a loss",
					up.Expected, up.Received, up.Lost, up.Unknown, got.RoundTrip.Returned, packets)
			}
			known := packets - stalled
			if up.Jitter != (Jitter{Samples: known - 1}) || up.Variation.Max != 0 || up.Variation.Count != known || up.Discarded != 0 {
				t.Errorf("got jitter %+v, variation %+v, %d discarded of a network without any", up.Jitter, up.Variation, up.Discarded)
			}
			if rtt := got.RoundTrip.RTT; rtt.Count != known || rtt.Min != 2*oneWay || rtt.Max != 2*oneWay {
				t.Errorf("got round trips %+v, want %d of %v", rtt, known, 2*oneWay)
			}
			self := &got.Self
			if self.SendStalls != stalled || self.SendLate.Count != packets || self.SendLate.Max < stall || self.SendLate.P50 > 20*time.Microsecond {
				t.Errorf("got %d stalls, late %+v, want %d of %v at least", self.SendStalls, self.SendLate, stalled, stall)
			}
		})
	}
}
