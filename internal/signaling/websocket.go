package signaling

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// MaxWebSocketMessage bounds what a far end may send in one WebSocket message.
const MaxWebSocketMessage = 1 << 20

// WebSocket is a connection by RFC 6455, opened through a Trace. Control frames
// are answered while somebody reads.
type WebSocket struct {
	*websocket.Conn
	raw net.Conn
}

// OpenWebSocket resolves, connects and, for wss, shakes hands with the host of
// target: the steps below the exchange. Its errors are those of DialContext and
// TLSDialer. The connection is for UpgradeWebSocket.
func (t *Trace) OpenWebSocket(ctx context.Context, target *url.URL) (net.Conn, error) {
	if target.Scheme == "wss" {
		return t.TLSDialer("http/1.1")(ctx, "tcp", webSocketAddress(target))
	}
	return t.DialContext(ctx, "tcp", webSocketAddress(target))
}

// webSocketAddress returns the address to dial.
func webSocketAddress(target *url.URL) string {
	port := target.Port()
	if port == "" {
		port = "80"
		if target.Scheme == "wss" {
			port = "443"
		}
	}
	return net.JoinHostPort(strings.ToLower(target.Hostname()), port)
}

// UpgradeWebSocket asks for target on raw, a connection of OpenWebSocket, and
// for a subprotocol that the server must agree to. It owns raw from then on.
// Proxies are not used and redirects not followed. The errors are *TLSError
// (a server that refuses the client's side of the handshake),
// *RedirectError, *StatusError and *ExchangeError.
func (t *Trace) UpgradeWebSocket(ctx context.Context, raw net.Conn, target *url.URL, subprotocol, userAgent string) (*WebSocket, error) {
	name := "GET " + withoutSecrets(target)
	given := func(context.Context, string, string) (net.Conn, error) { return raw, nil }
	transport := &http.Transport{
		DialContext: given, DialTLSContext: given, MaxResponseHeaderBytes: 64 << 10,
		ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10,
	}
	conn, response, err := websocket.Dial(ctx, target.String(), &websocket.DialOptions{
		HTTPClient: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		HTTPHeader:   http.Header{"User-Agent": {userAgent}},
		Subprotocols: []string{subprotocol},
	})
	if err != nil {
		_ = raw.Close() // already closed in most cases
		transport.CloseIdleConnections()
		return nil, t.upgradeFailure(ctx, name, target, response, err)
	}
	conn.SetReadLimit(MaxWebSocketMessage)
	w := &WebSocket{conn, raw}
	if got := conn.Subprotocol(); !strings.EqualFold(got, subprotocol) {
		_ = w.CloseNow() // of no use to anyone
		return nil, &ExchangeError{Request: name, Kind: KindProtocol,
			Err: fmt.Errorf("the server does not speak the WebSocket subprotocol %q", subprotocol)}
	}
	return w, nil
}

// Shut says that the connection is over and closes it; the far end has grace to
// say the same. Whatever reads from it ends.
func (w *WebSocket) Shut(grace time.Duration) {
	_ = w.raw.SetDeadline(time.Now().Add(grace))
	_ = w.Close(websocket.StatusNormalClosure, "") // what the far end says to it is of no use
}

func (t *Trace) upgradeFailure(ctx context.Context, name string, target *url.URL, response *http.Response, err error) error {
	switch {
	case ctx.Err() != nil:
		kind, reason := EndOf(ctx)
		return &ExchangeError{Request: name, Kind: kind, Err: reason}
	case response == nil:
		if rejected := t.RejectTLS(webSocketAddress(target), err); rejected != nil && target.Scheme == "wss" {
			return rejected
		}
		kind := KindLost
		if strings.Contains(err.Error(), "malformed HTTP") { // net/http has no type for it
			kind = KindProtocol
		}
		return &ExchangeError{Request: name, Kind: kind, Err: rootCause(err)}
	case response.StatusCode >= 300 && response.StatusCode < 400:
		redirect := &RedirectError{Request: name, Code: response.StatusCode, Kind: KindNotFollowed}
		if next, err := target.Parse(response.Header.Get("Location")); err == nil && next.String() != target.String() {
			redirect.Target = withoutSecrets(next)
		}
		return redirect
	case response.StatusCode != http.StatusSwitchingProtocols:
		return &StatusError{Request: name, Code: response.StatusCode,
			Reason: Reason(response.StatusCode, response.Status), Body: beginning(response.Body)}
	}
	return &ExchangeError{Request: name, Kind: KindProtocol, Err: err}
}

// rootCause drops what the libraries on the way say about their own steps.
func rootCause(err error) error {
	var step *url.Error
	if errors.As(err, &step) {
		return step.Err
	}
	return err
}

// beginning reads the first words of a refusal, if they are plain text.
func beginning(body io.Reader) string {
	if body == nil {
		return ""
	}
	text, _ := io.ReadAll(io.LimitReader(body, 1<<10)) // what came is what there is to say
	if strings.ContainsAny(string(text), "<\x00") {
		return ""
	}
	return Clip(OneLine(string(text)), maxWords)
}

// maxWords is how much of a refusal's body an error carries, in characters.
const maxWords = 200

// withoutSecrets renders u without user information, query and fragment.
func withoutSecrets(u *url.URL) string {
	clean := *u
	clean.User, clean.RawQuery, clean.ForceQuery, clean.Fragment, clean.RawFragment = nil, "", false, "", ""
	return clean.String()
}
