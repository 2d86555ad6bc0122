package farend

import (
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// datagram is an RTP packet of a stream, as far as a relay looks at it.
func datagram(seq uint16) []byte {
	p := make([]byte, 13)
	p[0] = 0x80
	binary.BigEndian.PutUint16(p[2:], seq)
	binary.BigEndian.PutUint32(p[8:], 0xfeed)
	p[12] = 'x'
	return p
}

// ends are a caller and a far end with a relay between them.
func ends(t *testing.T) (r *Relay, caller, far *net.UDPConn) {
	t.Helper()
	far, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	r = NewRelay(t)
	r.to = far.LocalAddr().(*net.UDPAddr).AddrPort()
	caller, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(r.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = caller.Close() })
	return r, caller, far
}

// receive reads n sequence numbers.
func receive(t *testing.T, c *net.UDPConn, n int) (seqs []uint16, from netip.AddrPort) {
	t.Helper()
	buffer := make([]byte, 1500)
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for range n {
		var err error
		if _, from, err = c.ReadFromUDPAddrPort(buffer); err != nil {
			t.Fatalf("after %v: %v", seqs, err)
		}
		seqs = append(seqs, binary.BigEndian.Uint16(buffer[2:]))
	}
	return seqs, from
}

func send(t *testing.T, seqs ...uint16) func(*net.UDPConn, netip.AddrPort) {
	return func(c *net.UDPConn, to netip.AddrPort) {
		t.Helper()
		for _, seq := range seqs {
			var err error
			if to.IsValid() {
				_, err = c.WriteToUDPAddrPort(datagram(seq), to)
			} else {
				_, err = c.Write(datagram(seq))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestRelayKeepsTrueBooks(t *testing.T) {
	r, caller, far := ends(t)
	fates := map[uint16]Fate{
		65535: {Copies: 2},
		0:     {Drop: true},
		1:     {Behind: 2},
		4:     {Behind: 1, Copies: 1},
		7:     {Behind: 100}, // nothing lets it go: it is lost
	}
	r.SetFilter(func(p Packet) Fate { return fates[binary.BigEndian.Uint16(p.Data[2:])] })

	up := []uint16{65534, 65535, 0, 1, 2, 3, 4, 5, 6, 7, 8}
	send(t, up...)(caller, netip.AddrPort{})
	want := []uint16{65534, 65535, 65535, 65535, 2, 3, 1, 5, 4, 4, 6, 8}
	got, from := receive(t, far, len(want))
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := r.Books(Up), (Books{Offered: 11, Lost: 2, Duplicated: 3, Reordered: 2}); got != want {
		t.Errorf("got books %+v, want %+v", got, want)
	}
	if err := r.Continuous(Up); err != nil {
		t.Error(err)
	}

	send(t, 10, 11, 0, 13)(far, from)
	if got, _ := receive(t, caller, 3); !slices.Equal(got, []uint16{10, 11, 13}) {
		t.Errorf("back: got %v", got)
	}
	if got, want := r.Books(Down), (Books{Offered: 4, Lost: 1}); got != want {
		t.Errorf("got books %+v, want %+v", got, want)
	}
	if r.Continuous(Down) == nil {
		t.Error("0 behind 11 counts as continuous")
	}
	if r.Dropped(Down, RTP) != 1 || r.Seen(Down, RTP) != 4 || r.Seen(Down, RTCP) != 0 {
		t.Errorf("got %d of %d RTP packets dropped, %d RTCP", r.Dropped(Down, RTP), r.Seen(Down, RTP), r.Seen(Down, RTCP))
	}
}

func TestRelayDelaysWhileOthersPass(t *testing.T) {
	r, caller, far := ends(t)
	r.SetFilter(func(p Packet) Fate {
		if p.N == 0 {
			return Fate{Delay: 50 * time.Millisecond}
		}
		return Fate{}
	})
	send(t, 1, 2)(caller, netip.AddrPort{})
	if got, _ := receive(t, far, 2); !slices.Equal(got, []uint16{2, 1}) {
		t.Errorf("got %v, want the first packet last", got)
	}
	if got, want := r.Books(Up), (Books{Offered: 2, Reordered: 1}); got != want {
		t.Errorf("got books %+v, want %+v", got, want)
	}
}

func TestKindsOfPackets(t *testing.T) {
	for _, row := range []struct {
		name  string
		bytes []byte
		want  Kind
	}{
		{"a binding request", append([]byte{0, 1}, make([]byte, 18)...), STUN},
		{"a handshake record", append([]byte{22, 254}, make([]byte, 11)...), DTLS},
		{"an RTP packet with a marker", append([]byte{0x80, 0xef}, make([]byte, 10)...), RTP},
		{"a sender report", append([]byte{0x80, 200}, make([]byte, 26)...), RTCP},
		{"an RTP packet cut short", []byte{0x80, 0}, Other},
		{"a TURN channel", append([]byte{0x40, 0}, make([]byte, 10)...), Other},
		{"nothing", nil, Other},
	} {
		if got := kindOf(row.bytes); got != row.want {
			t.Errorf("%s: got %d, want %d", row.name, got, row.want)
		}
	}
}

// lines makes a description of its lines.
func lines(l ...string) string { return strings.Join(l, "\r\n") + "\r\n" }

func TestEdits(t *testing.T) {
	const one, two = "a=candidate:1 1 udp 2130706431 127.0.0.1 4000 typ host", "a=candidate:2 1 udp 100 192.0.2.1 5 typ srflx raddr 0.0.0.0 rport 9"
	sdp := lines("v=0", "m=audio 4000 UDP/TLS/RTP/SAVPF 0", "c=IN IP4 127.0.0.1", "a=mid:0", one, two)
	for _, row := range []struct {
		name string
		edit Edit
		want string
	}{
		{"lines go", Drop("a=mid:", "v="), lines("m=audio 4000 UDP/TLS/RTP/SAVPF 0", "c=IN IP4 127.0.0.1", one, two)},
		{"every candidate leads elsewhere", Candidates(netip.MustParseAddrPort("10.0.0.1:7")),
			lines("v=0", "m=audio 7 UDP/TLS/RTP/SAVPF 0", "c=IN IP4 10.0.0.1", "a=mid:0",
				"a=candidate:1 1 udp 2130706431 10.0.0.1 7 typ host", "a=candidate:2 1 udp 100 10.0.0.1 7 typ srflx raddr 0.0.0.0 rport 9")},
		{"several in turn", Edits(Replace("^m=audio", "m=video"), Drop("a=", "c=")), lines("v=0", "m=video 4000 UDP/TLS/RTP/SAVPF 0")},
		{"one of several finds nothing", Edits(Drop("a=mid:"), Drop("a=mid:")), unedited},
	} {
		if got := row.edit(sdp); got != row.want {
			t.Errorf("%s: got\n%s\nwant\n%s", row.name, got, row.want)
		}
	}
}

// A tamper hands an offer on as edited, and everything of the answer but the
// description as it came.
func TestTamper(t *testing.T) {
	var got string
	endpoint := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // of a string
		got = string(body)
		w.Header().Set("Location", "/call/1")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "the answer")
	})
	sessions := CountSessions(endpoint)
	h := Tamper{Offer: Replace("offer", "bid"), Answer: Replace("answer", "reply")}.Handler(t, sessions)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/echo", strings.NewReader("the offer")))
	if got != "the bid" || w.Body.String() != "the reply" || w.Code != http.StatusCreated || w.Header().Get("Location") != "/call/1" {
		t.Errorf("the endpoint got %q, the caller %d %q %v", got, w.Code, w.Body, w.Header())
	}
	if sessions.Created() != 1 || sessions.Ended() != 0 {
		t.Errorf("got %d created and %d ended, want 1 and 0", sessions.Created(), sessions.Ended())
	}
}
