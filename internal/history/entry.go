package history

import (
	"encoding/json"
	"time"

	"github.com/earshot-voip/earshot/probe"
)

// Entry is a call in a list: what is needed to find it and to compare it with
// others. Its report has the rest.
type Entry struct {
	ID      string        `json:"id"`
	Name    string        `json:"name"` // of the target
	Site    string        `json:"site"`
	Target  string        `json:"target"` // without secrets
	Started time.Time     `json:"started"`
	Elapsed float64       `json:"elapsed_seconds"`
	Verdict probe.Verdict `json:"verdict"`
	Layer   probe.Layer   `json:"layer,omitempty"` // of the failure
	Code    probe.Code    `json:"code,omitempty"`
	Summary string        `json:"summary"`
	Figures
}

// Figures are those of a call, or of a window. A nil is not known.
type Figures struct {
	Scale    string    `json:"scale,omitempty"` // of the scores: nb, wb, fb
	Uplink   Direction `json:"uplink"`
	Downlink Direction `json:"downlink"`
	RTT      *float64  `json:"rtt_seconds"` // median
}

// Direction holds the figures of one direction.
type Direction struct {
	MOS    *float64 `json:"mos"`
	Loss   *float64 `json:"loss_ratio"` // lost and discarded
	Jitter *float64 `json:"jitter_seconds"`
}

// Point is a moment of a target: a call, or a window of a call that stays up.
type Point struct {
	Time    time.Time     `json:"time"`
	Verdict probe.Verdict `json:"verdict,omitempty"` // of a call; of a window only when it is untrusted
	Figures
}

// NewEntry condenses a result.
func NewEntry(r *probe.Result) Entry {
	e := Entry{
		ID: r.ID, Name: r.Name, Site: r.Site, Target: r.Target,
		Started: r.Started.UTC().Truncate(time.Millisecond), Elapsed: r.Elapsed.Seconds(),
		Verdict: r.Verdict, Summary: r.Summary,
		Figures: newFigures(&r.Uplink, &r.Downlink, r.RoundTrip.RTT),
	}
	if f := r.Failure; f != nil {
		e.Layer, e.Code = f.Layer, f.Code
	}
	return e
}

// point of a finished call.
func (e Entry) point() Point {
	at := e.Started.Add(time.Duration(e.Elapsed * float64(time.Second)))
	return Point{Time: at, Verdict: e.Verdict, Figures: e.Figures}
}

// NewWindowPoint is the point of a window that closed just then.
func NewWindowPoint(at time.Time, w *probe.Window) Point {
	p := Point{Time: at.UTC(), Figures: newFigures(&w.Uplink, &w.Downlink, w.RTT)}
	if !w.Trusted {
		p.Verdict = probe.Untrusted
	}
	return p
}

func newFigures(up, down *probe.Direction, rtt probe.Quantiles) Figures {
	f := Figures{Uplink: newDirection(up), Downlink: newDirection(down)}
	for _, s := range []*probe.Score{up.Score, down.Score} {
		if s != nil {
			f.Scale = s.Scale
		}
	}
	if rtt.Count > 0 {
		f.RTT = known(rtt.P50.Seconds())
	}
	return f
}

func newDirection(d *probe.Direction) Direction {
	var out Direction
	if d.Score != nil {
		out.MOS = known(d.Score.MOS)
	}
	if d.Evidence.Known() && d.Expected > 0 {
		loss := d.LossRatio()
		if d.Evidence.PerPacket() {
			loss += d.DiscardRatio()
		}
		out.Loss = known(loss)
	}
	if d.Evidence.Known() && d.Received > 1 {
		out.Jitter = known(d.Jitter.Seconds())
	}
	return out
}

func known(x float64) *float64 { return &x }

func (e Entry) encode() []byte {
	b, err := json.Marshal(e)
	if err != nil { // a figure that is no number: keep what can be kept
		e.Figures = Figures{}
		b, _ = json.Marshal(e)
	}
	return b
}

func decodeEntry(b []byte) (Entry, error) {
	var e Entry
	err := json.Unmarshal(b, &e)
	return e, err
}
