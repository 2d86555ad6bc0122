package peer

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/pion/rtcp"
)

// Report is what one compound RTCP packet of this side says (RFC 3550, 6.1).
type Report struct {
	NTP             uint64 // wall clock of the report, see NTP
	RTPTime         uint32 // the same moment on the stream's RTP clock
	Packets, Octets uint32 // sent so far
	Reception       []rtcp.ReceptionReport
	Extended        []rtcp.ReportBlock       // of RFC 3611
	Summary         *rtcp.ApplicationDefined // of a stamping echo
	Bye             string                   // when not empty, a BYE with this reason ends the packet
}

// reportMean is the mean time between the reports of one side: a fifth of the
// least of RFC 3550, 6.2, since a window is scored every five seconds; the profile
// allows it (RFC 4585, 3.4), and at some 200 bytes it is under 2 % of a call.
const reportMean = time.Second

// ReportInterval draws the time from one report to the next: half to one and a
// half of the mean, so that the reports of many calls, and of both sides of one, do
// not fall into step (RFC 3550, 6.3.1). The first is half of one away. Timers are
// not reconsidered between two parties, so there is no bias to make up for.
func ReportInterval(first bool) time.Duration {
	d := reportMean/2 + rand.N(reportMean)
	if first {
		return d / 2
	}
	return d
}

// WriteReport sends a sender report, or a receiver report while nothing has
// been sent, with the canonical name and what else r holds.
func (p *Peer) WriteReport(r Report) error {
	packets := []rtcp.Packet{p.reportHead(r), &rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{
		Source: p.ssrc,
		Items:  []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: p.cname}},
	}}}}
	if len(r.Extended) > 0 {
		packets = append(packets, &rtcp.ExtendedReport{SenderSSRC: p.ssrc, Reports: r.Extended})
	}
	if r.Summary != nil {
		packets = append(packets, r.Summary)
	}
	if r.Bye != "" {
		packets = append(packets, &rtcp.Goodbye{Sources: []uint32{p.ssrc}, Reason: r.Bye})
	}
	raw, err := rtcp.Marshal(packets)
	if err != nil {
		return fmt.Errorf("build RTCP: %w", err)
	}
	return p.WriteRTCP(raw)
}

func (p *Peer) reportHead(r Report) rtcp.Packet {
	if r.Packets == 0 {
		return &rtcp.ReceiverReport{SSRC: p.ssrc, Reports: r.Reception}
	}
	return &rtcp.SenderReport{
		SSRC: p.ssrc, NTPTime: r.NTP, RTPTime: r.RTPTime,
		PacketCount: r.Packets, OctetCount: r.Octets, Reports: r.Reception,
	}
}

// ntpEpoch is the start of NTP time, 1900, in seconds before Unix time.
const ntpEpoch = 2208988800

// NTP returns t in the 64-bit format of NTP: seconds since 1900 in the upper
// half, fractions in the lower (RFC 3550, 4).
func NTP(t time.Time) uint64 {
	seconds := uint64(t.Unix() + ntpEpoch)
	fraction := uint64(t.Nanosecond()) << 32 / 1e9
	return seconds<<32 | fraction
}
