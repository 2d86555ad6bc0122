package web

import (
	"fmt"
	"html/template"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/probe"
)

// callBody is the page of a call.
type callBody struct {
	*document
	Scale  string
	Rungs  []rung
	Ruler  []string // labels over the ladder's bars, evenly spaced
	Plots  []plot
	Table  []windowRow
	Merged int // windows in a row of the table
	Facts  []fact
	Limit  float64
}

// Measured reports whether anything is known of the media.
func (b callBody) Measured() bool {
	return b.Uplink.Evidence.Known() || b.Downlink.Evidence.Known() || b.RoundTrip.Sent > 0
}

// Took is how long the call lasted.
func (b callBody) Took() time.Duration { return time.Duration(b.Elapsed * float64(time.Second)) }

// fact is a labelled line.
type fact struct{ Label, Text string }

func (s *Server) call(w http.ResponseWriter, r *http.Request) {
	raw, err := s.report(r.PathValue("id"))
	if err != nil {
		s.fail(w, err)
		return
	}
	d, err := readDocument(raw)
	if err != nil {
		s.fail(w, err)
		return
	}
	s.show(w, http.StatusOK, "call", string(d.Verdict)+" call to "+d.Name, "calls", newCallBody(d, s.limitOf(d.Name)))
}

// limitOf is the score under which a target counts as bad; NaN when it is not
// in the plan any more.
func (s *Server) limitOf(name string) float64 {
	for _, job := range s.config.Status().Jobs {
		if job.Job.Name() == name {
			return job.Job.Target.WithDefaults().Limits.BadMOS
		}
	}
	return math.NaN()
}

func newCallBody(d *document, limit float64) callBody {
	b := callBody{document: d, Scale: d.scale(), Limit: limit, Plots: windowPlots(d.Windows, limit), Facts: facts(d)}
	b.Rungs, b.Ruler = ladder(d.Layers)
	b.Table, b.Merged = windowTable(d.Windows)
	return b
}

// rung is a layer in the ladder.
type rung struct {
	docLayer
	Ran    bool
	Beyond bool // began where the scale has ended
	Bar    template.HTML
}

// ladder makes the waterfall. The media of a call takes a thousand times as long
// as what leads up to it, so the scale ends shortly after the last layer before
// media; what goes on beyond it is drawn with an open end.
func ladder(layers []docLayer) ([]rung, []string) {
	end, last := 0.0, 0.0
	for _, l := range layers {
		if l.Start == nil || l.Seconds == nil {
			continue
		}
		last = max(last, *l.Start+*l.Seconds)
		if l.Layer != probe.LayerMedia && l.Layer != probe.LayerAudio && l.Layer != probe.LayerQuality {
			end = max(end, *l.Start+*l.Seconds)
		}
	}
	if end = rulerEnd(1.1 * end); last <= end {
		end = rulerEnd(last)
	}
	list := make([]rung, 0, len(layers))
	for _, l := range layers {
		one := rung{docLayer: l}
		if l.Start != nil && l.Seconds != nil {
			one.Ran, one.Beyond, one.Bar = true, *l.Start > end, bar(*l.Start/end, *l.Seconds/end, l.State)
		}
		list = append(list, one)
	}
	return list, labels(0, end, 4, axisText(seconds))
}

// rulerEnd is the least end of a ruler not under x whose quarters are short
// numbers.
func rulerEnd(x float64) float64 {
	x = max(x, 0.001)
	unit := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8} {
		if m*unit >= x*(1-1e-9) {
			return m * unit
		}
	}
	return 10 * unit
}

// bar draws one layer on the scale 0..1.
func bar(start, length float64, state probe.State) template.HTML {
	const least = 4.0 // units: a bar that can be seen
	x := min(start, 1) * plotWidth
	width := max(length*plotWidth, least)
	open := x+width > plotWidth+0.5
	width = min(width, plotWidth-x)
	if width < least {
		x, width = plotWidth-least, least
	}
	class := "bar " + string(state)
	if open {
		class += " open"
	}
	return template.HTML(fmt.Sprintf(`<svg viewBox="0 0 %d 10" preserveAspectRatio="none" aria-hidden="true" focusable="false"><rect class="%s" x="%s" y="0" width="%s" height="10"/></svg>`,
		plotWidth, template.HTMLEscapeString(class), short(x), short(width)))
}

// windowRow is one line of the table of windows: the worst of those in it.
type windowRow struct {
	Start                            time.Duration
	UpMOS, DownMOS, UpLoss, DownLoss *float64
	UpJitter, DownJitter, RTT        *float64
	Trusted                          bool
}

const mostRows = 60

// windowTable merges neighbours when there are too many to read.
func windowTable(windows []docWindow) (rows []windowRow, merged int) {
	merged = (len(windows) + mostRows - 1) / mostRows
	for i := 0; i < len(windows); i += merged {
		row := windowRow{Start: time.Duration(windows[i].Start * float64(time.Second)), Trusted: true}
		for k := i; k < min(i+merged, len(windows)); k++ {
			row.add(&windows[k])
		}
		rows = append(rows, row)
	}
	return rows, merged
}

func (r *windowRow) add(w *docWindow) {
	lowest := func(at **float64, x *float64) {
		if x != nil && (*at == nil || *x < **at) {
			*at = x
		}
	}
	highest := func(at **float64, x *float64) {
		if x != nil && (*at == nil || *x > **at) {
			*at = x
		}
	}
	lowest(&r.UpMOS, w.Uplink.mos())
	lowest(&r.DownMOS, w.Downlink.mos())
	highest(&r.UpLoss, w.Uplink.lossAndDiscards())
	highest(&r.DownLoss, w.Downlink.lossAndDiscards())
	highest(&r.UpJitter, w.Uplink.Jitter)
	highest(&r.DownJitter, w.Downlink.Jitter)
	highest(&r.RTT, quantile(w.RTT, func(q *docQuantiles) *float64 { return q.P50 }))
	r.Trusted = r.Trusted && w.Trusted
}

// facts are what is known beside the figures.
func facts(d *document) []fact {
	var list []fact
	add := func(label, text string) { list = append(list, fact{label, text}) }
	add("Codec", codecText(d.Codec))
	add("Route", routeText(d.Route))
	add("Echo", echoText(d.Echo.Kind))
	add("Audio", audioText(d.Audio))
	add("First media", textOr(d.FirstMedia, seconds, "none came back"))
	for _, c := range d.Certificates {
		add("Certificate", fmt.Sprintf("%s, valid until %s", c.Hop, c.NotAfter.UTC().Format("2006-01-02 15:04 UTC")))
	}
	for _, deviation := range d.Deviations {
		add("Deviation", deviation)
	}
	return append(list, selfFacts(d.Self)...)
}

func textOr(x *float64, format func(float64) string, other string) string {
	if x == nil {
		return other
	}
	return format(*x)
}

const notKnown = "unknown"

func codecText(c *docCodec) string {
	if c == nil {
		return notKnown
	}
	text := fmt.Sprintf("%s, %g kHz clock, %s a packet", c.Name, float64(c.ClockRate)/1000, trimZeros(seconds(c.Frame)))
	if c.Asked != "" && c.Asked != c.Name {
		text += "; " + c.Asked + " was asked for"
	}
	return text
}

func routeText(r *docRoute) string {
	if r == nil {
		return notKnown
	}
	kind := "direct"
	if r.Relayed {
		kind = "relayed"
	}
	return fmt.Sprintf("%s over %s: %s %s to %s %s", kind, strings.ToUpper(r.Local.Protocol), r.Local.Type, r.Local.Address, r.Remote.Type, r.Remote.Address)
}

func echoText(k probe.EchoKind) string {
	switch k {
	case probe.EchoStamping:
		return "stamping: it tells of each packet when it arrived"
	case probe.EchoReflector:
		return "reflector: it returns our packets with their numbers"
	case probe.EchoRebuilder:
		return "rebuilder: it returns our audio in packets of its own"
	case probe.EchoTranscoder:
		return "transcoder: it returns our audio decoded and encoded again"
	}
	return notKnown
}

func audioText(a docAudio) string {
	text := map[probe.AudioState]string{
		probe.AudioOK: "what was sent came back", probe.AudioSilent: "silence came back",
		probe.AudioWrong: "something else than what was sent came back", probe.AudioOneWay: "media goes in one direction only",
		probe.AudioNotChecked: "not checked",
	}[a.State]
	if text == "" {
		text = notKnown
	}
	if a.Match != nil {
		text += fmt.Sprintf("; %s of the frames match", percent(*a.Match))
	}
	if a.Level != nil {
		text += fmt.Sprintf("; level %.1f dBov", *a.Level)
	}
	return text
}

// selfFacts are the instrument's own error.
func selfFacts(s docSelf) []fact {
	if s.Trusted == nil {
		return []fact{{"This probe", notKnown}}
	}
	text := "trusted"
	if !*s.Trusted {
		text = "not trusted"
	}
	late := func(q *docQuantiles) string {
		if q == nil {
			return notKnown
		}
		return textOr(q.P99, seconds, notKnown)
	}
	list := []fact{{"This probe", text}, {"Sends late by", late(s.SendLate) + " (p99)"}, {"Wakes late by", late(s.ReceiveWake) + " (p99)"}}
	if s.SlotsMissed != nil && s.SocketDrops != nil {
		list = append(list, fact{"Own losses", fmt.Sprintf("%d send slots missed, %d packets dropped at its own socket", *s.SlotsMissed, *s.SocketDrops)})
	}
	if s.Timestamps != nil {
		by := map[string]string{"kernel": "the kernel", "user": "this process"}[*s.Timestamps]
		list = append(list, fact{"Arrival times by", by})
	}
	for _, reason := range s.Reasons {
		list = append(list, fact{"Reason", reason})
	}
	return list
}
