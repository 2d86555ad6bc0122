package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/earshot-voip/earshot/probe"
)

// Text writes the result for a person: the ladder, both directions side by
// side, what else was found out, and the verdict last, where the eye is.
func Text(w io.Writer, r *probe.Result, o Options) error {
	c := newCanvas(o)
	c.title(r)
	c.line()
	for _, s := range ladder(r.Steps) {
		c.rung(s)
	}
	c.line()
	if r.RoundTrip.Sent > 0 || r.Uplink.Evidence.Known() || r.Downlink.Evidence.Known() {
		c.directions(r)
		c.line()
		c.facts(r)
	} else {
		c.fact("quality", "unknown: the call did not get as far as media")
	}
	c.line()
	c.verdict(r)
	_, err := io.WriteString(w, c.String())
	return err
}

func (c *canvas) title(r *probe.Result) {
	for _, line := range wrap(c.text(r.Target), c.Width) {
		c.line(c.tint(bold, line))
	}
	about := r.Started.UTC().Format("2006-01-02 15:04:05 UTC") + ", took " + duration(r.Elapsed)
	if r.Site != "" {
		about = c.text(r.Site) + ", " + about
	}
	if r.Name != "" && !strings.Contains(r.Target, r.Name) {
		about = c.text(r.Name) + ", " + about
	}
	for _, line := range wrap(about, c.Width) {
		c.line(c.tint(dim, line))
	}
}

// factLabel is how wide labels are, below the ladder.
const factLabel = 18

// fact writes a labelled line.
func (c *canvas) fact(label, text string) {
	for _, line := range wrap(c.text(text), c.Width-2-factLabel) {
		c.line("  ", pad(label, factLabel), line)
		label = ""
	}
}

// facts are what is known beside the two directions.
func (c *canvas) facts(r *probe.Result) {
	trip := "RTT unknown"
	if told := r.RoundTrip.Reported; told > 0 {
		trip = duration(told) + " by the far end's reports"
	}
	if q := r.RoundTrip.RTT; q.Count > 0 {
		trip = fmt.Sprintf("%s (median), %s (p95), %s (max)", duration(q.P50), duration(q.P95), duration(q.Max))
	}
	c.fact("round trip", fmt.Sprintf("%s; %d of %d packets came back", trip, r.RoundTrip.Returned, r.RoundTrip.Sent))
	c.fact("audio", audioText(&r.Audio))
	if r.Audio.GapCount > 0 {
		c.fact("missing", gapText(&r.Audio))
	}
	if r.Codec != nil {
		text := fmt.Sprintf("%s, %s kHz clock, %s a packet", r.Codec.Name, kilo(r.Codec.ClockRate), duration(r.Codec.Frame))
		if asked := r.Codec.Asked; asked != "" && asked != r.Codec.Name {
			text += "; the far end chose it, " + asked + " was asked for"
		}
		c.fact("codec", text)
	} else {
		c.fact("codec", unknown)
	}
	c.fact("route", routeText(r.Route))
	c.fact("echo", echoText(r.Echo))
	for _, d := range r.Deviations {
		c.fact("deviation", d)
	}
	for _, o := range r.Opinions {
		c.fact("far end says", opinionText(o))
	}
	c.fact("this probe", selfText(&r.Self))
	for _, reason := range r.Self.Reasons {
		c.fact("", reason)
	}
}

func kilo(n int) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/1000), ".0") }

func routeText(r *probe.Route) string {
	if r == nil {
		return unknown
	}
	kind := "direct, " + r.Local.Protocol
	switch {
	case r.Server != "":
		kind = "relayed over " + strings.ToUpper(r.Transport) + " by " + r.Server
	case r.Relayed:
		kind = "relayed, " + r.Local.Protocol
	}
	return fmt.Sprintf("%s: %s %v ↔ %s %v", kind, r.Local.Type, r.Local.Address, r.Remote.Type, r.Remote.Address)
}

func echoText(k probe.EchoKind) string {
	switch k {
	case probe.EchoStamping:
		return "stamping: it tells per packet when what was sent arrived"
	case probe.EchoReflector:
		return "reflector: it returns our packets with their numbers"
	case probe.EchoRebuilder:
		return "rebuilder: it returns our audio in packets of its own"
	case probe.EchoTranscoder:
		return "transcoder: it returns our audio decoded and encoded again"
	}
	return unknown
}

// opinionText is what the far end said of the quality.
func opinionText(o probe.Opinion) string {
	text := o.Source + " " + o.Text
	if o.MOS != nil {
		text = fmt.Sprintf("MOS %.1f (%s)", *o.MOS, text)
	}
	return text
}

// selfText is the instrument's own error.
func selfText(s *probe.Self) string {
	if !measured(s) {
		return unknown
	}
	text := "trusted"
	if !s.Trusted {
		text = "NOT TRUSTED"
	}
	if s.SendLate.Count > 0 {
		text += fmt.Sprintf("; sends %s late (p99), %d slots missed", duration(s.SendLate.P99), s.SlotsMissed)
	}
	if s.SendStalls > 0 {
		text += fmt.Sprintf(", %d sends stalled", s.SendStalls)
	}
	if s.ReceiveWake.Count > 0 {
		text += fmt.Sprintf("; wakes %s after arrival (p99)", duration(s.ReceiveWake.P99))
	}
	if s.SendErrors > 0 {
		text += fmt.Sprintf("; send errors: %d", s.SendErrors)
	}
	if s.KernelTimestamps {
		return text + "; arrival times by the kernel"
	}
	return text + "; arrival times by this process"
}

// verdict writes the outcome, the sentence and the hint.
func (c *canvas) verdict(r *probe.Result) {
	word, tone := strings.ToUpper(string(r.Verdict)), map[probe.Verdict]paint{
		probe.Good: "1;32", probe.Degraded: "1;33", probe.Failed: alarm, probe.Untrusted: "1;35",
	}[r.Verdict]
	where := ""
	if r.Failure != nil {
		where = fmt.Sprintf(" at %s (%s)", r.Failure.Layer, r.Failure.Code)
	}
	c.line(c.tint(tone, word), where)
	for _, line := range wrap(c.text(r.Summary), c.Width) {
		c.line(line)
	}
	if h := hint(r); h != "" {
		for _, line := range wrap("hint: "+c.text(h), c.Width) {
			c.line(line)
		}
	}
}

// hint names the next thing to do; empty when there is none.
func hint(r *probe.Result) string {
	switch {
	case r.Failure != nil:
		return r.Failure.Hint
	case r.Verdict == probe.Untrusted && len(r.Self.Reasons) > 0:
		return "this host was too busy to measure; free its CPUs or place fewer calls, then call again"
	}
	return ""
}
