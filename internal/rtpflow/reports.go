package rtpflow

import (
	"time"

	"github.com/pion/rtcp"
)

// reports is what the far end's reception reports say of our stream.
type reports struct {
	seen    bool
	highest int64       // position of the highest sequence number it had seen
	lost    int64       // cumulative, signed
	tally   jitterTally // since the last cut
	whole   jitterTally
	trip    time.Duration // by LSR and DLSR; 0: none
	ours    [4]lastReport // sender reports of ours that it may answer
	next    int
	// answered is when the latest of ours left that it had when it reported.
	answered time.Duration
}

// mark is how far the reports had come at a cut.
type mark struct {
	seen          bool
	highest, lost int64
	jitter        jitterTally
}

// take takes in one report block that came at the given time. perTick is ns.
func (r *reports) take(at time.Duration, b *rtcp.ReceptionReport, highest int64, perTick float64) {
	if !r.seen || highest > r.highest {
		r.highest = highest
	}
	r.seen = true
	r.lost = signed24(b.TotalLost)
	jitter := int64(float64(b.Jitter)*perTick) * jitterScale
	r.tally.add(jitter)
	r.whole.add(jitter)
	if b.LastSenderReport == 0 {
		return
	}
	for _, o := range r.ours {
		if o.middle == b.LastSenderReport {
			r.answered = max(r.answered, o.at)
			r.trip = max(at-o.at-time.Duration(uint64(b.Delay)*uint64(time.Second)>>16), 0)
		}
	}
}

// sent remembers a sender report of ours.
func (r *reports) sent(at time.Duration, ntp uint64) {
	r.ours[r.next] = lastReport{middle: uint32(ntp >> 16), at: at}
	r.next = (r.next + 1) % len(r.ours)
}

// mark takes the state at a cut and starts the jitter afresh.
func (r *reports) mark() mark {
	m := mark{seen: r.tally.n > 0, highest: r.highest, lost: r.lost, jitter: r.tally}
	r.tally = jitterTally{}
	return m
}

// fill sets the figures of an uplink without stamps to what the reports say
// happened between two marks. sent is how many packets left in that time.
// Duplicates hide losses in a report, and never make the loss negative here.
func (m mark) fill(f *Figures, before mark, sent int64) {
	if !m.seen {
		return
	}
	f.Evidence = EvidenceRTCP
	f.Expected = max(m.highest-before.highest, 0)
	f.Lost = min(max(m.lost-before.lost, 0), f.Expected)
	f.Received = f.Expected - f.Lost
	f.Unknown = max(sent-f.Expected, 0)
	f.Jitter = m.jitter.figures()
}
