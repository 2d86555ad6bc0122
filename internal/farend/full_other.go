//go:build !unix

package farend

import (
	"net/netip"
	"testing"
)

// FullListener needs a listener whose backlog is 0, which other systems round up.
func FullListener(t testing.TB) netip.AddrPort {
	t.Helper()
	t.Skip("a listener with a full queue can only be made on Unix")
	return netip.AddrPort{}
}
