package udp

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/earshot-voip/earshot/internal/mono"
)

var openSocket opener = openKernel

// kernelSocket is a socket that the process's poller reads, with the kernel's
// receive times.
type kernelSocket struct {
	conn *Conn
	ipv6 bool

	mu sync.RWMutex // held for reading while fd is in use, for writing to close it
	fd int          // -1 once closed

	drops atomic.Uint32 // as the kernel counts them
	cut   atomic.Uint32 // drops at the time of the close

	unstamped atomic.Bool // a packet came without the kernel's receive time

	outMu sync.Mutex
	out   *outlet // made by the first batch
}

func openKernel(c *Conn, local netip.AddrPort) error {
	p, err := sharedPoller()
	if err != nil {
		return err
	}
	s := &kernelSocket{conn: c, ipv6: !local.Addr().Is4()}
	family := unix.AF_INET
	if s.ipv6 {
		family = unix.AF_INET6
	}
	s.fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	if err = s.bind(local); err == nil {
		c.socket = s
		err = p.add(s)
	}
	if err != nil {
		unix.Close(s.fd)
		return err
	}
	return nil
}

// bind sets the options before it binds, so that no packet arrives without.
func (s *kernelSocket) bind(local netip.AddrPort) error {
	if s.ipv6 {
		if err := unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return os.NewSyscallError("setsockopt IPV6_V6ONLY", err)
		}
	}
	if dscp := s.conn.config.DSCP; dscp >= 0 {
		level, name := unix.IPPROTO_IP, unix.IP_TOS
		if s.ipv6 {
			level, name = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
		}
		if err := unix.SetsockoptInt(s.fd, level, name, dscp<<2); err != nil {
			return os.NewSyscallError("setsockopt DSCP", err)
		}
	}
	// What follows is wished for: without it a figure is unknown or a buffer
	// smaller, and the socket works.
	type option struct{ level, name int }
	wishes := []option{
		{unix.SOL_SOCKET, unix.SO_TIMESTAMPNS}, {unix.SOL_SOCKET, unix.SO_RXQ_OVFL},
		{unix.IPPROTO_IP, unix.IP_RECVTOS}, {unix.IPPROTO_IP, unix.IP_RECVTTL},
	}
	if s.ipv6 {
		wishes = append(wishes[:2], option{unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS}, option{unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT})
	}
	for _, w := range wishes {
		_ = unix.SetsockoptInt(s.fd, w.level, w.name, 1)
	}
	_ = s.setReadBuffer(s.conn.config.ReadBuffer)
	_ = s.setWriteBuffer(s.conn.config.WriteBuffer)

	var name unix.RawSockaddrInet6
	length := putSockaddr(&name, local, s.ipv6)
	if _, _, errno := unix.Syscall(unix.SYS_BIND, uintptr(s.fd), uintptr(unsafe.Pointer(&name)), uintptr(length)); errno != 0 {
		return os.NewSyscallError("bind", errno)
	}
	length = unix.SizeofSockaddrInet6
	if _, _, errno := unix.Syscall(unix.SYS_GETSOCKNAME, uintptr(s.fd), uintptr(unsafe.Pointer(&name)), uintptr(unsafe.Pointer(&length))); errno != 0 {
		return os.NewSyscallError("getsockname", errno)
	}
	s.conn.local = getSockaddr(&name)
	return nil
}

// read takes one batch from the socket and delivers it. The poller calls it.
func (s *kernelSocket) read(in *intake, p *Packet) {
	s.mu.RLock()
	if s.fd < 0 {
		s.mu.RUnlock()
		return
	}
	n, err := in.receive(s.fd, s.conn.config.Batch)
	s.mu.RUnlock()
	if err != nil {
		return
	}
	now := time.Now() // both clocks at once
	read, wall := mono.Of(now), time.Duration(now.UnixNano())
	for i := range n {
		c := parseControl(in.control(i))
		if c.dropped != 0 {
			s.drops.Store(c.dropped)
		}
		if c.stamp == 0 {
			s.unstamped.Store(true)
		}
		if in.truncated(i) {
			s.conn.truncated.Add(1)
			continue
		}
		*p = Packet{Data: in.packet(i), From: getSockaddr(&in.names[i]), At: arrival(read, wall, c.stamp), Read: read, DSCP: -1, TTL: c.ttl}
		if c.tos >= 0 {
			p.DSCP = c.tos >> 2
		}
		s.conn.deliver(p)
	}
	if n > 0 {
		s.conn.flush()
	}
}

// arrival moves a kernel timestamp to the monotonic clock, at the time of the
// read. The age is held to 0..1 s, so that a step of the wall clock between
// the two cannot enter. A stamp of 0 is none.
func arrival(read, wall, stamp time.Duration) time.Duration {
	if stamp == 0 {
		return read
	}
	return read - min(max(wall-stamp, 0), time.Second)
}

func (s *kernelSocket) send(b []byte, to netip.AddrPort) error {
	var name unix.RawSockaddrInet6
	length := putSockaddr(&name, to, s.ipv6)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.fd < 0 {
		return net.ErrClosed
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&name)), uintptr(length))
	if errno != 0 {
		return os.NewSyscallError("sendto", errno)
	}
	return nil
}

func (s *kernelSocket) sendBatch(m []Message) (int, error) {
	s.outMu.Lock()
	defer s.outMu.Unlock()
	if s.out == nil {
		s.out = new(outlet)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.fd < 0 {
		return 0, net.ErrClosed
	}
	sent := 0
	for sent < len(m) {
		n, err := s.out.send(s.fd, m[sent:], s.ipv6)
		if err != nil {
			return sent, os.NewSyscallError("sendmmsg", err)
		}
		sent += n
	}
	return sent, nil
}

func (s *kernelSocket) setReadBuffer(bytes int) error {
	return s.setBuffer(unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, bytes)
}

func (s *kernelSocket) setWriteBuffer(bytes int) error {
	return s.setBuffer(unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, bytes)
}

// setBuffer tries past the system's limit first, which takes CAP_NET_ADMIN.
func (s *kernelSocket) setBuffer(force, plain, bytes int) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.fd < 0 {
		return net.ErrClosed
	}
	if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, force, bytes) == nil {
		return nil
	}
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, plain, bytes))
}

// dropped asks the socket itself: SO_RXQ_OVFL comes with the next packet, and
// so knows nothing of the last drops of a call.
func (s *kernelSocket) dropped() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.fd >= 0 {
		if n, ok := socketDrops(s.fd); ok {
			return uint64(n)
		}
	}
	return uint64(max(s.drops.Load(), s.cut.Load()))
}

// socketDrops reads the kernel's count of packets dropped at a socket
// (SO_MEMINFO, Linux 4.12).
func socketDrops(fd int) (uint32, bool) {
	var info [unix.SK_MEMINFO_DROPS + 1]uint32
	length := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&length)), 0)
	return info[unix.SK_MEMINFO_DROPS], errno == 0 && length == uint32(unsafe.Sizeof(info))
}

// timestamps says kernel only as long as every packet had the kernel's time.
func (s *kernelSocket) timestamps() Timestamps {
	if s.unstamped.Load() {
		return User
	}
	return Kernel
}

func (s *kernelSocket) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return net.ErrClosed
	}
	if n, ok := socketDrops(s.fd); ok {
		s.cut.Store(n)
	}
	if p, err := sharedPoller(); err == nil {
		p.remove(s.fd)
	}
	err := unix.Close(s.fd)
	s.fd = -1
	return os.NewSyscallError("close", err)
}
