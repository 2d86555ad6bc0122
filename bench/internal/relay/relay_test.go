package relay

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/impair"
)

// rtp is a packet of a stream.
func rtp(seq uint16) []byte {
	return []byte{0x80, 0, byte(seq >> 8), byte(seq), 0, 0, 0, 0, 0, 0, 0, 7, 'x'}
}

func schedule(t *testing.T, text string) impair.Schedule {
	t.Helper()
	s, err := impair.ParseSchedule(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// listenUDP opens a socket of the test.
func listenUDP(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// read takes what comes until a time passes without.
func read(t *testing.T, c *net.UDPConn, quiet time.Duration) (got [][]byte, from netip.AddrPort) {
	t.Helper()
	buffer := make([]byte, 100)
	for {
		_ = c.SetReadDeadline(time.Now().Add(quiet))
		n, who, err := c.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return got, from
		}
		got, from = append(got, bytes.Clone(buffer[:n])), who
	}
}

func TestRelayBooksWhatItDoesToRTP(t *testing.T) {
	echo, caller := listenUDP(t), listenUDP(t)
	r, err := NewUDP(Config{Up: schedule(t, "loss=30%,duplicate=20%,seed=3"), Down: schedule(t, "clean")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	r.SetTarget(echo.LocalAddr().(*net.UDPAddr).AddrPort())
	const packets = 100 // fit into the buffer of a socket
	check := []byte{0, 1, 'c', 'h', 'e', 'c', 'k'}
	for seq := range uint16(packets) {
		for _, b := range [][]byte{rtp(seq), check} {
			if _, err := caller.WriteToUDPAddrPort(b, r.Addr()); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, from := read(t, echo, 300*time.Millisecond)
	checks, copies := 0, map[uint16]int{}
	for _, b := range got {
		if bytes.Equal(b, check) {
			checks++
			continue
		}
		copies[uint16(b[2])<<8|uint16(b[3])]++
	}
	if checks != packets {
		t.Errorf("%d of %d packets that are not RTP passed, want all", checks, packets)
	}
	book := r.Book(Up)
	if len(book) != packets {
		t.Fatalf("%d packets are in the book, want %d", len(book), packets)
	}
	lost, twice := 0, 0
	for i, p := range book {
		if p.Sequence != uint16(i) || len(p.Out) != copies[p.Sequence] {
			t.Errorf("packet %d is booked as %d with %d copies, %d came", i, p.Sequence, len(p.Out), copies[p.Sequence])
		}
		switch len(p.Out) {
		case 0:
			lost++
		case 2:
			twice++
		}
		for _, out := range p.Out {
			if out < p.In {
				t.Errorf("packet %d left %v before it came", i, p.In-out)
			}
		}
	}
	if lost < packets/5 || lost > packets/2 || twice < packets/20 {
		t.Errorf("%d of %d lost and %d twice, which is not 30 %% and 20 %% of the rest", lost, packets, twice)
	}

	// And back, by the way it came.
	if _, err := echo.WriteToUDPAddrPort(rtp(9), from); err != nil {
		t.Fatal(err)
	}
	back, who := read(t, caller, 200*time.Millisecond)
	if len(back) != 1 || !bytes.Equal(back[0], rtp(9)) || who != r.Addr() {
		t.Errorf("got %x from %v back, want one packet from the relay", back, who)
	}
	if down := r.Book(Down); len(down) != 1 || down[0].Sequence != 9 || len(down[0].Out) != 1 {
		t.Errorf("the book of the way back is %+v", down)
	}
}

func TestRelayKeepsCallersApart(t *testing.T) {
	echo := listenUDP(t)
	r, err := NewUDP(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	r.SetTarget(echo.LocalAddr().(*net.UDPAddr).AddrPort())
	callers := []*net.UDPConn{listenUDP(t), listenUDP(t)}
	for i, c := range callers {
		if _, err := c.WriteToUDPAddrPort(rtp(uint16(i)), r.Addr()); err != nil {
			t.Fatal(err)
		}
		got, from := read(t, echo, 100*time.Millisecond)
		if len(got) != 1 {
			t.Fatalf("caller %d: %d packets arrived", i, len(got))
		}
		if _, err := echo.WriteToUDPAddrPort(got[0], from); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range callers {
		got, _ := read(t, c, 100*time.Millisecond)
		if len(got) != 1 || !bytes.Equal(got[0], rtp(uint16(i))) {
			t.Errorf("caller %d got %x, want its own packet", i, got)
		}
	}
}

func TestTCPRelayDelays(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(c, c)
		_ = c.Close()
	}()
	const oneWay = 30 * time.Millisecond
	r, err := NewTCP(l.Addr().String(), oneWay)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	began := time.Now()
	c, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i, least := range []time.Duration{4 * oneWay, 6 * oneWay} { // the handshake's round trip comes with the first
		if _, err := fmt.Fprint(c, "ping"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < least {
			t.Errorf("exchange %d was over after %v, want %v at least", i+1, took, least)
		}
	}
}
