package whip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/earshot-voip/earshot/internal/signaling"
)

const (
	maxHeader  = 64 << 10 // bytes of an answer's header
	maxAnswer  = 256 << 10
	maxRefusal = 4 << 10 // of the body of a refusal, which only a person reads
)

// newTransport makes a connection by way of the trace. No request runs over the
// transport itself: its pool dials in goroutines of its own, which outlive the
// request that wanted the connection. A call has none while it lasts.
func newTransport(trace *signaling.Trace) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Transport{
		DialContext:            trace.DialContext,
		DialTLSContext:         trace.TLSDialer("h2", "http/1.1"),
		Protocols:              protocols,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
		// Hundreds of calls run in one process, and what they send is small.
		ReadBufferSize:  1 << 10,
		WriteBufferSize: 1 << 10,
	}
}

// conn is one connection to one origin.
type conn struct {
	client  *http.ClientConn
	trace   *signaling.Trace
	origin  *url.URL
	address string

	answered atomic.Bool // there was an answer on it
}

// open connects to the origin of target.
func (d *Dialer) open(ctx context.Context, target *url.URL) (*conn, error) {
	address := hostPort(target)
	client, err := newTransport(d.trace).NewClientConn(ctx, target.Scheme, address)
	if err != nil {
		return nil, err
	}
	return &conn{client: client, trace: d.trace, origin: target, address: address}, nil
}

// serves reports whether the connection is alive and leads to target's origin.
func (c *conn) serves(target *url.URL) bool {
	return sameOrigin(c.origin, target) && c.client.Err() == nil
}

// close closes the connection and breaks off what runs on it. The peer is not
// asked, so what closing says is of no use to anyone.
func (c *conn) close() { _ = c.client.Close() }

// request makes a request without a token.
func (d *Dialer) request(method string, target *url.URL, body string) *http.Request {
	request := &http.Request{
		Method: method,
		URL:    target,
		Host:   target.Host,
		Header: http.Header{"User-Agent": {d.userAgent}},
		Body:   http.NoBody,
	}
	if body != "" {
		request.Body = io.NopCloser(strings.NewReader(body))
		request.ContentLength = int64(len(body))
	}
	return request
}

func (d *Dialer) authorize(r *http.Request) {
	if d.token != "" {
		r.Header.Set("Authorization", "Bearer "+d.token)
	}
}

// exchange is a request under way.
type exchange struct {
	name   string // "POST http://host/path"
	cancel context.CancelFunc

	head     chan struct{}  // closed when response or err is set
	response *http.Response // nil when none came; its body is in body

	done chan struct{} // closed when body and err are set
	body []byte
	over bool // the body is longer than what was kept of it
	err  error
}

// begin sends the request and reads the answer in a goroutine, which ends when
// ctx does or cancel is called.
func (c *conn) begin(ctx context.Context, request *http.Request) *exchange {
	ctx, cancel := context.WithCancel(ctx)
	x := &exchange{
		name:   request.Method + " " + redact(request.URL),
		cancel: cancel,
		head:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	request = request.WithContext(ctx)
	go func() {
		defer close(x.done)
		defer cancel()
		response, err := c.client.RoundTrip(request)
		if err != nil {
			x.err = c.failure(x.name, err)
			close(x.head)
			return
		}
		c.answered.Store(true)
		x.response = response
		close(x.head)
		x.err = c.failure(x.name, x.read(response))
	}()
	return x
}

func (x *exchange) read(response *http.Response) error {
	limit := int64(maxRefusal)
	if response.StatusCode >= 200 && response.StatusCode < 300 {
		limit = maxAnswer
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if int64(len(body)) > limit {
		body, x.over = body[:limit], true
	}
	x.body = body
	// An error of closing would be about the part of the body that nobody wants.
	_ = response.Body.Close()
	if response.StatusCode >= 300 {
		return nil // a refusal stands, however much of its text arrived
	}
	return err
}

// created reports whether the answer's head promises a session: any success
// that names one.
func (x *exchange) created() bool {
	r := x.response
	return r != nil && r.StatusCode >= 200 && r.StatusCode < 300 &&
		(r.StatusCode == http.StatusCreated || r.Header.Get("Location") != "")
}

func (x *exchange) describe() string {
	if x.response == nil {
		return x.name + ": no answer"
	}
	return fmt.Sprintf("%s: %d %s by %s, %d bytes", x.name, x.response.StatusCode, reason(x.response), x.response.Proto, len(x.body))
}

// failure makes a typed error of what net/http said.
func (c *conn) failure(name string, err error) error {
	if err == nil {
		return nil
	}
	kind := signaling.KindLost
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		kind = signaling.KindTimeout
	case errors.Is(err, context.Canceled):
		kind = signaling.KindCanceled
	case isGarbage(err):
		kind = signaling.KindProtocol
	case !c.answered.Load():
		if rejected := c.trace.RejectTLS(c.address, err); rejected != nil {
			return rejected
		}
	}
	return &signaling.ExchangeError{Request: name, Kind: kind, Err: err}
}

// isGarbage reports whether err says that what came is not HTTP. net/http has
// types for few of these errors; a text that changes turns the kind into
// KindLost.
func isGarbage(err error) bool {
	var protocol textproto.ProtocolError
	var network *net.OpError
	switch {
	case errors.As(err, &protocol):
		return true
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return false
	}
	for _, sign := range []string{"malformed", "exceeded", "invalid", "unsupported", "bad Content-Length", "PROTOCOL_ERROR", "FRAME_SIZE_ERROR", "COMPRESSION_ERROR"} {
		if strings.Contains(err.Error(), sign) {
			return true
		}
	}
	return false
}
