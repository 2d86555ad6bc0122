package farend

import (
	"crypto/tls"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v5"
)

// TURNConfig says what a TURN server does. Without more than the zero value it
// serves user "probe" with password "right" on 127.0.0.1 over UDP and TCP.
type TURNConfig struct {
	Host        string           // an address of loopback
	Certificate *tls.Certificate // serve TLS too
	Lifetime    time.Duration    // of allocations; zero: 10 minutes
	// Nonces older than this are refused (438) over UDP; zero: an hour.
	NonceLifetime time.Duration
	Full          bool // refuses every allocation (486)
	RefusePeers   bool // relays to nobody (403)
}

// The user that a TURN server knows.
const (
	TURNUser     = "probe"
	TURNPassword = "right"
)

// TURN is a TURN server (RFC 8656) made of pion/turn.
type TURN struct {
	UDP, TCP, TLS string // URLs; TLS is empty without a certificate

	server *turn.Server
	nonces *nonceGuard
	once   sync.Once

	mu          sync.Mutex
	accepted    []net.Conn
	requests    map[string]int // authentic ones, by method
	allocations int            // that exist
	clients     []netip.AddrPort
}

// NewTURN starts a TURN server.
func NewTURN(t testing.TB, c TURNConfig) *TURN {
	t.Helper()
	if c.Host == "" {
		c.Host = "127.0.0.1"
	}
	s := &TURN{requests: map[string]int{}}
	conn, err := net.ListenPacket("udp", net.JoinHostPort(c.Host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(c.Host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	s.UDP = "turn:" + conn.LocalAddr().String() + "?transport=udp"
	s.TCP = "turn:" + listener.Addr().String() + "?transport=tcp"
	if c.NonceLifetime > 0 {
		s.nonces = newNonceGuard(conn, c.NonceLifetime)
		conn = s.nonces
	}
	listeners := []net.Listener{&closer{Listener: listener, server: s}}
	if c.Certificate != nil {
		plain, err := net.Listen("tcp", net.JoinHostPort(c.Host, "0"))
		if err != nil {
			t.Fatal(err)
		}
		s.TLS = "turns:" + plain.Addr().String() + "?transport=tcp"
		listeners = append(listeners, tls.NewListener(&closer{Listener: plain, server: s},
			&tls.Config{Certificates: []tls.Certificate{*c.Certificate}}))
	}
	if s.server, err = turn.NewServer(s.config(c, conn, listeners)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func (s *TURN) config(c TURNConfig, conn net.PacketConn, listeners []net.Listener) turn.ServerConfig {
	const realm = "earshot.test"
	permit := func(net.Addr, net.IP) bool { return !c.RefusePeers }
	relays := func() turn.RelayAddressGenerator {
		return &turn.RelayAddressGeneratorStatic{RelayAddress: net.ParseIP(c.Host), Address: c.Host}
	}
	quiet := logging.NewDefaultLoggerFactory()
	quiet.DefaultLogLevel = logging.LogLevelDisabled
	config := turn.ServerConfig{
		Realm: realm, LoggerFactory: quiet, AllocationLifetime: c.Lifetime,
		AuthHandler: func(request *turn.RequestAttributes) (string, []byte, bool) {
			return request.Username, turn.GenerateAuthKey(TURNUser, realm, TURNPassword), request.Username == TURNUser
		},
		QuotaHandler: func(string, string, net.Addr) bool { return !c.Full },
		EventHandler: turn.EventHandler{
			OnAuth: func(_, _ net.Addr, _, _, _, method string, ok bool) {
				if ok {
					s.count(func() { s.requests[method]++ })
				}
			},
			OnAllocationCreated: func(from, _ net.Addr, _, _, _ string, _ net.Addr, _ int) {
				s.count(func() {
					s.allocations++
					s.clients = append(s.clients, netip.MustParseAddrPort(from.String()))
				})
			},
			OnAllocationDeleted: func(_, _ net.Addr, _, _, _ string) { s.count(func() { s.allocations-- }) },
		},
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: conn, RelayAddressGenerator: relays(), PermissionHandler: permit}},
	}
	for _, l := range listeners {
		config.ListenerConfigs = append(config.ListenerConfigs,
			turn.ListenerConfig{Listener: l, RelayAddressGenerator: relays(), PermissionHandler: permit})
	}
	return config
}

func (s *TURN) count(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// Requests returns how many authentic requests of a method came: "Allocate",
// "Refresh", "CreatePermission", "ChannelBind".
func (s *TURN) Requests(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[method]
}

// Allocations returns how many there are.
func (s *TURN) Allocations() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.allocations
}

// Clients returns from where allocations were asked for, in that order.
func (s *TURN) Clients() []netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.clients)
}

// StaleNonces returns how many requests were refused for the age of their nonce.
func (s *TURN) StaleNonces() int {
	if s.nonces == nil {
		return 0
	}
	return s.nonces.refused()
}

// Close ends the server and with it all its relays and connections.
func (s *TURN) Close() {
	s.once.Do(func() {
		_ = s.server.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, c := range s.accepted {
			_ = c.Close()
		}
	})
}

// closer keeps what was accepted: pion/turn leaves connections open when it is
// closed, as a killed process does not.
type closer struct {
	net.Listener
	server *TURN
}

func (c *closer) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.server.count(func() { c.server.accepted = append(c.server.accepted, conn) })
	}
	return conn, err
}
