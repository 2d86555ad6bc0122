package probe

import (
	"time"

	"github.com/earshot-voip/earshot/internal/audio"
)

// witness is what is known of how long a sound takes there and back, besides the
// round trips of single packets.
type witness struct {
	heard    *audio.Findings // what was listened to, of the same stretch; may be nil
	reported time.Duration   // by LSR and DLSR of the far end's last report; 0: none
}

// trip is the round trip to score with: that of packets, else the delay of the
// audio itself, which a far end that rebuilds its packets brings back later than a
// network would, else what the far end's reports say, else the last that was
// known in this call. ok is false when nothing is known.
func (c *call) trip(rtt Quantiles, w witness) (trip time.Duration, ok bool) {
	delay, heard := time.Duration(0), false
	if w.heard != nil {
		delay, _, heard = w.heard.Delay()
	}
	switch {
	case rtt.Count > 0:
		c.lastTrip = rtt.P50
	case heard:
		c.lastTrip = delay
	case w.reported > 0:
		c.lastTrip = w.reported
	}
	return c.lastTrip, c.lastTrip > 0
}
