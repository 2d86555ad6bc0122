package signaling_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/signaling"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
)

// These tests need all of 127.0.0.0/8 as addresses of this host, and a listener
// that drops what its queue cannot hold: both are Linux's way.

// fullListener returns an address whose queue of connections is full, so that
// the kernel drops what comes: a connect hangs.
func fullListener(t *testing.T, address [4]byte) netip.AddrPort {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "listener")
	t.Cleanup(func() { _ = file.Close() })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: address}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	full := netip.AddrPortFrom(netip.AddrFrom4(address), uint16(name.(*syscall.SockaddrInet4).Port))
	for range 4 { // one fits; the others show that the queue is full
		d := net.Dialer{Timeout: soon}
		c, err := d.Dial("tcp", full.String())
		if err != nil {
			return full
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Fatal("the queue of a listener with backlog 0 does not fill up")
	return full
}

func TestNameIsResolvedAndConnected(t *testing.T) {
	signalingtest.NoLeaks(t)
	server := listen(t, "127.0.0.3:0", hold)
	tr := &signaling.Trace{
		Deadlines: patient,
		Resolver: signalingtest.NewResolver(t, signalingtest.Zone{Addresses: map[string][]netip.Addr{
			"two.example.": {netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3")},
		}}),
		LocalAddress: netip.MustParseAddr("127.0.0.5"),
	}
	c, err := tr.DialContext(context.Background(), "tcp", netip.AddrPortFrom(server.Addr(), server.Port()).String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	address := "two.example:" + portOf(server)
	c, err = tr.DialContext(context.Background(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	hop := tr.Hops()[1]
	if hop.Address != address || hop.Remote != server || hop.Local.Addr() != tr.LocalAddress {
		t.Errorf("hop to %s at %v from %v, want %s at %v from %v", hop.Address, hop.Remote, hop.Local, address, server, tr.LocalAddress)
	}
	var found []string
	for _, a := range hop.Addresses {
		found = append(found, a.Addr().String())
	}
	slices.Sort(found)
	if want := []string{"127.0.0.2", "127.0.0.3"}; !slices.Equal(found, want) {
		t.Errorf("addresses %v, want %v", found, want)
	}
	last := hop.Attempts[len(hop.Attempts)-1]
	if last.Address != server || last.Err != nil || last.Took <= 0 {
		t.Errorf("last attempt %+v, want the connection to %v", last, server)
	}
	for _, a := range hop.Attempts[:len(hop.Attempts)-1] {
		if !errors.Is(a.Err, syscall.ECONNREFUSED) {
			t.Errorf("attempt %+v, want it refused", a)
		}
	}
	if p := tr.Resolve(); p.State != signaling.PhaseOK || !strings.Contains(p.Detail, "two.example: ") || !strings.Contains(p.Detail, "127.0.0.3") {
		t.Errorf("resolve phase %+v, want the name and its addresses", p)
	}
	if p := tr.Connect(); p.State != signaling.PhaseOK || !strings.Contains(p.Detail, server.String()+" from 127.0.0.5") {
		t.Errorf("connect phase %+v, want both ends of the connection", p)
	}
	if p := tr.TLS(); p.State != signaling.PhaseNotApplicable {
		t.Errorf("TLS phase %+v, want not applicable", p)
	}
}

func TestConnectFailures(t *testing.T) {
	hangs := fullListener(t, [4]byte{127, 0, 0, 1})
	for name, c := range map[string]struct {
		address netip.AddrPort
		local   netip.Addr
		want    signaling.Kind
		cause   error
	}{
		"a closed port":                              {address: closedPort(t), want: signaling.KindRefused, cause: syscall.ECONNREFUSED},
		"a host that drops what comes":               {address: hangs, want: signaling.KindTimeout, cause: context.DeadlineExceeded},
		"a local address that this host lacks":       {address: hangs, local: netip.MustParseAddr("192.0.2.1"), want: signaling.KindUnreachable, cause: syscall.EADDRNOTAVAIL},
		"a literal of another family than the local": {address: hangs, local: netip.MustParseAddr("::1"), want: signaling.KindUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			signalingtest.NoLeaks(t)
			tr := &signaling.Trace{Deadlines: patient, LocalAddress: c.local}
			if c.want == signaling.KindTimeout {
				tr.Deadlines.Connect = soon
			}
			err := dialFails(t, tr, context.Background(), c.address.String())
			var connect *signaling.ConnectError
			if !errors.As(err, &connect) || connect.Kind != c.want || connect.Address != c.address.String() {
				t.Fatalf("error %#v (%v), want a *ConnectError of kind %q", err, err, c.want)
			}
			if c.cause != nil && !errors.Is(err, c.cause) {
				t.Errorf("error %v, want the cause %v", err, c.cause)
			}
			if c.want == signaling.KindTimeout {
				timedOut(t, err)
			}
			if len(connect.Attempts) != 1 || connect.Attempts[0].Address != c.address || connect.Attempts[0].Err == nil {
				t.Errorf("attempts %+v, want one that failed", connect.Attempts)
			}
			failedPhase(t, "connect", tr.Connect(), err)
			notRun(t, tr.TLS())
		})
	}
}

func TestConnectIsCanceled(t *testing.T) {
	signalingtest.NoLeaks(t)
	tr := &signaling.Trace{Deadlines: patient}
	ctx, cancel := context.WithCancel(context.Background())
	address := fullListener(t, [4]byte{127, 0, 0, 1})
	time.AfterFunc(soon, cancel)
	err := dialFails(t, tr, ctx, address.String())
	var connect *signaling.ConnectError
	if !errors.As(err, &connect) || connect.Kind != signaling.KindCanceled || !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want a *ConnectError of kind canceled", err)
	}
}

// A host with several addresses is reached by any one that works, and an error
// names what each of them did.
func TestConnectTriesEveryAddress(t *testing.T) {
	resolver := func(t *testing.T, addresses ...string) signalingtest.Zone {
		var all []netip.Addr
		for _, a := range addresses {
			all = append(all, netip.MustParseAddr(a))
		}
		return signalingtest.Zone{Addresses: map[string][]netip.Addr{"many.example.": all}}
	}
	t.Run("an address that hangs is overtaken by the next", func(t *testing.T) {
		signalingtest.NoLeaks(t)
		hangs := fullListener(t, [4]byte{127, 0, 0, 2})
		server := listen(t, "127.0.0.3:"+portOf(hangs), hold)
		tr := &signaling.Trace{Deadlines: patient, Resolver: signalingtest.NewResolver(t, resolver(t, "127.0.0.2", "127.0.0.3"))}
		c, err := tr.DialContext(context.Background(), "tcp", "many.example:"+portOf(hangs))
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		hop := tr.Hops()[0]
		if hop.Remote != server {
			t.Errorf("connected to %v, want %v", hop.Remote, server)
		}
		for _, a := range hop.Attempts {
			if (a.Address == hangs) == (a.Err == nil) {
				t.Errorf("attempt %+v, want only %v to succeed", a, server)
			}
		}
	})
	t.Run("the error of a host without a working address names them all", func(t *testing.T) {
		signalingtest.NoLeaks(t)
		hangs := fullListener(t, [4]byte{127, 0, 0, 2})
		tr := &signaling.Trace{Deadlines: patient, Resolver: signalingtest.NewResolver(t, resolver(t, "127.0.0.2", "127.0.0.3", "127.0.0.4"))}
		tr.Deadlines.Connect = 3 * time.Second // more than two head starts of 250 ms
		err := dialFails(t, tr, context.Background(), "many.example:"+portOf(hangs))
		var connect *signaling.ConnectError
		if !errors.As(err, &connect) {
			t.Fatalf("error %#v, want a *ConnectError", err)
		}
		if connect.Kind != signaling.KindRefused || len(connect.Attempts) != 3 {
			t.Errorf("kind %q with attempts %+v, want refused with 3", connect.Kind, connect.Attempts)
		}
		for _, a := range connect.Attempts {
			want := error(syscall.ECONNREFUSED)
			if a.Address == hangs {
				want = context.DeadlineExceeded
			}
			if !errors.Is(a.Err, want) {
				t.Errorf("attempt at %v: %v, want %v", a.Address, a.Err, want)
			}
			if !strings.Contains(err.Error(), a.Address.String()) {
				t.Errorf("error %q does not name %v", err, a.Address)
			}
		}
	})
}
