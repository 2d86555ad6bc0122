package rtpflow

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
	"time"
)

// simProfile is what a simulated network does in one direction.
type simProfile struct {
	loss, runOn, dup, slow float64
	spread                 time.Duration
	outageFrom, outageTo   time.Duration // everything sent between is lost
}

func randomProfile(rng *rand.Rand) simProfile {
	p := simProfile{
		loss: rng.Float64() * 0.12, runOn: rng.Float64() * 0.7, dup: rng.Float64() * 0.06,
		slow: rng.Float64() * 0.05, spread: time.Duration(rng.Int64N(int64(50*time.Millisecond))) + 1,
	}
	if rng.IntN(5) == 0 {
		p = simProfile{spread: 1}
	}
	if rng.IntN(5) == 0 {
		p.outageFrom = time.Duration(rng.Int64N(int64(8 * time.Second)))
		p.outageTo = p.outageFrom + time.Duration(rng.Int64N(int64(9*time.Second)))
	}
	return p
}

// copies gives the arrival times of the copies of a packet sent at a time.
func (p *simProfile) copies(rng *rand.Rand, sent time.Duration, losing *bool) []time.Duration {
	if *losing {
		*losing = rng.Float64() < p.runOn
	} else {
		*losing = rng.Float64() < p.loss
	}
	if *losing || sent >= p.outageFrom && sent < p.outageTo {
		return nil
	}
	came := sent + 20*time.Millisecond + time.Duration(rng.Int64N(int64(p.spread)))
	if rng.Float64() < p.slow {
		came += time.Duration(rng.Int64N(int64(600 * time.Millisecond)))
	}
	list := []time.Duration{came}
	for rng.Float64() < p.dup {
		list = append(list, came+time.Duration(rng.Int64N(int64(300*time.Millisecond))))
	}
	return list
}

// simReturn is one packet that the echo sent.
type simReturn struct {
	q         int // which uplink packet
	stamp     Stamp
	arrival   time.Duration // of the uplink copy, echo's clock
	departure time.Duration
	first     bool // first copy of q at the echo
	heard     bool
	at        time.Duration // return of the first copy, if heard
}

// simCall is a whole simulated call with all that really happened.
type simCall struct {
	sent      []time.Duration
	arrivedAt []time.Duration // at the echo; -1: never
	returns   []simReturn     // in order of index
	calls     []oracleCall    // downlink packets, ticks and cuts
	seqUp     uint16
	seqDown   uint16
	up        struct{ lost, duplicated, reordered int64 }
	end       time.Duration
}

const simEchoClock = 123456789 * time.Microsecond

func simulate(rng *rand.Rand, n int, up, down simProfile) *simCall {
	s := &simCall{seqUp: uint16(rng.Uint32()), seqDown: uint16(rng.Uint32())}
	if rng.IntN(2) == 0 {
		s.seqUp, s.seqDown = uint16(65536-rng.IntN(300)), uint16(65536-rng.IntN(300))
	}
	type copied struct {
		q  int
		at time.Duration
	}
	var atEcho []copied
	clean := simProfile{spread: 1}
	losing := false
	for q := range n {
		sent := time.Duration(q)*DefaultFrame + time.Duration(rng.Int64N(int64(300*time.Microsecond)))
		s.sent = append(s.sent, sent)
		s.arrivedAt = append(s.arrivedAt, -1)
		p := up
		if q >= n-150 {
			p = clean
		}
		list := p.copies(rng, sent, &losing)
		if list == nil {
			s.up.lost++
		}
		for _, at := range list {
			atEcho = append(atEcho, copied{q, at})
		}
	}
	sort.SliceStable(atEcho, func(i, j int) bool { return atEcho[i].at < atEcho[j].at })

	epoch := simEchoClock
	if rng.IntN(3) == 0 {
		epoch -= 1<<clockBits - 5*time.Second // the 48 bits wrap in the call
	}
	mirror := NewMirror(epoch)
	highest := -1
	losing = false
	for index, c := range atEcho {
		arrival := c.at + simEchoClock
		departure := arrival + time.Duration(rng.Int64N(int64(2*time.Millisecond)))
		r := simReturn{q: c.q, arrival: arrival, departure: departure}
		switch {
		case s.arrivedAt[c.q] >= 0:
			s.up.duplicated++
		case c.q < highest:
			s.up.reordered++
			fallthrough
		default:
			r.first = true
			s.arrivedAt[c.q] = c.at
			highest = max(highest, c.q)
		}
		r.stamp = mirror.Reflect(s.seqUp+uint16(c.q), arrival, departure)
		p := down
		if c.q >= n-150 {
			p = clean
		}
		for k, at := range p.copies(rng, departure-simEchoClock, &losing) {
			if k == 0 {
				r.heard, r.at = true, at
			}
			s.calls = append(s.calls, oracleCall{at: at, packet: &oraclePacket{
				place: int64(index), media: departure, seq: s.seqDown + uint16(index), stamp: uint32(index), ssrc: 5,
			}})
		}
		s.returns = append(s.returns, r)
	}
	for at := time.Second; at < time.Duration(n)*DefaultFrame; at += time.Duration(rng.Int64N(int64(4 * time.Second))) {
		s.calls = append(s.calls, oracleCall{at: at, cut: rng.IntN(2) == 0})
	}
	sortCalls(s.calls)
	s.end = s.calls[len(s.calls)-1].at
	return s
}

// run plays the call to an Echo, and gives the bounds of the uplink windows.
func (s *simCall) run(e *Echo) (bounds []int64) {
	next := 0
	send := func(until time.Duration) {
		for ; next < len(s.sent) && s.sent[next] <= until; next++ {
			e.Sent(s.seqUp+uint16(next), uint32(next*160), time.Duration(next)*DefaultFrame, s.sent[next])
			e.Left(time.Duration(next)*DefaultFrame, s.sent[next], s.sent[next])
		}
	}
	var buffer [StampedHeaderSize]byte
	for _, c := range s.calls {
		send(c.at)
		switch {
		case c.cut:
			e.Cut(c.at)
			bounds = append(bounds, int64(next))
		case c.packet == nil:
			e.Tick(c.at)
		default:
			p := c.packet
			h := Header{SequenceNumber: p.seq, Timestamp: p.stamp, SSRC: p.ssrc}
			e.Packet(c.at, c.at, h.AppendStamped(buffer[:0], 3, &s.returns[p.place].stamp))
		}
	}
	send(math.MaxInt64)
	return append(bounds, int64(next))
}

// upRow gives the uplink's fates in sequence order, the jitter of its stamps,
// and the round-trip times, as the stamps that came back in time show them.
func (s *simCall) upRow() (row []oracleFate, want oracleFigures, trips []time.Duration) {
	row = make([]oracleFate, len(s.sent))
	shown, back := make([]bool, len(s.sent)), make([]bool, len(s.sent))
	for q := range row {
		row[q] = oracleFate{arrived: s.arrivedAt[q] >= 0, at: s.sent[q]}
	}
	var before time.Duration
	started := false
	var j float64
	highest := -1
	for _, r := range s.returns {
		highest = max(highest, r.q)
		if !r.heard {
			continue
		}
		transit := r.arrival - s.sent[r.q]
		if started {
			j += (math.Abs(float64(transit-before)) - j) / 16
			want.jitterLast, want.jitterMax = j, max(want.jitterMax, j)
			want.jitterMean += j
			want.jitterN++
		}
		before, started = transit, true
		if !shown[r.q] {
			shown[r.q] = true
			row[r.q].known, row[r.q].transit = true, transit
		}
		if !back[r.q] {
			back[r.q] = true
			trips = append(trips, r.at-s.sent[r.q]-(r.departure-r.arrival))
		}
		// What else had arrived and is within the stamp's memory is shown.
		show := func(q int) {
			if q >= 0 && q <= highest && s.arrivedAt[q] >= 0 && s.arrivedAt[q]+simEchoClock <= r.arrival {
				shown[q] = true
			}
		}
		for i := range 64 {
			show(highest - i)
		}
		start := int(r.stamp.Block%1024) * 64
		for i := range 64 {
			back := int(uint16(int(s.seqUp) + highest - start - i))
			if back < 1088 {
				show(highest - back)
			}
		}
	}
	want.jitterMean /= max(float64(want.jitterN), 1)
	slices.Sort(trips)
	return row, want, trips
}

func TestEchoAgainstOracle(t *testing.T) {
	callCount := 400
	if testing.Short() {
		callCount = 60
	}
	for i := range callCount {
		rng := rand.New(rand.NewPCG(uint64(i), 11))
		up, down := randomProfile(rng), randomProfile(rng)
		s := simulate(rng, 300+rng.IntN(700), up, down)
		e := NewEcho(Config{Frame: DefaultFrame, StampID: 3})
		bounds := s.run(e)
		if !e.Settled() {
			t.Errorf("call %d: not settled after a clean end", i)
		}
		e.Finish(s.end)
		got := e.Total()

		if got.Kind != KindStamping || got.Up.Evidence != EvidenceStamps || got.Down.Evidence != EvidenceStamps {
			t.Errorf("call %d: got %v, evidence %v and %v", i, got.Kind, got.Up.Evidence, got.Down.Evidence)
		}
		// The ledger of the simulation itself, without any oracle.
		n := int64(len(s.sent))
		if got.Up.Expected != n || got.Up.Lost != s.up.lost || got.Up.Duplicated != s.up.duplicated ||
			got.Up.Reordered != s.up.reordered || got.Up.Unknown != 0 || got.Up.Late != 0 {
			t.Errorf("call %d uplink: got %+v, want %d, %+v", i, got.Up, n, s.up)
		}
		var downLost int64
		for _, r := range s.returns {
			if !r.heard {
				downLost++
			}
		}
		if got.Down.Expected != int64(len(s.returns)) || got.Down.Lost != downLost {
			t.Errorf("call %d downlink: got %d of %d lost, want %d of %d", i, got.Down.Lost, got.Down.Expected, downLost, len(s.returns))
		}

		row, want, trips := s.upRow()
		windows := make([]oracleFigures, len(bounds))
		want.duplicated, want.reordered = s.up.duplicated, s.up.reordered
		oracleFinal(row, bounds, DefaultFrame, windows, &want)
		compare(t, fmt.Sprintf("call %d uplink", i), got.Up, want)
		compareQuantiles(t, fmt.Sprintf("call %d round trip", i), got.RoundTrip.RTT, trips)
		if got.RoundTrip.Sent != n || got.RoundTrip.Returned != int64(len(trips)) {
			t.Errorf("call %d: got %d of %d returned, want %d of %d", i, got.RoundTrip.Returned, got.RoundTrip.Sent, len(trips), n)
		}
		_, downWindows, downWhole := oracleReceiver(s.calls, DefaultFrame, LeastGrace, int64(len(e.down.ring)))
		compare(t, fmt.Sprintf("call %d downlink", i), got.Down, downWhole)
		for w := range windows {
			window, ok := e.Closed()
			if !ok {
				t.Fatalf("call %d: got %d windows, want %d", i, w, len(windows))
			}
			compare(t, fmt.Sprintf("call %d window %d downlink", i, w), window.Down, downWindows[w])
			// A duplicate whose own stamp was lost shows in a later stamp, so
			// its window is not defined by the packet alone.
			windows[w].duplicated, windows[w].reordered = window.Up.Duplicated, window.Up.Reordered
			windows[w].jitterN, windows[w].jitterLast = window.Up.Jitter.Samples, float64(window.Up.Jitter.Last)
			windows[w].jitterMax, windows[w].jitterMean = float64(window.Up.Jitter.Max), float64(window.Up.Jitter.Mean)
			compare(t, fmt.Sprintf("call %d window %d uplink", i, w), window.Up, windows[w])
		}
		if t.Failed() {
			t.Logf("up %+v down %+v", up, down)
			t.FailNow()
		}
	}
}

// TestMirrorAgainstMemory holds each stamp against everything that came.
func TestMirrorAgainstMemory(t *testing.T) {
	for i := range 40 {
		rng := rand.New(rand.NewPCG(uint64(i), 13))
		m := NewMirror(time.Second)
		start := int64(1<<16 + rng.IntN(1<<16))
		arrived := map[int64]bool{}
		highest, first := int64(0), true
		var duplicates, reordered uint16
		blocks := map[uint16]bool{}
		for k := range int64(4000) {
			seq := start + k
			if rng.IntN(10) == 0 {
				seq -= rng.Int64N(60)
			}
			if rng.IntN(20) == 0 && !first {
				continue
			}
			switch {
			case first || seq > highest:
				highest = seq
			case arrived[seq]:
				duplicates++
			default:
				reordered++
			}
			first = false
			arrived[seq] = true
			at := time.Duration(k) * DefaultFrame
			s := m.Reflect(uint16(seq), at, at+5*time.Second)
			var recent, history uint64
			for b := range int64(64) {
				if arrived[highest-b] {
					recent |= 1 << b
				}
			}
			block := highest/64 - int64(uint16(highest/64)-s.Block)
			for b := range int64(64) {
				if arrived[block*64+b] {
					history |= 1 << b
				}
			}
			want := s
			want.Sequence, want.Highest = uint16(seq), uint16(highest)
			want.Recent, want.History = recent, history
			want.Duplicates, want.Reordered = duplicates, reordered
			want.Arrival, want.Hold = (at-time.Second)&(1<<48-1), 5*time.Second
			want.Index = m.Sent() - 1
			if s != want {
				t.Fatalf("row %d, packet %d: got %+v, want %+v (recent %d)", i, k, s, want, bits.OnesCount64(recent))
			}
			if k > 3900 {
				blocks[uint16(highest/64)-s.Block] = true
			}
			var wire Stamp
			want.Hold = min(want.Hold, 1<<32-1)
			if !wire.Unmarshal(s.AppendTo(nil)) || wire != want {
				t.Fatalf("got %+v from the wire, want %+v", wire, want)
			}
		}
		for back := uint16(1); back <= 16; back++ {
			if !blocks[back] {
				t.Errorf("row %d: block %d back never came in turn", i, back)
			}
		}
	}
}
