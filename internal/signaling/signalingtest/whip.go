package signalingtest

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/signaling"
)

// WHIP is a fake WHIP endpoint (RFC 9725) on loopback.
type WHIP struct {
	URL    string
	server *httptest.Server
	config WHIPConfig

	offers   chan string
	released chan struct{}
	stopped  chan struct{}

	release, stop sync.Once

	mu       sync.Mutex
	sessions map[string]bool
	created  int
	ends     int
	conns    map[net.Conn]bool
	opened   int
	requests []*http.Request
}

// WHIPConfig is what a fake endpoint does.
type WHIPConfig struct {
	Behaviour
	Certificate *tls.Certificate // serves HTTPS with it when set
	HTTP2       bool             // offers HTTP/2 (with a certificate)
	// Links are sent as Link headers with answers and to OPTIONS.
	Links []string
	// Intercept, when set, sees every request first, and the rest does not
	// happen when it returns true.
	Intercept func(w http.ResponseWriter, r *http.Request) bool
}

// WHIPGarbage is what a WHIP endpoint can answer in place of an answer, for
// Harness.Garbage.
var WHIPGarbage = map[string]signaling.Kind{
	"a web page":            signaling.KindWrongStatus,
	"a web page as session": signaling.KindWrongType,
	"no content type":       signaling.KindWrongType,
	"empty body":            signaling.KindEmpty,
	"binary":                signaling.KindNotSDP,
	"huge body":             signaling.KindTooLarge,
	"truncated body":        signaling.KindLost,
	"no audio":              signaling.KindNoAudio,
	"no location":           signaling.KindNoSession,
}

// NewWHIP starts an endpoint that stops at the end of the test.
func NewWHIP(t testing.TB, c WHIPConfig) *WHIP {
	t.Helper()
	w := &WHIP{
		config:   c,
		offers:   make(chan string, 64),
		released: make(chan struct{}),
		stopped:  make(chan struct{}),
		sessions: make(map[string]bool),
		conns:    make(map[net.Conn]bool),
	}
	w.server = httptest.NewUnstartedServer(http.HandlerFunc(w.serve))
	w.server.Config.ConnState = w.connState
	w.server.Config.ErrorLog = log.New(io.Discard, "", 0) // broken connections are what tests are about
	if c.Certificate != nil {
		w.server.EnableHTTP2 = c.HTTP2
		w.server.TLS = &tls.Config{Certificates: []tls.Certificate{*c.Certificate}}
		w.server.StartTLS()
	} else {
		w.server.Start()
	}
	w.URL = w.server.URL + "/whip"
	t.Cleanup(func() {
		w.stop.Do(func() { close(w.stopped) })
		w.server.CloseClientConnections()
		w.server.Close()
	})
	return w
}

// Offers implements Peer.
func (w *WHIP) Offers() <-chan string { return w.offers }

// Release implements Peer.
func (w *WHIP) Release() { w.release.Do(func() { close(w.released) }) }

// Sessions implements Peer.
func (w *WHIP) Sessions() int { w.mu.Lock(); defer w.mu.Unlock(); return len(w.sessions) }

// Created implements Peer.
func (w *WHIP) Created() int { w.mu.Lock(); defer w.mu.Unlock(); return w.created }

// Ends implements Peer.
func (w *WHIP) Ends() int { w.mu.Lock(); defer w.mu.Unlock(); return w.ends }

// Connections implements Peer.
func (w *WHIP) Connections() int { w.mu.Lock(); defer w.mu.Unlock(); return len(w.conns) }

// Opened returns how many connections were opened so far.
func (w *WHIP) Opened() int { w.mu.Lock(); defer w.mu.Unlock(); return w.opened }

// Requests returns the heads of all requests so far.
func (w *WHIP) Requests() []*http.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*http.Request(nil), w.requests...)
}

// HangUp implements Peer. WHIP has no way to say so.
func (w *WHIP) HangUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.sessions)
}

// Die implements Peer.
func (w *WHIP) Die() {
	w.stop.Do(func() { close(w.stopped) })
	_ = w.server.Listener.Close() // stopping closes it again
	w.server.CloseClientConnections()
}

// DropConnections breaks all connections and goes on listening.
func (w *WHIP) DropConnections() { w.server.CloseClientConnections() }

func (w *WHIP) connState(c net.Conn, s http.ConnState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch s {
	case http.StateNew:
		w.conns[c] = true
		w.opened++
	case http.StateClosed, http.StateHijacked:
		delete(w.conns, c)
	}
}

func (w *WHIP) serve(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.requests = append(w.requests, r)
	w.mu.Unlock()
	if w.config.Intercept != nil && w.config.Intercept(out, r) {
		return
	}
	switch r.Method {
	case http.MethodPost:
		w.post(out, r)
	case http.MethodDelete:
		w.delete(out, r)
	case http.MethodOptions:
		out.Header()["Link"] = w.config.Links
		out.WriteHeader(http.StatusNoContent)
	default:
		out.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func (w *WHIP) post(out http.ResponseWriter, r *http.Request) {
	offer, err := io.ReadAll(r.Body)
	if err != nil || r.Header.Get("Content-Type") != "application/sdp" {
		out.WriteHeader(http.StatusUnsupportedMediaType)
		return
	}
	b := w.config.Behaviour
	if b.Refuse != 0 {
		w.offers <- string(offer)
		if b.RetryAfter > 0 {
			out.Header().Set("Retry-After", fmt.Sprint(int(b.RetryAfter.Seconds())))
		}
		http.Error(out, "refused by the test", b.Refuse)
		return
	}
	location := w.create()
	w.offers <- string(offer)
	if b.Hold {
		select {
		case <-w.released:
		case <-w.stopped:
			panic(http.ErrAbortHandler)
		}
	}
	out.Header().Set("Location", location)
	out.Header()["Link"] = w.config.Links
	out.Header().Set("Content-Type", "application/sdp")
	switch {
	case b.Garbage != "":
		w.garbage(out, b.Garbage)
	case b.Drip:
		w.drip(out, r)
	default:
		out.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(out, Answer) // the client may be gone
	}
}

// create makes a session and returns its path.
func (w *WHIP) create() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.created++
	path := fmt.Sprintf("/session/%d", w.created)
	w.sessions[path] = true
	return path
}

func (w *WHIP) delete(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends++
	if !w.sessions[r.URL.Path] {
		out.WriteHeader(http.StatusNotFound)
		return
	}
	delete(w.sessions, r.URL.Path)
	out.WriteHeader(http.StatusOK)
}

// garbage answers with what is named. The cases beside 200 leave a session that
// can be found by its location.
func (w *WHIP) garbage(out http.ResponseWriter, name string) {
	h := out.Header()
	status, body := http.StatusCreated, ""
	switch name {
	case "a web page":
		status, body = http.StatusOK, "<html><body>It works!</body></html>"
		h.Set("Content-Type", "text/html")
	case "a web page as session":
		body = "<html><body>It works!</body></html>"
		h.Set("Content-Type", "text/html; charset=utf-8")
	case "no content type":
		h["Content-Type"] = nil
		body = Answer
	case "empty body":
	case "binary":
		body = "v=0\r\n\x00\xff\xfem=audio 9 RTP/AVP 0\r\nm=audio 9\r\n"
	case "huge body":
		body = Answer + strings.Repeat("a=x-padding:0123456789012345678901234567890123456789\r\n", 20000)
	case "truncated body":
		h.Set("Content-Length", fmt.Sprint(len(Answer)+100))
		out.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(out, Answer) // the client may be gone
		out.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	case "no audio":
		body = strings.Replace(Answer, "m=audio", "m=video", 1)
	case "no location":
		h.Del("Location")
		body = Answer
	default:
		panic("no such garbage: " + name)
	}
	out.WriteHeader(status)
	_, _ = io.WriteString(out, body) // the client may stop reading
}

// drip sends the answer and goes on with one attribute at a time.
func (w *WHIP) drip(out http.ResponseWriter, r *http.Request) {
	out.WriteHeader(http.StatusCreated)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for text := Answer; ; text = "a=x\r\n" {
		if _, err := io.WriteString(out, text); err != nil {
			return
		}
		out.(http.Flusher).Flush()
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		case <-w.stopped:
			return
		}
	}
}
