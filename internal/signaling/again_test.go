package signaling_test

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/earshot-voip/earshot/internal/signaling"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
)

// After the set-up, a hang-up goes to the peer that has the call, whatever the
// name means by then; to another one only when that peer is gone.
func TestDialAfterSetUpGoesToTheSamePeer(t *testing.T) {
	first := listen(t, "127.0.0.1:0", hold)
	port := portOf(first)
	other := listen(t, "127.0.0.2:"+port, hold)
	zone := func(a netip.AddrPort) *net.Resolver {
		return signalingtest.NewResolver(t, signalingtest.Zone{Addresses: map[string][]netip.Addr{"a.example.": {a.Addr()}}})
	}
	var now atomic.Pointer[net.Resolver]
	now.Store(zone(first))
	tr := &signaling.Trace{Deadlines: patient, Resolver: &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			return now.Load().Dial(ctx, network, address)
		},
	}}
	reaches := func(when string, want netip.AddrPort) {
		t.Helper()
		c, err := tr.DialContext(context.Background(), "tcp", "a.example:"+port)
		if err != nil {
			t.Errorf("%s: %v", when, err)
			return
		}
		_ = c.Close()
		if got := c.RemoteAddr().(*net.TCPAddr).AddrPort(); got != want {
			t.Errorf("%s: connected to %v, want %v", when, got, want)
		}
	}
	reaches("at first", first)
	now.Store(zone(other))
	reaches("still setting up, as the name says now", other)
	now.Store(zone(first))
	tr.Seal()
	reaches("when the call is up", other)
	now.Store(signalingtest.NewResolver(t, signalingtest.Zone{Code: dnsmessage.RCodeServerFailure}))
	reaches("without name service", other)
}

func TestDialAfterSetUpOnceThePeerIsGone(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(gone.Addr().String())
	tr := &signaling.Trace{Deadlines: patient, Resolver: signalingtest.NewResolver(t, signalingtest.Zone{
		Addresses: map[string][]netip.Addr{"a.example.": {netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")}},
	})}
	c, err := tr.DialContext(context.Background(), "tcp", "a.example:"+port)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	tr.Seal()
	_ = gone.Close()
	listen(t, "127.0.0.2:"+port, hold)
	if c, err = tr.DialContext(context.Background(), "tcp", "a.example:"+port); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}
