package janus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/earshot-voip/earshot/internal/signaling"
)

const (
	writeLimit = 5 * time.Second        // a socket that takes nothing for so long is dead
	closeGrace = 250 * time.Millisecond // how long the gateway may take to close the WebSocket
)

// socket is a link over WebSocket.
type socket struct {
	dialer  *Dialer
	conn    *signaling.WebSocket
	inbox   chan reply
	over    chan struct{}
	running sync.WaitGroup

	mu  sync.Mutex
	err error // why it is dead
}

func (d *Dialer) newSocket(ctx context.Context, raw net.Conn) (*socket, error) {
	conn, err := d.trace.UpgradeWebSocket(ctx, raw, d.base, "janus-protocol", d.options.UserAgent)
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(maxMessage)
	s := &socket{dialer: d, conn: conn, inbox: make(chan reply), over: make(chan struct{})}
	s.running.Go(s.read)
	s.running.Go(s.ping)
	return s, nil
}

func (s *socket) replies() <-chan reply { return s.inbox }
func (s *socket) dead() <-chan struct{} { return s.over }

func (s *socket) lost() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// read takes messages off the socket until it ends.
func (s *socket) read() {
	for {
		_, text, err := s.conn.Read(context.Background())
		if err != nil {
			s.fail(s.reading(err))
			return
		}
		r, err := parse(text)
		if err != nil {
			s.fail(&signaling.ExchangeError{Request: s.name(), Kind: signaling.KindProtocol, Err: err})
			return
		}
		select {
		case s.inbox <- r:
		case <-s.over:
			return
		}
	}
}

// reading makes a typed error of the end of reading.
func (s *socket) reading(err error) error {
	var closed websocket.CloseError
	switch {
	case errors.Is(err, websocket.ErrMessageTooBig):
		return &signaling.AnswerError{Request: s.name(), Kind: signaling.KindTooLarge, Err: fmt.Errorf("longer than %d bytes", maxMessage)}
	case errors.As(err, &closed):
		err = fmt.Errorf("the gateway closed the connection with %v %s", closed.Code, signaling.OneLine(closed.Reason))
	}
	return broken(s.name(), err)
}

func (s *socket) name() string { return "WebSocket to " + s.dialer.base.String() }

// ping asks for signs of life, and gives the connection up without one.
func (s *socket) ping() {
	every := s.dialer.options.KeepAlive
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-s.over:
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), every)
		err := s.conn.Ping(ctx)
		silent := ctx.Err() != nil
		cancel()
		switch {
		case err != nil && silent:
			s.fail(broken(s.name(), fmt.Errorf("the gateway did not answer a ping within %v", every)))
			return
		case err != nil:
			s.fail(broken(s.name(), err))
			return
		}
	}
}

func (s *socket) send(r request) {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // a request is made of strings and numbers
	}
	// A context that ends in the middle of a write would kill the connection; so
	// no caller's context is used.
	ctx, cancel := context.WithTimeout(context.Background(), writeLimit)
	defer cancel()
	if err := s.conn.Write(ctx, websocket.MessageText, text); err != nil {
		s.fail(broken(s.dialer.name(r), err))
	}
}

// listen keeps the session alive; its events come by themselves.
func (s *socket) listen(session uint64) {
	s.running.Go(func() {
		tick := time.NewTicker(s.dialer.options.SessionKeepAlive)
		defer tick.Stop()
		for {
			select {
			case <-s.over:
				return
			case <-tick.C:
				r := s.dialer.request(kindKeepAlive)
				r.Session = session
				s.send(r)
			}
		}
	})
}

// fail ends the link, for the first reason given.
func (s *socket) fail(err error) {
	if s.end(err) {
		_ = s.conn.CloseNow() // it is of no use any more
	}
}

// end notes why the link is dead; it reports whether that is news.
func (s *socket) end(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return false
	}
	s.err = err
	close(s.over)
	return true
}

func (s *socket) shut() {
	if s.end(errShut) {
		s.conn.Shut(closeGrace)
	}
	s.running.Wait()
}

var errShut = errors.New("closed by this side")
