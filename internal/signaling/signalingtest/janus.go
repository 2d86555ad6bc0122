package signalingtest

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/earshot-voip/earshot/internal/signaling"
)

// Janus is a fake Janus gateway on loopback with the EchoTest plugin. It speaks
// the gateway's API over HTTP with long-polling at /janus and over WebSocket at
// /, in JSON made by hand.
type Janus struct {
	HTTP, WebSocket string // URLs, with the prefix of their schemes
	server          *httptest.Server
	config          JanusConfig

	offers   chan string
	codecs   chan string
	released chan struct{}
	stopped  chan struct{}

	release, stop sync.Once

	mu       sync.Mutex
	sessions map[int64]*janusSession
	created  int
	ends     int
	conns    map[net.Conn]bool
	heard    []map[string]any
}

// JanusConfig is what a fake gateway does.
type JanusConfig struct {
	Behaviour
	Certificate   *tls.Certificate // serves TLS with it when set
	Secret, Token string           // wanted with every request when set
	// Answer makes the SDP for an offer in place of the constant, and says how
	// to end what answered.
	Answer func(offer string) (sdp string, end func(), err error)
	// AnswerFirst sends the answer before the word that the offer arrived.
	AnswerFirst bool
}

// JanusRefusals are the refusals of a gateway: of its API and of the plugin.
var JanusRefusals = []int{403, 414, 457, 460, 490}

// JanusGarbage is what a gateway can say in place of an answer, for
// Harness.Garbage.
var JanusGarbage = map[string]signaling.Kind{
	"no JSON":        signaling.KindProtocol,
	"another JSON":   signaling.KindProtocol,
	"an empty text":  signaling.KindEmpty,
	"no description": signaling.KindNotSDP,
	"no audio":       signaling.KindNoAudio,
	"another offer":  signaling.KindWrongType,
	"huge":           signaling.KindTooLarge,
}

// janusSession is what the gateway knows of one session. Its events wait for a
// poll, or for the WebSocket that it was made on.
type janusSession struct {
	id     int64
	handle int64
	events chan map[string]any
	over   chan struct{}
	end    func() // of what answered; may be nil
}

// NewJanus starts a gateway that stops at the end of the test.
func NewJanus(t testing.TB, c JanusConfig) *Janus {
	t.Helper()
	j := &Janus{
		config:   c,
		offers:   make(chan string, 64),
		codecs:   make(chan string, 64),
		released: make(chan struct{}),
		stopped:  make(chan struct{}),
		sessions: make(map[int64]*janusSession),
		conns:    make(map[net.Conn]bool),
	}
	j.server = httptest.NewUnstartedServer(http.HandlerFunc(j.serve))
	j.server.Config.ConnState = func(c net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			j.count(c, true)
		case http.StateClosed:
			j.count(c, false)
		}
	}
	j.server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	j.server.Config.ErrorLog = log.New(io.Discard, "", 0) // broken connections are what tests are about
	if c.Certificate != nil {
		j.server.TLS = &tls.Config{Certificates: []tls.Certificate{*c.Certificate}}
		j.server.StartTLS()
	} else {
		j.server.Start()
	}
	j.HTTP = "janus+" + j.server.URL + "/janus"
	j.WebSocket = "janus+ws" + strings.TrimPrefix(j.server.URL, "http")
	t.Cleanup(func() {
		j.stop.Do(func() { close(j.stopped) })
		j.server.CloseClientConnections()
		j.closeSockets()
		j.server.Close()
	})
	return j
}

func (j *Janus) count(c net.Conn, open bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if open {
		j.conns[c] = true
	} else {
		delete(j.conns, c)
	}
}

// Offers implements Peer.
func (j *Janus) Offers() <-chan string { return j.offers }

// Codecs has, for each offer, the codec that the EchoTest was asked for; "": none.
func (j *Janus) Codecs() <-chan string { return j.codecs }

// Release implements Peer.
func (j *Janus) Release() { j.release.Do(func() { close(j.released) }) }

// Sessions implements Peer.
func (j *Janus) Sessions() int { j.mu.Lock(); defer j.mu.Unlock(); return len(j.sessions) }

// Created implements Peer.
func (j *Janus) Created() int { j.mu.Lock(); defer j.mu.Unlock(); return j.created }

// Ends implements Peer.
func (j *Janus) Ends() int { j.mu.Lock(); defer j.mu.Unlock(); return j.ends }

// Connections implements Peer.
func (j *Janus) Connections() int { j.mu.Lock(); defer j.mu.Unlock(); return len(j.conns) }

// Heard returns all requests so far.
func (j *Janus) Heard() []map[string]any {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]map[string]any(nil), j.heard...)
}

// HangUp implements Peer: the PeerConnections are closed. The sessions stay until
// they are destroyed.
func (j *Janus) HangUp() {
	j.Say(func(s *janusSession) map[string]any {
		return map[string]any{"janus": "hangup", "session_id": s.id, "sender": s.handle, "reason": "DTLS alert"}
	})
}

// Say has the gateway say something by itself to each session.
func (j *Janus) Say(what func(*janusSession) map[string]any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.sessions {
		s.events <- what(s)
	}
}

// ForgetSessions has all sessions time out.
func (j *Janus) ForgetSessions() {
	j.Say(func(s *janusSession) map[string]any { return map[string]any{"janus": "timeout", "session_id": s.id} })
	j.mu.Lock()
	defer j.mu.Unlock()
	for id := range j.sessions {
		j.forget(id)
	}
}

// forget ends a session; the mutex is held.
func (j *Janus) forget(id int64) {
	if s := j.sessions[id]; s != nil {
		if s.end != nil {
			s.end()
		}
		close(s.over)
		delete(j.sessions, id)
	}
}

// DropConnections breaks all HTTP connections and goes on listening.
func (j *Janus) DropConnections() { j.server.CloseClientConnections() }

// Die implements Peer.
func (j *Janus) Die() {
	j.stop.Do(func() { close(j.stopped) })
	_ = j.server.Listener.Close() // stopping closes it again
	j.server.CloseClientConnections()
	j.closeSockets()
}

// closeSockets breaks the connections that are not the server's any more.
func (j *Janus) closeSockets() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for c := range j.conns {
		_ = c.Close() // it is meant to break
	}
}

func (j *Janus) serve(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "" {
		j.socket(w, r)
		return
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if parts[0] != "janus" {
		http.NotFound(w, r)
		return
	}
	id := func(n int) int64 {
		if len(parts) <= n {
			return 0
		}
		v, _ := strconv.ParseInt(parts[n], 10, 64)
		return v
	}
	if r.Method == http.MethodGet {
		j.poll(w, r, id(1))
		return
	}
	var request map[string]any
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, "no JSON", http.StatusBadRequest)
		return
	}
	for i, key := range []string{"session_id", "handle_id"} {
		if n := id(i + 1); n != 0 {
			request[key] = float64(n)
		}
	}
	direct := make(chan map[string]any, 1)
	go j.handle(request, func(m map[string]any) {
		if m["janus"] == "event" { // it comes by the poll
			j.event(request, m)
			return
		}
		direct <- m
	})
	select {
	case m := <-direct:
		write(w, m)
	case <-j.stopped:
		panic(http.ErrAbortHandler)
	}
}

// event queues what a session's poll is to bring.
func (j *Janus) event(request, m map[string]any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if s := j.sessions[number(request, "session_id")]; s != nil {
		s.events <- m
	}
}

// poll answers a long poll, at once when there is something to say.
func (j *Janus) poll(w http.ResponseWriter, r *http.Request, id int64) {
	q := r.URL.Query()
	j.mu.Lock()
	s := j.sessions[id]
	j.mu.Unlock()
	switch {
	case q.Get("apisecret") != j.config.Secret || q.Get("token") != j.config.Token:
		_ = json.NewEncoder(w).Encode(failure(nil, 403, "Unauthorized request (wrong or missing secret/token)"))
		return
	case s == nil:
		_ = json.NewEncoder(w).Encode(failure(nil, 458, fmt.Sprintf("No such session %d", id)))
		return
	}
	drip := time.NewTicker(5 * time.Millisecond)
	defer drip.Stop()
	for {
		select {
		case m := <-s.events:
			write(w, m)
			return
		case <-drip.C:
			if !j.config.Drip {
				continue
			}
			if _, err := io.WriteString(w, " "); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		case <-s.over:
			select {
			case m := <-s.events:
				write(w, m)
			default:
				write(w, map[string]any{"janus": "keepalive"})
			}
			return
		case <-r.Context().Done():
			return
		case <-j.stopped:
			panic(http.ErrAbortHandler)
		}
	}
}

// write sends a message, or the text that stands for one.
func write(w io.Writer, m map[string]any) {
	if text, ok := m["raw"].(string); ok {
		_, _ = io.WriteString(w, text) // the client may be gone
		return
	}
	_ = json.NewEncoder(w).Encode(m) // likewise
}

// socket serves the API on a WebSocket. Sessions that were made on it go with it.
func (j *Janus) socket(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"janus-protocol"}})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	raw := connOf(r)
	defer j.count(raw, false)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	var writing sync.Mutex
	say := func(m map[string]any) {
		var b strings.Builder
		write(&b, m)
		writing.Lock()
		defer writing.Unlock()
		_ = conn.Write(ctx, websocket.MessageText, []byte(strings.TrimSpace(b.String()))) // the client may be gone
	}
	mine := map[int64]bool{}
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			break
		}
		var request map[string]any
		if json.Unmarshal(text, &request) != nil {
			break
		}
		go j.handle(request, func(m map[string]any) {
			if request["janus"] == "create" && m["janus"] == "success" {
				id := m["data"].(map[string]any)["id"].(int64)
				writing.Lock()
				mine[id] = true
				writing.Unlock()
				go j.forward(ctx, id, say)
			}
			say(m)
		})
	}
	writing.Lock()
	defer writing.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	for id := range mine {
		j.forget(id)
	}
}

// forward sends the events of a session on its WebSocket.
func (j *Janus) forward(ctx context.Context, id int64, say func(map[string]any)) {
	j.mu.Lock()
	s := j.sessions[id]
	j.mu.Unlock()
	if s == nil {
		return
	}
	drip := time.NewTicker(5 * time.Millisecond)
	defer drip.Stop()
	for {
		select {
		case m := <-s.events:
			say(m)
		case <-drip.C:
			if j.config.Drip {
				say(map[string]any{"janus": "media", "session_id": id, "sender": s.handle, "type": "audio", "receiving": true})
			}
		case <-s.over:
			for {
				select {
				case m := <-s.events:
					say(m)
				default:
					return
				}
			}
		case <-ctx.Done():
			return
		}
	}
}

type connKey struct{}

func connOf(r *http.Request) net.Conn {
	c, _ := r.Context().Value(connKey{}).(net.Conn)
	return c
}

func number(m map[string]any, key string) int64 {
	n, _ := m[key].(float64)
	return int64(n)
}
