package signalingtest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// Zone says what a fake DNS server answers: addresses by name ("a.example."),
// or one reaction to every question.
type Zone struct {
	Addresses map[string][]netip.Addr // other names do not exist
	Code      dnsmessage.RCode        // when not zero, the answer to everything
	Silent    bool                    // nothing is answered
}

// NewResolver starts a DNS server on loopback and returns a resolver that asks
// it alone. It stops at the end of the test.
func NewResolver(t testing.TB, z Zone) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { z.serve(conn) })
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Errorf("stop the DNS server: %v", err)
		}
		serving.Wait()
	})
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "udp", conn.LocalAddr().String())
		},
	}
}

func (z Zone) serve(conn net.PacketConn) {
	buffer := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || z.Silent {
			continue
		}
		if reply := z.reply(buffer[:n]); reply != nil {
			// A lost reply is a case that the asking side handles.
			_, _ = conn.WriteTo(reply, from)
		}
	}
}

// reply answers the first question of a query; nil when there is none.
func (z Zone) reply(query []byte) []byte {
	var parser dnsmessage.Parser
	header, err := parser.Start(query)
	if err != nil {
		return nil
	}
	question, err := parser.Question()
	if err != nil {
		return nil
	}
	addresses, exists := z.Addresses[strings.ToLower(question.Name.String())]
	message := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true, RecursionAvailable: true, RCode: z.Code},
		Questions: []dnsmessage.Question{question},
	}
	if z.Code == 0 && !exists {
		message.RCode = dnsmessage.RCodeNameError
	}
	for _, a := range addresses {
		head := dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: 1}
		switch {
		case a.Is4() && question.Type == dnsmessage.TypeA:
			message.Answers = append(message.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && question.Type == dnsmessage.TypeAAAA:
			message.Answers = append(message.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	packed, err := message.Pack()
	if err != nil {
		return nil
	}
	return packed
}
