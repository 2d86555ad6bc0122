package relay

import (
	"errors"
	"net"
	"sync"
	"time"
)

// TCP carries connections to a target and delays what goes through them.
type TCP struct {
	listener net.Listener
	target   string
	oneWay   time.Duration

	running sync.WaitGroup
	mu      sync.Mutex
	open    map[net.Conn]struct{}
	closed  bool
}

// NewTCP opens a relay with a delay each way.
//
// The handshake of TCP itself is the kernel's, which answers at once; what it
// would cost on such a path, one round trip, is laid upon the first bytes of the
// caller instead.
func NewTCP(target string, oneWay time.Duration) (*TCP, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &TCP{listener: listener, target: target, oneWay: oneWay, open: map[net.Conn]struct{}{}}
	r.running.Go(r.accept)
	return r, nil
}

// Addr is host:port to connect to.
func (r *TCP) Addr() string { return r.listener.Addr().String() }

// Close closes all connections and waits.
func (r *TCP) Close() error {
	r.mu.Lock()
	r.closed = true
	err := r.listener.Close()
	for c := range r.open {
		err = errors.Join(err, c.Close())
	}
	r.mu.Unlock()
	r.running.Wait()
	return err
}

func (r *TCP) accept() {
	for {
		caller, err := r.listener.Accept()
		if err != nil {
			return
		}
		connected := time.Now().Add(2 * r.oneWay)
		far, err := net.Dial("tcp", r.target)
		if err != nil {
			_ = caller.Close()
			continue
		}
		if !r.keep(caller, far) {
			return
		}
		r.running.Go(func() { r.carry(far, caller, connected) })
		r.running.Go(func() { r.carry(caller, far, time.Time{}) })
	}
}

// keep notes open connections; false when the relay is closed.
func (r *TCP) keep(conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		if r.closed {
			_ = c.Close()
			continue
		}
		r.open[c] = struct{}{}
	}
	return !r.closed
}

// drop closes a connection and forgets it.
func (r *TCP) drop(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, c)
	_ = c.Close()
}

// piece is a part of a stream on its way; nil data is its end.
type piece struct {
	due  time.Time
	data []byte
}

// carry moves one direction. Nothing sets out before notBefore.
func (r *TCP) carry(to, from net.Conn, notBefore time.Time) {
	pieces := make(chan piece, 1024)
	r.running.Go(func() {
		defer close(pieces)
		buffer := make([]byte, 32<<10)
		for {
			n, err := from.Read(buffer)
			leaves := time.Now()
			if leaves.Before(notBefore) {
				leaves = notBefore
			}
			if n > 0 {
				pieces <- piece{leaves.Add(r.oneWay), append([]byte(nil), buffer[:n]...)}
			}
			if err != nil {
				return
			}
		}
	})
	for p := range pieces {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.data); err != nil {
			break
		}
	}
	r.drop(to)
	r.drop(from)
	for range pieces {
	}
}
