package udp

import (
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/earshot-voip/earshot/internal/mono"
)

// portableSocket reads with the standard library, one goroutine for each
// socket. Its times are those of the read.
type portableSocket struct{ udp *net.UDPConn }

func openPortable(c *Conn, local netip.AddrPort) error {
	network := "udp6"
	if local.Addr().Is4() {
		network = "udp4"
	}
	sock, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(local))
	if err != nil {
		return unwrapOp(err)
	}
	s := &portableSocket{sock}
	// The sizes and the mark are wishes: some systems refuse them.
	_ = s.setReadBuffer(c.config.ReadBuffer)
	_ = s.setWriteBuffer(c.config.WriteBuffer)
	if tos := c.config.DSCP << 2; tos >= 0 {
		if local.Addr().Is4() {
			_ = ipv4.NewConn(sock).SetTOS(tos)
		} else {
			_ = ipv6.NewConn(sock).SetTrafficClass(tos)
		}
	}
	bound := sock.LocalAddr().(*net.UDPAddr).AddrPort()
	c.socket, c.local = s, netip.AddrPortFrom(bound.Addr().Unmap(), bound.Port())
	go s.read(c)
	return nil
}

// unwrapOp takes the cause out of the net package's own wrapping.
func unwrapOp(err error) error {
	if op, ok := err.(*net.OpError); ok {
		return op.Err
	}
	return err
}

// read runs until the socket is closed.
func (s *portableSocket) read(c *Conn) {
	buf := make([]byte, MaxPacket+1) // a byte more shows what was too long
	p := new(Packet)
	for {
		n, from, err := s.udp.ReadFromUDPAddrPort(buf)
		now := mono.Now()
		if c.inbox.isClosed() {
			return
		}
		if err != nil {
			// Windows reports here that an earlier packet was refused. The
			// pause keeps an error that lasts from taking the processor.
			time.Sleep(time.Millisecond)
			continue
		}
		if n > MaxPacket {
			c.truncated.Add(1)
			continue
		}
		*p = Packet{
			Data: buf[:n], From: netip.AddrPortFrom(from.Addr().Unmap(), from.Port()),
			At: now, Read: now, DSCP: -1, TTL: -1,
		}
		c.deliver(p)
		c.flush()
	}
}

func (s *portableSocket) send(b []byte, to netip.AddrPort) error {
	_, err := s.udp.WriteToUDPAddrPort(b, to)
	if err != nil {
		return unwrapOp(err)
	}
	return nil
}

func (s *portableSocket) sendBatch(m []Message) (int, error) {
	for i := range m {
		if err := s.send(m[i].Data, m[i].To); err != nil {
			return i, err
		}
	}
	return len(m), nil
}

func (s *portableSocket) setReadBuffer(bytes int) error  { return s.udp.SetReadBuffer(bytes) }
func (s *portableSocket) setWriteBuffer(bytes int) error { return s.udp.SetWriteBuffer(bytes) }
func (s *portableSocket) dropped() uint64                { return 0 }
func (s *portableSocket) timestamps() Timestamps         { return User }
func (s *portableSocket) close() error                   { return s.udp.Close() }
