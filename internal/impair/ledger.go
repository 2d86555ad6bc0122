package impair

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Ledger is what a link did. As JSON it has the names in the tags, times in
// seconds, and per packet the form that [Record] documents.
type Ledger struct {
	Profile string `json:"profile"` // text of the profile or schedule the link began with

	Offered    int64  `json:"packets_offered"`
	Delivered  int64  `json:"packets_delivered"` // once or twice
	Lost       int64  `json:"packets_lost"`      // for whatever cause; Offered - Delivered
	ByCause    Losses `json:"lost_by_cause"`
	Duplicated int64  `json:"packets_duplicated"` // delivered twice

	// Reordered counts packets that first arrived after a packet that was
	// offered later. Packets that arrive at the same time keep their order.
	Reordered int64 `json:"packets_reordered"`

	LossRuns       int64 `json:"loss_runs"` // groups of packets lost in a row
	LongestLossRun int64 `json:"loss_run_longest"`

	// The first arrival of each delivered packet counts; all are 0 without one.
	DelayMean float64 `json:"delay_mean_seconds"`
	DelayStd  float64 `json:"delay_std_seconds"` // of the delivered packets themselves, divided by their number
	DelayMin  float64 `json:"delay_min_seconds"`
	DelayMax  float64 `json:"delay_max_seconds"`

	// InFlight counts datagrams, copies among them, that count as delivered and
	// that a Line still holds: those the receiver cannot have seen.
	InFlight int64 `json:"datagrams_in_flight"`

	Unrecorded int64    `json:"packets_unrecorded"` // offered without a place in Packets
	Packets    []Record `json:"packets,omitempty"`  // in the order offered; see Link.Record
}

// Losses counts lost packets by [Cause].
type Losses struct {
	Random   int64 `json:"random"`
	Outage   int64 `json:"outage"`
	Queue    int64 `json:"queue"`
	Overflow int64 `json:"overflow"`
}

// Record is the fate of one packet. Its place in [Ledger.Packets] is its index.
// As JSON:
//
//	{"tag":65535,"at_seconds":1.28,"size":172,"cause":"delivered",
//	 "delay_seconds":0.0831,"copy_delay_seconds":0.0912,"reordered":true}
//
// delay_seconds is absent for a lost packet, copy_delay_seconds for one without a
// copy, reordered where it is false.
type Record struct {
	Tag       uint64
	At        time.Duration // as offered
	Size      int           // bytes
	Reordered bool          // its first arrival came after that of a packet offered later
	Fate
}

// Arrival is the time of the packet's first arrival, and false if it was lost.
func (r Record) Arrival() (at time.Duration, ok bool) {
	return r.At + r.first(), r.Cause == Delivered
}

func (f Fate) first() time.Duration {
	if f.Duplicated {
		return min(f.Delay, f.CopyDelay)
	}
	return f.Delay
}

// recordJSON is the form of a Record on the wire.
type recordJSON struct {
	Tag       uint64   `json:"tag"`
	At        float64  `json:"at_seconds"`
	Size      int      `json:"size"`
	Cause     string   `json:"cause"`
	Delay     *float64 `json:"delay_seconds,omitempty"`
	CopyDelay *float64 `json:"copy_delay_seconds,omitempty"`
	Reordered bool     `json:"reordered,omitempty"`
}

// MarshalJSON writes the documented form.
func (r Record) MarshalJSON() ([]byte, error) {
	w := recordJSON{Tag: r.Tag, At: r.At.Seconds(), Size: r.Size, Cause: r.Cause.String(), Reordered: r.Reordered}
	if r.Cause == Delivered {
		delay := r.Delay.Seconds()
		w.Delay = &delay
	}
	if r.Duplicated {
		delay := r.CopyDelay.Seconds()
		w.CopyDelay = &delay
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads the documented form, to the nanosecond within ten days.
func (r *Record) UnmarshalJSON(text []byte) error {
	var w recordJSON
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	*r = Record{Tag: w.Tag, At: fromSeconds(w.At), Size: w.Size, Reordered: w.Reordered}
	for int(r.Cause) < len(causeText) && causeText[r.Cause] != w.Cause {
		r.Cause++
	}
	if int(r.Cause) == len(causeText) {
		return fmt.Errorf("read a ledger's packet: cause %q is not known", w.Cause)
	}
	if w.Delay != nil {
		r.Delay = fromSeconds(*w.Delay)
	}
	if w.CopyDelay != nil {
		r.Duplicated, r.CopyDelay = true, fromSeconds(*w.CopyDelay)
	}
	return nil
}

func fromSeconds(s float64) time.Duration {
	return time.Duration(math.Round(s * float64(time.Second)))
}

// Record makes the link keep the fates of its first limit packets, 56 bytes
// each. It is called before the first packet; without it a ledger has totals
// only.
func (l *Link) Record(limit int) { l.books.limit = limit }

// Ledger returns the totals so far and a copy of the recorded packets.
func (l *Link) Ledger() Ledger {
	ledger := l.books.totals
	ledger.Profile = l.began.String()
	ledger.Lost = ledger.Offered - ledger.Delivered
	if ledger.Delivered > 0 {
		n := float64(ledger.Delivered)
		ledger.DelayMean = l.books.mean / 1e9
		ledger.DelayStd = math.Sqrt(l.books.squares/n) / 1e9
	}
	ledger.Unrecorded = ledger.Offered - int64(len(l.books.records))
	ledger.Packets = append([]Record(nil), l.books.records...)
	return ledger
}

// books is the ledger as it grows.
type books struct {
	totals  Ledger
	limit   int
	records []Record

	lossRun int64 // length of the run of losses that goes on

	mean, squares float64 // of the delay in ns, by Welford's updates

	// air holds the packets that a later one may still overtake, with rising
	// arrivals: what has been overtaken is counted and taken out, and
	// what has arrived is out of reach.
	air     []flight
	airHead int
}

type flight struct {
	arrival time.Duration
	index   uint64
}

// enter books a packet. now is its offered time, not before that of the packet
// before it.
func (b *books) enter(index uint64, now time.Duration, r Record) {
	t := &b.totals
	t.Offered++
	if len(b.records) < b.limit && uint64(len(b.records)) == index {
		b.records = append(b.records, r)
	}
	switch r.Cause {
	case Lost:
		t.ByCause.Random++
	case InOutage:
		t.ByCause.Outage++
	case QueueFull:
		t.ByCause.Queue++
	case Overflow:
		t.ByCause.Overflow++
	}
	if r.Cause != Delivered {
		if b.lossRun == 0 {
			t.LossRuns++
		}
		b.lossRun++
		t.LongestLossRun = max(t.LongestLossRun, b.lossRun)
		return
	}
	b.lossRun = 0
	if r.Duplicated {
		t.Duplicated++
	}
	b.delivered(index, now, r)
}

func (b *books) delivered(index uint64, now time.Duration, r Record) {
	t := &b.totals
	t.Delivered++
	delay := r.first().Seconds()
	if t.Delivered == 1 {
		t.DelayMin = delay
	}
	t.DelayMin, t.DelayMax = min(t.DelayMin, delay), max(t.DelayMax, delay)
	ns := float64(r.first())
	before := ns - b.mean
	b.mean += before / float64(t.Delivered)
	b.squares += before * (ns - b.mean)

	arrival := r.At + r.first()
	for len(b.air) > b.airHead {
		top := b.air[len(b.air)-1]
		if top.arrival <= arrival {
			break
		}
		b.air = b.air[:len(b.air)-1]
		t.Reordered++
		if top.index < uint64(len(b.records)) {
			b.records[top.index].Reordered = true
		}
	}
	for b.airHead < len(b.air) && b.air[b.airHead].arrival <= now {
		b.airHead++
	}
	if b.airHead > len(b.air)/2 {
		b.air = b.air[:copy(b.air, b.air[b.airHead:])]
		b.airHead = 0
	}
	b.air = append(b.air, flight{arrival, index})
}
