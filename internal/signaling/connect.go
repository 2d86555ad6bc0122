package signaling

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
)

// attemptDelay is the head start of an address over the next one, the
// recommended value of RFC 8305, 5.
const attemptDelay = 250 * time.Millisecond

var errOvertaken = errors.New("given up: another address was faster")

// connect tries the addresses, each with a head start over the next, and keeps
// the first connection (RFC 8305, 5). All attempts have ended when it returns.
func (t *Trace) connect(ctx context.Context, hop *Hop, addresses []netip.AddrPort) (net.Conn, error) {
	start := mono.Now()
	race, cancel := t.step(ctx, t.Deadlines.WithDefaults().Connect)
	defer cancel()

	conn, attempts := t.race(race, addresses)
	if conn == nil {
		err := connectFailure(hop.Address, attempts, ctx, race)
		t.record(func() {
			hop.Attempts = attempts
			hop.Connect = ended(start, hop.Address, err)
		})
		return nil, err
	}
	t.record(func() {
		hop.Attempts = attempts
		hop.Local, hop.Remote = addrPort(conn.LocalAddr()), addrPort(conn.RemoteAddr())
		detail := fmt.Sprintf("%v from %v", hop.Remote, hop.Local.Addr())
		if len(attempts) > 1 {
			detail += fmt.Sprintf(" (attempt %d of %d, first: %v)", winner(attempts), len(attempts), failedFirst(attempts))
		}
		hop.Connect = ended(start, detail, nil)
	})
	return conn, nil
}

// finish is the end of one attempt.
type finish struct {
	index int
	conn  net.Conn
	took  time.Duration
	err   error
}

// race returns the first connection, if any, and what became of each attempt.
func (t *Trace) race(ctx context.Context, addresses []netip.AddrPort) (net.Conn, []Attempt) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()

	var (
		won      net.Conn
		attempts []Attempt
		running  int
		finished = make(chan finish)
		turn     = time.NewTimer(0) // fires when the next address may begin
	)
	defer turn.Stop()
	waiting := func() bool { return won == nil && ctx.Err() == nil && len(attempts) < len(addresses) }
	for running > 0 || waiting() {
		select {
		case <-turn.C:
			if !waiting() {
				continue
			}
			index := len(attempts)
			attempts = append(attempts, Attempt{Address: addresses[index]})
			running++
			go func() {
				start := mono.Now()
				conn, err := t.attempt(ctx, addresses[index])
				finished <- finish{index, conn, mono.Now() - start, err}
			}()
			turn.Reset(attemptDelay)
		case f := <-finished:
			running--
			won = settle(attempts, f, won)
			if won != nil {
				stop()
			}
			turn.Reset(0)
		}
	}
	if len(attempts) == 0 {
		attempts = []Attempt{{Address: addresses[0], Err: ctx.Err()}}
	}
	return won, attempts
}

// settle enters the end of an attempt and returns the connection to keep.
func settle(attempts []Attempt, f finish, won net.Conn) net.Conn {
	attempts[f.index].Took = f.took
	attempts[f.index].Err = f.err
	if f.conn == nil {
		if won != nil && errors.Is(f.err, context.Canceled) {
			attempts[f.index].Err = errOvertaken
		}
		return won
	}
	if won == nil {
		return f.conn
	}
	f.conn.Close()
	attempts[f.index].Err = errOvertaken
	return won
}

func (t *Trace) attempt(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
	var dialer net.Dialer
	if t.LocalAddress.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(t.LocalAddress.Unmap(), 0))
	}
	conn, err := dialer.DialContext(ctx, "tcp", address.String())
	if isTimeout(err) && !errors.Is(err, syscall.ETIMEDOUT) {
		<-ctx.Done() // the dialer keeps the same deadline, and can be ahead of ctx by a hair
	}
	var op *net.OpError
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &op):
		return nil, op.Err // without the address, which the caller names
	}
	return nil, err
}

// connectFailure makes one error of all attempts.
func connectFailure(address string, attempts []Attempt, caller, race context.Context) *ConnectError {
	failure := &ConnectError{Address: address, Attempts: attempts}
	for i := range attempts {
		a := &attempts[i]
		kind := connectKind(a.Err)
		if kind == KindCanceled || kind == KindTimeout && race.Err() != nil {
			a.Err = because(caller, race, a.Err)
		}
		if i == 0 || telling(kind) > telling(failure.Kind) {
			failure.Kind, failure.Err = kind, a.Err
		}
	}
	return failure
}

// telling ranks how much a failed attempt says about the target. A family that
// this host has no route for says least: many hosts lack IPv6.
func telling(k Kind) int {
	switch k {
	case KindCanceled:
		return 4
	case KindRefused:
		return 3
	case KindTimeout:
		return 2
	case KindReset:
		return 1
	}
	return 0
}

func connectKind(err error) Kind {
	switch {
	case errors.Is(err, context.Canceled):
		return KindCanceled
	case errors.Is(err, syscall.ECONNREFUSED):
		return KindRefused
	case errors.Is(err, syscall.ETIMEDOUT), isTimeout(err):
		return KindTimeout
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH),
		errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT),
		errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return KindUnreachable
	}
	var mismatch *net.AddrError
	if errors.As(err, &mismatch) {
		return KindUnreachable
	}
	return KindReset
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		p := tcp.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}

// winner returns which attempt became the connection, counted from 1.
func winner(attempts []Attempt) int {
	for i, a := range attempts {
		if a.Err == nil {
			return i + 1
		}
	}
	return 0
}

// failedFirst returns the error of the first attempt that failed.
func failedFirst(attempts []Attempt) string {
	for _, a := range attempts {
		if a.Err != nil {
			return fmt.Sprintf("%v: %v", a.Address.Addr(), a.Err)
		}
	}
	return "none failed"
}
