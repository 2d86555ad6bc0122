// Package udp is Earshot's own UDP socket under ICE. It gives each datagram,
// with the kernel's receive time, to a handler on the goroutine that read it;
// what the handler does not take goes on to pion/ice or pion/turn through the
// net.PacketConn face of the same socket.
//
// Most callers make a Net and hand it to an ICE agent, which then opens all
// its UDP sockets here. An endpoint that serves many calls on one port uses
// Listen.
//
// On Linux the time comes from the kernel, the socket counts what it had to
// drop, and packets carry the DSCP and TTL they arrived with. Elsewhere the
// time is that of the read and the rest is unknown; Stats says which.
package udp

import (
	"net/netip"
	"time"
)

// Packet is one received datagram. It is valid only during the handler's call.
type Packet struct {
	Data []byte         // payload; the inner bytes if Relayed
	From netip.AddrPort // who sent it; the TURN server if Relayed. IPv4 is never mapped into IPv6
	At   time.Duration  // when it reached this host, on the clock of internal/mono; see Timestamps
	Read time.Duration  // when its batch was taken from the socket, on the same clock; never before At
	DSCP int16          // differentiated services code point it arrived with, -1 unknown
	TTL  int16          // time to live or hop limit it arrived with, -1 unknown

	Relayed bool   // Data came inside TURN ChannelData (RFC 8656 section 12)
	Channel uint16 // its channel number, 0 if not Relayed
}

// Config says how a socket is made. The zero value leaves DSCP at 0 and takes
// the defaults for the rest.
type Config struct {
	// DSCP marks what is sent (RFC 2474), 0..63; -1 leaves the system's mark.
	DSCP int

	// ReadBuffer and WriteBuffer are the sizes asked of the kernel in bytes,
	// 0 for DefaultReadBuffer and DefaultWriteBuffer. The kernel may give less.
	ReadBuffer, WriteBuffer int

	// Batch is how many packets one system call may read, up to MaxBatch; 0 or
	// 1 for one by one. It pays on a socket that many calls share.
	Batch int

	// Handler sees each packet first and reports whether it consumed it. It
	// runs on the goroutine that reads, which may serve all sockets of the
	// process: it must not block, and it must not keep the packet or its data.
	// It may send and may close the socket. nil consumes nothing.
	Handler func(*Packet) bool

	// Flush runs after the handler has seen the last packet of a batch, on the
	// same goroutine; the place to answer the batch with one WriteBatch.
	Flush func()

	// Relay lets the handler see inside TURN ChannelData, for a socket that
	// speaks to a TURN server. Only RTP and RTCP (first byte 128..191,
	// RFC 7983) is shown to it.
	Relay bool
}

// MaxPacket is the longest datagram that is received, in bytes. Longer ones
// are counted as truncated and discarded.
const MaxPacket = 2048

// MaxBatch is how many packets one system call reads or sends at most.
const MaxBatch = 64

// Default sizes of the kernel's buffers, in bytes.
const (
	DefaultReadBuffer  = 1 << 20
	DefaultWriteBuffer = 1 << 20
)

// Timestamps says where Packet.At comes from.
type Timestamps uint8

// The sources of Packet.At.
const (
	User   Timestamps = iota // the clock, read after the packet was read
	Kernel                   // the kernel's receive timestamp
)

// String returns "kernel" or "user", as reports say it.
func (t Timestamps) String() string {
	if t == Kernel {
		return "kernel"
	}
	return "user"
}

// Stats counts what a socket did since it was opened.
type Stats struct {
	Received  uint64 // packets read, consumed or not
	Consumed  uint64 // of these, taken by the handler
	Sent      uint64 // packets handed to the kernel
	Truncated uint64 // packets longer than MaxPacket, discarded

	// Dropped counts packets that reached this host and were dropped at this
	// socket: by the kernel for want of room or for a wrong checksum, and by
	// ReadFrom's queue when nobody reads. Only Linux knows the kernel's part.
	Dropped uint64

	// Timestamps says where Packet.At comes from: Kernel if it did for every
	// packet of every socket in the sum.
	Timestamps Timestamps
}
