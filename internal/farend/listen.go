package farend

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
)

// ClosedPort returns an address of loopback where nothing listens.
func ClosedPort(t testing.TB) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// Mute accepts connections and never says a word. It closes those whose peer
// does.
func Mute(t testing.TB) netip.AddrPort {
	return accept(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
}

// Curt accepts connections, waits for the first bytes and closes.
func Curt(t testing.TB) netip.AddrPort {
	return accept(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) })
}

func accept(t testing.TB, serve func(net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				serve(c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// DeadPort is a UDP port of loopback that takes everything and answers nothing.
func DeadPort(t testing.TB) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}
