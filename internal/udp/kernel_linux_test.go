package udp

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/earshot-voip/earshot/internal/mono"
)

// kernelStamps waits until the kernel stamps packets: it begins a while after
// the first socket of the system asks for it, and until then a packet gets the
// time of its read.
func kernelStamps(t testing.TB) {
	t.Helper()
	if c := open(t, openKernel, loopback4, Config{}); c.Stats().Timestamps != Kernel {
		t.Fatal("the socket does not say that its times are the kernel's")
	}
	time.Sleep(20 * time.Millisecond)
}

func TestKernelTimestampIsNotTheReaders(t *testing.T) {
	kernelStamps(t)
	for _, local := range []netip.AddrPort{loopback4, loopback6} {
		t.Run(local.Addr().String(), func(t *testing.T) {
			const asleep = 30 * time.Millisecond
			first, packets := make(chan struct{}), make(chan [2]time.Duration, 10)
			c := open(t, openKernel, local, Config{Handler: func(p *Packet) bool {
				if len(p.Data) == 1 { // keep the reading thread asleep
					close(first)
					time.Sleep(asleep)
					return true
				}
				packets <- [2]time.Duration{p.At, p.Read}
				return true
			}})
			sender := open(t, openKernel, local, Config{})
			write := func(b []byte) {
				if _, err := sender.WriteToAddrPort(b, c.LocalAddrPort()); err != nil {
					t.Fatal(err)
				}
			}
			write([]byte{1})
			<-first
			before := mono.Now()
			write([]byte{1, 2})
			after := mono.Now()
			got := <-packets
			at, read := got[0], got[1]
			// The wall clock and the monotonic one are steered apart by at
			// most 0.05 %, and read a moment apart.
			const blur = 100 * time.Microsecond
			if at < before-blur || at > after+blur {
				t.Errorf("at %v is not between the clock before the send %v and after %v", at, before, after)
			}
			if read < after+asleep/2 {
				t.Errorf("read at %v, sent at %v: the reader did not sleep", read, after)
			}
		})
	}
}

func TestPacketWithoutTheKernelsTimeSaysSo(t *testing.T) {
	n := NewNet(NetConfig{})
	seen := make(chan Packet, 1)
	n.SetHandler(func(p *Packet) bool { seen <- *p; return true })
	var conns []*Conn
	for range 2 {
		c, err := n.ListenUDP("udp4", net.UDPAddrFromAddrPort(loopback4))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c.(*Conn))
	}
	other := plain(t, "udp4")
	sendTo(t, other, []byte{1}, conns[1].LocalAddrPort())
	<-seen
	if got := n.Stats().Timestamps; got != Kernel {
		t.Errorf("with the kernel's times: got %v", got)
	}
	if err := unix.SetsockoptInt(conns[1].socket.(*kernelSocket).fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 0); err != nil {
		t.Fatal(err)
	}
	sendTo(t, other, []byte{1}, conns[1].LocalAddrPort())
	if p := <-seen; p.At != p.Read {
		t.Errorf("at %v want the read %v", p.At, p.Read)
	}
	if got := n.Stats().Timestamps; got != User {
		t.Errorf("after a packet without: got %v want %v", got, User)
	}
}

func TestArrival(t *testing.T) {
	const read, wall = 90 * time.Second, 1_700_000_000 * time.Second
	for _, row := range []struct {
		name        string
		stamp, want time.Duration
	}{
		{"an age of 3 ms", wall - 3*time.Millisecond, read - 3*time.Millisecond},
		{"no age", wall, read},
		{"a wall clock that stepped back gives no age", wall + time.Hour, read},
		{"a wall clock that stepped on gives a second", wall - time.Hour, read - time.Second},
		{"no stamp is the read", 0, read},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := arrival(read, wall, row.stamp); got != row.want {
				t.Errorf("got %v want %v", got, row.want)
			}
		})
	}
}

func TestDropsAtTheSocketAreCountedExactly(t *testing.T) {
	for _, row := range []struct {
		name string
		then func(c *Conn, other *net.UDPConn)
	}{
		{"while it is open", func(*Conn, *net.UDPConn) {}},
		{"after it was closed", func(c *Conn, _ *net.UDPConn) { c.Close() }},
		{"and the next packet's control message says the same", func(c *Conn, other *net.UDPConn) {
			before := c.Stats()
			sendTo(t, other, []byte{1}, c.LocalAddrPort())
			eventually(t, "one more packet", func() bool { return c.Stats().Consumed == before.Consumed+1 })
			if got := uint64(c.socket.(*kernelSocket).drops.Load()); got != before.Dropped {
				t.Errorf("SO_RXQ_OVFL says %d, SO_MEMINFO %d", got, before.Dropped)
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			blocked, release := make(chan struct{}), make(chan struct{})
			var received atomic.Uint64
			var once sync.Once
			c := open(t, openKernel, loopback4, Config{ReadBuffer: 4096, Handler: func(*Packet) bool {
				once.Do(func() { close(blocked); <-release })
				received.Add(1)
				return true
			}})
			other := plain(t, "udp4")
			data := make([]byte, 200)
			sendTo(t, other, data, c.LocalAddrPort())
			<-blocked
			const sent = 300
			for range sent - 1 {
				sendTo(t, other, data, c.LocalAddrPort())
			}
			close(release)
			eventually(t, "the socket is empty", func() bool {
				before := received.Load()
				time.Sleep(10 * time.Millisecond)
				return before == received.Load()
			})
			want := sent - received.Load()
			row.then(c, other)
			if got := c.Stats().Dropped; got == 0 || got != want {
				t.Errorf("sent %d, handled %d: got %d dropped want %d", sent, sent-want, got, want)
			}
		})
	}
}

func TestMarkAndHopsThatArrived(t *testing.T) {
	for _, local := range []netip.AddrPort{loopback4, loopback6} {
		t.Run(local.Addr().String(), func(t *testing.T) {
			seen := make(chan Packet, 1)
			c := open(t, openKernel, local, Config{Handler: func(p *Packet) bool { seen <- *p; return true }})
			other := plain(t, map[bool]string{true: "udp4", false: "udp6"}[local.Addr().Is4()])
			for _, want := range []struct{ dscp, ecn, ttl int16 }{{46, 0, 64}, {34, 1, 1}, {0, 2, 255}} {
				var err error
				tos := int(want.dscp<<2 | want.ecn)
				if local.Addr().Is4() {
					o := ipv4.NewConn(other)
					err = fmt.Errorf("%v %v", o.SetTOS(tos), o.SetTTL(int(want.ttl)))
				} else {
					o := ipv6.NewConn(other)
					err = fmt.Errorf("%v %v", o.SetTrafficClass(tos), o.SetHopLimit(int(want.ttl)))
				}
				if err.Error() != "<nil> <nil>" {
					t.Fatal(err)
				}
				sendTo(t, other, []byte{1}, c.LocalAddrPort())
				if got := <-seen; got.DSCP != want.dscp || got.TTL != want.ttl {
					t.Errorf("got DSCP %d TTL %d want %d %d", got.DSCP, got.TTL, want.dscp, want.ttl)
				}
			}
		})
	}
}

// The standard library's end reads the mark, so that the two ends do not agree
// on the same mistake.
func TestMarkThatIsSent(t *testing.T) {
	for name, way := range ways {
		for _, local := range []netip.AddrPort{loopback4, loopback6} {
			t.Run(name+" "+local.Addr().String(), func(t *testing.T) {
				c := open(t, way, local, Config{DSCP: 46})
				other := plain(t, map[bool]string{true: "udp4", false: "udp6"}[local.Addr().Is4()])
				raw, _ := other.SyscallConn()
				_ = raw.Control(func(fd uintptr) {
					_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVTOS, 1)
					_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1)
				})
				to := netip.MustParseAddrPort(other.LocalAddr().String())
				if _, err := c.WriteToAddrPort([]byte{1}, to); err != nil {
					t.Fatal(err)
				}
				oob := make([]byte, 100)
				_, n, _, _, err := other.ReadMsgUDP(make([]byte, 10), oob)
				if err != nil {
					t.Fatal(err)
				}
				messages, _ := unix.ParseSocketControlMessage(oob[:n])
				if len(messages) != 1 || messages[0].Data[0] != 46<<2 {
					t.Errorf("got %v want one message of %d", messages, 46<<2)
				}
			})
		}
	}
}

func TestOneBatchEndsInOneFlush(t *testing.T) {
	var packets, flushes, largest, inBatch int
	blocked, release, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	c := open(t, openKernel, loopback4, Config{
		Batch: 16,
		Handler: func(*Packet) bool {
			if packets == 0 {
				close(blocked)
				<-release
			}
			packets++
			inBatch++
			return true
		},
		Flush: func() {
			flushes++
			largest, inBatch = max(largest, inBatch), 0
			if packets == 41 {
				close(done)
			}
		},
	})
	other := plain(t, "udp4")
	sendTo(t, other, []byte{1}, c.LocalAddrPort())
	<-blocked
	for range 40 {
		sendTo(t, other, []byte{1}, c.LocalAddrPort())
	}
	close(release)
	<-done
	// 1, then 40 in batches of 16, 16 and 8.
	if flushes != 4 || largest != 16 {
		t.Errorf("got %d flushes, at most %d packets in one; want 4 and 16", flushes, largest)
	}
}

func TestBuffersAreAsLargeAsAsked(t *testing.T) {
	c := open(t, openKernel, loopback4, Config{ReadBuffer: 300_000, WriteBuffer: 200_000})
	fd := c.socket.(*kernelSocket).fd
	for _, row := range []struct{ option, want int }{{unix.SO_RCVBUF, 600_000}, {unix.SO_SNDBUF, 400_000}} {
		// The kernel doubles what is asked for, socket(7).
		if got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, row.option); got != row.want || err != nil {
			t.Errorf("got %d, %v want %d", got, err, row.want)
		}
	}
}

func TestPacketsDoNotAllocate(t *testing.T) {
	for _, local := range []netip.AddrPort{loopback4, loopback6} {
		t.Run(local.Addr().String(), func(t *testing.T) {
			seen := make(chan struct{}, 100)
			var c *Conn
			answers := make([]Message, 0, 8)
			c = open(t, openKernel, local, Config{
				Batch: 8,
				Handler: func(p *Packet) bool {
					answers = append(answers, Message{p.Data, p.From})
					return true
				},
				Flush: func() {
					_, _ = c.WriteBatch(answers)
					answers = answers[:0]
				},
			})
			one := open(t, openKernel, local, Config{Handler: func(*Packet) bool { seen <- struct{}{}; return true }})
			packet := make([]byte, 172)
			if n := testing.AllocsPerRun(200, func() {
				_, _ = one.WriteToAddrPort(packet, c.LocalAddrPort())
				<-seen
			}); n != 0 {
				t.Errorf("a packet there and back allocates %v times", n)
			}
		})
	}
}

func TestLinkLocalAddressKeepsItsZone(t *testing.T) {
	for _, row := range []struct{ name, address string }{
		{"by name", "[fe80::1%lo]:5004"},
		{"IPv4", "192.0.2.7:5004"},
		{"IPv6", "[2001:db8::7]:5004"},
	} {
		t.Run(row.name, func(t *testing.T) {
			want := netip.MustParseAddrPort(row.address)
			var s unix.RawSockaddrInet6
			putSockaddr(&s, want, want.Addr().Is6())
			if got := getSockaddr(&s); got != want {
				t.Errorf("got %v want %v", got, want)
			}
		})
	}
	var none unix.RawSockaddrInet6
	if got := getSockaddr(&none); got.IsValid() {
		t.Errorf("no address: got %v", got)
	}
}

// cmsg builds one control message by cmsg(3), for 64-bit and 32-bit systems.
func cmsg(level, kind int32, data []byte) []byte {
	b := make([]byte, unix.CmsgSpace(len(data)))
	word := unix.SizeofCmsghdr - 8
	if word == 8 {
		binary.NativeEndian.PutUint64(b, uint64(unix.CmsgLen(len(data))))
	} else {
		binary.NativeEndian.PutUint32(b, uint32(unix.CmsgLen(len(data))))
	}
	binary.NativeEndian.PutUint32(b[word:], uint32(level))
	binary.NativeEndian.PutUint32(b[word+4:], uint32(kind))
	copy(b[unix.CmsgLen(0):], data)
	return b
}

func word(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

func TestParseControl(t *testing.T) {
	unknown := control{tos: -1, ttl: -1}
	stamp := binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(nil, 1_700_000_000), 123_456_789)
	short := append(word(1_700_000_000), word(5)...)
	bad := binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(nil, 1_700_000_000), 1_000_000_000)
	negative := binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(nil, 1<<63), 0)
	whole := append(cmsg(unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, stamp), cmsg(unix.SOL_SOCKET, unix.SO_RXQ_OVFL, word(9))...)
	whole = append(append(whole, cmsg(unix.IPPROTO_IP, unix.IP_TOS, []byte{0xb8})...), cmsg(unix.IPPROTO_IP, unix.IP_TTL, word(63))...)
	lies := cmsg(unix.IPPROTO_IP, unix.IP_TTL, word(63))
	lies[0] = 200
	tiny := cmsg(unix.IPPROTO_IP, unix.IP_TTL, word(63))
	tiny[0] = 3
	for _, row := range []struct {
		name string
		in   []byte
		want control
	}{
		{"nothing", nil, unknown},
		{"everything of IPv4", whole, control{1_700_000_000_123_456_789, 9, 0xb8, 63}},
		{"IPv6", append(cmsg(unix.IPPROTO_IPV6, unix.IPV6_TCLASS, word(0x88)), cmsg(unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT, word(0))...), control{tos: 0x88, ttl: 0}},
		{"a timestamp of 32 bits", cmsg(unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, short), control{stamp: 1_700_000_000_000_000_005, tos: -1, ttl: -1}},
		{"a timestamp with a whole second of nanoseconds", cmsg(unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, bad), unknown},
		{"a timestamp before 1970", cmsg(unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, negative), unknown},
		{"a timestamp of three bytes", cmsg(unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, stamp[:3]), unknown},
		{"cut within the second message", whole[:unix.CmsgSpace(16)+5], control{stamp: 1_700_000_000_123_456_789, tos: -1, ttl: -1}},
		{"a length past the end", lies, unknown},
		{"a length below the header", tiny, unknown},
		{"a TTL of two bytes", cmsg(unix.IPPROTO_IP, unix.IP_TTL, []byte{1, 0}), unknown},
		{"a TTL over an octet", cmsg(unix.IPPROTO_IP, unix.IP_TTL, word(256)), unknown},
		{"a negative hop limit", cmsg(unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT, word(1<<31)), unknown},
		{"an empty TOS", cmsg(unix.IPPROTO_IP, unix.IP_TOS, nil), unknown},
		{"a drop count of one byte", cmsg(unix.SOL_SOCKET, unix.SO_RXQ_OVFL, []byte{7}), unknown},
		{"an unknown message before a known one", append(cmsg(99, 99, word(1)), cmsg(unix.IPPROTO_IP, unix.IP_TTL, word(5))...), control{tos: -1, ttl: 5}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := parseControl(row.in); got != row.want {
				t.Errorf("got %+v want %+v", got, row.want)
			}
		})
	}
}

func FuzzParseControl(f *testing.F) {
	f.Add(cmsg(unix.IPPROTO_IP, unix.IP_TTL, word(5)))
	f.Add(append(cmsg(unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, make([]byte, 16)), 1, 2, 3))
	f.Add(make([]byte, 40))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c := parseControl(b); c.stamp < 0 || c.tos < -1 || c.tos > 255 || c.ttl < -1 || c.ttl > 255 {
			t.Errorf("got %+v", c)
		}
	})
}
