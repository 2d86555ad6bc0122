package rtpflow

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/pion/rtcp"
)

// SummaryName is the name of the RTCP APP packet (RFC 3550, 6.7) in which a
// stamping echo sums up the uplink. Stamps travel with returned media: when that
// is lost, or has ended, the summary tells what they would have told.
const SummaryName = "ESTP"

const (
	summaryHead  = 12
	summaryWords = mirrorBlocks + 1
	summarySize  = summaryHead + 8*summaryWords
)

// Summary gives the state of the mirror as an APP packet's data, big endian:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                    packets sent back (32)                     |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|      highest sequence (16)    |          duplicates           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|           reordered           |         words (16)            |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|  words of 64 bits: bit i of word k is set if uplink packet    |
//	|  64*(highest/64 - k) + i has arrived                          |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// Before the first packet has arrived there is nothing to sum up, and no
// summary (nil).
func (m *Mirror) Summary(ssrc uint32) *rtcp.ApplicationDefined {
	if !m.started {
		return nil
	}
	data := make([]byte, 0, summarySize)
	data = binary.BigEndian.AppendUint32(data, m.sent)
	data = binary.BigEndian.AppendUint16(data, uint16(m.highest))
	data = binary.BigEndian.AppendUint16(data, m.duplicates)
	data = binary.BigEndian.AppendUint16(data, m.reordered)
	data = binary.BigEndian.AppendUint16(data, summaryWords)
	for k := range int64(summaryWords) {
		data = binary.BigEndian.AppendUint64(data, m.seen[(m.highest/blockSize-k)&(mirrorBits/64-1)])
	}
	return &rtcp.ApplicationDefined{SSRC: ssrc, Name: SummaryName, Data: data}
}

// summary is what an echo had summed up when it reported.
type summary struct {
	at                    int64 // when it came; 0: none waits
	sent                  int64 // packets that the echo had sent back
	highest               uint16
	duplicates, reordered uint16
	words                 [summaryWords]uint64
}

// parse reads an APP packet and reports whether it is a summary of anything.
func (s *summary) parse(p *rtcp.ApplicationDefined) bool {
	if p.Name != SummaryName || len(p.Data) != summarySize || binary.BigEndian.Uint16(p.Data[10:]) != summaryWords {
		return false
	}
	s.sent = int64(binary.BigEndian.Uint32(p.Data))
	s.highest = binary.BigEndian.Uint16(p.Data[4:])
	s.duplicates = binary.BigEndian.Uint16(p.Data[6:])
	s.reordered = binary.BigEndian.Uint16(p.Data[8:])
	for k := range s.words {
		s.words[k] = binary.BigEndian.Uint64(p.Data[summaryHead+8*k:])
	}
	return true
}

// keepSummary takes in a summary that came at the given time. It is older than
// the stamps that are still on their way or wait for their turn, and those tell
// more; so it waits until they are through. One that waits is not replaced, or
// reports that follow each other would keep each other waiting; the latest of those
// that come meanwhile is next.
func (e *Echo) keepSummary(at time.Duration, p *rtcp.ApplicationDefined) {
	var s summary
	if !e.stamping || e.up.count == 0 || !s.parse(p) {
		return
	}
	s.at = int64(at)
	if e.summary.at == 0 {
		e.summary = s
	} else {
		e.later = s
	}
	e.useSummary()
}

// useSummary takes in the summaries that wait, once every packet that the echo
// had sent by then has come back or is lost.
func (e *Echo) useSummary() {
	for e.summary.at != 0 && e.down.final >= e.summary.sent {
		s := e.summary
		e.summary, e.later = e.later, summary{}
		e.up.sumUp(&s, e.roundTrip())
	}
}

// sumUp takes in a summary. roundTrip bounds how old it was when it came.
func (u *uplink) sumUp(s *summary, roundTrip int64) {
	highest := u.position(s.highest)
	if !u.known(highest) {
		return
	}
	u.counters(highest, &Stamp{Duplicates: s.duplicates, Reordered: s.reordered})
	u.age(s.at - roundTrip)
	inBlock := int64(s.highest % blockSize)
	covered := uint64(math.MaxUint64) >> (blockSize - 1 - inBlock)
	for k, there := range s.words {
		u.absorb(highest-inBlock-blockSize*int64(k), there, covered)
		covered = math.MaxUint64
	}
	u.silent(highest, s.at, roundTrip)
}

// age moves the mark before which packets are past their grace at a time.
func (u *uplink) age(now int64) {
	u.aged = max(u.aged, u.count-ringBits)
	for u.aged < u.count && now-u.sent[u.aged&(ringBits-1)] >= u.grace {
		u.aged++
	}
}
