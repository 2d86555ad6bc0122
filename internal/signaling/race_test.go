package signaling

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestInterleave(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"nothing stays nothing":                {"", ""},
		"one family keeps its order":           {"192.0.2.2 192.0.2.1 192.0.2.3", "192.0.2.2 192.0.2.1 192.0.2.3"},
		"families take turns":                  {"2001:db8::1 2001:db8::2 192.0.2.1 192.0.2.2", "2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2"},
		"the first one's family begins":        {"192.0.2.1 2001:db8::1 2001:db8::2", "192.0.2.1 2001:db8::1 2001:db8::2"},
		"what is left of a family comes last":  {"2001:db8::1 192.0.2.1 192.0.2.2 192.0.2.3", "2001:db8::1 192.0.2.1 192.0.2.2 192.0.2.3"},
		"a longer first family is not cut off": {"2001:db8::1 2001:db8::2 2001:db8::3 192.0.2.1", "2001:db8::1 192.0.2.1 2001:db8::2 2001:db8::3"},
	} {
		t.Run(name, func(t *testing.T) {
			var in []netip.AddrPort
			for _, a := range strings.Fields(c.in) {
				in = append(in, netip.AddrPortFrom(netip.MustParseAddr(a), 443))
			}
			var got []string
			for _, a := range interleave(in) {
				got = append(got, a.Addr().String())
			}
			if want := strings.Fields(c.want); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// Two connections can come up before the race knows: the later one must not
// stay open.
func TestSecondConnectionOfRaceIsClosed(t *testing.T) {
	first, _ := net.Pipe()
	second, far := net.Pipe()
	attempts := make([]Attempt, 2)
	won := settle(attempts, finish{index: 1, conn: first, took: 3}, nil)
	won = settle(attempts, finish{index: 0, conn: second, took: 5}, won)
	if won != first {
		t.Error("the race does not keep its first connection")
	}
	if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the other connection gives %v, want it closed", err)
	}
	if attempts[1].Err != nil || attempts[0].Err != errOvertaken || attempts[0].Took != 5 || attempts[1].Took != 3 {
		t.Errorf("attempts %+v, want the first overtaken", attempts)
	}
}

func TestConnectFailureTellsMost(t *testing.T) {
	unreachable := &net.AddrError{Err: "no route"}
	for name, c := range map[string]struct {
		errs []error
		want Kind
	}{
		"no route to one family is not the reason": {[]error{unreachable, context.DeadlineExceeded}, KindTimeout},
		"a refusal beats silence":                  {[]error{context.DeadlineExceeded, &net.OpError{Err: syscall.ECONNREFUSED}}, KindRefused},
		"a cancelled race says nothing else":       {[]error{&net.OpError{Err: syscall.ECONNREFUSED}, context.Canceled}, KindCanceled},
		"no route at all is the reason":            {[]error{unreachable, unreachable}, KindUnreachable},
		"an unknown error beats a missing route":   {[]error{unreachable, io.ErrNoProgress}, KindReset},
	} {
		t.Run(name, func(t *testing.T) {
			var attempts []Attempt
			for _, err := range c.errs {
				attempts = append(attempts, Attempt{Err: err})
			}
			got := connectFailure("a.example:1", attempts, context.Background(), context.Background())
			if got.Kind != c.want {
				t.Errorf("kind %q, want %q", got.Kind, c.want)
			}
		})
	}
}

func TestValidUntil(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2030, 1, n, 0, 0, 0, 0, time.UTC) }
	chain := func(days ...int) []*x509.Certificate {
		var c []*x509.Certificate
		for _, d := range days {
			c = append(c, &x509.Certificate{NotAfter: day(d)})
		}
		return c
	}
	for name, c := range map[string]struct {
		chains [][]*x509.Certificate
		want   time.Time
	}{
		"no chain has no end":                  {nil, time.Time{}},
		"the leaf ends first":                  {[][]*x509.Certificate{chain(3, 9, 20)}, day(3)},
		"an intermediate ends first":           {[][]*x509.Certificate{chain(9, 3, 20)}, day(3)},
		"the chain that holds longest counts":  {[][]*x509.Certificate{chain(9, 2, 20), chain(9, 7, 20)}, day(7)},
		"in whatever order the chains are":     {[][]*x509.Certificate{chain(9, 7, 20), chain(9, 2, 20)}, day(7)},
		"a leaf in all chains limits them all": {[][]*x509.Certificate{chain(1, 7), chain(1, 30)}, day(1)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := validUntil(c.chains); !got.Equal(c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestDeadlinesDefaults(t *testing.T) {
	got := Deadlines{Connect: time.Second, TLS: -1}.WithDefaults()
	want := Deadlines{Resolve: 5 * time.Second, Connect: time.Second, TLS: 5 * time.Second, Answer: 10 * time.Second, Hangup: 2 * time.Second}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
