package capture

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/earshot-voip/earshot/internal/rtpflow"
)

// Schema names the JSON object and the version of its meaning.
const Schema = "earshot.analyze/v1"

// Report is what a capture shows. Times are in seconds, ratios within 0..1; a
// nil pointer (null in JSON) is what is not known.
type Report struct {
	Schema  string   `json:"schema"`
	Name    string   `json:"name"` // of the input, as the caller has it
	File    File     `json:"file"`
	Streams []Stream `json:"streams"` // in order of their first packet
	Notes   []string `json:"notes"`
}

// File is what the capture consists of.
type File struct {
	Format    string   `json:"format"` // pcap or pcapng
	Gzip      bool     `json:"gzip"`
	LinkTypes []string `json:"link_types"` // the most frequent first
	Damage    string   `json:"damage,omitempty"`

	Packets       int64    `json:"packets"`
	BytesCaptured int64    `json:"bytes_captured"`
	BytesOnWire   int64    `json:"bytes_on_wire"`
	Snapped       int64    `json:"packets_cut_by_snaplen"`
	Started       *string  `json:"started"` // RFC 3339, UTC, microseconds
	Duration      *float64 `json:"duration_seconds"`
	// Dropped is what the capturing host says it lost itself (pcapng).
	Dropped   *uint64 `json:"packets_dropped_by_capture"`
	Backwards int64   `json:"packets_back_in_time"`
	Untimed   int64   `json:"packets_without_time"`

	// What became of the packets; the nine add up to Packets.
	RTP         int64 `json:"rtp_packets"`          // in streams
	Stray       int64 `json:"rtp_like_packets"`     // look like RTP, in no stream
	RTCP        int64 `json:"rtcp_packets"`         //
	OtherUDP    int64 `json:"other_udp_packets"`    // STUN and DTLS included
	OtherIP     int64 `json:"other_ip_packets"`     // not UDP
	NotIP       int64 `json:"not_ip_packets"`       //
	Fragments   int64 `json:"fragments_skipped"`    // behind the first of their packet
	TooShort    int64 `json:"packets_too_short"`    // headers not captured
	Undecodable int64 `json:"packets_not_decoded"`  // contradictory lengths, unknown link type
	STUN        int64 `json:"stun_packets"`         //
	DTLS        int64 `json:"dtls_packets"`         //
	Partial     int64 `json:"first_fragments"`      // that stand for their packet
	Refused     int64 `json:"streams_beyond_limit"` // not measured; at least so many
}

// Stream is one SSRC between two ports.
type Stream struct {
	SSRC        uint32         `json:"ssrc"`
	SSRCHex     string         `json:"ssrc_hex"`
	Source      netip.AddrPort `json:"source"`
	Destination netip.AddrPort `json:"destination"`

	PayloadType  uint8         `json:"payload_type"` // of most packets
	Codec        *string       `json:"codec"`
	ClockRate    *uint32       `json:"clock_rate"`
	ClockSource  *string       `json:"clock_rate_source"` // static, given or guessed
	PayloadTypes []PayloadType `json:"payload_types"`

	Start    *float64 `json:"start_seconds"` // since the first packet of the capture
	Duration *float64 `json:"duration_seconds"`
	Rate     *float64 `json:"packets_per_second"`
	Frame    *float64 `json:"frame_seconds"`
	BitRate  *float64 `json:"payload_bits_per_second"`

	// Counts and jitter as capture analysers have them: every packet counts,
	// also duplicates, and Lost is the span of sequence numbers, from the first
	// packet to the last that came, minus Packets.
	Packets    int64    `json:"packets"`
	Lost       int64    `json:"packets_lost"`
	JitterMax  *float64 `json:"jitter_max_seconds"`
	JitterMean *float64 `json:"jitter_mean_seconds"`

	// The same for one direction of a call: each packet counts once, a restart
	// is not loss, and what came more than a second late is.
	Expected   int64    `json:"packets_expected"`
	Received   int64    `json:"packets_received"`
	Missing    int64    `json:"packets_missing"`
	LossRatio  *float64 `json:"loss_ratio"`
	Duplicated int64    `json:"packets_duplicated"`
	Reordered  int64    `json:"packets_reordered"`
	Late       int64    `json:"packets_late"`

	// Jitter (at the end) and NetworkJitter leave out the steps that a sender
	// makes in its timestamps.
	Jitter        *float64   `json:"jitter_seconds"`
	NetworkJitter *Jitter    `json:"network_jitter_seconds"`
	Variation     *Quantiles `json:"delay_variation_seconds"`
	Discarded     *int64     `json:"packets_discarded"` // by the modelled de-jitter buffer
	DiscardRatio  *float64   `json:"discard_ratio"`
	PlayoutDepth  *float64   `json:"playout_depth_seconds"`
	Burst         *Burst     `json:"burst"`

	Discontinuities *int     `json:"timestamp_discontinuities"`
	Restarts        int      `json:"restarts"`
	RouteChanges    *int     `json:"route_changes"`
	Drift           *float64 `json:"clock_drift_ppm"`

	Score       *Score  `json:"score"`
	ScoreReason *string `json:"score_reason"` // why there is no score

	Notes []string `json:"notes"`

	worst float64 // share of packets that were not heard
}

// PayloadType counts the packets of one payload type.
type PayloadType struct {
	PayloadType uint8   `json:"payload_type"`
	Codec       *string `json:"codec"`
	Packets     int64   `json:"packets"`
}

// Jitter is the course of the interarrival jitter.
type Jitter struct {
	Mean *float64 `json:"mean"`
	Max  *float64 `json:"max"`
}

// Quantiles of the delay variation.
type Quantiles struct {
	P50 *float64 `json:"p50"`
	P95 *float64 `json:"p95"`
	P99 *float64 `json:"p99"`
	Max *float64 `json:"max"`
}

// Burst is what RFC 3611, 4.7.2 says of losses and discards.
type Burst struct {
	Count       int64    `json:"count"`
	Density     *float64 `json:"density"`
	Duration    *float64 `json:"duration_seconds"`
	GapDensity  *float64 `json:"gap_density"`
	GapDuration *float64 `json:"gap_duration_seconds"`
	R           *float64 `json:"burst_r"`
}

// WriteJSON writes the report as one JSON object.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// report gathers what the analysis found.
func (a *analysis) report(src *source) *Report {
	src.endSection()
	f := File{
		Format: src.format, Gzip: src.gzip, LinkTypes: []string{},
		Packets: a.packets, BytesCaptured: a.captured, BytesOnWire: a.wire, Snapped: a.snapped,
		Backwards: a.backwards, Untimed: a.untimed,
		Stray: a.table.stray, RTCP: a.kinds[kindRTCP],
		OtherUDP: a.kinds[kindOther] + a.kinds[kindSTUN] + a.kinds[kindDTLS] + a.elsewhere,
		OtherIP:  a.outcomes[notUDP], NotIP: a.outcomes[notIP], Fragments: a.outcomes[fragment],
		TooShort:    a.outcomes[cutShort] + a.kinds[kindCut],
		Undecodable: a.outcomes[malformed] + a.outcomes[unknownLink],
		STUN:        a.kinds[kindSTUN], DTLS: a.kinds[kindDTLS], Partial: a.partial,
		Refused: int64(len(a.table.refused)),
	}
	for _, l := range a.sortedLinks() {
		f.LinkTypes = append(f.LinkTypes, linkName(l.link))
	}
	if !a.epoch.IsZero() {
		started := a.epoch.Add(time.Duration(a.first)).UTC().Format("2006-01-02T15:04:05.000000Z")
		f.Started, f.Duration = &started, seconds(time.Duration(a.last-a.first))
	}
	if src.droppedKnown {
		f.Dropped = &src.dropped
	}
	r := &Report{Schema: Schema, File: f, Streams: []Stream{}, Notes: []string{}}
	for _, s := range a.table.order {
		r.File.RTP += s.packets
		r.Streams = append(r.Streams, s.report())
	}
	r.note(a)
	return r
}

// note says what a reader of the report must know of the capture.
func (r *Report) note(a *analysis) {
	add := func(format string, args ...any) { r.Notes = append(r.Notes, fmt.Sprintf(format, args...)) }
	f := &r.File
	if f.Dropped != nil && *f.Dropped > 0 {
		add("the capturing host dropped %d packets: loss may be its own, not the network's", *f.Dropped)
	}
	if f.Refused > 0 {
		atLeast := ""
		if a.table.forced {
			atLeast = "more than "
		}
		add("%s%d streams beyond the limit of %d were not measured: raise --max-streams", atLeast, f.Refused, a.options.MaxStreams)
	}
	if f.Backwards > 0 {
		add("%d packets are older than the one before them: clocks stepped, or captures were joined out of order", f.Backwards)
	}
	if f.Untimed > 0 {
		add("%d packets have no usable time", f.Untimed)
	}
	if f.Partial > 0 || f.Fragments > 0 {
		add("IP fragments are not put together: %d first fragments stand for their packets, %d others were skipped", f.Partial, f.Fragments)
	}
	if n := a.outcomes[unknownLink]; n > 0 {
		add("%d packets are of a link type that is not known here", n)
	}
}

// report gives the figures of a finished stream.
func (s *stream) report() Stream {
	total, counts := s.receiver.Total(), s.receiver.Capture()
	out := Stream{
		SSRC: s.ssrc, SSRCHex: fmt.Sprintf("0x%08X", s.ssrc),
		Source:      addrPort(s.source, s.sourcePort),
		Destination: addrPort(s.destination, s.destinationPort),
		PayloadType: s.main, Codec: text(s.codecOf(s.main)),
		Packets: counts.Packets, Lost: s.lost(&counts),
		Expected: total.Expected, Received: total.Received, Missing: total.Lost,
		Duplicated: total.Duplicated, Reordered: total.Reordered, Late: total.Late,
		Restarts: total.Restarts,
		Notes:    []string{},
	}
	for _, t := range s.types {
		out.PayloadTypes = append(out.PayloadTypes, PayloadType{t.payloadType, text(s.codecOf(t.payloadType)), t.packets})
	}
	if s.clock != 0 {
		source := string(s.clockSource)
		out.ClockRate, out.ClockSource = &s.clock, &source
	}
	if frame := s.frame(); frame > 0 {
		out.Frame = seconds(frame)
	}
	if total.Expected > 0 {
		out.LossRatio = number(total.LossRatio())
	}
	if !s.untimed {
		out.Start, out.Duration = seconds(time.Duration(s.first)), seconds(time.Duration(s.latest-s.first))
		if took := float64(s.latest-s.first) / 1e9; took > 0 {
			out.Rate = number(float64(s.packets-1) / took)
			out.BitRate = number(float64(s.bytes()*8) / took * float64(s.packets-1) / float64(s.packets))
		}
	}
	out.worst = total.LossRatio()
	if s.timed() {
		s.reportTiming(&out, &total, &counts)
	}
	s.rate(&out, &total)
	s.note(&out, &total)
	return out
}

// reportTiming fills in what follows from times of arrival.
func (s *stream) reportTiming(out *Stream, total *rtpflow.Figures, counts *rtpflow.Capture) {
	if counts.Packets > 1 {
		out.JitterMax, out.JitterMean = seconds(counts.JitterMax), seconds(counts.JitterMean)
	}
	if total.Jitter.Samples > 0 {
		out.Jitter = seconds(total.Jitter.Last)
		out.NetworkJitter = &Jitter{Mean: seconds(total.Jitter.Mean), Max: seconds(total.Jitter.Max)}
	}
	if v := total.Variation; v.Count > 0 {
		out.Variation = &Quantiles{seconds(v.P50), seconds(v.P95), seconds(v.P99), seconds(v.Max)}
	}
	if total.Expected > 0 {
		out.Discarded, out.DiscardRatio = &total.Discarded, number(total.DiscardRatio())
		out.worst += total.DiscardRatio()
		b := &total.Bursts
		out.Burst = &Burst{
			Count: b.Count, Density: number(b.Density), Duration: seconds(b.Duration),
			GapDensity: number(b.GapDensity), GapDuration: seconds(b.GapDuration), R: number(b.BurstR),
		}
	}
	if total.Received > 0 {
		out.PlayoutDepth = seconds(total.Playout.Mean)
	}
	out.Discontinuities, out.RouteChanges = &total.Discontinuities, &total.RouteChanges
	if total.DriftKnown {
		out.Drift = rounded(total.DriftPPM, 1e3)
	}
}

// note says what a reader must know to trust the figures of a stream.
func (s *stream) note(out *Stream, total *rtpflow.Figures) {
	add := func(format string, args ...any) { out.Notes = append(out.Notes, fmt.Sprintf(format, args...)) }
	switch s.clockSource {
	case clockGuessed:
		add("clock rate %d Hz guessed from the timestamps: --payload-type %d=CODEC/RATE says it for certain", s.clock, s.main)
	case clockUnknown:
		add("clock rate of payload type %d unknown, so no jitter: say it with --payload-type %d=CODEC/RATE", s.main, s.main)
	}
	if s.untimed {
		add("packets without a time of arrival, so no jitter")
	}
	for _, t := range s.types {
		if rate, source := s.options.clockOf(t.payloadType); source != clockUnknown && s.clock != 0 && rate != s.clock {
			add("payload type %d has a clock of %d Hz; jitter and delay variation are wrong where it begins and ends", t.payloadType, rate)
		}
	}
	if s.typeOverflow {
		add("more than %d payload types; the further ones are not listed", mostTypes)
	}
	if out.Lost != out.Missing {
		add("packets_lost (%d) is the span of sequence numbers minus packets, packets_missing (%d) is what a listener missed: "+
			"%d duplicates, %d late, %d restarts", out.Lost, out.Missing, out.Duplicated, out.Late, out.Restarts)
	}
	if total.Discontinuities > 0 && s.timed() {
		add("the sender's timestamp stepped %d times: jitter_max_seconds shows it, network_jitter_seconds does not", total.Discontinuities)
	}
}

func (s *stream) bytes() (n int64) {
	for _, t := range s.types {
		n += t.bytes
	}
	return n
}

func addrPort(a [16]byte, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(a).Unmap(), port)
}

// linkName is how people call a link type.
func linkName(link layers.LinkType) string {
	switch link {
	case layers.LinkTypeEthernet:
		return "Ethernet"
	case layers.LinkTypeLinuxSLL:
		return "Linux cooked"
	case layers.LinkTypeLinuxSLL2:
		return "Linux cooked v2"
	case layers.LinkTypeNull, layers.LinkTypeLoop:
		return "loopback"
	case layers.LinkTypeRaw, linkRawBSD, linkRawOpenBSD:
		return "raw IP"
	case layers.LinkTypeIPv4:
		return "raw IPv4"
	case layers.LinkTypeIPv6:
		return "raw IPv6"
	}
	return fmt.Sprintf("link type %d", uint16(link))
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// seconds is exact to the nanosecond: the quotient is correctly rounded, so
// that its shortest form has at most nine decimals.
func seconds(d time.Duration) *float64 {
	s := float64(d) / float64(time.Second)
	return &s
}

func number(x float64) *float64 { return rounded(x, 1e9) }

// rounded drops digits that are noise of the arithmetic. What is not a number
// is not known.
func rounded(x, digits float64) *float64 {
	x = math.Round(x*digits) / digits
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	x += 0 // a negative zero becomes zero
	return &x
}
