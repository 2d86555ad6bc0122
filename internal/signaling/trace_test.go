package signaling_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/earshot-voip/earshot/internal/signaling"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
)

// soon is the deadline of steps that are meant to hang; no other test comes
// near patience.
const (
	soon     = 40 * time.Millisecond
	patience = 10 * time.Second
)

var patient = signaling.Deadlines{Resolve: patience, Connect: patience, TLS: patience, Answer: patience, Hangup: patience}

// listen accepts connections on address until the end of the test and hands
// each to serve, which is joined.
func listen(t *testing.T, address string, serve func(net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close() // the test may have closed it
		serving.Wait()
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// hold keeps a connection until the peer closes it.
func hold(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// closedPort returns an address of loopback where nothing listens.
func closedPort(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func dialFails(t *testing.T, tr *signaling.Trace, ctx context.Context, address string) error {
	t.Helper()
	c, err := tr.DialContext(ctx, "tcp", address)
	if err == nil {
		_ = c.Close()
		t.Fatalf("dial %s went well, want an error", address)
	}
	if c != nil {
		t.Errorf("dial returned a connection beside its error")
	}
	return err
}

// timedOut checks that a step's own deadline of soon, and not patience, ended
// it.
func timedOut(t *testing.T, err error) {
	t.Helper()
	var deadline *signaling.DeadlineError
	if !errors.As(err, &deadline) || deadline.After != soon || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want one whose cause is the deadline of %v", err, soon)
	}
}

func failedPhase(t *testing.T, name string, p signaling.Phase, err error) {
	t.Helper()
	if p.State != signaling.PhaseFailed || p.Err != err || p.Start <= 0 || p.Took <= 0 {
		t.Errorf("%s phase %+v, want one that failed with %v", name, p, err)
	}
}

func notRun(t *testing.T, phases ...signaling.Phase) {
	t.Helper()
	for _, p := range phases {
		if p != (signaling.Phase{}) {
			t.Errorf("phase %+v, want one that did not run", p)
		}
	}
}

func TestResolveFailures(t *testing.T) {
	known := map[string][]netip.Addr{"six.example.": {netip.MustParseAddr("::1")}}
	for name, c := range map[string]struct {
		zone  signalingtest.Zone
		host  string
		local netip.Addr
		want  signaling.Kind
	}{
		"a name that does not exist":                        {zone: signalingtest.Zone{Addresses: known}, host: "gone.example", want: signaling.KindNotFound},
		"a name without addresses":                          {zone: signalingtest.Zone{Addresses: map[string][]netip.Addr{"mail.example.": {}}}, host: "mail.example", want: signaling.KindNotFound},
		"a DNS server that fails":                           {zone: signalingtest.Zone{Code: dnsmessage.RCodeServerFailure}, host: "a.example", want: signaling.KindServerFailure},
		"a DNS server that refuses":                         {zone: signalingtest.Zone{Code: dnsmessage.RCodeRefused}, host: "a.example", want: signaling.KindServerFailure},
		"a DNS server that is silent":                       {zone: signalingtest.Zone{Silent: true}, host: "a.example", want: signaling.KindTimeout},
		"a name with no address of the local one's family":  {zone: signalingtest.Zone{Addresses: known}, host: "six.example", local: netip.MustParseAddr("127.0.0.1"), want: signaling.KindNoAddress},
		"a name with no address of the local one's mapping": {zone: signalingtest.Zone{Addresses: known}, host: "six.example", local: netip.MustParseAddr("::ffff:127.0.0.1"), want: signaling.KindNoAddress},
	} {
		t.Run(name, func(t *testing.T) {
			signalingtest.NoLeaks(t)
			tr := &signaling.Trace{Deadlines: patient, Resolver: signalingtest.NewResolver(t, c.zone), LocalAddress: c.local}
			if c.want == signaling.KindTimeout {
				tr.Deadlines.Resolve = soon
			}
			err := dialFails(t, tr, context.Background(), c.host+":443")
			var resolve *signaling.ResolveError
			if !errors.As(err, &resolve) || resolve.Kind != c.want || resolve.Host != c.host {
				t.Errorf("error %#v, want a *ResolveError of kind %q for %s", err, c.want, c.host)
			}
			if c.want == signaling.KindTimeout {
				timedOut(t, err)
			}
			failedPhase(t, "resolve", tr.Resolve(), err)
			notRun(t, tr.Connect(), tr.TLS())
		})
	}
}

func TestResolveIsCanceled(t *testing.T) {
	signalingtest.NoLeaks(t)
	tr := &signaling.Trace{Deadlines: patient, Resolver: signalingtest.NewResolver(t, signalingtest.Zone{Silent: true})}
	why := errors.New("the caller changed its mind")
	ctx, cancel := context.WithCancelCause(context.Background())
	time.AfterFunc(soon, func() { cancel(why) })
	err := dialFails(t, tr, ctx, "a.example:443")
	var resolve *signaling.ResolveError
	if !errors.As(err, &resolve) || resolve.Kind != signaling.KindCanceled || !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
		t.Errorf("error %v, want a *ResolveError of kind canceled with the caller's reason", err)
	}
}

// A lookup that was given up must not wait on for the DNS server behind the
// caller's back.
func TestLookupLeavesNoSocket(t *testing.T) {
	var (
		mu    sync.Mutex
		conns []net.Conn
	)
	resolver := signalingtest.NewResolver(t, signalingtest.Zone{Silent: true})
	inner := resolver.Dial
	resolver.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := inner(ctx, network, address)
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			conns = append(conns, c)
		}
		return c, err
	}
	tr := &signaling.Trace{Deadlines: patient, Resolver: resolver}
	tr.Deadlines.Resolve = soon
	_ = dialFails(t, tr, context.Background(), "a.example:443")
	mu.Lock()
	defer mu.Unlock()
	if len(conns) == 0 {
		t.Fatal("the DNS server was not asked")
	}
	closed := func(c net.Conn) bool { return errors.Is(c.SetDeadline(time.Time{}), net.ErrClosed) }
	for _, c := range conns {
		// Well before the resolver itself gives up waiting, after 5 s.
		for end := time.Now().Add(2 * time.Second); !closed(c); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("a socket of the lookup stays open")
			}
		}
	}
}

func TestAddressesThatCannotBeDialled(t *testing.T) {
	for name, address := range map[string]string{
		"no port":           "127.0.0.1",
		"a service name":    "127.0.0.1:https",
		"a port too large":  "127.0.0.1:65536",
		"brackets too many": "[[::1]]:80",
	} {
		t.Run(name, func(t *testing.T) {
			tr := &signaling.Trace{Deadlines: patient, Resolver: signalingtest.NewResolver(t, signalingtest.Zone{})}
			err := dialFails(t, tr, context.Background(), address)
			var resolve *signaling.ResolveError
			if !errors.As(err, &resolve) || resolve.Kind != signaling.KindNotFound {
				t.Errorf("error %#v, want a *ResolveError of kind not_found", err)
			}
		})
	}
}

func portOf(a netip.AddrPort) string {
	_, port, _ := strings.Cut(a.String(), ":")
	return port
}

func TestLiteralIsNotResolved(t *testing.T) {
	signalingtest.NoLeaks(t)
	server := listen(t, "127.0.0.1:0", hold)
	tr := &signaling.Trace{Deadlines: patient, Resolver: signalingtest.NewResolver(t, signalingtest.Zone{Code: dnsmessage.RCodeServerFailure})}
	c, err := tr.DialContext(context.Background(), "tcp", server.String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if p := tr.Resolve(); p != (signaling.Phase{State: signaling.PhaseNotApplicable}) {
		t.Errorf("resolve phase %+v, want not applicable", p)
	}
}

// The phases of several hops are summed, and the first failure stands for all.
func TestPhasesOfSeveralHops(t *testing.T) {
	server := listen(t, "127.0.0.1:0", hold)
	tr := &signaling.Trace{Deadlines: patient}
	for range 2 {
		c, err := tr.DialContext(context.Background(), "tcp", server.String())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	}
	hops := tr.Hops()
	if got, want := tr.Connect().Took, hops[0].Connect.Took+hops[1].Connect.Took; got != want {
		t.Errorf("connect took %v, want the sum %v", got, want)
	}
	if got, want := tr.Connect().Start, hops[0].Connect.Start; got != want {
		t.Errorf("connect began at %v, want %v as the first did", got, want)
	}
	first := dialFails(t, tr, context.Background(), closedPort(t).String())
	_ = dialFails(t, tr, context.Background(), closedPort(t).String())
	failedPhase(t, "connect", tr.Connect(), first)

	tr.Seal()
	c, err := tr.DialContext(context.Background(), "tcp", server.String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if got := len(tr.Hops()); got != 4 {
		t.Errorf("%d hops after a dial on a sealed trace, want the 4 before", got)
	}
}
