package capture

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// WriteText writes the report for a person: the capture, then the streams, the
// worst first. It is plain ASCII.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	r.File.write(&b, r.Name)
	for _, n := range r.Notes {
		line(&b, "note", "%s", n)
	}
	order := make([]*Stream, len(r.Streams))
	for i := range r.Streams {
		order[i] = &r.Streams[i]
	}
	slices.SortStableFunc(order, worseFirst)
	for _, s := range order {
		b.WriteString("\n")
		s.write(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// worseFirst orders by what was not heard, then by jitter. Scores are of
// different scales, and not every stream has one.
func worseFirst(a, b *Stream) int {
	if c := cmp.Compare(b.worst, a.worst); c != 0 {
		return c
	}
	jitter := func(s *Stream) float64 {
		if s.NetworkJitter == nil {
			return 0
		}
		return *s.NetworkJitter.Max
	}
	return cmp.Compare(jitter(b), jitter(a))
}

func line(b *strings.Builder, label, format string, args ...any) {
	fmt.Fprintf(b, "  %-10s%s\n", label, fmt.Sprintf(format, args...))
}

func (f *File) write(b *strings.Builder, name string) {
	format := f.Format
	if f.Gzip {
		format += " in gzip"
	}
	if len(f.LinkTypes) > 0 {
		format += ", " + strings.Join(f.LinkTypes, ", ")
	}
	fmt.Fprintf(b, "%s: %s\n", name, format)
	took := ""
	if f.Duration != nil {
		took = fmt.Sprintf(" in %s from %s", duration(*f.Duration), *f.Started)
	}
	line(b, "packets", "%d%s, %d bytes", f.Packets, took, f.BytesCaptured)
	parts := []string{fmt.Sprintf("%d in RTP streams", f.RTP)}
	for _, p := range []struct {
		n    int64
		what string
	}{
		{f.Stray, "RTP-like in no stream"}, {f.RTCP, "RTCP"}, {f.STUN, "STUN"}, {f.DTLS, "DTLS"},
		{f.OtherUDP - f.STUN - f.DTLS, "other UDP"}, {f.OtherIP, "other IP"}, {f.NotIP, "not IP"},
		{f.Fragments, "further fragments"}, {f.TooShort, "too short"}, {f.Undecodable, "not decoded"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	line(b, "of these", "%s", strings.Join(parts, ", "))
	if f.Snapped > 0 {
		line(b, "cut", "%d packets were not captured to their end", f.Snapped)
	}
	if f.Damage != "" {
		line(b, "damage", "%s", f.Damage)
	}
}

func (s *Stream) write(b *strings.Builder) {
	fmt.Fprintf(b, "%v -> %v  SSRC %s\n", s.Source, s.Destination, s.SSRCHex)
	line(b, "codec", "%s", s.codecText())
	flow := fmt.Sprintf("%d", s.Packets)
	if s.Duration != nil {
		flow += " in " + duration(*s.Duration)
	}
	if s.Rate != nil {
		flow += fmt.Sprintf(", %.1f a second, %.1f kbit/s of payload", *s.Rate, *s.BitRate/1000)
	}
	line(b, "packets", "%s", flow)
	s.writeLoss(b)
	s.writeTiming(b)
	s.writeScore(b)
	for _, n := range s.Notes {
		line(b, "note", "%s", n)
	}
}

func (s *Stream) codecText() string {
	codec := "unknown"
	if s.Codec != nil {
		codec = *s.Codec
	}
	out := fmt.Sprintf("%s, payload type %d", codec, s.PayloadType)
	if s.ClockRate != nil {
		out += fmt.Sprintf(", %d Hz (%s)", *s.ClockRate, *s.ClockSource)
	}
	if s.Frame != nil {
		out += fmt.Sprintf(", %s a packet", duration(*s.Frame))
	}
	for _, t := range s.PayloadTypes {
		if t.PayloadType == s.PayloadType {
			continue
		}
		name := ""
		if t.Codec != nil {
			name = " " + *t.Codec
		}
		out += fmt.Sprintf("; %d of type %d%s", t.Packets, t.PayloadType, name)
	}
	return out
}

func (s *Stream) writeLoss(b *strings.Builder) {
	loss := fmt.Sprintf("%d of %d missing", s.Missing, s.Expected)
	if s.LossRatio != nil {
		loss += fmt.Sprintf(" (%.2f %%)", *s.LossRatio*100)
	}
	if s.Discarded != nil {
		loss += fmt.Sprintf(", %d came too late to be played", *s.Discarded)
	}
	if s.Lost != s.Missing {
		loss += fmt.Sprintf("; lost as Wireshark counts: %d", s.Lost)
	}
	line(b, "loss", "%s", loss)
	if s.Burst != nil && (s.Missing > 0 || *s.Discarded > 0) {
		bursts := "none"
		if s.Burst.Count > 0 {
			bursts = fmt.Sprintf("%d of %s, density %.2f", s.Burst.Count, duration(*s.Burst.Duration), *s.Burst.Density)
		}
		line(b, "bursts", "%s; density %.4f between them, BurstR %.2f", bursts, *s.Burst.GapDensity, *s.Burst.R)
	}
	var odd []string
	for _, p := range []struct {
		n    int64
		what string
	}{
		{s.Duplicated, "duplicated"}, {s.Reordered, "reordered"}, {s.Late, "over a second late"}, {int64(s.Restarts), "restarts"},
	} {
		if p.n > 0 {
			odd = append(odd, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	if len(odd) > 0 {
		line(b, "order", "%s", strings.Join(odd, ", "))
	}
}

func (s *Stream) writeTiming(b *strings.Builder) {
	if s.JitterMax == nil {
		line(b, "jitter", "unknown")
		return
	}
	jitter := fmt.Sprintf("max %s, mean %s", duration(*s.JitterMax), duration(*s.JitterMean))
	if s.NetworkJitter != nil {
		jitter += ", at the end " + duration(*s.Jitter)
		if *s.NetworkJitter.Max != *s.JitterMax {
			jitter += ", without the sender's steps max " + duration(*s.NetworkJitter.Max)
		}
	}
	line(b, "jitter", "%s", jitter)
	if v := s.Variation; v != nil {
		line(b, "variation", "p50 %s, p95 %s, p99 %s, max %s; playout %s deep", duration(*v.P50), duration(*v.P95),
			duration(*v.P99), duration(*v.Max), duration(*s.PlayoutDepth))
	}
	if s.Drift != nil {
		line(b, "clock", "drifts by %.1f ppm", *s.Drift)
	}
}

func (s *Stream) writeScore(b *strings.Builder) {
	if s.Score == nil {
		line(b, "score", "none: %s", *s.ScoreReason)
		return
	}
	between := func(low, high *float64) string {
		if low == nil {
			return ""
		}
		return fmt.Sprintf(" (%.2f to %.2f)", *low, *high)
	}
	r := s.Score
	out := fmt.Sprintf("MOS %.2f%s listening", *r.MOSListening, between(r.MOSListeningLow, r.MOSListeningHigh))
	if r.MOS != nil {
		out += fmt.Sprintf(", %.2f%s talking with %s one way", *r.MOS, between(r.MOSLow, r.MOSHigh), duration(*r.OneWayDelay))
	}
	out += fmt.Sprintf("; %s on the %s scale", r.Model, r.Scale)
	if r.Provisional {
		out += ", provisional: not ITU values"
	}
	line(b, "score", "%s", out)
}

// duration writes seconds with the unit that suits them.
func duration(s float64) string {
	switch {
	case s >= 60:
		return time.Duration(s * float64(time.Second)).Round(time.Second).String()
	case s >= 1:
		return fmt.Sprintf("%.2f s", s)
	}
	return fmt.Sprintf("%.3f ms", s*1000)
}
