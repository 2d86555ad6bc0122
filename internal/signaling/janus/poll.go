package janus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/earshot-voip/earshot/internal/signaling"
)

// poll is a link over HTTP: a POST for each request, and a GET that the gateway
// holds until it has something to say. All of it takes turns on one connection;
// a request that finds it busy, as it is with the GET during a call, opens its
// own.
type poll struct {
	dialer *Dialer
	ctx    context.Context // of everything that runs
	cancel context.CancelFunc
	first  *http.ClientConn

	inbox   chan reply
	over    chan struct{}
	running sync.WaitGroup

	mu   sync.Mutex
	err  error // why it is dead
	busy bool  // something is under way on first
}

func (d *Dialer) newPoll(ctx context.Context, raw net.Conn) (*poll, error) {
	first, err := d.client(ctx, raw)
	if err != nil {
		return nil, err
	}
	p := &poll{dialer: d, first: first, inbox: make(chan reply), over: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p, nil
}

// client speaks HTTP on a connection of the trace, or on a new one.
func (d *Dialer) client(ctx context.Context, raw net.Conn) (*http.ClientConn, error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		if raw != nil {
			return raw, nil
		}
		return d.connect(ctx)
	}
	t := &http.Transport{
		DialContext: dial, DialTLSContext: dial, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
		ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10,
	}
	return t.NewClientConn(ctx, d.base.Scheme, hostPort(d.base))
}

func (p *poll) replies() <-chan reply { return p.inbox }
func (p *poll) dead() <-chan struct{} { return p.over }

func (p *poll) lost() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *poll) send(r request) {
	conn := p.take()
	p.running.Go(func() {
		if err := p.post(conn, r); err != nil {
			p.fail(err)
		}
	})
}

// take returns the connection for one exchange, nil when it is busy.
func (p *poll) take() *http.ClientConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy {
		return nil
	}
	p.busy = true
	return p.first
}

func (p *poll) giveBack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = false
}

// post sends one request and hands on what is said to it.
func (p *poll) post(conn *http.ClientConn, r request) error {
	name := p.dialer.name(r)
	if conn == nil {
		fresh, err := p.dialer.client(p.ctx, nil)
		if err != nil {
			return err
		}
		defer fresh.Close()
		conn = fresh
	}
	where := *p.dialer.base
	where.Path = resource(where.Path, r.Session, r.Handle)
	r.Session, r.Handle = 0, 0 // they are in the path
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // a request is made of strings and numbers
	}
	h, err := http.NewRequestWithContext(p.ctx, http.MethodPost, where.String(), bytes.NewReader(text))
	if err != nil {
		return broken(name, err)
	}
	h.Header.Set("Content-Type", "application/json")
	got, err := p.exchange(conn, h, name)
	if err != nil {
		return err
	}
	if conn == p.first {
		p.giveBack() // before it is told: what is told may bring the next request
	}
	p.tell(got)
	return nil
}

// tell hands on what the gateway said.
func (p *poll) tell(r reply) {
	select {
	case p.inbox <- r:
	case <-p.over:
	}
}

// resource is the path of a session or of a handle of it.
func resource(base string, session, handle uint64) string {
	if session != 0 {
		base += "/" + strconv.FormatUint(session, 10)
	}
	if handle != 0 {
		base += "/" + strconv.FormatUint(handle, 10)
	}
	return base
}

// listen polls for what the gateway says about a session, until it knows none of
// that id. A poll keeps the session alive, and is answered at least every 30 s.
func (p *poll) listen(session uint64) {
	where := *p.dialer.base
	where.Path = resource(where.Path, session, 0)
	where.RawQuery = p.dialer.credentials().Encode()
	name := "poll of " + p.dialer.base.String()
	p.take()
	p.running.Go(func() {
		defer p.giveBack()
		for p.ctx.Err() == nil {
			h, err := http.NewRequestWithContext(p.ctx, http.MethodGet, where.String(), nil)
			if err != nil {
				p.fail(broken(name, withoutURL(err)))
				return
			}
			r, err := p.exchange(p.first, h, name)
			if err != nil {
				p.fail(err)
				return
			}
			p.tell(r)
			if r.Kind == kindError {
				return
			}
		}
	})
}

// credentials are those of a request without a body.
func (d *Dialer) credentials() url.Values {
	q := url.Values{"maxev": {"1"}}
	if d.options.Secret != "" {
		q.Set("apisecret", d.options.Secret)
	}
	if d.options.Token != "" {
		q.Set("token", d.options.Token)
	}
	return q
}

// exchange sends one HTTP request and returns the message that it is answered
// with.
func (p *poll) exchange(conn *http.ClientConn, h *http.Request, name string) (reply, error) {
	h.Header.Set("User-Agent", p.dialer.options.UserAgent)
	response, err := conn.RoundTrip(h)
	if err != nil {
		if rejected := p.dialer.trace.RejectTLS(hostPort(p.dialer.base), err); rejected != nil && p.dialer.base.Scheme == "https" {
			return reply{}, rejected
		}
		return reply{}, broken(name, withoutURL(err))
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxMessage+1))
	switch {
	case response.StatusCode >= 300 && response.StatusCode < 400:
		return reply{}, &signaling.RedirectError{Request: name, Code: response.StatusCode, Kind: signaling.KindNotFollowed}
	case len(text) > maxMessage:
		return reply{}, &signaling.AnswerError{Request: name, Kind: signaling.KindTooLarge, Err: fmt.Errorf("longer than %d bytes", maxMessage)}
	case err != nil && response.StatusCode < 300:
		return reply{}, broken(name, err)
	}
	r, err := parse(text)
	switch {
	case err != nil && response.StatusCode >= 300:
		return reply{}, &signaling.StatusError{Request: name, Code: response.StatusCode, Reason: signaling.Reason(response.StatusCode, response.Status),
			RetryAfter: signaling.RetryAfter(response.Header.Get("Retry-After"), time.Now())}
	case err != nil:
		return reply{}, &signaling.ExchangeError{Request: name, Kind: signaling.KindProtocol, Err: err}
	}
	return r, nil
}

// withoutURL takes the URL, which may hold secrets, out of an error.
func withoutURL(err error) error {
	var step *url.Error
	if errors.As(err, &step) {
		return step.Err
	}
	return err
}

// fail ends the link, for the first reason given.
func (p *poll) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
		close(p.over)
		p.cancel()
	}
}

func (p *poll) shut() {
	p.fail(errShut)
	p.running.Wait()
	_ = p.first.Close() // it is of no use any more
}
