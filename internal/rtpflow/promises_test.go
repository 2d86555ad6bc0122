package rtpflow

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"
)

func TestNothingAllocatesPerPacket(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	calls := settleRestarts(randomStream(rand.New(rand.NewPCG(5, 7))))
	raws := make([][]byte, len(calls))
	for i, c := range calls {
		if c.packet != nil {
			raws[i] = Header{SequenceNumber: c.packet.seq, Timestamp: c.packet.stamp, SSRC: c.packet.ssrc}.AppendTo(nil)
		}
	}
	r := NewReceiver(Config{})
	i := 0
	if n := testing.AllocsPerRun(len(calls)-1, func() {
		r.Packet(calls[i].at, raws[i])
		i++
	}); n != 0 {
		t.Errorf("Receiver.Packet: got %v allocations, want 0", n)
	}

	s := simulate(rng, 900, simProfile{loss: 0.05, runOn: 0.5, dup: 0.03, slow: 0.03, spread: 20 * time.Millisecond},
		simProfile{loss: 0.05, runOn: 0.5, dup: 0.03, slow: 0.03, spread: 20 * time.Millisecond})
	e := NewEcho(Config{StampID: 3, Frame: DefaultFrame})
	var buffer [StampedHeaderSize]byte
	next := 0
	i = 0
	if n := testing.AllocsPerRun(len(s.calls)-1, func() {
		c := s.calls[i]
		i++
		for ; next < len(s.sent) && s.sent[next] <= c.at; next++ {
			e.Sent(s.seqUp+uint16(next), uint32(next*160), s.sent[next], s.sent[next])
			e.Left(s.sent[next], s.sent[next], s.sent[next]+time.Duration(next%2)*time.Millisecond)
		}
		if c.packet == nil {
			e.Tick(c.at)
			return
		}
		h := Header{SequenceNumber: c.packet.seq, SSRC: 5}
		e.Packet(c.at, c.at, h.AppendStamped(buffer[:0], 3, &s.returns[c.packet.place].stamp))
	}); n != 0 {
		t.Errorf("Echo.Sent and Packet: got %v allocations, want 0", n)
	}

	m := NewMirror(0)
	seq := uint16(0)
	if n := testing.AllocsPerRun(5000, func() {
		stamp := m.Reflect(seq, time.Duration(seq), time.Duration(seq))
		h := Header{SequenceNumber: seq}
		h.AppendStamped(buffer[:0], 3, &stamp)
		seq += 1 + uint16(rng.IntN(3))
	}); n != 0 {
		t.Errorf("Mirror: got %v allocations, want 0", n)
	}
}

// TestEchoIsSmall bounds what a call takes, since hundreds run in one process.
func TestEchoIsSmall(t *testing.T) {
	e := NewEcho(Config{StampID: 3, Frame: DefaultFrame})
	before := sizeOf(e)
	e.down.room()
	after := sizeOf(e)
	if before > 32<<10 || after > 44<<10 {
		t.Errorf("got %d bytes, %d when a packet is missing, want at most 32 kiB and 44 kiB", before, after)
	}
	t.Logf("an Echo takes %d bytes, %d when a packet is missing, a Mirror %d", before, after, unsafe.Sizeof(Mirror{}))
}

func sizeOf(e *Echo) uintptr {
	return unsafe.Sizeof(*e) + unsafe.Sizeof(*e.down) + unsafe.Sizeof(*e.up) +
		uintptr(cap(e.down.ring))*unsafe.Sizeof(pending{}) + uintptr(cap(e.down.stamps))*unsafe.Sizeof(Stamp{}) +
		uintptr(cap(e.down.edges)+cap(e.up.edges))*unsafe.Sizeof(edge{}) +
		uintptr(cap(e.marks))*unsafe.Sizeof(mark{}) +
		4*uintptr(cap(e.up.journeys.window.values)+cap(e.up.journeys.call.values))
}

// TestHoursOfDriftAndARouteChange runs four hours with a far clock that is
// 100 ppm off, jitter of 0 to 4 ms, and a route that gets 30 ms longer after
// two hours: the figures stay those of the network, and say what happened.
func TestHoursOfDriftAndARouteChange(t *testing.T) {
	for _, ppm := range []float64{100, -100} {
		t.Run(fmt.Sprintf("%+.0f ppm", ppm), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 1))
			r := NewReceiver(Config{Frame: DefaultFrame})
			const packets = 4 * 3600 * 50
			var raw [headerSize]byte
			windows, worst := 0, time.Duration(0)
			edges := 0
			for i := range packets {
				sent := time.Duration(float64(i) * float64(DefaultFrame) * (1 + ppm*1e-6))
				at := time.Second + sent + time.Duration(rng.Int64N(int64(4*time.Millisecond)))
				if i >= packets/2 {
					at += 30 * time.Millisecond
				}
				h := Header{SequenceNumber: uint16(i), Timestamp: uint32(i * 160), SSRC: 1}
				r.Packet(at, h.AppendTo(raw[:0]))
				if i%250 != 249 {
					continue
				}
				r.Cut(at)
				edges = max(edges, cap(r.edges), cap(r.closed))
				w, ok := r.Closed()
				if !ok {
					t.Fatalf("window %d is not closed though nothing is missing", windows)
				}
				windows++
				// The first minute knows no drift; after the change the
				// horizon of the floor must pass.
				settled := i > 60*50 && (i < packets/2 || i > packets/2+35*50)
				if settled {
					worst = max(worst, w.Variation.Max)
				}
			}
			r.Finish(5 * time.Hour)
			f := r.Total()
			if f.Expected != packets || f.Lost != 0 || f.RouteChanges != 1 {
				t.Errorf("got %d expected, %d lost, %d route changes, want %d, 0, 1", f.Expected, f.Lost, f.RouteChanges, packets)
			}
			if !f.DriftKnown || !near(f.DriftPPM, ppm, 1) {
				t.Errorf("got drift %v ppm, known %v, want %v", f.DriftPPM, f.DriftKnown, ppm)
			}
			if worst > 4500*time.Microsecond {
				t.Errorf("got delay variation up to %v, want 4 ms", worst)
			}
			if f.Bursts.Count > 1 || f.Discarded > 100 {
				t.Errorf("got %d discards in %d bursts, want those of the route change", f.Discarded, f.Bursts.Count)
			}
			if r.ring != nil || edges > 4 {
				t.Errorf("memory grew: ring %d though nothing was missing, windows %d", len(r.ring), edges)
			}
		})
	}
}

func TestHistogramAgainstSorting(t *testing.T) {
	for i := range 50 {
		rng := rand.New(rand.NewPCG(uint64(i), 1))
		var one, two Histogram
		var all []time.Duration
		limit := []int64{2000, 1e6, 1e9, 60e9}[rng.IntN(4)]
		for k := range 1 + rng.IntN(2000) {
			d := time.Duration(rng.Int64N(limit))
			all = append(all, d)
			if k%2 == 0 {
				one.Add(d)
			} else {
				two.Add(d)
			}
		}
		slices.Sort(all)
		compareQuantiles(t, fmt.Sprintf("row %d in two", i), quantiles(&one, &two), all)
		one.Merge(&two)
		compareQuantiles(t, fmt.Sprintf("row %d merged", i), one.Quantiles(), all)
	}
	var h Histogram
	h.Add(-time.Second)
	h.Add(time.Hour)
	if q := h.Quantiles(); q.Min != 0 || q.Max != time.Hour || q.Count != 2 {
		t.Errorf("got %+v of a negative and an hour", q)
	}
}
