package rtpflow

import "time"

// SendStall is how long sending one packet may take before its time of leaving
// counts as not known. A system call takes a tenth of it, and a thread that lost
// its processor is away for ten times as long.
const SendStall = 200 * time.Microsecond

// selfTally is the instrument's own error.
type selfTally struct {
	sent, missed, stalls int64
	late, wake           Histogram
}

func (s *selfTally) figures() Self {
	return Self{
		Sent:        s.sent,
		SlotsMissed: s.missed,
		SendStalls:  s.stalls,
		SendLate:    s.late.Quantiles(),
		ReceiveWake: s.wake.Quantiles(),
	}
}
