// Package stamped is a UDP socket of the standard library that also knows when
// the kernel received each packet. It shares nothing with internal/udp, whose
// figures it is used to check.
package stamped

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
)

// Conn is the socket. One goroutine reads.
type Conn struct {
	*net.UDPConn
	control []byte

	mu sync.Mutex // one reader at a time shares control
}

// controlSpace holds the kernel's control messages.
const controlSpace = 128

// Wrap takes over a socket.
func Wrap(udp *net.UDPConn) (*Conn, error) {
	if err := enable(udp); err != nil {
		return nil, err
	}
	return &Conn{UDPConn: udp, control: make([]byte, controlSpace)}, nil
}

// Listen opens a socket on an address.
func Listen(local netip.AddrPort) (*Conn, error) {
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(local))
	if err != nil {
		return nil, err
	}
	return Wrap(udp)
}

// ReadStamped reads one packet and says when the kernel received it, on the
// clock of internal/mono; where the kernel does not say, when it was read.
func (c *Conn) ReadStamped(b []byte) (n int, from netip.AddrPort, at time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, size, _, from, err := c.ReadMsgUDPAddrPort(b, c.control)
	if err != nil {
		return 0, netip.AddrPort{}, 0, err
	}
	now := time.Now()
	at = mono.Of(now)
	if stamp := parse(c.control[:size]); stamp > 0 {
		at -= max(time.Duration(now.UnixNano())-stamp, 0)
	}
	return n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), at, nil
}
