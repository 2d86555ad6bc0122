package farend

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/earshot-voip/earshot/internal/udp"
)

// Front stands before the UDP port of a TURN server: it hands packets on, sees
// with what mark they come, and can add some of its own. It knows one client.
type Front struct {
	URL string // in place of the server's

	server *net.UDPConn // connected to it
	mu     sync.Mutex
	client netip.AddrPort
	marks  map[int16]int
	front  *udp.Conn
}

// NewFront starts a front before the server with a URL.
func NewFront(t testing.TB, url string) *Front {
	t.Helper()
	address := strings.TrimSuffix(strings.TrimPrefix(url, "turn:"), "?transport=udp")
	f := &Front{marks: map[int16]int{}}
	server, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	f.server = server.(*net.UDPConn)
	if f.front, err = udp.Listen(netip.MustParseAddrPort("127.0.0.1:0"), udp.Config{Handler: f.forward}); err != nil {
		t.Fatal(err)
	}
	f.URL = "turn:" + f.front.LocalAddrPort().String() + "?transport=udp"
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 2048)
		for {
			n, err := f.server.Read(buf)
			if err != nil {
				return
			}
			f.Inject(buf[:n])
		}
	}()
	t.Cleanup(func() {
		_ = f.front.Close()
		_ = f.server.Close()
		<-done
	})
	return f
}

func (f *Front) forward(p *udp.Packet) bool {
	f.mu.Lock()
	f.client = p.From
	f.marks[p.DSCP]++
	f.mu.Unlock()
	_, _ = f.server.Write(p.Data)
	return true
}

// Inject sends a packet to the client in the server's name.
func (f *Front) Inject(b []byte) {
	f.mu.Lock()
	client := f.client
	f.mu.Unlock()
	_, _ = f.front.WriteToAddrPort(b, client)
}

// Marks returns how many packets came from the client with each DSCP; -1 is
// unknown.
func (f *Front) Marks() map[int16]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	marks := map[int16]int{}
	for mark, n := range f.marks {
		marks[mark] = n
	}
	return marks
}
