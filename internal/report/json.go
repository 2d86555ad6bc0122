package report

import (
	"encoding/json"
	"io"
	"math"
	"time"

	"github.com/earshot-voip/earshot/probe"
)

// Schema names the JSON object and the version of its meaning.
const Schema = "earshot.report/v1"

// JSON writes the result as one JSON object: times in seconds, ratios within
// 0..1, counts; null for what is not known. Fields may be added to it; none
// changes its name or meaning within a version of Schema.
func JSON(w io.Writer, r *probe.Result) error { return writeJSON(w, newDocument(r)) }

func writeJSON(w io.Writer, document any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(document)
}

// document is the object. A pointer is null when its value is not known.
type document struct {
	Schema  string   `json:"schema"`
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Site    string   `json:"site"`
	Target  string   `json:"target"`
	Started string   `json:"started"` // RFC 3339, UTC, milliseconds
	Elapsed *float64 `json:"elapsed_seconds"`

	Verdict probe.Verdict `json:"verdict"`
	Summary string        `json:"summary"`
	Failure *failure      `json:"failure"`
	Layers  []layer       `json:"layers"`

	FirstMedia *float64 `json:"first_media_seconds"`
	Codec      *codec   `json:"codec"`
	Route      *route   `json:"route"`
	Echo       struct {
		Kind probe.EchoKind `json:"kind"`
	} `json:"echo"`
	Deviations   []string      `json:"deviations"`
	Opinions     []opinion     `json:"second_opinions"`
	Certificates []certificate `json:"certificates"`

	Uplink    direction `json:"uplink"`
	Downlink  direction `json:"downlink"`
	RoundTrip roundTrip `json:"round_trip"`
	Audio     audio     `json:"audio"`
	Self      self      `json:"self"`

	Windows        []window `json:"windows"`
	WindowsDropped int      `json:"windows_dropped"` // older than the first in windows
}

type failure struct {
	Layer probe.Layer `json:"layer"`
	Code  probe.Code  `json:"code"`
	Hint  string      `json:"hint"`
	Error string      `json:"error"`
}

type layer struct {
	Layer   probe.Layer `json:"layer"`
	State   probe.State `json:"state"`
	Start   *float64    `json:"start_seconds"` // null, as seconds, unless it ran
	Seconds *float64    `json:"seconds"`
	Detail  string      `json:"detail"`
}

type codec struct {
	Name      string   `json:"name"`
	ClockRate int      `json:"clock_rate"`
	Frame     *float64 `json:"frame_seconds"`
	Asked     string   `json:"asked"`
}

type endpoint struct {
	Address  string `json:"address"`
	Type     string `json:"type"`
	Protocol string `json:"protocol"`
}

type route struct {
	Local   endpoint `json:"local"`
	Remote  endpoint `json:"remote"`
	Relayed bool     `json:"relayed"`
	Relay   *relay   `json:"relay"` // null unless relayed
}

// relay is the TURN server on this side of a route.
type relay struct {
	Server    string `json:"server"`
	Transport string `json:"transport"` // udp, tcp or tls
}

type certificate struct {
	Hop      string `json:"hop"`
	NotAfter string `json:"not_after"`
}

// opinion is what the far end said of the quality in its own words.
type opinion struct {
	Source string   `json:"source"`
	Text   string   `json:"text"`
	MOS    *float64 `json:"mos"` // null when it said none
}

type roundTrip struct {
	Sent      int64      `json:"packets_sent"`
	Returned  int64      `json:"packets_returned"`
	LossRatio *float64   `json:"loss_ratio"` // null when nothing was sent
	RTT       *quantiles `json:"rtt_seconds"`
	Reported  *float64   `json:"reported_rtt_seconds"` // by the far end's reception reports
}

// self is null in what the call did not get to measure.
type self struct {
	Trusted     *bool      `json:"trusted"`
	Reasons     []string   `json:"reasons"`
	Timestamps  *string    `json:"timestamps"`
	SendLate    *quantiles `json:"send_late_seconds"`
	SlotsMissed *int64     `json:"slots_missed"`
	SendStalls  *int64     `json:"send_stalls"`
	ReceiveWake *quantiles `json:"receive_wake_seconds"`
	SocketDrops *int64     `json:"socket_drops"`
	SendErrors  *int64     `json:"send_errors"`
}

type window struct {
	Start    *float64   `json:"start_seconds"` // since media began
	Seconds  *float64   `json:"seconds"`
	Trusted  bool       `json:"trusted"`
	Uplink   direction  `json:"uplink"`
	Downlink direction  `json:"downlink"`
	RTT      *quantiles `json:"rtt_seconds"`

	Audio windowAudio `json:"audio"`
}

func newDocument(r *probe.Result) document {
	d := document{
		Schema: Schema, ID: r.ID, Name: r.Name, Site: r.Site, Target: r.Target,
		Started: timestamp(r.Started), Elapsed: seconds(r.Elapsed),
		Verdict: r.Verdict, Summary: r.Summary,
		Layers:         newLayers(r.Steps),
		Deviations:     append([]string{}, r.Deviations...),
		Opinions:       make([]opinion, 0, len(r.Opinions)),
		Certificates:   make([]certificate, 0, len(r.Certificates)),
		Uplink:         newDirection(&r.Uplink),
		Downlink:       newDirection(&r.Downlink),
		RoundTrip:      newRoundTrip(&r.RoundTrip),
		Audio:          newAudio(&r.Audio),
		Self:           newSelf(&r.Self),
		Windows:        make([]window, 0, len(r.Windows)),
		WindowsDropped: r.WindowsDropped,
	}
	d.Echo.Kind = r.Echo
	if f := r.Failure; f != nil {
		d.Failure = &failure{Layer: f.Layer, Code: f.Code, Hint: f.Hint}
		if f.Err != nil {
			d.Failure.Error = f.Err.Error()
		}
	}
	if r.FirstMedia > 0 {
		d.FirstMedia = seconds(r.FirstMedia)
	}
	if c := r.Codec; c != nil {
		d.Codec = &codec{Name: c.Name, ClockRate: c.ClockRate, Frame: seconds(c.Frame), Asked: c.Asked}
	}
	if t := r.Route; t != nil {
		d.Route = &route{Local: newEndpoint(t.Local), Remote: newEndpoint(t.Remote), Relayed: t.Relayed}
		if t.Server != "" {
			d.Route.Relay = &relay{t.Server, t.Transport}
		}
	}
	for _, o := range r.Opinions {
		d.Opinions = append(d.Opinions, opinion(o))
	}
	for _, c := range r.Certificates {
		d.Certificates = append(d.Certificates, certificate{Hop: c.Hop, NotAfter: timestamp(c.NotAfter)})
	}
	for i := range r.Windows {
		d.Windows = append(d.Windows, newWindow(&r.Windows[i]))
	}
	return d
}

func newLayers(steps []probe.Step) []layer {
	list := make([]layer, 0, len(probe.Layers))
	for _, s := range ladder(steps) {
		one := layer{Layer: s.Layer, State: s.State, Detail: s.Detail}
		if ran(s) {
			one.Start, one.Seconds = seconds(s.Start), seconds(s.Took)
		}
		list = append(list, one)
	}
	return list
}

func newEndpoint(e probe.Endpoint) endpoint {
	one := endpoint{Type: e.Type, Protocol: e.Protocol}
	if e.Address.IsValid() {
		one.Address = e.Address.String()
	}
	return one
}

func newRoundTrip(r *probe.RoundTrip) roundTrip {
	t := roundTrip{Sent: r.Sent, Returned: r.Returned, RTT: newQuantiles(r.RTT)}
	if r.Reported > 0 {
		t.Reported = seconds(r.Reported)
	}
	if r.Sent > 0 {
		t.LossRatio = number(r.LossRatio())
	}
	return t
}

func newSelf(s *probe.Self) self {
	out := self{Reasons: append([]string{}, s.Reasons...)}
	if !measured(s) {
		return out
	}
	clock := "user"
	if s.KernelTimestamps {
		clock = "kernel"
	}
	out.Trusted, out.Timestamps = &s.Trusted, &clock
	out.SendLate, out.ReceiveWake = newQuantiles(s.SendLate), newQuantiles(s.ReceiveWake)
	out.SlotsMissed, out.SendStalls = &s.SlotsMissed, &s.SendStalls
	out.SocketDrops, out.SendErrors = &s.SocketDrops, &s.SendErrors
	return out
}

func newWindow(w *probe.Window) window {
	return window{
		Start: seconds(w.Start), Seconds: seconds(w.Length), Trusted: w.Trusted,
		Uplink: newDirection(&w.Uplink), Downlink: newDirection(&w.Downlink),
		RTT:   newQuantiles(w.RTT),
		Audio: newWindowAudio(&w.Audio),
	}
}

func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// seconds is exact to the nanosecond and has no more digits than that: the
// quotient is correctly rounded, so its shortest form has at most nine decimals.
func seconds(d time.Duration) *float64 {
	s := float64(d) / float64(time.Second)
	return &s
}

// number drops digits that are noise of the arithmetic. What is not a number is
// not known.
func number(x float64) *float64 { return rounded(x, 1e9) }

func rounded(x, digits float64) *float64 {
	x = math.Round(x*digits) / digits
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	if x == 0 {
		x = 0 // also for a negative zero
	}
	return &x
}
