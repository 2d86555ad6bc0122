package capture

import (
	"io"
	"slices"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// DefaultMaxStreams is how many streams are measured if Options do not say.
// Each takes some 20 kB.
const DefaultMaxStreams = 4096

// Options say how a capture is to be read. The zero value finds everything by
// its looks.
type Options struct {
	// Ports are the UDP ports, at either end, whose packets are RTP (or RTCP)
	// from the first one on; nothing else is looked at. Empty: RTP is found by
	// its looks on all ports.
	Ports []uint16
	// ClockRate is that of dynamic payload types, in Hz; 0: it is learned from
	// each stream.
	ClockRate uint32
	// PayloadTypes say what payload types stand for. They go before ClockRate
	// and before RFC 3551.
	PayloadTypes map[uint8]Codec
	// MaxStreams is the most streams that are measured; 0: DefaultMaxStreams.
	MaxStreams int
	// Delay is the one-way delay of the network, which no capture shows. With
	// it (DelayKnown) scores are also given for conversation.
	Delay      time.Duration
	DelayKnown bool
}

// mostSeconds is the largest time stamp (in the year 2242) that can be a time
// of arrival.
const mostSeconds = 1 << 33

// Analyze reads a capture to its end. A capture that breaks off gives a report
// and a *DamageError; input that is no capture gives no report and an error
// that wraps ErrFormat or ErrEmpty, or that of the reader.
func Analyze(r io.Reader, o Options) (*Report, error) {
	if o.MaxStreams <= 0 {
		o.MaxStreams = DefaultMaxStreams
	}
	src, err := openSource(r)
	if err != nil {
		return nil, err
	}
	a := analysis{
		options: &o, table: newTable(o.MaxStreams, len(o.Ports) > 0),
		ports: make(map[uint16]bool, len(o.Ports)),
	}
	for _, p := range o.Ports {
		a.ports[p] = true
	}
	for {
		data, ci, link, err := src.next()
		if err == nil {
			a.packet(data, &ci, link)
			continue
		}
		a.table.finish()
		report := a.report(src)
		if err == io.EOF {
			return report, nil
		}
		report.File.Damage = err.Error()
		return report, err
	}
}

// analysis is a capture while it is being read.
type analysis struct {
	options *Options
	table   *table
	ports   map[uint16]bool

	epoch       time.Time // of the first packet that has a time
	first, last int64     // ns since epoch: smallest and largest
	before      int64
	backwards   int64 // packets that are older than the one before them
	untimed     int64

	packets, captured, wire int64
	snapped                 int64 // packets of which the end was not captured
	outcomes                [outcomes]int64
	kinds                   [kinds]int64
	partial                 int64
	elsewhere               int64 // UDP packets on other ports than asked for
	links                   []linkCount
}

type linkCount struct {
	link    layers.LinkType
	packets int64
}

func (a *analysis) packet(data []byte, ci *gopacket.CaptureInfo, link layers.LinkType) {
	a.packets++
	a.captured += int64(len(data))
	a.wire += int64(max(ci.Length, len(data)))
	if ci.Length > len(data) {
		a.snapped++
	}
	a.countLink(link)
	var id identity
	var r record
	r.at, r.untimed = a.clock(ci.Timestamp)

	var d datagram
	found := walk(link, data, &d)
	a.outcomes[found]++
	if found != foundUDP {
		return
	}
	if d.partial {
		a.partial++
	}
	if len(a.ports) > 0 && !a.ports[d.sourcePort] && !a.ports[d.destinationPort] {
		a.elsewhere++
		return
	}
	k, ssrc := classify(&d, &r)
	a.kinds[k]++
	if k != kindRTP {
		return
	}
	id.flow, id.ssrc = d.flow, ssrc
	a.table.add(&id, &r, a.options)
}

// clock gives the time of a packet since the first one.
func (a *analysis) clock(t time.Time) (at int64, untimed bool) {
	if s := t.Unix(); t.IsZero() || s < 0 || s > mostSeconds {
		a.untimed++
		return a.before, true
	}
	if a.epoch.IsZero() {
		a.epoch = t
	}
	at = int64(t.Sub(a.epoch))
	if at < a.before {
		a.backwards++
	}
	a.before = at
	a.first, a.last = min(a.first, at), max(a.last, at)
	return at, false
}

func (a *analysis) countLink(link layers.LinkType) {
	for i := range a.links {
		if a.links[i].link == link {
			a.links[i].packets++
			return
		}
	}
	a.links = append(a.links, linkCount{link: link, packets: 1})
}

// sortedLinks puts the most frequent link type first.
func (a *analysis) sortedLinks() []linkCount {
	slices.SortStableFunc(a.links, func(x, y linkCount) int { return int(min(max(y.packets-x.packets, -1), 1)) })
	return a.links
}
