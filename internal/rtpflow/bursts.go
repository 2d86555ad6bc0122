package rtpflow

import "time"

// Gmin is the least run of received packets that ends a burst (RFC 3611,
// 4.7.2).
const Gmin = 16

// Bursts are the burst and gap metrics of RFC 3611, 4.7.2, by its words and
// not by its Appendix A.2, over losses and discards.
type Bursts struct {
	// Count is the number of bursts.
	Count int64
	// Density and GapDensity are the shares of packets lost or discarded in
	// bursts and in gaps.
	Density, GapDensity float64
	// Duration and GapDuration are the mean durations of bursts and of gaps,
	// in packets times their nominal spacing.
	Duration, GapDuration time.Duration
	// BurstR is the mean run of losses times (1 - loss), not clamped; 1 with
	// no loss or nothing but loss.
	BurstR float64
}

// burstMachine follows a row of packets, of which it only needs to be told
// the bad ones (lost or discarded) by their place in the row.
//
// Bad packets with fewer than Gmin good ones between them belong to one
// cluster. A cluster of two or more is a burst, from its first bad packet to
// its last; a lone bad packet lies in a gap.
type burstMachine struct {
	bad, runs int64

	bursts, burstPackets, burstBad int64
	leading                        bool // the row begins with a burst

	first, last, cluster int64 // the open cluster; cluster counts its bad packets
	trail                int64 // one past the last packet of the last burst
}

// hit accounts for n bad packets in a row, of which the first stands at the
// given place.
func (m *burstMachine) hit(place, n int64) {
	if m.cluster == 0 || place != m.last+1 {
		m.runs++
	}
	if m.cluster > 0 && place-m.last > Gmin {
		m.settle()
	}
	if m.cluster == 0 {
		m.first = place
	}
	m.bad += n
	m.cluster += n
	m.last = place + n - 1
}

// interrupt ends the open cluster and run where the row is broken off.
func (m *burstMachine) interrupt() {
	m.settle()
}

// settle ends the open cluster, as Gmin good packets would.
func (m *burstMachine) settle() {
	if m.cluster > 1 {
		m.bursts++
		m.burstPackets += m.last - m.first + 1
		m.burstBad += m.cluster
		m.leading = m.leading || m.first == 0
		m.trail = m.last + 1
	}
	m.cluster = 0
}

// figures gives the metrics of the row so far, as if Gmin good packets
// followed.
func (m burstMachine) figures(packets int64, frame time.Duration) Bursts {
	m.settle()
	gaps := m.bursts + 1
	if m.leading {
		gaps--
	}
	if m.trail == packets {
		gaps--
	}
	gapPackets := packets - m.burstPackets
	f := Bursts{
		Count:      m.bursts,
		Density:    ratio(m.burstBad, m.burstPackets),
		GapDensity: ratio(m.bad-m.burstBad, gapPackets),
		BurstR:     1,
	}
	if m.bursts > 0 {
		f.Duration = time.Duration(m.burstPackets) * frame / time.Duration(m.bursts)
	}
	if gaps > 0 {
		f.GapDuration = time.Duration(gapPackets) * frame / time.Duration(gaps)
	}
	if m.bad > 0 && m.bad < packets {
		f.BurstR = float64(m.bad) / float64(m.runs) * (1 - ratio(m.bad, packets))
	}
	return f
}
