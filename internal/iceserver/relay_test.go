package iceserver_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/farend"
	"github.com/earshot-voip/earshot/internal/iceserver"
	"github.com/earshot-voip/earshot/internal/signaling"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
)

const patience = 30 * time.Second

// request asks a server over IPv4 as the right user, with plain sockets.
func request(url string, trace *signaling.Trace) iceserver.Request {
	return iceserver.Request{
		Server: iceserver.Server{URL: url, Username: farend.TURNUser, Password: farend.TURNPassword},
		Family: iceserver.IPv4, Dialer: trace, DSCP: 46,
		Listen: func(network string, local netip.AddrPort) (net.PacketConn, error) {
			return net.ListenUDP(network, net.UDPAddrFromAddrPort(local))
		},
	}
}

func waiting(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestBind(t *testing.T) {
	for name, mode := range map[string]farend.STUNMode{"masked": farend.Answering, "of RFC 3489": farend.Unmasked} {
		t.Run(name, func(t *testing.T) {
			r := request("stun:"+farend.STUNServer(t, mode).String(), &signaling.Trace{})
			b, err := iceserver.Bind(waiting(t), r)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Conn.Close()
			if local := b.Conn.LocalAddr().String(); b.Mapped.String() != local || b.Local.String() != local || b.RTT <= 0 {
				t.Errorf("got %v as %v after %v, want %s", b.Mapped, b.Local, b.RTT, local)
			}
		})
	}
}

func TestRelayCarriesPacketsBothWays(t *testing.T) {
	ca := signalingtest.NewCA(t)
	certificate := ca.Valid()
	server := farend.NewTURN(t, farend.TURNConfig{Certificate: &certificate})
	for name, url := range map[string]string{"UDP": server.UDP, "TCP": server.TCP, "TLS": server.TLS} {
		t.Run(name, func(t *testing.T) {
			peer, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			var media sync.Map
			trace := &signaling.Trace{RootCAs: ca.Pool()}
			r := request(url, trace)
			r.Media = func(_ time.Duration, b []byte) bool { media.Store(string(b), true); return true }
			relay, err := iceserver.Allocate(waiting(t), r)
			if err != nil {
				t.Fatal(err)
			}
			exchange(t, relay, peer, &media, name != "UDP")
			if name == "TLS" && (len(trace.Hops()) != 1 || trace.Hops()[0].NotAfter.IsZero()) {
				t.Errorf("the trace saw %+v, want the certificate of one hop", trace.Hops())
			}
			if err := relay.Close(); err != nil {
				t.Error(err)
			}
			if err := relay.Close(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("second close: got %v", err)
			}
			if _, err := relay.WriteTo([]byte{1}, peer.LocalAddr()); !errors.Is(err, net.ErrClosed) {
				t.Errorf("writing after closing: got %v", err)
			}
			for end := time.Now().Add(patience); server.Allocations() > 0; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the server still has the allocation")
				}
			}
		})
	}
}

// exchange sends to a peer until there is a channel, then as media, and back.
func exchange(t *testing.T, relay *iceserver.Relay, peer *net.UDPConn, media *sync.Map, handled bool) {
	t.Helper()
	to := peer.LocalAddr().(*net.UDPAddr).AddrPort()
	_ = peer.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 100)
	got := func(want string) {
		t.Helper()
		for {
			n, from, err := peer.ReadFromUDPAddrPort(buf)
			if err != nil {
				t.Fatalf("waiting for %q: %v", want, err)
			}
			if from != relay.Relayed() {
				t.Fatalf("got a packet from %v, want the relay %v", from, relay.Relayed())
			}
			if string(buf[:n]) == want {
				return
			}
		}
	}
	packet := append(make([]byte, iceserver.Headroom), "\x80media"...)
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if sent, err := relay.WriteMedia(packet, to); err != nil {
			t.Fatal(err)
		} else if sent {
			break
		}
		if _, err := relay.WriteTo([]byte("plain"), peer.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(end) {
			t.Fatal("no channel was bound")
		}
	}
	got("\x80media")
	for _, back := range []string{"\x81back", "other"} {
		if _, err := peer.WriteToUDPAddrPort([]byte(back), relay.Relayed()); err != nil {
			t.Fatal(err)
		}
	}
	_ = relay.SetReadDeadline(time.Now().Add(patience))
	for _, want := range []string{"\x81back", "other"} {
		if handled && want[0] == 0x81 {
			continue // given to the handler before the reader sees what comes next
		}
		n, from, err := relay.ReadFrom(buf)
		if err != nil || string(buf[:n]) != want || from.String() != to.String() {
			t.Fatalf("got %q from %v, %v, want %q from %v", buf[:n], from, err, want, to)
		}
	}
	if _, ok := media.Load("\x81back"); handled && !ok {
		t.Error("the handler did not get the media")
	}
}

func TestErrorsSayWhatTheServerDid(t *testing.T) {
	soon := 300 * time.Millisecond
	for _, row := range []struct {
		name   string
		kind   iceserver.Kind
		says   string
		url    func(t *testing.T) string
		change func(r *iceserver.Request)
	}{
		{"a silent STUN server", iceserver.KindNoResponse, "no answer within",
			func(t *testing.T) string { return "stun:" + farend.DeadPort(t).String() }, nil},
		{"a STUN server that talks of something else", iceserver.KindNoResponse, "no answer within",
			func(t *testing.T) string { return "stun:" + farend.STUNServer(t, farend.Babbling).String() }, nil},
		{"a STUN server that refuses", iceserver.KindRefused, "refused (400 Bad Request)",
			func(t *testing.T) string { return "stun:" + farend.STUNServer(t, farend.Refusing).String() }, nil},
		{"a STUN server that says no address", iceserver.KindMalformed, "holds no address",
			func(t *testing.T) string { return "stun:" + farend.STUNServer(t, farend.Addressing).String() }, nil},
		{"a TURN server that refuses the first request", iceserver.KindRefused, "refused (400 Bad Request)",
			func(t *testing.T) string { return "turn:" + farend.STUNServer(t, farend.Refusing).String() }, nil},
		{"a wrong password", iceserver.KindUnauthorized, "refused the credentials (401",
			func(t *testing.T) string { return farend.NewTURN(t, farend.TURNConfig{}).TCP },
			func(r *iceserver.Request) { r.Server.Password = "wrong" }},
		{"an unknown user", iceserver.KindUnauthorized, "refused the credentials (401",
			func(t *testing.T) string { return farend.NewTURN(t, farend.TURNConfig{}).UDP },
			func(r *iceserver.Request) { r.Server.Username = "nobody" }},
		{"no relay left", iceserver.KindQuota, "486",
			func(t *testing.T) string { return farend.NewTURN(t, farend.TURNConfig{Full: true}).UDP }, nil},
		{"a server that closes the connection", iceserver.KindMalformed, "the connection broke",
			func(t *testing.T) string { return "turn:" + farend.Curt(t).String() + "?transport=tcp" }, nil},
		{"a silent TCP port", iceserver.KindNoResponse, "no answer within",
			func(t *testing.T) string { return "turn:" + farend.Mute(t).String() + "?transport=tcp" }, nil},
		{"a closed port", iceserver.KindUnreachable, "refused",
			func(t *testing.T) string { return "turn:" + farend.ClosedPort(t).String() + "?transport=tcp" }, nil},
		{"an address of another family", iceserver.KindUnreachable, "no address for udp4",
			func(t *testing.T) string { return "turn:[::1]:3478" }, nil},
		{"no URL", iceserver.KindURL, "expected like", func(*testing.T) string { return "turn.example.com" }, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := request(row.url(t), &signaling.Trace{})
			if row.change != nil {
				row.change(&r)
			}
			ctx := waiting(t)
			if row.kind == iceserver.KindNoResponse {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, soon)
				defer cancel()
			}
			var err error
			if strings.HasPrefix(r.Server.URL, "stun:") {
				_, err = iceserver.Bind(ctx, r)
			} else {
				_, err = iceserver.Allocate(ctx, r)
			}
			var got *iceserver.Error
			if !errors.As(err, &got) || got.Kind != row.kind || !strings.Contains(got.Error(), row.says) {
				t.Fatalf("got %v, want %s: …%s…", err, row.kind, row.says)
			}
			host := strings.TrimPrefix(strings.TrimPrefix(r.Server.URL, "turn:"), "stun:")
			if host, _, _ = strings.Cut(host, "?"); !strings.Contains(got.Error(), host) {
				t.Errorf("%q does not name %s", got, host)
			}
		})
	}
}

func TestTheCallerCanGiveUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := iceserver.Allocate(ctx, request("turn:"+farend.DeadPort(t).String(), &signaling.Trace{}))
	var got *iceserver.Error
	if !errors.As(err, &got) || got.Kind != iceserver.KindCanceled {
		t.Errorf("got %v, want %s", err, iceserver.KindCanceled)
	}
}

// Whatever a server says to a request, a call goes on: one odd message must not
// end the reading.
func TestARelayOutlivesOddMessages(t *testing.T) {
	front := farend.NewFront(t, farend.NewTURN(t, farend.TURNConfig{}).UDP)
	peer, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	relay, err := iceserver.Allocate(waiting(t), request(front.URL, &signaling.Trace{}))
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close()
	for _, odd := range [][]byte{{}, {0x40, 9, 0, 1, 7, 0, 0, 0}, {0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, {0xFF}} {
		front.Inject(odd)
	}
	exchange(t, relay, peer, new(sync.Map), false)
}

func TestAServerThatRefusesThePeerIsNamed(t *testing.T) {
	relay, err := iceserver.Allocate(waiting(t), request(farend.NewTURN(t, farend.TURNConfig{RefusePeers: true}).UDP, &signaling.Trace{}))
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close()
	to := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}
	if _, err := relay.WriteTo([]byte("hello"), to); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); len(relay.Refusals()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the refusal was not noticed")
		}
	}
	if got := relay.Refusals()[0]; got.Kind != iceserver.KindPeerRefused || got.Peer.String() != to.String() || got.Code != 403 {
		t.Errorf("got %+v", got)
	}
	var refused *iceserver.Error
	if err := relay.Permit(waiting(t), netip.MustParseAddr("127.0.0.1")); !errors.As(err, &refused) || refused.Kind != iceserver.KindPeerRefused {
		t.Errorf("Permit: got %v", err)
	}
}
