package signaling

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
)

// secure shakes hands on raw, which it closes when that fails.
func (t *Trace) secure(ctx context.Context, hop *Hop, raw net.Conn, protocols []string) (net.Conn, error) {
	start := mono.Now()
	handshake, cancel := t.step(ctx, t.Deadlines.WithDefaults().TLS)
	defer cancel()

	host, _, err := net.SplitHostPort(hop.Address)
	if err != nil {
		host = hop.Address
	}
	asked := false // whether the peer wants a certificate of ours; we have none
	conn := tls.Client(raw, &tls.Config{
		RootCAs:    t.RootCAs,
		ServerName: strings.TrimSuffix(host, "."),
		NextProtos: protocols,
		MinVersion: tls.VersionTLS12,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = true
			return new(tls.Certificate), nil
		},
	})
	if err := conn.HandshakeContext(handshake); err != nil {
		raw.Close()
		failure := tlsFailure(hop.Address, err)
		if failure.Kind == KindRefused && asked {
			failure.Kind = KindClientCertificate // TLS 1.2 has no alert of its own for a missing one
		}
		if kind, over := contextKind(handshake); over {
			failure.Kind, failure.Err = kind, because(ctx, handshake, err)
		}
		t.record(func() {
			hop.Chain = describeChain(unverified(err))
			hop.NotAfter = failure.NotAfter
			hop.TLS = ended(start, hop.Address, failure)
		})
		return nil, failure
	}
	state := conn.ConnectionState()
	t.record(func() {
		hop.TLSVersion = tls.VersionName(state.Version)
		hop.CipherSuite = tls.CipherSuiteName(state.CipherSuite)
		hop.Protocol = state.NegotiatedProtocol
		hop.Chain = describeChain(state.PeerCertificates)
		hop.NotAfter = validUntil(state.VerifiedChains)
		hop.TLS = ended(start, hop.describeTLS(), nil)
		hop.asked = asked
	})
	return conn, nil
}

// RejectTLS turns the recorded success of the last handshake into a failure.
// With TLS 1.3 a server refuses the client's side of it only after the client
// is done, so that an adapter meets the refusal in its first exchange on the
// connection to address. err is how that broke: by an alert or, when the
// server's closing overtook the alert, in any other way. RejectTLS returns the
// *TLSError, or nil when the handshake is not to blame.
func (t *Trace) RejectTLS(address string, err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var last *Hop
	if n := len(t.hops); n > 0 && !t.sealed && t.hops[n-1].Address == address {
		last = t.hops[n-1]
	}
	var (
		failure *TLSError
		op      *net.OpError
	)
	switch {
	case errors.As(err, &op) && op.Op == remoteAlert:
		failure = tlsFailure(address, err)
	case last != nil && last.asked && err != nil:
		failure = &TLSError{Address: address, Kind: KindClientCertificate,
			Err: fmt.Errorf("the peer asked for a client certificate, got none and broke the connection: %w", err)}
	default:
		return nil
	}
	if last != nil {
		last.TLS.State, last.TLS.Err = PhaseFailed, failure
	}
	return failure
}

// remoteAlert is the operation that crypto/tls names when the peer sent an
// alert.
const remoteAlert = "remote error"

// Alerts that have a kind of their own (RFC 8446, 6.2).
const (
	alertProtocolVersion     = tls.AlertError(70)
	alertCertificateRequired = tls.AlertError(116)
)

// tlsFailure finds out why a handshake failed.
func tlsFailure(address string, err error) *TLSError {
	failure := &TLSError{Address: address, Kind: KindRefused, Err: err}
	var (
		header tls.RecordHeaderError
		op     *net.OpError
	)
	switch chain := unverified(err); {
	case len(chain) > 0:
		failure.blame(chain[0], err)
	case errors.As(err, &header):
		failure.Kind = foreignKind(header.RecordHeader)
		failure.Err = fmt.Errorf("the peer does not speak TLS here: %w", err)
	case errors.As(err, &op) && op.Op == remoteAlert:
		failure.Kind = alertKind(op.Err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		failure.Err = fmt.Errorf("the peer closed the connection during the handshake: %w", err)
	case strings.Contains(err.Error(), "unsupported protocol version"):
		// crypto/tls has no type for a server that chose a version we refuse.
		failure.Kind = KindVersion
	}
	return failure
}

// alertKind compares texts because crypto/tls keeps the alert's type to itself
// on TCP; tls.AlertError has the same texts.
func alertKind(alert error) Kind {
	switch alert.Error() {
	case alertProtocolVersion.Error():
		return KindVersion
	case alertCertificateRequired.Error():
		return KindClientCertificate
	}
	return KindRefused
}

func foreignKind(header [5]byte) Kind {
	if string(header[:]) == "HTTP/" {
		return KindPlainHTTP
	}
	return KindNotTLS
}

// unverified returns the peer's certificates if err is about them.
func unverified(err error) []*x509.Certificate {
	var verification *tls.CertificateVerificationError
	if errors.As(err, &verification) {
		return verification.UnverifiedCertificates
	}
	return nil
}

// blame sets the kind of a failure to verify leaf, and what the certificate at
// fault says.
func (e *TLSError) blame(leaf *x509.Certificate, err error) {
	var (
		invalid   x509.CertificateInvalidError
		name      x509.HostnameError
		authority x509.UnknownAuthorityError
		roots     x509.SystemRootsError
	)
	e.Kind = KindBadCertificate
	guilty := leaf
	switch {
	case errors.As(err, &invalid):
		if invalid.Cert != nil {
			guilty = invalid.Cert
		}
		if invalid.Reason == x509.Expired {
			e.Kind = KindExpired
			if time.Now().Before(guilty.NotBefore) {
				e.Kind = KindNotYetValid
			}
		}
	case errors.As(err, &name):
		e.Kind = KindWrongName
	case errors.As(err, &authority), errors.As(err, &roots):
		e.Kind = KindUnknownAuthority
	}
	e.NotBefore, e.NotAfter, e.Names = guilty.NotBefore, guilty.NotAfter, certificateNames(guilty)
}

func certificateNames(c *x509.Certificate) []string {
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

func describeChain(chain []*x509.Certificate) []Certificate {
	var described []Certificate
	for _, c := range chain {
		described = append(described, Certificate{
			Subject: c.Subject.String(), Issuer: c.Issuer.String(), Names: certificateNames(c),
			NotBefore: c.NotBefore, NotAfter: c.NotAfter,
		})
	}
	return described
}

// validUntil returns when the last of the verified chains breaks. Certificates
// that the peer sends and no chain needs do not count: servers go on sending
// expired cross-signatures for years.
func validUntil(chains [][]*x509.Certificate) time.Time {
	var last time.Time
	for _, chain := range chains {
		var first time.Time
		for _, c := range chain {
			if first.IsZero() || c.NotAfter.Before(first) {
				first = c.NotAfter
			}
		}
		if first.After(last) {
			last = first
		}
	}
	return last
}

// describeTLS says in one line what was agreed on.
func (h *Hop) describeTLS() string {
	parts := []string{h.TLSVersion, h.CipherSuite}
	if h.Protocol != "" {
		parts = append(parts, h.Protocol)
	}
	parts = append(parts, "certificate valid until "+h.NotAfter.UTC().Format(time.DateOnly))
	return strings.Join(parts, ", ")
}
