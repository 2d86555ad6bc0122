package rtpflow

import (
	"time"

	"github.com/pion/rtcp"
)

// lastReport is the last sender report that came.
type lastReport struct {
	middle uint32 // middle 32 bits of its NTP time; 0: none came
	at     time.Duration
}

// SenderReport remembers the far end's sender report, which came at the given
// time, for the next ReceptionReport.
func (r *Receiver) SenderReport(at time.Duration, sr *rtcp.SenderReport) {
	if r.locked && sr.SSRC != r.ssrc {
		return
	}
	r.report = lastReport{middle: uint32(sr.NTPTime >> 16), at: at}
}

// ReceptionReport gives the stream as RFC 3550 counts it (A.1, A.3, A.8), for
// a report sent at the given time, and starts the next interval of the
// fraction lost. TotalLost holds the low 24 bits of a signed number. ok is
// false while no packet has come.
func (r *Receiver) ReceptionReport(at time.Duration) (report rtcp.ReceptionReport, ok bool) {
	r.catchUp()
	if !r.locked {
		return rtcp.ReceptionReport{}, false
	}
	report = rtcp.ReceptionReport{
		SSRC:               r.ssrc,
		FractionLost:       r.source.fraction(),
		TotalLost:          uint32(r.source.lost()) & 0xffffff,
		LastSequenceNumber: r.source.extendedMax(),
		Jitter:             uint32(r.plain.units >> 4),
		LastSenderReport:   r.report.middle,
	}
	if r.report.middle != 0 {
		report.Delay = uint32(uint64(max(at-r.report.at, 0)) << 16 / uint64(time.Second))
	}
	return report, true
}

// unavailable stands in a VoIP metrics report block for a value that is not
// known.
const unavailable = 127

// VoIPMetrics gives the values of RFC 3611, 4.7, that are known here, as far
// as they are final. Levels, R and MOS are 127, unavailable; the delays are 0.
// The caller fills in what it knows besides.
func (r *Receiver) VoIPMetrics() rtcp.VoIPMetricsReportBlock {
	f := r.Total()
	return rtcp.VoIPMetricsReportBlock{
		SSRC:          r.ssrc,
		LossRate:      share(f.LossRatio()),
		DiscardRate:   share(f.DiscardRatio()),
		BurstDensity:  share(f.Bursts.Density),
		GapDensity:    share(f.Bursts.GapDensity),
		BurstDuration: milliseconds(f.Bursts.Duration),
		GapDuration:   milliseconds(f.Bursts.GapDuration),
		SignalLevel:   unavailable,
		NoiseLevel:    unavailable,
		RERL:          unavailable,
		Gmin:          Gmin,
		RFactor:       unavailable,
		ExtRFactor:    unavailable,
		MOSLQ:         unavailable,
		MOSCQ:         unavailable,
		RXConfig:      r.config.Playout.rxConfig(),
		JBNominal:     milliseconds(f.Playout.Mean),
		JBMaximum:     milliseconds(f.Playout.Max),
		JBAbsMax:      milliseconds(r.config.Playout.Most),
	}
}

// rxConfig gives the receiver configuration byte: packet loss concealment
// unspecified, jitter buffer adaptive (3) or not (2), rate unspecified.
func (p Playout) rxConfig() uint8 {
	if p.Least == p.Most {
		return 2 << 4
	}
	return 3 << 4
}

// share gives a ratio as the integer part of 256 times it, held to 255.
func share(x float64) uint8 { return uint8(min(x*256, 255)) }

// milliseconds gives a duration as 16 bits hold it.
func milliseconds(d time.Duration) uint16 {
	return uint16(min(max(d.Milliseconds(), 0), 1<<16-1))
}

// signed24 reads the 24-bit cumulative number of packets lost.
func signed24(x uint32) int64 { return int64(int32(x<<8) >> 8) }
