package netcheck_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/farend"
	"github.com/earshot-voip/earshot/internal/iceserver"
	"github.com/earshot-voip/earshot/internal/netcheck"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
)

// facts are a server's answers in the order of its fields.
type facts [6]netcheck.Fact

const (
	y = netcheck.Yes
	n = netcheck.No
	o = netcheck.NotChecked
)

func of(s netcheck.Server) facts {
	return facts{s.Resolves, s.Connects, s.Secure, s.Answers, s.Allocates, s.Permits}
}

func known(url string) iceserver.Server {
	return iceserver.Server{URL: url, Username: farend.TURNUser, Password: farend.TURNPassword}
}

// tcp turns the URL of a server over UDP into one over TCP, and back.
func tcp(url string) string { return strings.Replace(url, "=udp", "=tcp", 1) }
func udp(url string) string { return strings.Replace(url, "=tcp", "=udp", 1) }

func TestFacts(t *testing.T) {
	ca, stranger := signalingtest.NewCA(t), signalingtest.NewCA(t)
	valid, expired := ca.Valid(), ca.Issue(time.Now().Add(-48*time.Hour), time.Now().Add(-time.Hour), "127.0.0.1")
	foreign := stranger.Valid()
	good := farend.NewTURN(t, farend.TURNConfig{Certificate: &valid})
	peer := netip.MustParseAddr("127.0.0.1")
	type want struct {
		facts
		kind    iceserver.Kind // empty: it works
		instead bool
	}
	for _, row := range []struct {
		name   string
		url    func(t *testing.T) string
		change func(c *netcheck.Config)
		want   []want
	}{
		{"a STUN server", func(t *testing.T) string { return "stun:" + farend.STUNServer(t, farend.Answering).String() }, nil,
			[]want{{facts{y, o, o, y, o, o}, "", false}}},
		{"a silent STUN server", func(t *testing.T) string { return "stun:" + farend.DeadPort(t).String() }, nil,
			[]want{{facts{y, o, o, n, o, o}, iceserver.KindNoResponse, false}}},
		{"TURN over UDP", func(*testing.T) string { return good.UDP }, nil,
			[]want{{facts{y, o, o, y, y, o}, "", false}}},
		{"TURN over TCP, to a peer", func(*testing.T) string { return good.TCP },
			func(c *netcheck.Config) { c.Peers = []netip.Addr{peer} },
			[]want{{facts{y, y, o, y, y, y}, "", false}}},
		{"TURN over TLS", func(*testing.T) string { return good.TLS }, nil,
			[]want{{facts{y, y, y, y, y, o}, "", false}}},
		{"a wrong password", func(*testing.T) string { return good.UDP },
			func(c *netcheck.Config) { c.Servers[0].Password = "wrong" },
			[]want{{facts{y, o, o, y, n, o}, iceserver.KindUnauthorized, false}}},
		{"a peer that is refused", func(t *testing.T) string { return farend.NewTURN(t, farend.TURNConfig{RefusePeers: true}).UDP },
			func(c *netcheck.Config) { c.Peers = []netip.Addr{peer} },
			[]want{{facts{y, o, o, y, y, n}, iceserver.KindPeerRefused, false}}},
		{"a name that does not exist", func(*testing.T) string { return "turn:nowhere.earshot.test.:3478?transport=tcp" }, nil,
			[]want{{facts{n, o, o, o, o, o}, iceserver.KindUnreachable, false}}},
		{"a closed port, at which nothing answers over UDP either", func(t *testing.T) string { return "turn:" + farend.ClosedPort(t).String() + "?transport=tcp" }, nil,
			[]want{{facts{y, n, o, o, o, o}, iceserver.KindUnreachable, false}, {facts{y, o, o, n, o, o}, iceserver.KindNoResponse, true}}},
		{"UDP that vanishes, at a server that answers over TCP", func(*testing.T) string { return udp(good.TCP) }, nil,
			[]want{{facts{y, o, o, n, o, o}, iceserver.KindNoResponse, false}, {facts{y, y, o, y, y, o}, "", true}}},
		{"TCP that is refused, at a server that answers over UDP", func(*testing.T) string { return tcp(good.UDP) }, nil,
			[]want{{facts{y, n, o, o, o, o}, iceserver.KindUnreachable, false}, {facts{y, o, o, y, y, o}, "", true}}},
		{"an expired certificate", func(t *testing.T) string { return farend.NewTURN(t, farend.TURNConfig{Certificate: &expired}).TLS }, nil,
			[]want{{facts{y, y, n, o, o, o}, iceserver.KindUnreachable, false}}},
		{"a certificate of an authority that is not known", func(t *testing.T) string { return farend.NewTURN(t, farend.TURNConfig{Certificate: &foreign}).TLS }, nil,
			[]want{{facts{y, y, n, o, o, o}, iceserver.KindUnreachable, false}}},
		{"a URL that is none", func(*testing.T) string { return "turn.example.com" }, nil,
			[]want{{facts{o, o, o, o, o, o}, iceserver.KindURL, false}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := netcheck.Config{
				Servers: []iceserver.Server{known(row.url(t))}, RootCAs: ca.Pool(), Deadline: 2 * time.Second,
				Resolver: signalingtest.NewResolver(t, signalingtest.Zone{}),
			}
			if row.change != nil {
				row.change(&c)
			}
			report := netcheck.Check(t.Context(), c)
			if len(report.Servers) != len(row.want) {
				t.Fatalf("got %d servers: %+v, want %d", len(report.Servers), report.Servers, len(row.want))
			}
			for i, s := range report.Servers {
				w := row.want[i]
				kind := iceserver.Kind("")
				if s.Err != nil {
					kind = s.Err.Kind
				}
				if of(s) != w.facts || kind != w.kind || s.Instead != w.instead || s.Works() != (w.kind == "") {
					t.Errorf("server %d: got %v %s, instead %v (%v)\nwant %v", i, of(s), kind, s.Instead, s.Err, w)
				}
			}
		})
	}
}

func TestWhatWorksIsMeasured(t *testing.T) {
	ca := signalingtest.NewCA(t)
	certificate := ca.Valid()
	server := farend.NewTURN(t, farend.TURNConfig{Certificate: &certificate})
	report := netcheck.Check(t.Context(), netcheck.Config{RootCAs: ca.Pool(), Deadline: 30 * time.Second,
		Servers: []iceserver.Server{known("stun:" + farend.STUNServer(t, farend.Answering).String()), known(server.TLS)}})
	stun, turn := report.Servers[0], report.Servers[1]
	if !stun.Mapped.IsValid() || stun.Took <= 0 || stun.Mapped.Addr() != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("got %+v", stun)
	}
	if !turn.Relayed.IsValid() || len(turn.Chain) == 0 || !turn.NotAfter.After(time.Now()) {
		t.Errorf("got %+v", turn)
	}
	if n := server.Allocations(); n > 0 {
		for end := time.Now().Add(30 * time.Second); server.Allocations() > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d allocations are left at the server", n)
			}
		}
	}
}

func TestTheCallerCanGiveUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	report := netcheck.Check(ctx, netcheck.Config{Servers: []iceserver.Server{known("turn:" + farend.DeadPort(t).String())}})
	if err := report.Servers[0].Err; err == nil || err.Kind != iceserver.KindCanceled {
		t.Errorf("got %v, want %s", err, iceserver.KindCanceled)
	}
}
