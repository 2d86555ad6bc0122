package rtpflow

import (
	"math"
	"math/bits"
	"time"
)

// uplink measures the packets that we sent, by what comes back about them.
//
// A stamp is taken in when the packet that carries it becomes final on the way
// back, so in the order in which the echo sent them. It tells that one packet
// has arrived and when; its bitmaps tell of 128 others whether they had
// arrived by then. A packet is lost once a stamp covers it, says that it was
// not there, and returns a packet that was sent at least the grace later.
// Bitmaps rescue packets whose own stamp was lost on the way back: they are
// received, at an unknown time.
type uplink struct {
	flow
	grace    int64
	stamping bool // stamps were agreed on; else nothing is known by packet

	sent      [ringBits]int64 // departure, by position
	transit   transits        // what is known of those that are not final
	zero      int64           // the first transit time
	timestamp []uint32        // nil where stamps were agreed on
	have      bitRing         // has arrived
	lost      bitRing         // is past its grace without having arrived
	absent    bitRing         // had not arrived when last heard of
	back      bitRing         // came back to us
	unsure    bitRing         // left at a time that is not known

	count    int64 // packets sent; the next position
	leaving  bool  // the last of them is still in the system call that sends it
	lastSeq  uint16
	aged     int64 // positions before it were past their grace at the last stamp
	stampsIn int64
	arrival  int64 // echo's clock, unwrapped, of the last stamp
	jitter   jitter
	dup, re  uint16 // last cumulative counters

	matched int64 // returned packets with sequence and timestamp of ours
	checked int64 // returned packets without a stamp
	base    rebase

	journeys tripTally
	reports  reports
}

func newUplink(c Config) *uplink {
	u := &uplink{grace: int64(c.Grace), stamping: c.StampID != 0, transit: transits{position: -1}}
	u.open(c)
	u.journeys.window, u.journeys.call = newSamples(windowSamples), newSamples(callSamples)
	if !u.stamping {
		u.timestamp = make([]uint32, ringBits)
	}
	return u
}

// send accounts for one departure.
func (u *uplink) send(seq uint16, timestamp uint32, at int64) {
	if u.count-u.final == ringBits {
		u.resign()
	}
	i := u.count & (ringBits - 1)
	u.sent[i] = at
	u.transit.forget(u.count)
	u.have.clear(u.count)
	u.lost.clear(u.count)
	u.absent.clear(u.count)
	u.back.clear(u.count)
	u.unsure.clear(u.count)
	u.count++
	u.leaving = true
	u.lastSeq = seq
	if !u.stamping {
		u.timestamp[i] = timestamp
		u.pass()
	}
}

// resign gives up the oldest packet, whose fate no stamp can tell any more,
// and passes on what was known behind it.
func (u *uplink) resign() {
	u.pass()
	u.settle()
}

// position gives where a sequence number of ours stands among what we sent.
func (u *uplink) position(seq uint16) int64 {
	return u.count - 1 + int64(int16(seq-u.lastSeq))
}

// known reports whether a position is in memory.
func (u *uplink) known(position int64) bool {
	return position >= 0 && position < u.count && position >= u.count-ringBits
}

// returned takes in a packet that became final on the way back.
func (u *uplink) returned(at int64, seq uint16, timestamp uint32, s *Stamp) {
	if s == nil {
		u.reflected(at, seq, timestamp)
		return
	}
	u.stampsIn++
	q := u.position(s.Sequence)
	if !u.known(q) {
		return
	}
	sent := u.sent[q&(ringBits-1)]
	u.doubt(q, at)
	if !u.back.has(q) {
		u.back.set(q)
		u.at(q).returned++
		if !u.unsure.has(q) {
			u.journeys.add(time.Duration(at - sent - int64(s.Hold)))
		}
	}
	u.arrived(q, sent, int64(s.Arrival))
	u.counters(q, s)
	u.evidence(s, true)
}

// doubt marks a packet that came back at a time at which the system call that
// sends it had been running for too long and was not over.
func (u *uplink) doubt(q, at int64) {
	if u.leaving && q == u.count-1 && at-u.sent[q&(ringBits-1)] > int64(SendStall) {
		u.unsure.set(q)
	}
}

// arrived takes in when a packet reached the echo.
func (u *uplink) arrived(q, sent, arrival int64) {
	if u.unsure.has(q) {
		if !u.lost.has(q) {
			u.have.set(q)
		}
		return
	}
	if !u.jitter.primed {
		u.arrival = arrival
		u.zero = arrival - sent
	}
	u.arrival += (arrival - u.arrival) << (64 - clockBits) >> (64 - clockBits)
	transit := u.arrival - sent
	if j, ok := u.jitter.add(transit); ok {
		u.sample(q, j)
	}
	if !u.have.has(q) && !u.lost.has(q) {
		u.have.set(q)
		u.transit.keep(q, transit-u.zero, u.final)
	}
}

// counters takes in the echo's cumulative counts, which survive the loss of
// the stamps that raised them.
func (u *uplink) counters(q int64, s *Stamp) {
	if n := int16(s.Duplicates - u.dup); n > 0 {
		u.at(q).duplicated += int64(n)
		u.dup = s.Duplicates
	}
	if n := int16(s.Reordered - u.re); n > 0 {
		u.at(q).reordered += int64(n)
		u.re = s.Reordered
	}
}

// evidence takes in the bitmaps of a stamp. From one that came too late to be
// in turn only what has arrived counts: what had not may have since.
func (u *uplink) evidence(s *Stamp, inTurn bool) {
	q, highest := u.position(s.Sequence), u.position(s.Highest)
	if !u.known(q) || !u.known(highest) {
		return
	}
	now := u.sent[q&(ringBits-1)]
	u.aged = max(u.aged, u.count-ringBits)
	for u.aged < q && now-u.sent[u.aged&(ringBits-1)] >= u.grace {
		u.aged++
	}
	if u.lost.has(q) {
		u.absorb(q, 1, 1)
	}
	recent, covered := bits.Reverse64(s.Recent), uint64(math.MaxUint64)
	if !inTurn {
		covered = recent
	}
	u.absorb(highest-63, recent, covered)
	first := s.Block % (sequenceCycle / blockSize) * blockSize
	behind := s.Highest - first
	covered = math.MaxUint64
	if behind < blockSize-1 {
		covered >>= blockSize - 1 - behind
	}
	if !inTurn {
		covered &= s.History
	}
	u.absorb(highest-int64(behind), s.History, covered)
	u.settle()
}

// absorb takes in one bitmap: bit i says whether the packet at first+i had
// arrived, for the bits that are covered.
func (u *uplink) absorb(first int64, there, covered uint64) {
	lowest := max(u.count-ringBits, 0)
	if first+63 < lowest {
		return
	}
	if first < lowest {
		covered &= math.MaxUint64 << uint(lowest-first)
	}
	have := u.have.load(first)
	if fresh := there & covered &^ have; fresh != 0 {
		u.have.or(first, fresh)
		for late := fresh & u.lost.load(first); late != 0; late &= late - 1 {
			u.at(first+int64(bits.TrailingZeros64(late))).late++
		}
	}
	gone := covered &^ (there | have)
	if gone == 0 {
		return
	}
	u.absent.or(first, gone)
	if u.aged < first+64 {
		gone &= 1<<uint(max(u.aged-first, 0)) - 1
	}
	if u.final > first {
		gone &= math.MaxUint64 << uint(u.final-first)
	}
	u.lost.or(first, gone)
}

// settle makes final what is known without a break. A packet that is lost and
// yet has arrived came too late: it stays lost.
func (u *uplink) settle() {
	for u.final < u.count {
		i := u.final & (ringBits - 1)
		switch {
		case u.lost.has(u.final):
			u.lose(1)
		case !u.have.has(u.final):
			return
		default:
			if over, known := u.transit.of(u.final); known {
				u.receive(u.sent[i], u.zero+over)
			} else {
				u.receiveBlind()
			}
		}
	}
}

// reflected takes in a packet that came back without a stamp: if it carries a
// sequence number of ours with its timestamp, the far end reflects. With both
// shifted it is known all the same which packet came back.
func (u *uplink) reflected(at int64, seq uint16, timestamp uint32) {
	u.checked++
	if u.stamping {
		return
	}
	n := u.base.undo(numbers{seq, timestamp})
	q := u.position(n.seq)
	if !u.known(q) || u.timestamp[q&(ringBits-1)] != n.timestamp {
		return
	}
	if n.seq == seq {
		u.matched++
	}
	u.doubt(q, at)
	if !u.back.has(q) {
		u.back.set(q)
		if !u.unsure.has(q) {
			u.journeys.add(time.Duration(at - u.sent[q&(ringBits-1)]))
		}
	}
}

// silent takes in a report, which came at the given time, that no packet
// behind a position had arrived. roundTrip bounds how old the report is.
func (u *uplink) silent(position, at, roundTrip int64) {
	for p := max(u.final, position+1, u.count-ringBits); p < u.count; p++ {
		if at-roundTrip-u.sent[p&(ringBits-1)] < u.grace {
			break
		}
		if !u.have.has(p) {
			u.lost.set(p)
		}
	}
	u.settle()
}

// finish makes everything final by the evidence at hand: what had not arrived
// when it was last heard of is lost, and what was never heard of is unknown.
func (u *uplink) finish() {
	for u.settle(); u.final < u.count; u.settle() {
		if u.absent.has(u.final) {
			u.lose(1)
		} else {
			u.pass()
		}
	}
}
