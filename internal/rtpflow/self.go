package rtpflow

import "time"

// selfTally is the instrument's own error.
type selfTally struct {
	sent, missed int64
	late, wake   Histogram
}

func (s *selfTally) figures() Self {
	return Self{
		Sent:        s.sent,
		SlotsMissed: s.missed,
		SendLate:    s.late.Quantiles(),
		ReceiveWake: s.wake.Quantiles(),
	}
}

func (s *selfTally) departed(slot, at time.Duration) {
	s.sent++
	s.late.Add(at - slot)
}
