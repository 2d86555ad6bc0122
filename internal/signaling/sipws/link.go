package sipws

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/emiago/sipgo/sip"

	"github.com/earshot-voip/earshot/internal/signaling"
)

// writeLimit bounds one write: a socket that takes nothing for so long is dead.
const writeLimit = 5 * time.Second

// maxHeld is how many requests wait for a call that is not there yet.
const maxHeld = 16

// parser takes whatever the WebSocket lets through.
var parser = func() *sip.Parser {
	p := sip.NewParser()
	p.MaxMessageLength = signaling.MaxWebSocketMessage
	return p
}()

// link is one WebSocket with SIP on it. Its reader hands responses to the
// transactions that wait for them and requests to whoever serves. Its methods
// may be called from any goroutine.
type link struct {
	socket *signaling.WebSocket
	remote string // the server's address, for what sipgo writes into Via
	host   string // of Via and Contact: nobody can be reached there (RFC 7118, 5.2)
	hop    string // WS or WSS

	dead     chan struct{} // closed when nothing can be sent or received any more
	misheard chan error    // what came could not be understood; holds one
	running  sync.WaitGroup

	mu      sync.Mutex
	err     error // why it is dead
	waiting map[string]*transaction
	serve   func(*sip.Request)
	held    []*sip.Request // until there is somebody to serve
}

// upgrade makes a link of a fresh connection.
func (d *Dialer) upgrade(ctx context.Context, raw net.Conn) (*link, error) {
	socket, err := d.trace.UpgradeWebSocket(ctx, raw, d.via, "sip", d.options.UserAgent)
	if err != nil {
		return nil, err
	}
	l := &link{
		socket:   socket,
		remote:   raw.RemoteAddr().String(),
		host:     random(6) + ".invalid",
		hop:      strings.ToUpper(d.via.Scheme),
		dead:     make(chan struct{}),
		misheard: make(chan error, 1),
		waiting:  make(map[string]*transaction),
	}
	l.running.Go(l.read)
	l.running.Go(func() { l.keepAlive(d.options.KeepAlive) })
	return l, nil
}

// random returns n random bytes as hexadecimal digits.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// read takes messages off the socket until it ends.
func (l *link) read() {
	for {
		_, data, err := l.socket.Read(context.Background())
		if err != nil {
			l.fail(closing(err))
			return
		}
		l.message(string(data))
	}
}

// closing puts the far end's closing of the connection into words.
func closing(err error) error {
	var closed websocket.CloseError
	if !errors.As(err, &closed) {
		return err
	}
	text := fmt.Sprintf("the server closed the connection with %v", closed.Code)
	if closed.Reason != "" {
		text += ": " + signaling.OneLine(closed.Reason)
	}
	return errors.New(text)
}

func (l *link) message(text string) {
	if strings.Trim(text, "\r\n") == "" { // keep-alive (RFC 5626, 3.5.1)
		if text == "\r\n\r\n" {
			_ = l.write("\r\n") // a socket that is dead shows by itself
		}
		return
	}
	parsed, err := parser.ParseSIP([]byte(text))
	if err != nil {
		select {
		case l.misheard <- fmt.Errorf("not a SIP message: %s", signaling.Clip(signaling.OneLine(err.Error()), 120)):
		default:
		}
		return
	}
	switch m := parsed.(type) {
	case *sip.Response:
		l.response(m)
	case *sip.Request:
		m.SetSource(l.remote)
		l.request(m)
	}
}

// response hands a response to its transaction (RFC 3261, 17.1.3). One that
// nobody waits for is of no use to anyone.
func (l *link) response(r *sip.Response) {
	via, cseq := r.Via(), r.CSeq()
	if via == nil || cseq == nil {
		return
	}
	branch, _ := via.Params.Get("branch")
	l.mu.Lock()
	t := l.waiting[branch+" "+string(cseq.MethodName)]
	l.mu.Unlock()
	if t != nil {
		t.deliver(r)
	}
}

// request serves a request, or keeps it for when there is somebody to serve it:
// a far end may hang up before its answer has been looked at.
func (l *link) request(r *sip.Request) {
	l.mu.Lock()
	serve := l.serve
	if serve == nil && inDialog(r) && r.Method != sip.ACK {
		if len(l.held) < maxHeld {
			l.held = append(l.held, r)
		}
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	switch {
	case serve != nil:
		serve(r)
	default:
		l.outside(r)
	}
}

// inDialog reports whether a request claims to belong to a call: it has a tag in
// To (RFC 3261, 12.2.2).
func inDialog(r *sip.Request) bool {
	to := r.To()
	return to != nil && to.Params.Has("tag")
}

// serveWith sets who serves requests. Those that waited are served first.
func (l *link) serveWith(serve func(*sip.Request)) {
	for {
		l.mu.Lock()
		held := l.held
		l.held = nil
		if len(held) == 0 {
			l.serve = serve
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		for _, r := range held {
			serve(r)
		}
	}
}

// keepAlive pings the server, and gives the connection up when it does not
// answer.
func (l *link) keepAlive(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-l.dead:
			return
		case <-tick.C:
			l.prove(every)
		}
	}
}

// prove pings the server and gives the connection up when it does not answer
// in time.
func (l *link) prove(within time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	switch err := l.socket.Ping(ctx); {
	case err == nil:
	case ctx.Err() != nil:
		l.fail(fmt.Errorf("the server did not answer a ping within %v", within))
	default:
		l.fail(err)
	}
}

// send writes a message. It does not wait for an answer.
func (l *link) send(m sip.Message) error { return l.write(m.String()) }

func (l *link) write(text string) error {
	// A context that ends in the middle of a write would kill the connection; so
	// no caller's context is used.
	ctx, cancel := context.WithTimeout(context.Background(), writeLimit)
	defer cancel()
	if err := l.socket.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		l.fail(err)
		return l.lost()
	}
	return nil
}

// fail ends the link, for the first reason given.
func (l *link) fail(err error) {
	l.mu.Lock()
	first := l.err == nil
	if first {
		l.err = err
	}
	l.mu.Unlock()
	if first {
		close(l.dead)
		_ = l.socket.CloseNow() // it is of no use any more
	}
}

// lost returns why the link is dead.
func (l *link) lost() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

var errShut = errors.New("closed by this side")

// drop closes the link without a word, and waits until nothing of it runs.
func (l *link) drop() {
	l.fail(errShut)
	l.running.Wait()
}

// shut closes the link properly, and waits until nothing of it runs.
func (l *link) shut(grace time.Duration) {
	l.mu.Lock()
	alive := l.err == nil
	if alive {
		l.err = errShut
	}
	l.mu.Unlock()
	if alive {
		close(l.dead)
		l.socket.Shut(grace)
	}
	l.running.Wait()
}
