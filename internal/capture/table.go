package capture

const (
	// succession is how many packets of one source must follow one another
	// before it is believed to be RTP; laterSuccession is the number where its
	// two ports have a stream already (RFC 3550, A.1).
	succession      = 4
	laterSuccession = 2
	// mostAhead and mostBehind are how far a sequence number may be from the
	// one before it among them.
	mostAhead, mostBehind = 32, 16
	// mostDrift is how far timestamps may step among them: 10 s of a 192 kHz
	// clock, and that clock over the time between the packets.
	mostDrift = 1_920_000
	// heldRecords is how many packets of a candidate are held.
	heldRecords = 12
	// mostCandidates bounds the sources that are watched. The oldest makes
	// room: a port scan or busy resolver cannot take memory.
	mostCandidates = 8192
)

// identity is what makes a stream.
type identity struct {
	flow
	ssrc uint32
}

// candidate is a source that looks like RTP and has not proved it.
type candidate struct {
	identity
	records []record
	follows int  // packets that followed one another, the first included
	used    bool // the slot holds a source
}

// table sorts RTP packets into streams.
type table struct {
	streams map[identity]*stream
	order   []*stream
	flows   map[flow]struct{} // that have a stream
	limit   int               // of streams
	last    *stream           // that the packet before belonged to
	sure    bool              // the ports were given: the first packet counts

	candidates []candidate
	watched    map[identity]int32 // index into candidates
	oldest     int

	refused map[identity]struct{} // streams beyond the limit, up to the limit
	stray   int64                 // packets that look like RTP and are in no stream
	forced  bool                  // more streams were refused than are counted
}

func newTable(limit int, sure bool) *table {
	return &table{
		streams: map[identity]*stream{},
		flows:   map[flow]struct{}{},
		limit:   limit,
		sure:    sure,
		watched: map[identity]int32{},
		refused: map[identity]struct{}{},
	}
}

// add takes a packet. o is what streams that begin with it are measured by.
func (t *table) add(id *identity, r *record, o *Options) {
	if t.last != nil && t.last.identity == *id {
		t.last.add(r)
		return
	}
	if s := t.streams[*id]; s != nil {
		t.last = s
		s.add(r)
		return
	}
	t.consider(id, r, o)
}

// consider takes a packet of a source that is no stream yet.
func (t *table) consider(id *identity, r *record, o *Options) {
	if t.sure {
		t.begin(id, []record{*r}, o)
		return
	}
	if _, named := o.PayloadTypes[r.kind]; !named && !plausible(r.kind) {
		t.stray++
		return
	}
	c := t.watch(id)
	if !c.extend(r) {
		t.stray += int64(len(c.records))
		c.records, c.follows = append(c.records[:0], *r), 1
		return
	}
	needed := succession
	if _, ok := t.flows[id.flow]; ok {
		needed = laterSuccession
	}
	if c.follows >= needed {
		t.begin(id, c.records, o)
		delete(t.watched, *id)
		c.used, c.records = false, c.records[:0]
	}
}

// watch finds the candidate of a source, or makes one.
func (t *table) watch(id *identity) *candidate {
	if i, ok := t.watched[*id]; ok {
		return &t.candidates[i]
	}
	if len(t.candidates) < mostCandidates {
		t.candidates = append(t.candidates, candidate{})
		t.oldest = len(t.candidates) - 1
	} else {
		t.oldest = (t.oldest + 1) % mostCandidates
	}
	c := &t.candidates[t.oldest]
	if c.used {
		delete(t.watched, c.identity)
		t.stray += int64(len(c.records))
	}
	c.identity, c.used = *id, true
	c.records, c.follows = c.records[:0], 0
	t.watched[*id] = int32(t.oldest)
	return c
}

// extend adds a packet to the row and reports whether it belongs there. A
// packet that repeats or falls a little behind is neither proof nor disproof:
// in most protocols that are not RTP, these two bytes never change.
func (c *candidate) extend(r *record) bool {
	if len(c.records) == 0 {
		c.records, c.follows = append(c.records, *r), 1
		return true
	}
	if len(c.records) == heldRecords {
		return false
	}
	before := &c.records[len(c.records)-1]
	step := int16(r.sequence - before.sequence)
	if step > mostAhead || step < -mostBehind {
		return false
	}
	drift, limit := int64(int32(r.timestamp-before.timestamp)), mostDrift+max(r.at-before.at, 0)/1e6*192
	if drift > limit || drift < -limit {
		return false
	}
	if step > 0 {
		c.follows++
	}
	c.records = append(c.records, *r)
	return true
}

// begin makes a stream of the packets of a source.
func (t *table) begin(id *identity, records []record, o *Options) {
	if len(t.order) == t.limit {
		t.stray += int64(len(records))
		if len(t.refused) < t.limit {
			t.refused[*id] = struct{}{}
		} else if _, known := t.refused[*id]; !known {
			t.forced = true
		}
		return
	}
	s := newStream(*id, o)
	t.streams[*id] = s
	t.flows[id.flow] = struct{}{}
	t.order = append(t.order, s)
	t.last = s
	for i := range records {
		s.add(&records[i])
	}
}

// finish ends every stream and counts what is left over.
func (t *table) finish() {
	for i := range t.candidates {
		if t.candidates[i].used {
			t.stray += int64(len(t.candidates[i].records))
		}
	}
	for _, s := range t.order {
		s.finish()
	}
}
