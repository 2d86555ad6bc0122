package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
)

// Conn is a UDP socket whose handler sees each packet before ReadFrom does.
// Packets are read, and the handler runs, whether or not anybody is in
// ReadFrom. It is safe for concurrent use.
type Conn struct {
	local   netip.AddrPort
	config  Config
	handler atomic.Pointer[func(*Packet) bool]
	inbox   inbox
	socket  socket

	writeDeadline atomic.Int64 // on the clock of internal/mono, 0 for none

	received, consumed, sent, truncated atomic.Uint64
}

// socket is what a platform gives. Its reader calls Conn.deliver for each
// packet and Conn.flush after each batch, from one goroutine at a time.
type socket interface {
	// send never waits: where the kernel's buffer is full it fails.
	send(b []byte, to netip.AddrPort) error
	sendBatch(m []Message) (int, error)
	setReadBuffer(bytes int) error
	setWriteBuffer(bytes int) error
	dropped() uint64
	timestamps() Timestamps
	close() error
}

// Listen opens a socket on a local address; port 0 takes a free one. The
// socket serves the address's family alone: "::" is IPv6 only.
func Listen(local netip.AddrPort, c Config) (*Conn, error) { return listen(local, c, openSocket) }

// opener opens a platform's socket for c: it sets c.socket and c.local, and
// then begins to read.
type opener func(c *Conn, local netip.AddrPort) error

func listen(local netip.AddrPort, c Config, open opener) (*Conn, error) {
	if c.ReadBuffer == 0 {
		c.ReadBuffer = DefaultReadBuffer
	}
	if c.WriteBuffer == 0 {
		c.WriteBuffer = DefaultWriteBuffer
	}
	c.Batch = min(max(c.Batch, 1), MaxBatch)
	if c.DSCP < -1 || c.DSCP > 63 {
		return nil, fmt.Errorf("listen on %v: DSCP %d is not within 0..63", local, c.DSCP)
	}
	local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	conn := &Conn{config: c}
	conn.SetHandler(c.Handler)
	conn.inbox.init()
	if err := open(conn, local); err != nil {
		return nil, &net.OpError{Op: "listen", Net: "udp", Addr: net.UDPAddrFromAddrPort(local), Err: err}
	}
	return conn, nil
}

// SetHandler replaces the handler. The one before may still be in a call when
// SetHandler returns.
func (c *Conn) SetHandler(h func(*Packet) bool) { c.handler.Store(&h) }

// LocalAddrPort returns the local address.
func (c *Conn) LocalAddrPort() netip.AddrPort { return c.local }

// Stats returns the counters so far; also after Close.
func (c *Conn) Stats() Stats {
	return Stats{
		Received:   c.received.Load(),
		Consumed:   c.consumed.Load(),
		Sent:       c.sent.Load(),
		Truncated:  c.truncated.Load(),
		Dropped:    c.socket.dropped() + c.inbox.dropped(),
		Timestamps: c.socket.timestamps(),
	}
}

// deliver hands a packet to the handler, and to the inbox if that leaves it.
func (c *Conn) deliver(p *Packet) {
	c.received.Add(1)
	outer := p.Data
	p.Relayed, p.Channel = false, 0
	if c.config.Relay {
		if inner, channel, ok := relayedMedia(outer); ok {
			p.Data, p.Channel, p.Relayed = inner, channel, true
		}
	}
	if h := *c.handler.Load(); h != nil && h(p) {
		c.consumed.Add(1)
		return
	}
	c.inbox.put(outer, p.From)
}

// flush ends a batch.
func (c *Conn) flush() {
	if c.config.Flush != nil {
		c.config.Flush()
	}
}

// ReadFromAddrPort reads the next packet that the handler did not consume. Of
// a packet longer than b, the rest is lost.
func (c *Conn) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	n, from, err := c.inbox.take(b)
	if err != nil {
		return 0, netip.AddrPort{}, c.fail("read", err)
	}
	return n, from, nil
}

// WriteToAddrPort sends one packet. It does not allocate, and it does not
// wait: when the kernel has no room the packet is not sent and the error says
// so.
func (c *Conn) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if err := c.checkWriteDeadline(); err != nil {
		return 0, c.fail("write", err)
	}
	if err := c.socket.send(b, to); err != nil {
		return 0, c.fail("write", err)
	}
	c.sent.Add(1)
	return len(b), nil
}

// Message is one packet to send.
type Message struct {
	Data []byte
	To   netip.AddrPort
}

// WriteBatch sends packets in order, with as few system calls as the platform
// allows. It returns how many were sent and the error that kept the next one
// from being sent. It does not allocate and does not wait.
func (c *Conn) WriteBatch(m []Message) (int, error) {
	if err := c.checkWriteDeadline(); err != nil {
		return 0, c.fail("write", err)
	}
	n, err := c.socket.sendBatch(m)
	c.sent.Add(uint64(n))
	if err != nil {
		return n, c.fail("write", err)
	}
	return n, nil
}

func (c *Conn) checkWriteDeadline() error {
	if at := c.writeDeadline.Load(); at != 0 && int64(mono.Now()) >= at {
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (c *Conn) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "udp", Source: c.LocalAddr(), Err: err}
}

// ReadFrom is ReadFromAddrPort with a net.Addr, a *net.UDPAddr.
func (c *Conn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromAddrPort(b)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// ReadFromUDP is ReadFromAddrPort with a *net.UDPAddr.
func (c *Conn) ReadFromUDP(b []byte) (int, *net.UDPAddr, error) {
	n, from, err := c.ReadFromAddrPort(b)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// ReadMsgUDP is ReadFromUDP; it gives no control messages.
func (c *Conn) ReadMsgUDP(b, _ []byte) (n, oobn, flags int, addr *net.UDPAddr, err error) {
	n, addr, err = c.ReadFromUDP(b)
	return n, 0, 0, addr, err
}

// Read is ReadFromAddrPort without the address.
func (c *Conn) Read(b []byte) (int, error) {
	n, _, err := c.ReadFromAddrPort(b)
	return n, err
}

var errNotUDP = errors.New("not a UDP address")

// WriteTo sends one packet to a *net.UDPAddr.
func (c *Conn) WriteTo(b []byte, to net.Addr) (int, error) {
	addr, ok := to.(*net.UDPAddr)
	if !ok || addr == nil {
		return 0, c.fail("write", errNotUDP)
	}
	return c.WriteToAddrPort(b, addr.AddrPort())
}

// WriteToUDP sends one packet.
func (c *Conn) WriteToUDP(b []byte, to *net.UDPAddr) (int, error) { return c.WriteTo(b, to) }

// WriteMsgUDP is WriteToUDP; it takes no control messages.
func (c *Conn) WriteMsgUDP(b, _ []byte, to *net.UDPAddr) (n, oobn int, err error) {
	n, err = c.WriteTo(b, to)
	return n, 0, err
}

// Write fails: the socket is connected to nobody.
func (c *Conn) Write([]byte) (int, error) {
	return 0, c.fail("write", errors.New("the socket is not connected"))
}

// Close closes the socket and unblocks whoever reads. A handler's call may
// still be running when it returns.
func (c *Conn) Close() error {
	if !c.inbox.close() {
		return c.fail("close", net.ErrClosed)
	}
	return c.socket.close()
}

// LocalAddr returns the local address, a *net.UDPAddr.
func (c *Conn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.local) }

// RemoteAddr returns nil: the socket is connected to nobody.
func (c *Conn) RemoteAddr() net.Addr { return nil }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline sets when ReadFrom gives up; zero is never. The handler
// knows no deadline.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if !c.inbox.setDeadline(t) {
		return c.fail("set", net.ErrClosed)
	}
	return nil
}

// SetWriteDeadline sets from when on writes fail; zero is never.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	var at time.Duration
	if !t.IsZero() {
		at = mono.Now() + time.Until(t)
		if at == 0 {
			at = 1
		}
	}
	c.writeDeadline.Store(int64(at))
	return nil
}

// SetReadBuffer asks the kernel for a receive buffer of so many bytes.
func (c *Conn) SetReadBuffer(bytes int) error { return c.socket.setReadBuffer(bytes) }

// SetWriteBuffer asks the kernel for a send buffer of so many bytes.
func (c *Conn) SetWriteBuffer(bytes int) error { return c.socket.setWriteBuffer(bytes) }
