package signaling

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
)

// DialContext resolves and connects to address, "host:port", by TCP. Its
// errors are *ResolveError and *ConnectError. It has the form that
// http.Transport and WebSocket libraries ask for.
func (t *Trace) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	hop, conn, err := t.open(ctx, network, address)
	if err != nil {
		return nil, err
	}
	t.record(func() { hop.TLS = Phase{State: PhaseNotApplicable} })
	return conn, nil
}

// TLSDialer returns a function that dials like DialContext and then shakes
// hands: TLS 1.2 at least, the peer's certificate verified for the host of
// address. protocols are offered by ALPN in this order. Its errors are those of
// DialContext and *TLSError; the connection is a *tls.Conn, its handshake done.
func (t *Trace) TLSDialer(protocols ...string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		hop, raw, err := t.open(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return t.secure(ctx, hop, raw, protocols)
	}
}

// Lookup resolves address, "host:port", for a protocol without connections:
// network is "udp", "udp4" or "udp6". It has the deadline and the errors of
// DialContext's first step. There is at least one address without an error.
func (t *Trace) Lookup(ctx context.Context, network, address string) ([]netip.AddrPort, error) {
	return t.resolve(ctx, &Hop{Address: address}, network, address)
}

// open does the resolve and connect steps of a new hop. After the set-up, when a
// call is to be ended, it goes to the address that set-up reached, if that still
// answers: it has the call, where others of the same name may not, and needs no
// name service.
func (t *Trace) open(ctx context.Context, network, address string) (*Hop, net.Conn, error) {
	hop := &Hop{Address: address}
	var before netip.AddrPort
	t.mu.Lock()
	if t.sealed {
		before = t.reached(address)
	} else {
		t.hops = append(t.hops, hop)
	}
	t.mu.Unlock()

	if before.IsValid() {
		if conn, err := t.connect(ctx, hop, []netip.AddrPort{before}); err == nil {
			return hop, conn, nil
		}
	}
	addresses, err := t.resolve(ctx, hop, network, address)
	if err != nil {
		return nil, nil, err
	}
	conn, err := t.connect(ctx, hop, addresses)
	if err != nil {
		return nil, nil, err
	}
	return hop, conn, nil
}

// reached returns where the last hop to address led. t.mu is held.
func (t *Trace) reached(address string) netip.AddrPort {
	for _, hop := range slices.Backward(t.hops) {
		if hop.Address == address && hop.Remote.IsValid() {
			return hop.Remote
		}
	}
	return netip.AddrPort{}
}

// record changes a hop, which Hops may be copying.
func (t *Trace) record(change func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change()
}

func (t *Trace) resolve(ctx context.Context, hop *Hop, network, address string) ([]netip.AddrPort, error) {
	start := mono.Now()
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, t.failResolve(hop, start, &ResolveError{Host: address, Kind: KindNotFound, Err: err})
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		err = fmt.Errorf("%q is no port number", service)
		return nil, t.failResolve(hop, start, &ResolveError{Host: address, Kind: KindNotFound, Err: err})
	}
	if literal, err := netip.ParseAddr(host); err == nil {
		if !ofFamily(network, literal.Unmap()) {
			err := fmt.Errorf("it is no address for %s", network)
			return nil, t.failResolve(hop, start, &ResolveError{Host: host, Kind: KindNoAddress, Err: err})
		}
		addresses := []netip.AddrPort{netip.AddrPortFrom(literal.Unmap(), uint16(port))}
		t.record(func() { hop.Resolve, hop.Addresses = Phase{State: PhaseNotApplicable}, addresses })
		return addresses, nil
	}

	lookup, cancel := t.step(ctx, t.Deadlines.WithDefaults().Resolve)
	defer cancel()
	found, err := lookupHost(lookup, cmp.Or(t.Resolver, net.DefaultResolver), host)
	if err != nil {
		return nil, t.failResolve(hop, start, &ResolveError{Host: host, Kind: resolveKind(lookup, err), Err: because(ctx, lookup, err)})
	}
	var (
		addresses []netip.AddrPort
		other     int
	)
	for _, a := range found {
		if a = a.Unmap(); t.reaches(network, a) {
			addresses = append(addresses, netip.AddrPortFrom(a, uint16(port)))
		} else {
			other++
		}
	}
	if len(addresses) == 0 {
		err := fmt.Errorf("none of its %d addresses is one for %s", other, network)
		if t.LocalAddress.IsValid() {
			err = fmt.Errorf("none of its %d addresses can be reached from %v", other, t.LocalAddress)
		}
		return nil, t.failResolve(hop, start, &ResolveError{Host: host, Kind: KindNoAddress, Err: err})
	}
	addresses = interleave(addresses)
	t.record(func() {
		hop.Addresses = addresses
		hop.Resolve = ended(start, host+": "+listAddresses(addresses), nil)
	})
	return addresses, nil
}

// reaches reports whether a is of the family that network and the local address
// allow.
func (t *Trace) reaches(network string, a netip.Addr) bool {
	return ofFamily(network, a) && (!t.LocalAddress.IsValid() || t.LocalAddress.Unmap().Is4() == a.Is4())
}

// ofFamily reports whether network ("tcp", "tcp4", "udp6") is one for a.
func ofFamily(network string, a netip.Addr) bool {
	return !(strings.HasSuffix(network, "4") && !a.Is4() || strings.HasSuffix(network, "6") && a.Is4())
}

func (t *Trace) failResolve(hop *Hop, start time.Duration, err *ResolveError) error {
	t.record(func() { hop.Resolve = ended(start, err.Host, err) })
	return err
}

func resolveKind(lookup context.Context, err error) Kind {
	if kind, over := contextKind(lookup); over {
		return kind
	}
	var dns *net.DNSError
	switch {
	case !errors.As(err, &dns):
		return KindServerFailure
	case dns.IsNotFound:
		return KindNotFound
	case dns.IsTimeout:
		return KindTimeout
	}
	return KindServerFailure
}

// interleave sorts addresses as RFC 8305, 4 wants them tried: the families by
// turns, beginning with the family of the first, the order within each kept.
func interleave(addresses []netip.AddrPort) []netip.AddrPort {
	var families [2][]netip.AddrPort
	first := len(addresses) > 0 && addresses[0].Addr().Is4()
	for _, a := range addresses {
		if a.Addr().Is4() == first {
			families[0] = append(families[0], a)
		} else {
			families[1] = append(families[1], a)
		}
	}
	var sorted []netip.AddrPort
	for i := range max(len(families[0]), len(families[1])) {
		for _, f := range families {
			if i < len(f) {
				sorted = append(sorted, f[i])
			}
		}
	}
	return sorted
}

func listAddresses(addresses []netip.AddrPort) string {
	texts := make([]string, len(addresses))
	for i, a := range addresses {
		texts[i] = a.Addr().String()
	}
	return strings.Join(texts, ", ")
}

// step bounds a step by its own deadline; its end is told by contextKind and
// because.
func (t *Trace) step(ctx context.Context, after time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, after, &DeadlineError{After: after})
}

// contextKind says how a step's context ended, if it did.
func contextKind(step context.Context) (kind Kind, over bool) {
	switch err := step.Err(); {
	case err == nil:
		return "", false
	case errors.Is(err, context.DeadlineExceeded):
		return KindTimeout, true
	default:
		return KindCanceled, true
	}
}

// EndOf says how ctx ended and why: its own word, and its cause where that says
// more.
func EndOf(ctx context.Context) (Kind, error) {
	kind, _ := contextKind(ctx)
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return kind, cause
	}
	return kind, fmt.Errorf("%w: %w", err, cause)
}

// because returns the reason why a step failed with err: the end of the
// caller's context, the step's own deadline, or err itself.
func because(caller, step context.Context, err error) error {
	switch {
	case step.Err() == nil:
		return err
	case caller.Err() == nil:
		return context.Cause(step)
	case context.Cause(caller) == caller.Err():
		return caller.Err()
	default:
		return fmt.Errorf("%w: %w", caller.Err(), context.Cause(caller))
	}
}
