package farend

import (
	"net"
	"sync"
	"time"

	"github.com/pion/stun/v4"
)

// nonceGuard is the socket of a TURN server whose nonces grow old: it refuses
// requests with an old one itself (438, RFC 8489, 9.2.4) and hands out a fresh
// one, which it has the server make by a request in the name of nobody.
type nonceGuard struct {
	net.PacketConn
	lifetime time.Duration

	mu     sync.Mutex
	issued map[string]time.Time
	asked  map[[stun.TransactionIDSize]byte]refusal // requests of nobody that are on their way
	stale  int
}

// refusal is a request that waits to be refused.
type refusal struct {
	id   [stun.TransactionIDSize]byte
	kind stun.Method
	to   net.Addr
}

var nobody = &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}

func newNonceGuard(conn net.PacketConn, lifetime time.Duration) *nonceGuard {
	return &nonceGuard{
		PacketConn: conn, lifetime: lifetime,
		issued: map[string]time.Time{}, asked: map[[stun.TransactionIDSize]byte]refusal{},
	}
}

func (g *nonceGuard) refused() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stale
}

// ReadFrom reads what clients send; a request with an old nonce comes out as a
// request of nobody.
func (g *nonceGuard) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := g.PacketConn.ReadFrom(b)
	if err != nil {
		return n, from, err
	}
	message := &stun.Message{Raw: append([]byte(nil), b[:n]...)}
	var nonce stun.Nonce
	if !stun.IsMessage(b[:n]) || message.Decode() != nil || message.Type.Class != stun.ClassRequest || nonce.GetFrom(message) != nil {
		return n, from, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if at, ok := g.issued[nonce.String()]; !ok || time.Since(at) < g.lifetime {
		return n, from, nil
	}
	ask, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest))
	if err != nil {
		return n, from, err
	}
	g.asked[ask.TransactionID] = refusal{message.TransactionID, message.Type.Method, from}
	return copy(b, ask.Raw), nobody, nil
}

// WriteTo sends what the server answers, and turns its answers to nobody into
// refusals.
func (g *nonceGuard) WriteTo(b []byte, to net.Addr) (int, error) {
	message := &stun.Message{Raw: append([]byte(nil), b...)}
	var nonce stun.Nonce
	if !stun.IsMessage(b) || message.Decode() != nil || nonce.GetFrom(message) != nil {
		return g.PacketConn.WriteTo(b, to)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.issued[nonce.String()] = time.Now()
	refused, ok := g.asked[message.TransactionID]
	if !ok {
		return g.PacketConn.WriteTo(b, to)
	}
	delete(g.asked, message.TransactionID)
	g.stale++
	var realm stun.Realm
	_ = realm.GetFrom(message)
	answer, err := stun.Build(&stun.Message{TransactionID: refused.id}, stun.NewType(refused.kind, stun.ClassErrorResponse),
		&stun.ErrorCodeAttribute{Code: stun.CodeStaleNonce}, nonce, realm)
	if err != nil {
		return 0, err
	}
	_, err = g.PacketConn.WriteTo(answer.Raw, refused.to)
	return len(b), err
}
