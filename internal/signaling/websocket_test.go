package signaling_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/earshot-voip/earshot/internal/signaling"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
)

// webSocketServer serves h and returns its URL with the scheme ws.
func webSocketServer(t *testing.T, h http.HandlerFunc) *url.URL {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	u, err := url.Parse(strings.Replace(server.URL, "http", "ws", 1) + "/ws?key=s3cret")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// upgraded opens and upgrades.
func upgraded(ctx context.Context, t *testing.T, u *url.URL) (*signaling.WebSocket, error) {
	t.Helper()
	tr := &signaling.Trace{Deadlines: patient}
	raw, err := tr.OpenWebSocket(ctx, u)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return tr.UpgradeWebSocket(ctx, raw, u, "sip", "test/1")
}

func TestWebSocketCarriesMessages(t *testing.T) {
	signalingtest.NoLeaks(t)
	u := webSocketServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() != "test/1" || r.URL.RawQuery != "key=s3cret" {
			t.Errorf("got user agent %q and query %q", r.UserAgent(), r.URL.RawQuery)
		}
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"sip"}})
		if err != nil {
			return
		}
		kind, data, err := c.Read(context.Background())
		if err == nil {
			err = c.Write(context.Background(), kind, data)
		}
		if err != nil {
			t.Errorf("echo: %v", err)
		}
		_, _, err = c.Read(context.Background())
		if websocket.CloseStatus(err) != websocket.StatusNormalClosure {
			t.Errorf("the connection ended with %v, want a proper close", err)
		}
	})
	w, err := upgraded(context.Background(), t, u)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(context.Background(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, data, err := w.Read(context.Background()); string(data) != "hello" || err != nil {
		t.Errorf("got %q, %v, want what was sent", data, err)
	}
	w.Shut(patient.Hangup)
}

func TestWebSocketThatNobodyClosesIsShut(t *testing.T) {
	signalingtest.NoLeaks(t)
	release := make(chan struct{})
	u := webSocketServer(t, func(w http.ResponseWriter, r *http.Request) {
		if c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"sip"}}); err == nil {
			<-release // reads nothing, so it never answers the close
			_ = c.CloseNow()
		}
	})
	w, err := upgraded(context.Background(), t, u)
	if err != nil {
		t.Fatal(err)
	}
	w.Shut(soon)
	close(release)
}

func TestUpgradeFailures(t *testing.T) {
	answer := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, text)
				_ = conn.Close()
			}
		}
	}
	for name, c := range map[string]struct {
		server http.HandlerFunc
		check  func(error) bool
	}{
		"a path that does not exist is a status": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such place", 404) },
			func(err error) bool {
				var e *signaling.StatusError
				return errors.As(err, &e) && e.Code == 404 && e.Reason == "Not Found" && e.Body == "no such place"
			}},
		"an ordinary web page is a status": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<p>hi") },
			func(err error) bool {
				var e *signaling.StatusError
				return errors.As(err, &e) && e.Code == 200 && e.Body == ""
			}},
		"a redirect is not followed": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere?key=s3cret", http.StatusTemporaryRedirect)
		},
			func(err error) bool {
				var e *signaling.RedirectError
				return errors.As(err, &e) && e.Code == 307 && e.Kind == signaling.KindNotFollowed && strings.HasSuffix(e.Target, "/elsewhere")
			}},
		"another subprotocol is not this one": {func(w http.ResponseWriter, r *http.Request) {
			if c, err := websocket.Accept(w, r, nil); err == nil {
				_ = c.CloseNow()
			}
		}, exchangeOf(signaling.KindProtocol)},
		"what is not HTTP is another protocol":      {answer("SSH-2.0-OpenSSH\r\n"), exchangeOf(signaling.KindProtocol)},
		"a connection that closes is lost":          {answer(""), exchangeOf(signaling.KindLost)},
		"a key that does not match is not accepted": {answer("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"), exchangeOf(signaling.KindProtocol)},
	} {
		t.Run(name, func(t *testing.T) {
			signalingtest.NoLeaks(t)
			w, err := upgraded(context.Background(), t, webSocketServer(t, c.server))
			if w != nil || !c.check(err) {
				t.Errorf("got %v, %T (%v)", w, err, err)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("error %q tells a secret", err)
			}
		})
	}
}

func exchangeOf(kind signaling.Kind) func(error) bool {
	return func(err error) bool {
		var e *signaling.ExchangeError
		return errors.As(err, &e) && e.Kind == kind
	}
}

func TestUpgradeEndsWithItsContext(t *testing.T) {
	signalingtest.NoLeaks(t)
	silent := listen(t, "127.0.0.1:0", hold)
	u := &url.URL{Scheme: "ws", Host: silent.String(), Path: "/ws"}
	ctx, cancel := context.WithCancel(context.Background())
	tr := &signaling.Trace{Deadlines: patient}
	raw, err := tr.OpenWebSocket(ctx, u)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_, err = tr.UpgradeWebSocket(ctx, raw, u, "sip", "test/1")
	if !exchangeOf(signaling.KindCanceled)(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %T (%v), want an *ExchangeError of kind canceled", err, err)
	}
	if _, err := raw.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the connection was left open: %v", err)
	}
}

// The name that the server shows its certificate for, and asks for by SNI, is
// that of the URL.
func TestWebSocketOverTLS(t *testing.T) {
	signalingtest.NoLeaks(t)
	ca := signalingtest.NewCA(t)
	certificate := ca.Valid()
	server := signalingtest.NewSIP(t, signalingtest.SIPConfig{Certificate: &certificate})
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	tr := &signaling.Trace{Deadlines: patient, RootCAs: ca.Pool()}
	raw, err := tr.OpenWebSocket(context.Background(), u)
	if err != nil {
		t.Fatal(err)
	}
	w, err := tr.UpgradeWebSocket(context.Background(), raw, u, "sip", "test/1")
	if err != nil {
		t.Fatal(err)
	}
	w.Shut(soon)
	if p := tr.TLS(); p.State != signaling.PhaseOK {
		t.Errorf("TLS phase %+v, want one that went well", p)
	}
	_, err = (&signaling.Trace{Deadlines: patient}).OpenWebSocket(context.Background(), u)
	var refused *signaling.TLSError
	if !errors.As(err, &refused) || refused.Kind != signaling.KindUnknownAuthority {
		t.Errorf("got %T (%v), want the unknown authority refused", err, err)
	}
}
