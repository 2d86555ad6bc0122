package probe_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/farend"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/probe"
)

func TestACallThroughEachTransportOfATURNServer(t *testing.T) {
	t.Parallel()
	ca := signalingtest.NewCA(t)
	certificate := ca.Valid()
	server := farend.NewTURN(t, farend.TURNConfig{Certificate: &certificate})
	for transport, url := range map[string]string{"udp": server.UDP, "tcp": server.TCP, "tls": server.TLS} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			_, f, _ := startEcho(t, echo.Config{})
			call := target(farend.Serve(t, f) + "/echo")
			call.Relay, call.ICEServers, call.RootCAs = probe.RelayOnly, throughServer(url), ca.Pool()
			r := place(t, t.Context(), call)
			checkGood(t, r)
			checkFarEndTold(t, f)
			if r.Route == nil || !r.Route.Relayed || r.Route.Local.Type != "relay" || r.Route.Server != url || r.Route.Transport != transport {
				t.Errorf("got route %+v, want one by %s", r.Route, url)
			}
			if got := step(t, r, probe.LayerICE).Detail; !strings.Contains(got, "through "+url) {
				t.Errorf("the ICE step does not say which server: %q", got)
			}
			if r.Self.KernelTimestamps && transport != "udp" {
				t.Error("times of the kernel are claimed for packets out of a TCP connection")
			}
			if secure := len(r.Certificates) == 1 && r.Certificates[0].NotAfter.After(time.Now()); secure != (transport == "tls") {
				t.Errorf("got certificates %+v", r.Certificates)
			}
			if r.RoundTrip.Returned < r.RoundTrip.Sent || r.Uplink.Lost+r.Downlink.Lost > 0 {
				t.Errorf("got %d of %d back, %d lost up, %d down", r.RoundTrip.Returned, r.RoundTrip.Sent, r.Uplink.Lost, r.Downlink.Lost)
			}
		})
	}
}

// An allocation lives for 4 s here and a nonce for 3 s: the call goes on after
// both, and after the refreshes that were refused for their nonce (438).
func TestACallOutlivesItsAllocationAndItsNonce(t *testing.T) {
	t.Parallel()
	const lifetime = 4 * time.Second
	server := farend.NewTURN(t, farend.TURNConfig{Lifetime: lifetime, NonceLifetime: 3 * time.Second})
	_, f, _ := startEcho(t, echo.Config{})
	call := target(farend.Serve(t, f) + "/echo")
	call.Relay, call.ICEServers = probe.RelayOnly, throughServer(server.UDP)
	call.Duration, call.Window = lifetime+lifetime/2, 500*time.Millisecond
	r := place(t, t.Context(), call)
	checkGood(t, r)
	if n := server.Requests("Refresh"); n < 3 { // one of them frees the relay at the end
		t.Errorf("the server saw %d refreshes", n)
	}
	if server.StaleNonces() == 0 {
		t.Error("no nonce was refused: the test shows nothing")
	}
	last := r.Windows[len(r.Windows)-1]
	if last.Start < lifetime || last.Downlink.Received == 0 {
		t.Errorf("the last window begins at %v with %d packets, want media after %v", last.Start, last.Downlink.Received, lifetime)
	}
	eventually(t, "the server has no allocation left", func() bool { return server.Allocations() == 0 })
}

// Direct media is there and a TURN server is not: the call works, and the report
// says what the server did.
func TestAStalledServerIsNamedInAGoodCall(t *testing.T) {
	t.Parallel()
	_, f, _ := startEcho(t, echo.Config{})
	call := target(farend.Serve(t, f) + "/echo")
	stalled := "turn:" + farend.DeadPort(t).String() + "?transport=udp"
	call.ICEServers = throughServer(stalled)
	r := place(t, t.Context(), call)
	checkGood(t, r)
	if got := step(t, r, probe.LayerGather).Detail; !strings.Contains(got, stalled) || !strings.Contains(got, "no answer within") {
		t.Errorf("the gather step says %q, want the stalled server", got)
	}
	if r.Route != nil && r.Route.Relayed {
		t.Errorf("got route %+v", r.Route)
	}
}

// What a blocked protocol looks like: the server lives, and answers over TCP on
// the port at which UDP vanishes.
func TestAServerThatAnswersOverAnotherTransportIsTheHint(t *testing.T) {
	t.Parallel()
	server := farend.NewTURN(t, farend.TURNConfig{})
	_, f, _ := startEcho(t, echo.Config{})
	call := target(farend.Serve(t, f) + "/echo")
	overUDP := strings.Replace(server.TCP, "=tcp", "=udp", 1) // nothing of the server listens there
	call.Relay, call.ICEServers = probe.RelayOnly, throughServer(overUDP)
	call.Deadlines.Gather, call.Deadlines.Check = soon, 2*time.Second
	r := place(t, t.Context(), call)
	checkFailure(t, r, probe.LayerGather, probe.CodeTURNNoResponse)
	if !strings.Contains(r.Failure.Hint, server.TCP) {
		t.Errorf("got hint %q, want %s in it", r.Failure.Hint, server.TCP)
	}
	if !strings.Contains(r.Failure.Err.Error(), server.TCP+": gives a relay") {
		t.Errorf("got error %q", r.Failure.Err)
	}
}

// With relays alone and IPv6 alone.
func TestACallThroughATURNServerOverIPv6(t *testing.T) {
	t.Parallel()
	_, f, _ := startEcho(t, echo.Config{Media: netip.MustParseAddrPort("[::1]:0")})
	server := farend.NewTURN(t, farend.TURNConfig{Host: "::1"})
	call := target(farend.ServeOn(t, f, "[::1]:0") + "/echo")
	call.Relay, call.ICEServers = probe.RelayOnly, throughServer(server.UDP)
	r := place(t, t.Context(), call)
	checkGood(t, r)
	checkFarEndTold(t, f)
	if r.Route == nil || !r.Route.Local.Address.Addr().Is6() || !r.Route.Remote.Address.Addr().Is6() || !r.Route.Relayed {
		t.Errorf("got route %+v, want a relayed one over IPv6", r.Route)
	}
}
