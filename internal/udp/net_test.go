package udp

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/transport/v5"
	"github.com/pion/transport/v5/stdnet"
	"github.com/pion/turn/v5"
)

func TestNetSumsOverItsSockets(t *testing.T) {
	n := NewNet(NetConfig{Socket: Config{Handler: func(p *Packet) bool { return p.Data[0] == 200 }}})
	other := plain(t, "udp4")
	var conns []*Conn
	for _, ip := range []string{"127.0.0.1", "127.0.0.2"} {
		c, err := n.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(ip)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c.(*Conn))
		sendTo(t, other, []byte{200}, c.(*Conn).LocalAddrPort())
		sendTo(t, other, []byte{1}, c.(*Conn).LocalAddrPort())
		if _, err := c.Read(make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		if got := n.Conn(c.(*Conn).LocalAddrPort()); got != c {
			t.Errorf("Conn: got %p want %p", got, c)
		}
	}
	conns[0].Close()
	if got := n.Conn(conns[0].LocalAddrPort()); got != nil {
		t.Errorf("a closed socket is found: %v", got.LocalAddr())
	}
	want := Stats{Received: 4, Consumed: 2, Timestamps: conns[0].Stats().Timestamps}
	if got := n.Stats(); got != want {
		t.Errorf("got %+v want %+v", got, want)
	}
	var took atomic.Int32
	n.SetHandler(func(*Packet) bool { took.Add(1); return true })
	sendTo(t, other, []byte{1}, conns[1].LocalAddrPort())
	eventually(t, "the new handler ran", func() bool { return took.Load() == 1 })
}

func TestNetKeepsToOneLocalAddress(t *testing.T) {
	local := netip.MustParseAddr("127.0.0.1")
	n := NewNet(NetConfig{Local: local})
	for _, row := range []struct {
		name, network, address, want string
	}{
		{"unspecified becomes the local address", "udp4", "0.0.0.0:0", "127.0.0.1"},
		{"the local address stays", "udp4", "127.0.0.1:0", "127.0.0.1"},
		{"another address is refused", "udp4", "127.0.0.2:0", ""},
		{"the other family is refused", "udp6", "[::]:0", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, err := n.ListenPacket(row.network, row.address)
			if err != nil {
				if row.want != "" {
					t.Error(err)
				}
				return
			}
			defer c.Close()
			if got := c.LocalAddr().(*net.UDPAddr).IP.String(); got != row.want {
				t.Errorf("got %v want %q", got, row.want)
			}
			if !c.(*Conn).config.Relay {
				t.Error("a socket for a TURN server does not look inside ChannelData")
			}
		})
	}
	ifcs, err := n.Interfaces()
	if err != nil || len(ifcs) != 1 {
		t.Fatalf("got %d interfaces, %v want 1", len(ifcs), err)
	}
	if addrs, err := ifcs[0].Addrs(); err != nil || len(addrs) != 1 || ipOf(addrs[0]) != local {
		t.Errorf("got %v, %v want %v", addrs, err, local)
	}
	server, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	n.config.Local = netip.MustParseAddr("127.0.0.3")
	dialed, err := n.DialTCP("tcp4", nil, server.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer dialed.Close()
	if got := dialed.LocalAddr().(*net.TCPAddr).IP.String(); got != "127.0.0.3" {
		t.Errorf("TCP from %v want 127.0.0.3", got)
	}
	viaDialer, err := n.CreateDialer(&net.Dialer{}).Dial("tcp4", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer viaDialer.Close()
	if got := viaDialer.LocalAddr().(*net.TCPAddr).IP.String(); got != "127.0.0.3" {
		t.Errorf("TCP by a dialer from %v want 127.0.0.3", got)
	}
}

func TestMulticastIsLeftToTheSystem(t *testing.T) {
	n := NewNet(NetConfig{})
	c, err := n.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, ok := c.(*net.UDPConn); !ok {
		t.Errorf("got %T want *net.UDPConn", c)
	}
}

// TestICEOverNet connects two agents of pion/ice, one on this package's sockets
// and one on the system's, and sends data and media between them.
func TestICEOverNet(t *testing.T) {
	media := make(chan []byte, 1)
	ours := NewNet(NetConfig{Socket: Config{DSCP: 46, Handler: func(p *Packet) bool {
		if p.Data[0] < 128 || p.Data[0] > 191 {
			return false
		}
		media <- bytes.Clone(p.Data)
		return true
	}}})
	std, err := stdnet.NewNet()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	a, b := newAgent(t, ours), newAgent(t, std)
	for _, pair := range [][2]*ice.Agent{{a, b}, {b, a}} {
		if err := pair[0].OnCandidate(func(c ice.Candidate) {
			if c != nil {
				_ = pair[1].AddRemoteCandidate(c)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	aUser, aPassword, _ := a.GetLocalUserCredentials()
	bUser, bPassword, _ := b.GetLocalUserCredentials()
	for _, agent := range []*ice.Agent{a, b} {
		if err := agent.GatherCandidates(); err != nil {
			t.Fatal(err)
		}
	}
	accepted := make(chan *ice.Conn, 1)
	go func() {
		conn, err := b.Accept(ctx, aUser, aPassword)
		if err != nil {
			t.Error(err)
		}
		accepted <- conn
	}()
	dialed, err := a.Dial(ctx, bUser, bPassword)
	if err != nil {
		t.Fatal(err)
	}
	other := <-accepted
	if other == nil {
		t.FailNow()
	}
	buf := make([]byte, 100)
	for _, write := range []struct {
		from, to *ice.Conn
		data     []byte
	}{{dialed, other, []byte{20, 1}}, {other, dialed, []byte{21, 1}}} {
		if _, err := write.from.Write(write.data); err != nil {
			t.Fatal(err)
		}
		if n, err := write.to.Read(buf); err != nil || !bytes.Equal(buf[:n], write.data) {
			t.Errorf("got %v, %v want %v", buf[:n], err, write.data)
		}
	}
	rtp := []byte{128, 0, 0, 1}
	if _, err := other.Write(rtp); err != nil {
		t.Fatal(err)
	}
	if got := <-media; !bytes.Equal(got, rtp) {
		t.Errorf("media: got %v want %v", got, rtp)
	}
	pair, err := a.GetSelectedCandidatePair()
	if err != nil {
		t.Fatal(err)
	}
	base := netip.AddrPortFrom(netip.MustParseAddr(pair.Local.Address()), uint16(pair.Local.Port()))
	if ours.Conn(base) == nil {
		t.Errorf("the selected pair's socket %v is not the net's", base)
	}
	if s := ours.Stats(); s.Consumed != 1 || s.Sent == 0 {
		t.Errorf("got %+v want 1 consumed and some sent", s)
	}
}

func newAgent(t *testing.T, n transport.Net) *ice.Agent {
	t.Helper()
	agent, err := ice.NewAgentWithOptions(
		ice.WithNet(n),
		ice.WithIncludeLoopback(),
		ice.WithNetworkTypes([]ice.NetworkType{ice.NetworkTypeUDP4}),
		ice.WithMulticastDNSMode(ice.MulticastDNSModeDisabled),
		ice.WithIPFilter(net.IP.IsLoopback),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = agent.Close() })
	return agent
}

// TestMediaThroughTURN lets a peer send through pion's TURN server. Until the
// channel is bound the packets come as indications, which the TURN client
// unpacks; from then on the handler sees them inside the ChannelData.
func TestMediaThroughTURN(t *testing.T) {
	socket := plain(t, "udp4")
	server, err := turn.NewServer(turn.ServerConfig{
		Realm: "earshot",
		AuthHandler: func(ra *turn.RequestAttributes) (string, []byte, bool) {
			return ra.Username, turn.GenerateAuthKey(ra.Username, ra.Realm, "password"), true
		},
		PacketConnConfigs: []turn.PacketConnConfig{{
			PacketConn: socket,
			RelayAddressGenerator: &turn.RelayAddressGeneratorStatic{
				RelayAddress: net.IPv4(127, 0, 0, 1), Address: "127.0.0.1", Net: NewNet(NetConfig{}),
			},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()

	media := make(chan Packet, 100)
	n := NewNet(NetConfig{Socket: Config{Handler: func(p *Packet) bool {
		if !p.Relayed {
			return false
		}
		q := *p
		q.Data = bytes.Clone(p.Data)
		media <- q
		return true
	}}})
	conn, err := n.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: socket.LocalAddr().String(), Username: "user", Password: "password", Realm: "earshot",
		Conn: conn, Net: n,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Listen(); err != nil {
		t.Fatal(err)
	}
	relay, err := client.Allocate()
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close()

	peer := plain(t, "udp4")
	rtp := []byte{0x80, 0, 0, 1, 9, 9, 9}
	deadline := time.After(5 * time.Second)
	for {
		// Sending makes the client bind a channel to the peer.
		if _, err := relay.WriteTo([]byte{1}, peer.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		sendTo(t, peer, rtp, relay.LocalAddr().(*net.UDPAddr).AddrPort())
		select {
		case got := <-media:
			if !bytes.Equal(got.Data, rtp) || got.Channel < 0x4000 || got.Channel > 0x4FFF {
				t.Errorf("got %+v want %v in a channel", got, rtp)
			}
			if want := socket.LocalAddr().(*net.UDPAddr).AddrPort(); got.From != want {
				t.Errorf("got it from %v want the server %v", got.From, want)
			}
			return
		case <-time.After(10 * time.Millisecond):
		case <-deadline:
			t.Fatal("no media came inside ChannelData")
		}
	}
}
