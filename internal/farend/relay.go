package farend

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"sync"
	"testing"
	"time"
)

// Direction is which way a packet goes through a Relay.
type Direction uint8

// The directions.
const (
	Up   Direction = iota // from the caller to the far end
	Down                  // back
)

// Kind is what a packet is by its first bytes (RFC 7983, 7; RFC 5761, 4).
type Kind uint8

// The kinds of packets.
const (
	STUN Kind = iota
	DTLS
	RTP
	RTCP
	Other
	kinds
)

func kindOf(packet []byte) Kind {
	if len(packet) < 2 {
		return Other
	}
	switch first := packet[0]; {
	case first <= 3:
		return STUN
	case first >= 20 && first <= 63:
		return DTLS
	case first < 128 || first > 191 || len(packet) < 12:
		return Other
	case packet[1]&0x7f >= 64 && packet[1]&0x7f <= 95:
		return RTCP
	}
	return RTP
}

// Packet is what a Filter sees. Data is valid during the call.
type Packet struct {
	Direction Direction
	Kind      Kind
	N         int // packets of this kind and direction that came before it
	Data      []byte
}

// Fate is what becomes of a packet. The zero Fate lets it pass.
type Fate struct {
	Drop   bool
	Copies int           // how often it is sent again, right behind itself
	Behind int           // it is held until so many packets of its direction and kind have come after it, or lost
	Delay  time.Duration // it is held for so long; later ones pass
}

// Filter decides on one packet. It runs on one goroutine at a time.
type Filter func(Packet) Fate

// Relay is a NAT in user space between callers and the media port of a far end:
// each caller gets a socket of its own towards the far end. Between makes it the
// only way.
type Relay struct {
	caller *net.UDPConn // faces the callers

	reading sync.WaitGroup

	mu     sync.Mutex
	closed bool
	to     netip.AddrPort // the far end's media port; not valid before it has answered
	filter Filter
	flows  map[netip.AddrPort]*flow
	seen   [2][kinds]int
	drops  [2][kinds]int
	held   [2][kinds][]*holding
	books  [2]map[uint32]*book // by SSRC
}

// flow is one caller.
type flow struct {
	from netip.AddrPort
	out  *net.UDPConn // faces the far end
}

// holding is a packet that waits for others to pass.
type holding struct {
	flow   *flow
	packet []byte
	number int // among the packets of its stream; -1: not RTP
	until  int // it goes when so many packets of its direction and kind have come
	since  time.Time
}

// heldMost is how long a packet may be held for others to pass; after that it is
// lost. Where a busy caller sends few packets, others take long to come, and one
// that is later than a second counts as lost at the far end.
const heldMost = 500 * time.Millisecond

// book is what happened to the packets of one RTP stream.
type book struct {
	offered   []uint16 // sequence numbers, in the order in which they came
	delivered []int    // places in offered, in the order in which they left
}

// socketBuffer is large enough that a stall of the host loses nothing.
const socketBuffer = 4 << 20

// NewRelay starts a relay on loopback.
func NewRelay(t testing.TB) *Relay {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{
		caller: conn,
		flows:  map[netip.AddrPort]*flow{},
		books:  [2]map[uint32]*book{{}, {}},
	}
	if err := enlarge(conn); err != nil {
		t.Fatal(err)
	}
	r.reading.Go(r.readCallers)
	t.Cleanup(r.close)
	return r
}

func enlarge(c *net.UDPConn) error {
	return errors.Join(c.SetReadBuffer(socketBuffer), c.SetWriteBuffer(socketBuffer))
}

// Between puts the relay between callers and an endpoint's media: the answer
// names the relay in place of the endpoint's candidate, and the offer a port
// that swallows, so that the endpoint's own checks do not find the caller. All
// calls must get the same candidate.
func (r *Relay) Between(t testing.TB, endpoint http.Handler) http.Handler {
	t.Helper()
	here := Candidates(r.Addr())
	return Tamper{
		Offer: Candidates(DeadPort(t)),
		Answer: func(sdp string) string {
			to, err := firstCandidate(sdp)
			if err != nil {
				t.Error(err)
			}
			r.mu.Lock()
			r.to = to
			r.mu.Unlock()
			return here(sdp)
		},
	}.Handler(t, endpoint)
}

var candidate = regexp.MustCompile(`(?m)^a=candidate:\S+ \d+ \S+ \d+ (\S+) (\d+) `)

func firstCandidate(sdp string) (netip.AddrPort, error) {
	found := candidate.FindStringSubmatch(sdp)
	if found == nil {
		return netip.AddrPort{}, fmt.Errorf("no candidate in:\n%s", sdp)
	}
	return netip.ParseAddrPort(net.JoinHostPort(found[1], found[2]))
}

// Addr is where callers send to.
func (r *Relay) Addr() netip.AddrPort {
	return r.caller.LocalAddr().(*net.UDPAddr).AddrPort()
}

// SetFilter decides on all packets that come from now on; nil lets them pass.
func (r *Relay) SetFilter(f Filter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.filter = f
}

// Seen returns how many packets of a kind came.
func (r *Relay) Seen(d Direction, k Kind) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[d][k]
}

// Dropped returns how many packets of a kind the filter dropped.
func (r *Relay) Dropped(d Direction, k Kind) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drops[d][k]
}

// Books is the truth about the RTP packets of one direction.
type Books struct {
	Offered    int // packets that came to the relay
	Lost       int // of these, how many never left
	Duplicated int // copies beyond the first that left
	Reordered  int // first left after a packet that had come later
}

// Books counts what happened so far to all streams of a direction. It goes by
// what left the relay, not by what the filter said.
func (r *Relay) Books(d Direction) Books {
	r.mu.Lock()
	defer r.mu.Unlock()
	var total Books
	for _, b := range r.books[d] {
		total.add(b)
	}
	return total
}

func (t *Books) add(b *book) {
	left := make([]bool, len(b.offered))
	last := -1
	for _, n := range b.delivered {
		switch {
		case left[n]:
			t.Duplicated++
		case n < last:
			t.Reordered++
		}
		left[n] = true
		last = max(last, n)
	}
	t.Offered += len(b.offered)
	for _, ok := range left {
		if !ok {
			t.Lost++
		}
	}
}

// Continuous reports streams in which the relay did not get every sequence
// number once and in order: then its books are not about all that was sent.
func (r *Relay) Continuous(d Direction) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for ssrc, b := range r.books[d] {
		for i := 1; i < len(b.offered); i++ {
			if b.offered[i] != b.offered[i-1]+1 {
				return fmt.Errorf("stream %08x: %d came after %d", ssrc, b.offered[i], b.offered[i-1])
			}
		}
	}
	return nil
}

func (r *Relay) readCallers() {
	buffer := make([]byte, 64<<10)
	for {
		n, from, err := r.caller.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the port of a caller that is gone
		}
		r.mu.Lock()
		if f := r.flow(from); f != nil {
			r.take(Up, f, buffer[:n])
		}
		r.mu.Unlock()
	}
}

// flow returns that of a caller, opening it at its first packet; nil when there
// is no way on. r.mu is held.
func (r *Relay) flow(from netip.AddrPort) *flow {
	if f := r.flows[from]; f != nil || r.closed || !r.to.IsValid() {
		return f
	}
	out, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(r.to))
	if err != nil || enlarge(out) != nil {
		return nil
	}
	f := &flow{from: from, out: out}
	r.flows[from] = f
	r.reading.Go(func() { r.readFarEnd(f) })
	return f
}

func (r *Relay) readFarEnd(f *flow) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := f.out.Read(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the far end's port is closed
		}
		r.mu.Lock()
		r.take(Down, f, buffer[:n])
		r.mu.Unlock()
	}
}

// take decides on a packet. r.mu is held, so that the books have the order of
// the wire.
func (r *Relay) take(d Direction, f *flow, data []byte) {
	k := kindOf(data)
	fate := Fate{}
	if r.filter != nil {
		fate = r.filter(Packet{Direction: d, Kind: k, N: r.seen[d][k], Data: data})
	}
	r.seen[d][k]++
	number := r.enter(d, k, data)
	if fate.Drop {
		r.drops[d][k]++
	} else {
		for range fate.Copies + 1 {
			r.pass(d, k, fate, &holding{flow: f, packet: data, number: number, until: r.seen[d][k] + fate.Behind})
		}
	}
	r.letGo(d, k)
}

// enter books the coming of an RTP packet and returns its place in the book.
func (r *Relay) enter(d Direction, k Kind, data []byte) int {
	if k != RTP {
		return -1
	}
	ssrc := binary.BigEndian.Uint32(data[8:])
	b := r.books[d][ssrc]
	if b == nil {
		b = &book{}
		r.books[d][ssrc] = b
	}
	b.offered = append(b.offered, binary.BigEndian.Uint16(data[2:]))
	return len(b.offered) - 1
}

// pass sends a packet, or keeps it for later.
func (r *Relay) pass(d Direction, k Kind, fate Fate, h *holding) {
	switch {
	case fate.Behind > 0:
		h.packet = append([]byte(nil), h.packet...)
		h.since = time.Now()
		r.held[d][k] = append(r.held[d][k], h)
	case fate.Delay > 0:
		h.packet = append([]byte(nil), h.packet...)
		time.AfterFunc(fate.Delay, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.send(d, h)
		})
	default:
		r.send(d, h)
	}
}

// letGo sends the held packets that enough others have passed.
func (r *Relay) letGo(d Direction, k Kind) {
	kept := r.held[d][k][:0]
	for _, h := range r.held[d][k] {
		switch {
		case r.seen[d][k] < h.until:
			kept = append(kept, h)
		case time.Since(h.since) < heldMost:
			r.send(d, h)
		}
	}
	r.held[d][k] = kept
}

func (r *Relay) send(d Direction, h *holding) {
	if r.closed {
		return
	}
	var err error
	if d == Up {
		_, err = h.flow.out.Write(h.packet)
	} else {
		_, err = r.caller.WriteToUDPAddrPort(h.packet, h.flow.from)
	}
	if err == nil && h.number >= 0 {
		b := r.books[d][binary.BigEndian.Uint32(h.packet[8:])]
		b.delivered = append(b.delivered, h.number)
	}
}

func (r *Relay) close() {
	r.mu.Lock()
	r.closed = true
	_ = r.caller.Close()
	for _, f := range r.flows {
		_ = f.out.Close()
	}
	r.mu.Unlock()
	r.reading.Wait()
}

// DropKind is a filter that drops one kind in both directions.
func DropKind(k Kind) Filter {
	return func(p Packet) Fate { return Fate{Drop: p.Kind == k} }
}

// DropAll is a filter that lets nothing pass.
func DropAll(Packet) Fate { return Fate{Drop: true} }
