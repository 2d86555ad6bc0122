package rtpflow

import (
	"math/bits"
	"time"
)

const (
	// mirrorBits is how far back a Mirror remembers: the 16 blocks of the
	// history, the block in progress, and room to spare.
	mirrorBits   = 2048
	mirrorBlocks = 16
	blockSize    = 64
)

// Mirror is what an echo keeps of one call: which uplink packets have come,
// and how many packets went back. It belongs to one goroutine.
type Mirror struct {
	seen       [mirrorBits / 64]uint64
	epoch      time.Duration
	first      int64 // lowest extended sequence number of the first packet's block
	highest    int64 // extended sequence number; starts in cycle 1
	sent       uint32
	rotation   uint32
	duplicates uint16
	reordered  uint16
	started    bool
}

// NewMirror returns the Mirror of a call whose session began at epoch.
func NewMirror(epoch time.Duration) *Mirror { return &Mirror{epoch: epoch} }

// Reflect accounts for one uplink packet that arrived at arrival and is
// returned at departure, and gives the stamp of the packet that returns it.
// It must be called once for each packet, in order of arrival, and each stamp
// must go out: a stamp that does not is a lost packet to the far end. It does
// not allocate.
func (m *Mirror) Reflect(seq uint16, arrival, departure time.Duration) Stamp {
	m.arrived(seq)
	s := Stamp{
		Index:      m.sent,
		Sequence:   seq,
		Highest:    uint16(m.highest),
		Arrival:    (arrival - m.epoch) & (1<<clockBits - 1),
		Duplicates: m.duplicates,
		Hold:       departure - arrival,
		Recent:     m.recent(),
		Reordered:  m.reordered,
	}
	block := m.nextBlock()
	s.Block, s.History = uint16(block), m.seen[block&(mirrorBits/64-1)]
	m.sent++
	return s
}

// Sent is how many stamps were given: the packet count of a sender report and
// the index of the next stamp.
func (m *Mirror) Sent() uint32 { return m.sent }

func (m *Mirror) arrived(seq uint16) {
	if !m.started {
		m.started = true
		m.highest = 1<<16 + int64(seq)
		m.first = m.highest &^ (blockSize - 1)
		m.mark(m.highest)
		return
	}
	step := int64(int16(seq - uint16(m.highest)))
	ext := m.highest + step
	switch {
	case step > 0:
		m.forget(m.highest+1, ext)
		m.highest = ext
		m.mark(ext)
	case step <= -(mirrorBits - blockSize):
		m.reordered++
	case m.has(ext):
		m.duplicates++
	default:
		m.reordered++
		m.mark(ext)
	}
}

func (m *Mirror) mark(ext int64) {
	m.seen[ext/64&(mirrorBits/64-1)] |= 1 << (ext & 63)
}

func (m *Mirror) has(ext int64) bool {
	return m.seen[ext/64&(mirrorBits/64-1)]>>(ext&63)&1 != 0
}

// forget clears the memory that the numbers from..to take over. Whole words
// are cleared when their block begins, so bits above highest are always clear.
func (m *Mirror) forget(from, to int64) {
	for block := (from + blockSize - 1) / blockSize; block <= to/blockSize; block++ {
		m.seen[block&(mirrorBits/64-1)] = 0
	}
}

// recent gives the last 64 packets, bit 0 the highest.
func (m *Mirror) recent() uint64 {
	word := m.highest / 64 & (mirrorBits/64 - 1)
	shift := uint(63 - m.highest&63)
	// A shift by 64 gives 0, so a full word needs no case of its own.
	before := m.seen[(word-1)&(mirrorBits/64-1)] >> (64 - shift)
	return bits.Reverse64(m.seen[word]<<shift | before)
}

// nextBlock picks the block that this stamp carries: the last 16 complete
// blocks in turn, or the block in progress while none is complete.
func (m *Mirror) nextBlock() int64 {
	current := m.highest / blockSize
	complete := min(current-m.first/blockSize, mirrorBlocks)
	if complete <= 0 {
		return current
	}
	m.rotation++
	return current - 1 - int64(m.rotation)%complete
}
