package peer

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/ice/v4"
)

// Loopback beside other addresses makes some endpoints send part of the media
// into the void (I26): it is offered alone, or not at all.
func TestLoopbackIsOfferedAloneOrNotAtAll(t *testing.T) {
	for _, row := range []struct {
		name    string
		config  Config
		offered string // of the addresses below
	}{
		{"a far end elsewhere", Config{}, "192.0.2.2 2001:db8::2"},
		{"a far end on this host", Config{Loopback: true}, "127.0.0.1 ::1"},
		{"a chosen address", Config{LocalAddress: netip.MustParseAddr("192.0.2.2")}, "192.0.2.2"},
		{"a chosen address of loopback", Config{Loopback: true, LocalAddress: netip.MustParseAddr("::1")}, "::1"},
	} {
		p := &Peer{cfg: row.config}
		var got []string
		for _, address := range []string{"127.0.0.1", "192.0.2.2", "::1", "2001:db8::2"} {
			if p.offerable(net.ParseIP(address)) {
				got = append(got, address)
			}
		}
		if strings.Join(got, " ") != row.offered {
			t.Errorf("%s: got %v, want %s", row.name, got, row.offered)
		}
	}
}

// The agent's own pace of 200 ms makes a pair come up after about 5 or about
// 205 ms (I23). At the pace of RFC 8445 twenty checks take a second, at the
// agent's four.
func TestChecksKeepThePaceOfTheRFC(t *testing.T) {
	const checks = 20
	for range 5 {
		if elapsed := timeOf(t, checks); elapsed < checks*200*time.Millisecond*9/10 {
			return
		}
	}
	t.Errorf("%d checks took as long as at the pace of 200 ms, five times of five", checks)
}

// timeOf measures how long it takes until a far end that never answers has got
// so many checks.
func timeOf(t *testing.T, checks int) time.Duration {
	t.Helper()
	dead, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close()
	a, b := newPeer(t, Config{LocalAddress: netip.MustParseAddr("127.0.0.1")}), newPeer(t, Config{})
	ctx := testContext(t)
	offer, err := a.Offer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := b.Answer(ctx, offer)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, line := range strings.Split(answer, "\r\n") {
		if !strings.HasPrefix(line, "a=candidate:") {
			lines = append(lines, line)
		}
	}
	port := dead.LocalAddr().(*net.UDPAddr).Port
	lines = append(lines[:len(lines)-1], fmt.Sprintf("a=candidate:1 1 udp 2130706431 127.0.0.1 %d typ host", port), "")
	_ = b.Close() // it would check too, and be answered
	start := time.Now()
	if err := a.Accept(strings.Join(lines, "\r\n")); err != nil {
		t.Fatal(err)
	}
	_ = dead.SetReadDeadline(start.Add(30 * time.Second))
	buf := make([]byte, 1500)
	for range checks {
		if _, _, err := dead.ReadFrom(buf); err != nil {
			t.Fatal(err)
		}
	}
	return time.Since(start)
}

// A name under .local in place of an address is refused by servers (I6): it is
// not offered, and one that is offered to us does no harm.
func TestNamesUnderLocalAreNotOffered(t *testing.T) {
	a := newPeer(t, Config{})
	offer, err := a.Offer(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(offer, ".local") || !strings.Contains(offer, " 127.0.0.1 ") {
		t.Errorf("the offer does not name this host by its address:\n%s", offer)
	}
	for _, c := range a.local.candidates {
		if c.Type() == ice.CandidateTypeHost {
			if _, err := netip.ParseAddr(c.Address()); err != nil {
				t.Errorf("candidate %s: %v", c, err)
			}
		}
	}
}
