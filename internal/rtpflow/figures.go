package rtpflow

import "time"

// Evidence says how the figures of a direction are known.
type Evidence uint8

// The kinds of evidence, from none to exact.
const (
	// EvidenceNone: nothing is known; the figures are to be read as unknown,
	// not as zero.
	EvidenceNone Evidence = iota
	// EvidenceRTCP: from the far end's reception reports, which count to the
	// report and let duplicates hide losses.
	EvidenceRTCP
	// EvidenceSequence: from the sequence numbers of the stream, exact from
	// the first packet that came.
	EvidenceSequence
	// EvidenceStamps: from the echo's stamps, exact for every packet.
	EvidenceStamps
)

// String gives the word of the report: none, rtcp, sequence, stamps.
func (e Evidence) String() string {
	switch e {
	case EvidenceRTCP:
		return "rtcp"
	case EvidenceSequence:
		return "sequence"
	case EvidenceStamps:
		return "stamps"
	}
	return "none"
}

// Figures are what is known of one direction, over a window or a call. They
// hold no pointers and may be kept.
type Figures struct {
	Evidence Evidence

	// Expected counts the packets that were sent and whose fate is known;
	// Expected = Received + Lost. Received counts each packet once.
	Expected, Received, Lost int64
	// Unknown counts packets that were sent and of which nothing was ever
	// heard; they are not part of Expected.
	Unknown int64
	// Duplicated counts further copies, Reordered packets that came behind a
	// higher one in time, Late packets that came after they were declared
	// lost (they stay lost).
	Duplicated, Reordered, Late int64
	// Discarded counts received packets that came after their playout time
	// in the modelled de-jitter buffer.
	Discarded int64
	// Foreign and Malformed count datagrams that did not belong to the
	// stream. They are known per call only.
	Foreign, Malformed int64

	Jitter    Jitter
	Variation Quantiles // transit time over its floor
	Bursts    Bursts
	Playout   PlayoutFigures

	// Discontinuities counts steps of the RTP timestamp against time (jitter
	// starts afresh there), Restarts new sources or sequence bases.
	Discontinuities, Restarts int
	// RouteChanges counts steps of the smallest transit time by more than
	// 5 ms. DriftPPM is the drift of the sender's clock against ours in parts
	// per million (positive: transit times grow), valid if DriftKnown.
	RouteChanges int
	DriftPPM     float64
	DriftKnown   bool
}

// LossRatio is Lost over Expected, 0 with nothing expected.
func (f *Figures) LossRatio() float64 { return ratio(f.Lost, f.Expected) }

// DiscardRatio is Discarded over Expected, 0 with nothing expected.
func (f *Figures) DiscardRatio() float64 { return ratio(f.Discarded, f.Expected) }

// Jitter is the interarrival jitter of RFC 3550, A.8, over transit time.
type Jitter struct {
	Last, Max, Mean time.Duration
	// Samples counts the differences that went in; 0: unknown.
	Samples int64
}

// Quantiles summarise a distribution. With Count 0 the others mean nothing.
type Quantiles struct {
	Count                        int64
	Min, P50, P95, P99, Max, Sum time.Duration
}

// PlayoutFigures describe the modelled de-jitter buffer: its depth over
// received packets.
type PlayoutFigures struct {
	Mean, Max, Last time.Duration
}

// Span is a window of one direction.
type Span struct {
	Start, End time.Duration // the cuts around it
	Figures
}

// Window is a stretch of a call between two cuts, with all its packets final.
type Window struct {
	Start, End time.Duration
	Up, Down   Figures
	RoundTrip  RoundTrip
}

// RoundTrip counts whole journeys. Returned counts each packet once.
type RoundTrip struct {
	Sent, Returned int64
	RTT            Quantiles
	Spread         []Bucket // of a window's round-trip times; nil for a call
}

// Summary is the whole call.
type Summary struct {
	Kind      Kind
	Up, Down  Figures
	RoundTrip RoundTrip
	// ReportRTT is the round-trip time by LSR and DLSR of the far end's last
	// reception report (RFC 3550, 6.4.1); 0: none.
	ReportRTT time.Duration
	Self      Self
}

// Self is the error of the instrument itself.
type Self struct {
	Sent, SlotsMissed int64
	SendStalls        int64     // packets whose sending took longer than SendStall
	SendLate          Quantiles // departure against the slot
	ReceiveWake       Quantiles // time of the read against the kernel's receive time
}

func ratio(n, of int64) float64 {
	if of <= 0 {
		return 0
	}
	return float64(n) / float64(of)
}
