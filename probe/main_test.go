package probe_test

import (
	"flag"
	"net/netip"
	"os"
	"testing"

	"github.com/earshot-voip/earshot/internal/pace"
	"github.com/earshot-voip/earshot/internal/udp"
)

// TestMain lets more tests run in parallel than there are processors: a call is
// nearly all waiting. It also starts what a process starts once and never ends
// (the send clock, the thread that reads sockets), so that no test takes it for
// something that a call left behind.
func TestMain(m *testing.M) {
	flag.Parse()
	if !given("test.parallel") {
		_ = flag.Set("test.parallel", "20")
	}
	pace.Default()
	if c, err := udp.Listen(netip.MustParseAddrPort("127.0.0.1:0"), udp.Config{}); err == nil {
		_ = c.Close()
	}
	os.Exit(m.Run())
}

func given(name string) bool {
	found := false
	flag.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}
