package signalingtest

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/earshot-voip/earshot/internal/signaling"
)

// SIP is a fake SIP server behind WebSocket (RFC 7118) on loopback. It reads and
// writes messages as plain text.
type SIP struct {
	URL string // ws:// or wss://, with the only path that it serves

	server *httptest.Server
	config SIPConfig

	offers   chan string
	released chan struct{}
	stopped  chan struct{}

	release, stop sync.Once
	work          sync.WaitGroup // goroutines of calls and connections

	mu         sync.Mutex
	calls      map[string]*SIPCall // alive, by Call-ID
	created    int
	ends       int
	acks       int
	opened     int
	conns      map[int]*SIPConn
	messages   []SIPMessage
	nonces     map[string]*nonce // given out
	registered map[string]bool   // addresses of record
}

// SIPConfig is what a fake server does.
type SIPConfig struct {
	Behaviour
	Certificate *tls.Certificate // serves wss with it when set
	Auth        *SIPAuth         // asks for a password on every request; nil: never
	Registered  bool             // calls are only for who has registered
	// Early is sent as SDP in a 183 before the answer; Reliable wants PRACK for
	// it first (RFC 3262); Bare then leaves the SDP out of the 200.
	Early    string
	Reliable bool
	Bare     bool
	// Answer makes the SDP for an offer in place of the constant, and says how
	// the call ends behind it.
	Answer func(offer string) (sdp string, end func(), err error)
	// Lines are header lines of the 200 to INVITE in place of its Contact;
	// Farewell are those of BYE and of the 200 to it.
	Lines    []string
	Farewell []string
	MinSE    int // refuses a Session-Expires below it by 422
	// Subprotocol is what the server agrees to; default sip.
	Subprotocol string
	// Script, when set, sees every message first, and the rest does not happen
	// when it returns true.
	Script func(c *SIPConn, m SIPMessage) bool
}

// SIPConn is one connection of a fake server.
type SIPConn struct {
	Number int // counted from 1
	socket *websocket.Conn
	server *SIP
}

// SIPCall is a call from its INVITE to its end.
type SIPCall struct {
	conn     *SIPConn
	invite   SIPMessage
	tag      string
	answered bool
	over     chan struct{} // closed when the call ended
	pracked  chan struct{}
	prack    sync.Once
	end      func()
}

// Tag returns the server's tag of the call.
func (c *SIPCall) Tag() string { return c.tag }

// Write sends a message on the connection of the call.
func (c *SIPCall) Write(text string) { c.conn.Write(text) }

// SIPRefusals are the refusals that a SIP server answers an INVITE with.
var SIPRefusals = []int{400, 401, 403, 404, 407, 408, 410, 480, 484, 486, 488, 500, 503, 504, 600, 603, 606}

// SIPGarbage is what a SIP server can answer in place of an answer, for
// Harness.Garbage.
var SIPGarbage = map[string]signaling.Kind{
	"a web page":         signaling.KindProtocol,
	"a web page as body": signaling.KindWrongType,
	"no content type":    signaling.KindWrongType,
	"empty body":         signaling.KindEmpty,
	"binary":             signaling.KindNotSDP,
	"huge body":          signaling.KindTooLarge,
	"no audio":           signaling.KindNoAudio,
	"broken header":      signaling.KindProtocol,
}

// NewSIP starts a server that stops at the end of the test.
func NewSIP(t testing.TB, c SIPConfig) *SIP {
	t.Helper()
	if c.Subprotocol == "" {
		c.Subprotocol = "sip"
	}
	s := &SIP{
		config:     c,
		offers:     make(chan string, 64),
		released:   make(chan struct{}),
		stopped:    make(chan struct{}),
		calls:      make(map[string]*SIPCall),
		conns:      make(map[int]*SIPConn),
		registered: make(map[string]bool),
		nonces:     make(map[string]*nonce),
	}
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(s.upgrade))
	s.server.Config.ErrorLog = log.New(io.Discard, "", 0) // broken connections are what tests are about
	if c.Certificate != nil {
		s.server.TLS = &tls.Config{Certificates: []tls.Certificate{*c.Certificate}}
		s.server.StartTLS()
	} else {
		s.server.Start()
	}
	s.URL = strings.Replace(s.server.URL, "http", "ws", 1) + "/ws"
	t.Cleanup(func() {
		s.Die()
		s.work.Wait()
		s.server.Close()
	})
	return s
}

// Offers implements Peer.
func (s *SIP) Offers() <-chan string { return s.offers }

// Release implements Peer.
func (s *SIP) Release() { s.release.Do(func() { close(s.released) }) }

// Sessions implements Peer.
func (s *SIP) Sessions() int { s.mu.Lock(); defer s.mu.Unlock(); return len(s.calls) }

// Created implements Peer.
func (s *SIP) Created() int { s.mu.Lock(); defer s.mu.Unlock(); return s.created }

// Ends implements Peer: every BYE and CANCEL.
func (s *SIP) Ends() int { s.mu.Lock(); defer s.mu.Unlock(); return s.ends }

// Connections implements Peer.
func (s *SIP) Connections() int { s.mu.Lock(); defer s.mu.Unlock(); return len(s.conns) }

// Opened returns how many connections were opened so far.
func (s *SIP) Opened() int { s.mu.Lock(); defer s.mu.Unlock(); return s.opened }

// Messages returns all messages so far that came with that method: requests, and
// responses to requests of the server's own.
func (s *SIP) Messages(method string) []SIPMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.messages), func(m SIPMessage) bool { return m.Method() != method })
}

// Registered returns how many addresses are registered.
func (s *SIP) Registered() int { s.mu.Lock(); defer s.mu.Unlock(); return len(s.registered) }

// HangUp implements Peer: BYE to every call.
func (s *SIP) HangUp() {
	s.mu.Lock()
	calls := make([]*SIPCall, 0, len(s.calls))
	for _, c := range s.calls {
		calls = append(calls, c)
	}
	s.mu.Unlock()
	for _, c := range calls {
		c.conn.Write(s.Request("BYE", c, 1, s.config.Farewell, ""))
		s.finish(c)
	}
}

// Call returns a call that is alive; nil when there is none.
func (s *SIP) Call() *SIPCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		return c
	}
	return nil
}

// Request writes a request of the server's own within a call.
func (s *SIP) Request(method string, c *SIPCall, cseq int, lines []string, body string) string {
	invite := c.invite
	text := fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/WS far.invalid;branch=z9hG4bK-far-%s-%d\r\nMax-Forwards: 70\r\n"+
		"From: %s;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n",
		method, invite.Contact(), method, cseq, invite.Get("To"), c.tag, invite.Get("From"), invite.Get("Call-ID"), cseq, method)
	for _, line := range lines {
		text += line + "\r\n"
	}
	if body != "" {
		text += "Content-Type: application/sdp\r\nContact: <sip:echo@far.invalid;transport=ws>\r\n"
	}
	return text + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

// Send sends a request of the server's own to a call.
func (s *SIP) Send(method string, c *SIPCall, cseq int, lines []string, body string) {
	c.conn.Write(s.Request(method, c, cseq, lines, body))
}

// Die implements Peer.
func (s *SIP) Die() {
	s.stop.Do(func() { close(s.stopped) })
	_ = s.server.Listener.Close() // stopping closes it again
	s.DropConnections()
}

// DropConnections breaks all connections and goes on listening.
func (s *SIP) DropConnections() {
	s.mu.Lock()
	conns := make([]*SIPConn, 0, len(s.conns))
	for _, c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		_ = c.socket.CloseNow() // breaking it is the point
	}
}

// Ping sends a ping with a payload on every connection and waits for the pongs.
func (s *SIP) Ping(ctx context.Context) error {
	s.mu.Lock()
	conns := make([]*SIPConn, 0, len(s.conns))
	for _, c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		if err := c.socket.Ping(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Server returns the server that the connection belongs to.
func (c *SIPConn) Server() *SIP { return c.server }

// Write sends a message.
func (c *SIPConn) Write(text string) { c.write(websocket.MessageText, []byte(text)) }

func (c *SIPConn) write(kind websocket.MessageType, data []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = c.socket.Write(ctx, kind, data) // the client may be gone
}

// upgrade takes a connection and reads from it until it ends.
func (s *SIP) upgrade(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/ws" {
		http.NotFound(w, r)
		return
	}
	socket, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{s.config.Subprotocol}})
	if err != nil {
		return
	}
	s.work.Add(1)
	defer s.work.Done()
	defer func() { _ = socket.CloseNow() }() // it ended
	socket.SetReadLimit(1 << 20)
	s.mu.Lock()
	s.opened++
	c := &SIPConn{Number: s.opened, socket: socket, server: s}
	s.conns[c.Number] = c
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c.Number)
	}()
	for {
		_, data, err := socket.Read(context.Background())
		if err != nil {
			return
		}
		text := string(data)
		if strings.Trim(text, "\r\n") == "" {
			continue // keep-alive
		}
		m := readSIP(c.Number, text)
		s.mu.Lock()
		s.messages = append(s.messages, m)
		s.mu.Unlock()
		if s.config.Script != nil && s.config.Script(c, m) {
			continue
		}
		s.handle(c, m)
	}
}

// newTag makes the tag of a call.
func newTag(n int) string { return fmt.Sprintf("far%d-%d", n, time.Now().UnixNano()%1000) }
