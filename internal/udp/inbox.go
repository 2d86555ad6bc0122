package udp

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// inboxLimit is how many packets wait for ReadFrom at most; it is the room for
// the STUN and DTLS of a few hundred calls that are set up at once on one
// socket.
const inboxLimit = 1024

// inbox holds the packets that the handler left, until ReadFrom takes them.
type inbox struct {
	mu       sync.Mutex
	changed  sync.Cond
	waiting  []letter // from first on
	first    int
	lost     uint64
	closed   bool
	expired  bool        // the deadline has passed
	deadline *time.Timer // sets expired; nil for none
}

// letter is one waiting packet.
type letter struct {
	data *[MaxPacket]byte
	n    int
	from netip.AddrPort
}

var letterPaper = sync.Pool{New: func() any { return new([MaxPacket]byte) }}

func (b *inbox) init() { b.changed.L = &b.mu }

// put copies a packet in; when the inbox is full, the packet is lost.
func (b *inbox) put(data []byte, from netip.AddrPort) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	if len(b.waiting)-b.first == inboxLimit {
		b.lost++
		return
	}
	if b.first > 0 && len(b.waiting) == cap(b.waiting) {
		b.waiting = b.waiting[:copy(b.waiting, b.waiting[b.first:])]
		b.first = 0
	}
	paper := letterPaper.Get().(*[MaxPacket]byte)
	b.waiting = append(b.waiting, letter{paper, copy(paper[:], data), from})
	b.changed.Signal()
}

// take waits for a packet and copies it out.
func (b *inbox) take(p []byte) (int, netip.AddrPort, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		switch {
		case b.closed:
			return 0, netip.AddrPort{}, net.ErrClosed
		case b.expired:
			return 0, netip.AddrPort{}, os.ErrDeadlineExceeded
		case b.first < len(b.waiting):
			l := b.waiting[b.first]
			b.waiting[b.first] = letter{}
			if b.first++; b.first == len(b.waiting) {
				b.waiting, b.first = b.waiting[:0], 0
			}
			n := copy(p, l.data[:l.n])
			letterPaper.Put(l.data)
			return n, l.from, nil
		}
		b.changed.Wait()
	}
}

// setDeadline reports whether the inbox is open.
func (b *inbox) setDeadline(t time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	if b.deadline != nil {
		b.deadline.Stop()
		b.deadline = nil
	}
	b.expired = false
	if t.IsZero() {
		return true
	}
	wait := time.Until(t)
	if wait <= 0 {
		b.expired = true
		b.changed.Broadcast()
		return true
	}
	var timer *time.Timer
	timer = time.AfterFunc(wait, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.deadline == timer { // and not a later deadline's
			b.expired = true
			b.changed.Broadcast()
		}
	})
	b.deadline = timer
	return true
}

// close reports whether the inbox was open.
func (b *inbox) close() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.closed = true
	if b.deadline != nil {
		b.deadline.Stop()
	}
	for _, l := range b.waiting[b.first:] {
		letterPaper.Put(l.data)
	}
	b.waiting = nil
	b.changed.Broadcast()
	return true
}

func (b *inbox) dropped() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lost
}

func (b *inbox) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}
