package probe

import (
	"time"

	"github.com/pion/rtcp"

	"github.com/earshot-voip/earshot/internal/peer"
)

// report tells the far end by RTCP what was sent and what is known of the
// returned stream, with the VoIP metrics of RFC 3611, 4.7. All of it comes from
// rtpflow.
func (x *exchange) report(now time.Duration) {
	if err := x.peer.WriteReport(x.compose(now)); err != nil {
		x.mu.Lock()
		x.sendErrors++
		x.mu.Unlock()
	}
}

func (x *exchange) compose(now time.Duration) peer.Report {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := peer.Report{
		NTP:     peer.NTP(time.Now()),
		RTPTime: x.rtpTime(now),
		Packets: uint32(x.sent),
		Octets:  uint32(x.octets),
	}
	x.flow.SentReport(now, r.NTP)
	if reception, ok := x.flow.ReceptionReport(now); ok {
		metrics := x.flow.VoIPMetrics()
		r.Reception = []rtcp.ReceptionReport{reception}
		r.Extended = []rtcp.ReportBlock{&metrics}
	}
	return r
}

// rtpTime is a moment on the stream's RTP clock, counted from the last packet.
func (x *exchange) rtpTime(now time.Duration) uint32 {
	return x.lastTS + uint32(int64(now-x.lastSent)*int64(x.ticks)/int64(x.frame))
}
