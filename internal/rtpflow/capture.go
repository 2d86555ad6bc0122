package rtpflow

import "time"

// Capture holds the counts of one SSRC by the rules of tshark: every packet
// counts, also duplicates; Lost is the span of sequence numbers minus
// Packets, so it may be negative and a jump of the sequence counts in full;
// jitter is RFC 3550, A.8, over the RTP timestamps with their jumps.
type Capture struct {
	Packets, Lost         int64
	JitterMax, JitterMean time.Duration
}

// plainJitter is A.8 to the letter: over RTP timestamps, every packet in
// order of arrival, with the jumps that a sender makes. It is what reception
// reports carry and what capture analysers show.
//
// Telephone events (RFC 4733) are the exception, and as tshark has it: they
// give no sample and no timestamp, but time goes on with them.
type plainJitter struct {
	at, media int64 // of the packet before, ns
	tally     jitterTally
	j         int64   // scaled
	units     int64   // the same in timestamp units, scaled
	perNS     float64 // timestamp units in a nanosecond
	primed    bool
}

func (p *plainJitter) add(at, media int64) {
	d := at - p.at - (media - p.media)
	p.at, p.media = at, media
	if !p.primed {
		p.primed = true
		return
	}
	d = max(d, -d)
	p.j = follow(p.j, d)
	p.tally.add(p.j)
	p.units = follow(p.units, int64(float64(d)*p.perNS+0.5))
}

func (p *plainJitter) event(at int64) { p.at = at }

func (p *plainJitter) reset() { *p = plainJitter{perNS: p.perNS} }
