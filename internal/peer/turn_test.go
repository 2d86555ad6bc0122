package peer

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/stun/v4"

	"github.com/earshot-voip/earshot/internal/farend"
	"github.com/earshot-voip/earshot/internal/iceserver"
	"github.com/earshot-voip/earshot/internal/media"
	"github.com/earshot-voip/earshot/internal/signaling"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
)

func knownTo(urls ...string) []iceserver.Server {
	var list []iceserver.Server
	for _, url := range urls {
		list = append(list, iceserver.Server{URL: url, Username: farend.TURNUser, Password: farend.TURNPassword})
	}
	return list
}

// untilRelayed sends media both ways until some came through the relay's fast
// path, and returns how it arrived at the caller.
func untilRelayed(t *testing.T, a, b *Peer, box *inbox) {
	t.Helper()
	seq := uint16(0)
	for end := time.Now().Add(30 * time.Second); ; {
		if time.Now().After(end) {
			t.Fatal("no media came back through the relay")
		}
		for range 5 {
			seq++
			if err := a.WriteRTP(packet(t, a.SSRC(), seq, "out")); err != nil {
				t.Fatal(err)
			}
			if err := b.WriteRTP(packet(t, b.SSRC(), seq, "back")); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case <-box.more:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestMediaThroughATURNServer(t *testing.T) {
	ca := signalingtest.NewCA(t)
	certificate := ca.Valid()
	server := farend.NewTURN(t, farend.TURNConfig{Certificate: &certificate})
	front := farend.NewFront(t, server.UDP)
	for _, row := range []struct {
		url       string
		transport iceserver.Transport
	}{{front.URL, iceserver.UDP}, {server.TCP, iceserver.TCP}, {server.TLS, iceserver.TLS}} {
		t.Run(string(row.transport), func(t *testing.T) {
			box := newInbox()
			a := newPeer(t, Config{OnRTP: box.onRTP, Relay: RelayOnly, ICEServers: knownTo(row.url), Dialer: &signaling.Trace{RootCAs: ca.Pool()}})
			a.cfg.DSCP = 46
			b := newPeer(t, Config{})
			route, _, _ := establish(t, a, b)
			if !route.Relayed || route.Server.Transport != row.transport || route.Server.String() != row.url || route.Local.Type != "relay" {
				t.Errorf("got route %+v, want one through %s", route, row.url)
			}
			untilRelayed(t, a, b, box)
			if way := a.path.Load(); way.relay == nil {
				t.Error("media takes the agent's way")
			}
			if kernel := a.Stats().KernelTimestamps; kernel && row.transport != iceserver.UDP {
				t.Error("times of the kernel are claimed for packets out of a TCP connection")
			}
			if got := a.LocalCandidates(); got["relay"] != 1 || got["host"] != 0 {
				t.Errorf("got candidates %v, want a relay alone", got)
			}
		})
	}
	if marks := front.Marks(); marks[46] == 0 || marks[0] != 0 {
		t.Errorf("packets came to the TURN server with the marks %v, want 46 alone", marks)
	}
}

func TestRelayedMediaOverUDPHasTheKernelsTime(t *testing.T) {
	var mu sync.Mutex
	late := 0
	box := newInbox()
	a := newPeer(t, Config{Relay: RelayOnly, ICEServers: knownTo(farend.NewTURN(t, farend.TURNConfig{}).UDP), Dialer: &signaling.Trace{},
		OnRTP: func(at, read time.Duration, raw []byte) {
			mu.Lock()
			if at < read {
				late++ // it was there before it was read: the kernel says when
			}
			mu.Unlock()
			box.onRTP(at, read, raw)
		}})
	b := newPeer(t, Config{})
	establish(t, a, b)
	if !a.Stats().KernelTimestamps {
		t.Skip("this system gives no receive times")
	}
	for range 20 {
		untilRelayed(t, a, b, box)
	}
	mu.Lock()
	defer mu.Unlock()
	if late == 0 {
		t.Error("every packet has the time of its read")
	}
	if got := a.net.Stats(); got.Consumed == 0 {
		t.Errorf("got %+v: the socket's handler took no media", got)
	}
}

func TestRelayedMediaDoesNotAllocate(t *testing.T) {
	box := newInbox()
	server := farend.NewTURN(t, farend.TURNConfig{})
	a := newPeer(t, Config{OnRTP: box.onRTP, Relay: RelayOnly, ICEServers: knownTo(server.UDP), Dialer: &signaling.Trace{}})
	b := newPeer(t, Config{})
	route, _, _ := establish(t, a, b)
	untilRelayed(t, a, b, box)
	server.Close() // which allocates for what it relays
	buf := make([]byte, iceserver.Headroom+200)
	relay := a.path.Load().relay
	if allocs := testing.AllocsPerRun(200, func() {
		if sent, err := relay.WriteMedia(buf, route.Remote.Address); !sent || err != nil {
			t.Fatal(sent, err)
		}
	}); allocs > 0 {
		t.Errorf("a relayed packet allocates %v times", allocs)
	}
}

// The password is wrong, and the direct path works: the call goes on, and what
// the server said is kept.
func TestAServerThatRefusesIsNamedThoughTheCallWorks(t *testing.T) {
	server := farend.NewTURN(t, farend.TURNConfig{})
	servers := knownTo(server.UDP)
	servers[0].Password = "wrong"
	a := newPeer(t, Config{ICEServers: servers, Dialer: &signaling.Trace{}})
	b := newPeer(t, Config{})
	if route, _, _ := establish(t, a, b); route.Relayed {
		t.Errorf("got route %+v, want a direct one", route)
	}
	if got := strings.Join(a.GatherWarnings(), "; "); !strings.Contains(got, server.UDP) || !strings.Contains(got, "401") {
		t.Errorf("got %q, want the server and its 401", got)
	}
}

// A server that stalls must not hold up a call that has other candidates (I15).
func TestGatheringDoesNotWaitForAStalledServer(t *testing.T) {
	dead := "stun:" + farend.DeadPort(t).String()
	good := farend.NewTURN(t, farend.TURNConfig{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a := newPeer(t, Config{ICEServers: knownTo(dead, good.TCP), Dialer: &signaling.Trace{}})
	if _, err := a.Offer(ctx); err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Error("gathering took all the time there was")
	}
	if got := a.LocalCandidates(); got["host"] == 0 || got["relay"] == 0 {
		t.Errorf("got candidates %v, want those of the host and of the good server", got)
	}
	if got := strings.Join(a.GatherWarnings(), "; "); !strings.Contains(got, dead+" from 127.0.0.1: no answer within") || strings.Contains(got, good.TCP) {
		t.Errorf("got %q, want the stalled server and its source named", got)
	}
}

func TestGatheringIsOverWhenTheCallerSaysSo(t *testing.T) {
	a := newPeer(t, Config{Relay: RelayOnly, ICEServers: knownTo("turn:" + farend.DeadPort(t).String()), Dialer: &signaling.Trace{}})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := a.Offer(ctx)
	var failed *GatherError
	if !errors.As(err, &failed) || !failed.RelayOnly || len(failed.Servers) != 1 || failed.Servers[0].Kind != iceserver.KindNoResponse {
		t.Errorf("got %v, want the silent server", err)
	}
}

// With nothing but a relay there is no better pair to wait for (I22): the agent's
// own wait of two seconds would pass in every one of these calls.
func TestRelayOnlyDoesNotWaitForABetterPair(t *testing.T) {
	server := farend.NewTURN(t, farend.TURNConfig{})
	for range 5 {
		a := newPeer(t, Config{Relay: RelayOnly, ICEServers: knownTo(server.UDP), Dialer: &signaling.Trace{}})
		b := newPeer(t, Config{})
		ctx := testContext(t)
		offer, err := a.Offer(ctx)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := b.Answer(ctx, offer)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := a.Accept(answer); err != nil {
			t.Fatal(err)
		}
		if _, err := a.WaitICE(ctx); err != nil {
			t.Fatal(err)
		}
		if time.Since(start) < 2*time.Second {
			return
		}
	}
	t.Error("five of five relayed calls took two seconds to connect")
}

// Only direct: servers that relay are not asked.
func TestRelayNeverAsksNoTURNServer(t *testing.T) {
	server := farend.NewTURN(t, farend.TURNConfig{})
	a := newPeer(t, Config{Relay: RelayNever, ICEServers: knownTo(server.UDP), Dialer: &signaling.Trace{}})
	if _, err := a.Offer(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if n := server.Requests("Allocate"); n != 0 || a.LocalCandidates()["relay"] != 0 {
		t.Errorf("got %d allocations and candidates %v", n, a.LocalCandidates())
	}
}

func TestTURNOverIPv6(t *testing.T) {
	server := farend.NewTURN(t, farend.TURNConfig{Host: "::1"})
	for _, url := range []string{server.UDP, server.TCP} {
		box := newInbox()
		a := newPeer(t, Config{OnRTP: box.onRTP, Relay: RelayOnly, ICEServers: knownTo(url), Dialer: &signaling.Trace{}})
		b := newPeer(t, Config{})
		route, _, _ := establish(t, a, b)
		if !route.Local.Address.Addr().Is6() || !route.Remote.Address.Addr().Is6() {
			t.Errorf("got route %+v, want one over IPv6", route)
		}
		untilRelayed(t, a, b, box)
	}
}

// The chosen source address is used towards servers too, over every transport.
func TestTheChosenSourceAddressReachesTheServer(t *testing.T) {
	source := netip.MustParseAddr("127.0.0.2")
	if conn, err := net.ListenPacket("udp4", "127.0.0.2:0"); err != nil {
		t.Skipf("this system has one loopback address: %v", err)
	} else {
		_ = conn.Close()
	}
	server := farend.NewTURN(t, farend.TURNConfig{})
	for _, url := range []string{server.UDP, server.TCP} {
		a := newPeer(t, Config{Relay: RelayOnly, LocalAddress: source, ICEServers: knownTo(url), Dialer: &signaling.Trace{LocalAddress: source}})
		if _, err := a.Offer(testContext(t)); err != nil {
			t.Fatal(err)
		}
		if got := a.relays[0].Base().Addr(); got != source {
			t.Errorf("%s: asked from %v, want %v", url, got, source)
		}
		if got := server.Clients(); got[len(got)-1].Addr() != source {
			t.Errorf("%s: the server saw %v, want %v", url, got, source)
		}
	}
}

// Two agents that both want to control settle it, and the conflict is noticed
// (I7).
func TestRoleConflictsAreNoticed(t *testing.T) {
	a := newPeer(t, Config{})
	ctx := testContext(t)
	offer, err := a.Offer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	far, err := ice.NewAgentWithOptions(ice.WithIncludeLoopback(), ice.WithNetworkTypes([]ice.NetworkType{ice.NetworkTypeUDP4}),
		ice.WithInterfaceFilter(func(name string) bool { return name == "lo" }), ice.WithMulticastDNSMode(ice.MulticastDNSModeDisabled))
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	gathered := make(chan struct{})
	if err := far.OnCandidate(func(c ice.Candidate) {
		if c == nil {
			close(gathered)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := far.GatherCandidates(); err != nil {
		t.Fatal(err)
	}
	<-gathered
	answer, ours := answerOf(t, far), mustParse(t, offer)
	if _, err := far.StartDial(ours.ufrag, ours.pwd); err != nil { // as if it were the offerer
		t.Fatal(err)
	}
	for _, c := range ours.candidates {
		if err := far.AddRemoteCandidate(c); err != nil {
			t.Fatal(err)
		}
	}
	// Before this side's first check: a far end that loses the conflict to it gives
	// in without a word.
	for end := time.Now().Add(30 * time.Second); !a.Stats().RoleConflict; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no role conflict was noticed")
		}
	}
	if err := a.Accept(answer); err != nil {
		t.Fatal(err)
	}
	if _, err := a.WaitICE(ctx); err != nil {
		t.Fatalf("the conflict was not settled: %v", err)
	}
}

func mustParse(t *testing.T, sdp string) description {
	t.Helper()
	d, err := parseDescription(sdp)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// answerOf writes an answer for an agent without media behind it.
func answerOf(t *testing.T, agent *ice.Agent) string {
	t.Helper()
	var d description
	var err error
	if d.ufrag, d.pwd, err = agent.GetLocalUserCredentials(); err != nil {
		t.Fatal(err)
	}
	if d.candidates, err = agent.GetLocalCandidates(); err != nil {
		t.Fatal(err)
	}
	d.mid, d.setup, d.direction, d.ssrc = "0", setupActive, "sendrecv", 7
	id, err := processIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return sections{description: d, fingerprint: id.fingerprint, codecs: []media.Codec{pcmu}, cname: "far", bundle: true}.write()
}

func TestWhatIsARoleConflict(t *testing.T) {
	conflict := func(kind stun.MessageType, code stun.ErrorCode) []byte {
		return stun.MustBuild(stun.TransactionID, kind, &stun.ErrorCodeAttribute{Code: code}).Raw
	}
	for name, row := range map[string]struct {
		packet []byte
		want   bool
	}{
		"487":                            {conflict(stun.BindingError, stun.CodeRoleConflict), true},
		"401":                            {conflict(stun.BindingError, stun.CodeUnauthorized), false},
		"a success of 487":               {conflict(stun.BindingSuccess, stun.CodeRoleConflict), false},
		"a check of a controlling agent": {stun.MustBuild(stun.TransactionID, stun.BindingRequest, ice.AttrControlling(1)).Raw, true},
		"a check of a controlled agent":  {stun.MustBuild(stun.TransactionID, stun.BindingRequest, ice.AttrControlled(1)).Raw, false},
		"a stump":                        {conflict(stun.BindingError, stun.CodeRoleConflict)[:21], false},
		"nothing":                        {nil, false},
	} {
		if got := isRoleConflict(row.packet); got != row.want {
			t.Errorf("%s: got %v want %v", name, got, row.want)
		}
	}
}
