package agent

import (
	"crypto/x509"
	"testing"

	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
)

var authorities []*signalingtest.CA

// pool returns a new pool with one of the tests' authorities.
func pool(t *testing.T, n int) *x509.CertPool {
	t.Helper()
	for len(authorities) <= n {
		authorities = append(authorities, signalingtest.NewCA(t))
	}
	p := x509.NewCertPool()
	p.AddCert(authorities[n].Certificate)
	return p
}
