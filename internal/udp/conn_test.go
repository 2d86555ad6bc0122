package udp

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
)

// ways are the sockets that this platform can run.
var ways = map[string]opener{"native": openSocket, "portable": openPortable}

var (
	loopback4 = netip.MustParseAddrPort("127.0.0.1:0")
	loopback6 = netip.MustParseAddrPort("[::1]:0")
)

// open opens a socket that is closed at the test's end.
func open(t testing.TB, way opener, local netip.AddrPort, c Config) *Conn {
	t.Helper()
	conn, err := listen(local, c, way)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// plain opens a socket of the standard library, which serves as the other end.
func plain(t testing.TB, network string) *net.UDPConn {
	t.Helper()
	ip := net.IPv4(127, 0, 0, 1)
	if network == "udp6" {
		ip = net.IPv6loopback
	}
	c, err := net.ListenUDP(network, &net.UDPAddr{IP: ip})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func sendTo(t testing.TB, from *net.UDPConn, data []byte, to netip.AddrPort) {
	t.Helper()
	if _, err := from.WriteToUDPAddrPort(data, to); err != nil {
		t.Fatal(err)
	}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("did not happen: %s", what)
		}
	}
}

func TestReadFromReturnsWhatTheHandlerLeft(t *testing.T) {
	for name, way := range ways {
		for _, family := range []struct {
			network string
			local   netip.AddrPort
		}{{"udp4", loopback4}, {"udp6", loopback6}} {
			t.Run(name+" "+family.network, func(t *testing.T) {
				seen := make(chan Packet, 10)
				c := open(t, way, family.local, Config{DSCP: -1, Handler: func(p *Packet) bool {
					q := *p
					q.Data = bytes.Clone(p.Data)
					seen <- q
					return p.Data[0] >= 128
				}})
				other := plain(t, family.network)
				want := netip.MustParseAddrPort(other.LocalAddr().String())
				before := mono.Now()
				for _, data := range [][]byte{{200, 1}, {1, 2}, {128, 3}, {22, 4, 5}} {
					sendTo(t, other, data, c.LocalAddrPort())
				}
				for _, data := range [][]byte{{1, 2}, {22, 4, 5}} {
					buf := make([]byte, 100)
					n, from, err := c.ReadFrom(buf)
					if err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(buf[:n], data) || from.(*net.UDPAddr).AddrPort() != want {
						t.Errorf("got %v from %v want %v from %v", buf[:n], from, data, want)
					}
				}
				for range 4 {
					p := <-seen
					if p.From != want || p.Relayed || p.Channel != 0 {
						t.Errorf("got %+v, want it from %v and not relayed", p, want)
					}
					if p.At < before || p.Read < p.At || mono.Now() < p.Read {
						t.Errorf("sent after %v, at %v, read at %v: not in this order", before, p.At, p.Read)
					}
				}
				if s := c.Stats(); s.Received != 4 || s.Consumed != 2 || s.Dropped != 0 || s.Truncated != 0 {
					t.Errorf("got %+v want 4 received, 2 consumed", s)
				}
			})
		}
	}
}

func TestWritesReachTheOtherEnd(t *testing.T) {
	for name, way := range ways {
		for _, family := range []struct {
			network string
			local   netip.AddrPort
		}{{"udp4", loopback4}, {"udp6", loopback6}} {
			t.Run(name+" "+family.network, func(t *testing.T) {
				c, other := open(t, way, family.local, Config{}), plain(t, family.network)
				to := other.LocalAddr().(*net.UDPAddr)
				mapped := netip.AddrPortFrom(netip.AddrFrom16(to.AddrPort().Addr().As16()), to.AddrPort().Port())
				if n, err := c.WriteToAddrPort([]byte{0}, mapped); n != 1 || err != nil {
					t.Fatal(n, err)
				}
				if n, err := c.WriteTo([]byte{1, 1}, to); n != 2 || err != nil {
					t.Fatal(n, err)
				}
				if n, err := c.WriteToUDP([]byte{2}, to); n != 1 || err != nil {
					t.Fatal(n, err)
				}
				batch := make([]Message, 150) // more than one system call
				for i := range batch {
					batch[i] = Message{[]byte{byte(i + 3), 7}, to.AddrPort()}
				}
				if n, err := c.WriteBatch(batch); n != len(batch) || err != nil {
					t.Fatal(n, err)
				}
				for i := range 153 {
					buf := make([]byte, 10)
					n, from, err := other.ReadFromUDPAddrPort(buf)
					if err != nil || buf[0] != byte(i) || i >= 3 && n != 2 {
						t.Fatalf("packet %d: got %v, %v", i, buf[:n], err)
					}
					if got := netip.AddrPortFrom(from.Addr().Unmap(), from.Port()); got != c.LocalAddrPort() {
						t.Fatalf("got it from %v want %v", got, c.LocalAddrPort())
					}
				}
				if s := c.Stats(); s.Sent != 153 {
					t.Errorf("got %d sent want 153", s.Sent)
				}
				wrong := loopback6
				if family.network == "udp6" {
					wrong = netip.MustParseAddrPort("192.0.2.1:9")
				}
				if n, err := c.WriteBatch([]Message{{[]byte{1}, to.AddrPort()}, {[]byte{1}, netip.AddrPortFrom(wrong.Addr(), 9)}}); n != 1 || err == nil {
					t.Errorf("a batch whose second packet is of another family: got %d, %v", n, err)
				}
			})
		}
	}
}

func TestDeadlines(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			c, other := open(t, way, loopback4, Config{}), plain(t, "udp4")
			buf := make([]byte, 10)
			check := func(what string) {
				t.Helper()
				_, _, err := c.ReadFrom(buf)
				var timeout net.Error
				if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
					t.Errorf("%s: got %v want a timeout", what, err)
				}
			}
			_ = c.SetReadDeadline(time.Now().Add(-time.Second))
			check("a deadline in the past")
			begun := time.Now()
			_ = c.SetReadDeadline(begun.Add(20 * time.Millisecond))
			check("a deadline to come")
			if took := time.Since(begun); took < 20*time.Millisecond {
				t.Errorf("gave up after %v", took)
			}
			// A later deadline replaces an earlier one while a reader waits.
			_ = c.SetReadDeadline(time.Now().Add(time.Hour))
			time.AfterFunc(10*time.Millisecond, func() { _ = c.SetDeadline(time.Now()) })
			check("a deadline set during the read")
			if _, err := c.WriteToAddrPort(buf, c.LocalAddrPort()); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("write after its deadline: got %v", err)
			}
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
			_ = c.SetDeadline(time.Time{})
			time.AfterFunc(20*time.Millisecond, func() { _, _ = other.WriteToUDPAddrPort([]byte{9}, c.LocalAddrPort()) })
			if n, _, err := c.ReadFrom(buf); n != 1 || err != nil {
				t.Errorf("without a deadline: got %d, %v", n, err)
			}
			if _, err := c.WriteToAddrPort(buf, c.LocalAddrPort()); err != nil {
				t.Errorf("write without a deadline: %v", err)
			}
		})
	}
}

func TestCloseEndsReadsAndWrites(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			c := open(t, way, loopback4, Config{})
			read := make(chan error)
			go func() {
				_, _, err := c.ReadFrom(make([]byte, 10))
				read <- err
			}()
			time.Sleep(5 * time.Millisecond)
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			if err := <-read; !errors.Is(err, net.ErrClosed) {
				t.Errorf("read: got %v want %v", err, net.ErrClosed)
			}
			if _, err := c.WriteToAddrPort([]byte{1}, c.LocalAddrPort()); !errors.Is(err, net.ErrClosed) {
				t.Errorf("write: got %v want %v", err, net.ErrClosed)
			}
			if err := c.Close(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("second close: got %v want %v", err, net.ErrClosed)
			}
			again := open(t, way, c.LocalAddrPort(), Config{}) // the port is free
			again.Close()
		})
	}
}

func TestHandlerMaySendAndClose(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			other := plain(t, "udp4")
			var c *Conn
			ready := make(chan struct{})
			c = open(t, way, loopback4, Config{Handler: func(p *Packet) bool {
				<-ready
				if _, err := c.WriteToAddrPort(p.Data, p.From); err != nil {
					t.Error(err)
				}
				return c.Close() == nil
			}})
			close(ready)
			sendTo(t, other, []byte{42}, c.LocalAddrPort())
			buf := make([]byte, 10)
			if n, _, err := other.ReadFrom(buf); n != 1 || buf[0] != 42 || err != nil {
				t.Errorf("got %v, %v", buf[:n], err)
			}
		})
	}
}

func TestHandlerIsReplaced(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			c, other := open(t, way, loopback4, Config{}), plain(t, "udp4")
			var took atomic.Int32
			c.SetHandler(func(*Packet) bool { took.Add(1); return true })
			sendTo(t, other, []byte{1}, c.LocalAddrPort())
			eventually(t, "the handler took the packet", func() bool { return took.Load() == 1 })
			c.SetHandler(nil)
			sendTo(t, other, []byte{2}, c.LocalAddrPort())
			if n, err := c.Read(make([]byte, 10)); n != 1 || err != nil {
				t.Errorf("got %d, %v", n, err)
			}
		})
	}
}

func TestLongPacketsAreCountedAndDiscarded(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			c, other := open(t, way, loopback4, Config{}), plain(t, "udp4")
			sendTo(t, other, make([]byte, MaxPacket+1), c.LocalAddrPort())
			sendTo(t, other, make([]byte, MaxPacket), c.LocalAddrPort())
			if n, err := c.Read(make([]byte, 2*MaxPacket)); n != MaxPacket || err != nil {
				t.Errorf("got %d bytes, %v want %d", n, err, MaxPacket)
			}
			if s := c.Stats(); s.Truncated != 1 || s.Received != 1 {
				t.Errorf("got %+v want 1 truncated, 1 received", s)
			}
		})
	}
}

func TestFullInboxCountsWhatItLoses(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			c, other := open(t, way, loopback4, Config{}), plain(t, "udp4")
			for i := range inboxLimit + 7 {
				sendTo(t, other, []byte{byte(i)}, c.LocalAddrPort())
				if i%64 == 0 {
					eventually(t, "packets were read", func() bool { return c.Stats().Received == uint64(i+1) })
				}
			}
			eventually(t, "7 packets were lost", func() bool { return c.Stats().Dropped == 7 })
			for i := range inboxLimit {
				var b [1]byte
				if _, err := c.Read(b[:]); err != nil || b[0] != byte(i) {
					t.Fatalf("packet %d: got %d, %v", i, b[0], err)
				}
			}
		})
	}
}

func TestListenErrors(t *testing.T) {
	for name, way := range ways {
		c := open(t, way, loopback4, Config{})
		for _, row := range []struct {
			name  string
			local netip.AddrPort
			dscp  int
		}{
			{"port in use", c.LocalAddrPort(), 0},
			{"address of another host", netip.MustParseAddrPort("203.0.113.1:0"), 0},
			{"DSCP of seven bits", loopback4, 64},
			{"DSCP below leaving it", loopback4, -2},
		} {
			t.Run(name+" "+row.name, func(t *testing.T) {
				if c, err := listen(row.local, Config{DSCP: row.dscp}, way); err == nil {
					c.Close()
					t.Error("got no error")
				}
			})
		}
	}
}

func TestAFamilyLeavesThePortToTheOther(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			six := open(t, way, netip.MustParseAddrPort("[::]:0"), Config{})
			four := open(t, way, netip.AddrPortFrom(netip.IPv4Unspecified(), six.LocalAddrPort().Port()), Config{})
			sendTo(t, plain(t, "udp4"), []byte{4}, netip.AddrPortFrom(loopback4.Addr(), four.LocalAddrPort().Port()))
			if _, err := four.Read(make([]byte, 10)); err != nil {
				t.Error(err)
			}
			if n := six.Stats().Received; n != 0 {
				t.Errorf("the socket of IPv6 got %d packets of IPv4", n)
			}
		})
	}
}

func TestRelayedMedia(t *testing.T) {
	rtp := []byte{0x80, 1, 2, 3}
	for _, row := range []struct {
		name    string
		packet  []byte
		inner   []byte
		channel uint16
	}{
		{"RTP in the first channel", append([]byte{0x40, 0x00, 0, 4}, rtp...), rtp, 0x4000},
		{"RTP in the last channel, padded", append(append([]byte{0x4F, 0xFF, 0, 3}, rtp[:3]...), 0), rtp[:3], 0x4FFF},
		{"RTCP byte 191", []byte{0x40, 1, 0, 1, 191}, []byte{191}, 0x4001},
		{"first byte 192 is not media", []byte{0x40, 1, 0, 1, 192}, nil, 0},
		{"DTLS is not media", []byte{0x40, 1, 0, 1, 22}, nil, 0},
		{"first byte 127 is not media", []byte{0x40, 1, 0, 1, 127}, nil, 0},
		{"channel 0x5000 is reserved", append([]byte{0x50, 0x00, 0, 4}, rtp...), nil, 0},
		{"channel 0x3FFF is none", append([]byte{0x3F, 0xFF, 0, 4}, rtp...), nil, 0},
		{"length past the end", append([]byte{0x40, 0x00, 0, 5}, rtp...), nil, 0},
		{"length of nothing", append([]byte{0x40, 0x00, 0, 0}, rtp...), nil, 0},
		{"header alone", []byte{0x40, 0, 0, 0}, nil, 0},
		{"nothing", nil, nil, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			inner, channel, ok := relayedMedia(row.packet)
			if !bytes.Equal(inner, row.inner) || channel != row.channel || ok != (row.inner != nil) {
				t.Errorf("got %v %#x %v want %v %#x", inner, channel, ok, row.inner, row.channel)
			}
		})
	}
}

func TestHandlerSeesInsideChannelDataOnly(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			seen := make(chan Packet, 10)
			c := open(t, way, loopback4, Config{Relay: true, Handler: func(p *Packet) bool {
				q := *p
				q.Data = bytes.Clone(p.Data)
				seen <- q
				return p.Relayed && p.Data[1] == 7
			}})
			other := plain(t, "udp4")
			taken, left, stun := []byte{0x40, 5, 0, 2, 0x80, 7, 0, 0}, []byte{0x40, 5, 0, 2, 0x80, 8, 0, 0}, []byte{0, 1, 0, 0}
			for _, data := range [][]byte{taken, left, stun} {
				sendTo(t, other, data, c.LocalAddrPort())
			}
			for _, want := range [][]byte{left, stun} {
				buf := make([]byte, 100)
				if n, err := c.Read(buf); err != nil || !bytes.Equal(buf[:n], want) {
					t.Errorf("ReadFrom: got %v, %v want %v, whole", buf[:n], err, want)
				}
			}
			for _, want := range []Packet{
				{Data: []byte{0x80, 7}, Relayed: true, Channel: 0x4005},
				{Data: []byte{0x80, 8}, Relayed: true, Channel: 0x4005},
				{Data: stun},
			} {
				got := <-seen
				if !bytes.Equal(got.Data, want.Data) || got.Relayed != want.Relayed || got.Channel != want.Channel {
					t.Errorf("handler: got %+v want %+v", got, want)
				}
			}
		})
	}
}
