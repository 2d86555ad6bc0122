package rtpflow

// Limits of RFC 3550, A.1.
const (
	maxDropout    = 3000
	maxMisorder   = 100
	minSequential = 2
	sequenceCycle = 1 << 16
)

// sourceState is the view of a source that reception reports give: RFC 3550,
// A.1 (validity, probation, restart) and A.3 (expected and lost). It counts
// duplicates as received and forgets what lay before a restart, so it is what
// we tell the far end and not what we measure.
type sourceState struct {
	max       uint16
	base      uint16
	probation uint8
	cycles    uint32
	bad       uint32
	received  uint32
	resyncs   int

	expectedPrior, receivedPrior uint32
}

// begin starts on the first packet of a source.
func (s *sourceState) begin(seq uint16) {
	*s = sourceState{}
	s.restart(seq)
	s.max = seq - 1
	s.probation = minSequential
}

func (s *sourceState) restart(seq uint16) {
	s.base, s.max, s.bad = seq, seq, sequenceCycle+1
	s.cycles, s.received, s.expectedPrior, s.receivedPrior = 0, 0, 0, 0
}

// update takes the next packet of the source in order of arrival.
func (s *sourceState) update(seq uint16) {
	// Nearly every packet ends here. The wrap to 0 does not.
	if seq == s.max+1 && seq != 0 && s.probation == 0 {
		s.max = seq
		s.received++
		return
	}
	s.consider(seq)
}

func (s *sourceState) consider(seq uint16) {
	step := seq - s.max
	if s.probation > 0 {
		if step != 1 {
			s.probation = minSequential - 1
			s.max = seq
			return
		}
		s.max = seq
		s.probation--
		if s.probation == 0 {
			s.restart(seq)
			s.received++
		}
		return
	}
	switch {
	case step < maxDropout:
		if seq < s.max {
			s.cycles += sequenceCycle
		}
		s.max = seq
	case int(step) <= sequenceCycle-maxMisorder:
		if uint32(seq) != s.bad {
			s.bad = uint32(seq+1) & 0xffff
			return
		}
		s.restart(seq)
		s.resyncs++
	}
	s.received++
}

// extendedMax is the extended highest sequence number received.
func (s *sourceState) extendedMax() uint32 { return s.cycles + uint32(s.max) }

func (s *sourceState) expected() uint32 { return s.extendedMax() - uint32(s.base) + 1 }

// lost is the cumulative number of packets lost: signed, held to 24 bits.
func (s *sourceState) lost() int32 {
	lost := int64(s.expected()) - int64(s.received)
	return int32(min(max(lost, -1<<23), 1<<23-1))
}

// fraction gives the fraction lost since it was last asked, in 1/256.
func (s *sourceState) fraction() uint8 {
	expected, received := s.expected(), s.received
	interval := int64(expected - s.expectedPrior)
	lost := interval - int64(received-s.receivedPrior)
	s.expectedPrior, s.receivedPrior = expected, received
	if interval <= 0 || lost <= 0 {
		return 0
	}
	return uint8(min(lost<<8/interval, 255))
}
