package signaling

import (
	"context"
	"net"
	"net/netip"
	"sync"
)

// lookupHost resolves host as r does, and leaves nothing behind when ctx ends:
// net.Resolver returns then, but its query goes on waiting for the DNS server,
// on its socket, for seconds.
func lookupHost(ctx context.Context, r *net.Resolver, host string) ([]netip.Addr, error) {
	q := query{dial: r.Dial}
	if q.dial == nil {
		q.dial = new(net.Dialer).DialContext
	}
	defer q.end()
	own := net.Resolver{PreferGo: r.PreferGo, StrictErrors: r.StrictErrors, Dial: q.open}
	return own.LookupNetIP(ctx, "ip", host)
}

// query knows the sockets of one lookup. Those of the system's resolver, which
// is used where it must be, are out of reach.
type query struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu    sync.Mutex
	conns []net.Conn
	over  bool
}

// open dials a DNS server. The resolver tells datagrams from streams by the
// connection's type, so it gets the connection itself.
func (q *query) open(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := q.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over {
		_ = conn.Close() // never used
		return nil, context.Canceled
	}
	q.conns = append(q.conns, conn)
	return conn, nil
}

// end closes what a lookup that was given up still waits on. The resolver has
// closed the others; closing those again does no harm.
func (q *query) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.over = true
	for _, c := range q.conns {
		_ = c.Close()
	}
}
