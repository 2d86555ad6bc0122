package peer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"
)

// Identity is the self-signed DTLS certificate of an endpoint. Its fingerprint
// travels in the SDP (RFC 8122), so one for the whole process costs nothing in
// security and saves a key pair per call.
type Identity struct {
	certificate tls.Certificate
	fingerprint string // "sha-256 AB:CD:…"
}

// NewIdentity makes an ECDSA P-256 key and a certificate that is valid for 30 days.
func NewIdentity() (*Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make DTLS key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return nil, fmt.Errorf("make DTLS certificate: %w", err)
	}
	template := x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "earshot"},
		NotBefore:    time.Now().Add(-24 * time.Hour),
		NotAfter:     time.Now().Add(30 * 24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make DTLS certificate: %w", err)
	}
	return &Identity{
		certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		fingerprint: "sha-256 " + sha256Fingerprint(der),
	}, nil
}

// sharedIdentity is renewed well before its certificate ends, so that a process
// that runs for months keeps placing calls.
var sharedIdentity struct {
	sync.Mutex
	id   *Identity
	born time.Time
}

func processIdentity() (*Identity, error) {
	sharedIdentity.Lock()
	defer sharedIdentity.Unlock()
	if sharedIdentity.id == nil || time.Since(sharedIdentity.born) > 7*24*time.Hour {
		id, err := NewIdentity()
		if err != nil {
			return nil, err
		}
		sharedIdentity.id, sharedIdentity.born = id, time.Now()
	}
	return sharedIdentity.id, nil
}

// sha256Fingerprint returns the fingerprint of a certificate in SDP's form:
// upper-case hexadecimal bytes with colons (RFC 8122, 5).
func sha256Fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = strings.ToUpper(hex.EncodeToString([]byte{b}))
	}
	return strings.Join(parts, ":")
}
