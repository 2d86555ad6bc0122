package peer

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"

	"github.com/earshot-voip/earshot/internal/mono"
)

// ErrFingerprint: the far end's DTLS certificate is not the one that its SDP
// announced (RFC 8122). Somebody sits in between, or signalling and media come
// from different machines.
var ErrFingerprint = errors.New("certificate does not match the fingerprint in the session description")

// DTLSError: the handshake did not complete.
type DTLSError struct {
	Client bool   // this side was the client
	Remote string // the far end's role in its description, or what was assumed: active, passive, actpass
	Err    error
}

func (e *DTLSError) Error() string {
	role := "server"
	if e.Client {
		role = "client"
	}
	return fmt.Sprintf("DTLS handshake as %s, with the far end taken as %s: %v", role, e.Remote, e.Err)
}

func (e *DTLSError) Unwrap() error { return e.Err }

// DTLSInfo is what the handshake settled.
type DTLSInfo struct {
	Profile string // SRTP protection profile
	Client  bool   // this side was the DTLS client
}

// profiles in order of preference: AES-GCM costs a third of AES-CM with
// HMAC-SHA1 per packet.
var profiles = []dtls.SRTPProtectionProfile{
	dtls.SRTP_AEAD_AES_128_GCM,
	dtls.SRTP_AES128_CM_HMAC_SHA1_80,
}

// flightInterval is the first retransmission time of a DTLS flight. The default
// of one second would cost that much for every lost flight of a set-up.
const flightInterval = 300 * time.Millisecond

// WaitDTLS shakes hands and derives the SRTP keys (RFC 5764). ICE must be
// connected. The error is a *DTLSError, with ErrFingerprint inside when the
// certificate is not the announced one.
func (p *Peer) WaitDTLS(ctx context.Context) (DTLSInfo, error) {
	client := p.dtlsClient()
	fail := func(err error) (DTLSInfo, error) { return DTLSInfo{}, &DTLSError{client, string(p.remote.setup), err} }

	conn, mismatch, err := p.newDTLS(client)
	if err != nil {
		return fail(err)
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		switch {
		case *mismatch != nil:
			err = *mismatch
		case ctx.Err() != nil:
			err = ctx.Err()
		}
		return fail(err)
	}
	profile, err := p.session.start(conn, client)
	if err != nil {
		_ = conn.Close()
		return fail(err)
	}
	p.dtls = conn
	p.release()
	p.readers.Go(func() { p.watch(conn) })
	return DTLSInfo{Profile: profile, Client: client}, nil
}

// newDTLS makes the connection, without any packet yet. mismatch is set during
// the handshake when the certificate is not the announced one.
func (p *Peer) newDTLS(client bool) (conn *dtls.Conn, mismatch *error, err error) {
	mismatch = new(error)
	shared := []dtls.Option{
		dtls.WithCertificates(p.cfg.Identity.certificate),
		dtls.WithSRTPProtectionProfiles(profiles...),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithInsecureSkipVerify(true), // the fingerprint is what is verified
		dtls.WithVerifyPeerCertificate(func(chain [][]byte, _ [][]*x509.Certificate) error {
			*mismatch = p.verify(chain)
			return *mismatch
		}),
		dtls.WithFlightInterval(flightInterval),
		dtls.WithLoggerFactory(p.warnings),
	}
	transport := &dtlsTransport{Conn: p.iceConn, peer: p}
	if client {
		options := make([]dtls.ClientOption, len(shared))
		for i, o := range shared {
			options[i] = o
		}
		conn, err = dtls.ClientWithOptions(transport, transport.RemoteAddr(), options...)
		return conn, mismatch, err
	}
	options := []dtls.ServerOption{
		dtls.WithClientAuth(dtls.RequireAnyClientCert),
		// ICE has shown that the far end owns its address; the cookie exchange
		// would cost a round trip to show it again.
		dtls.WithInsecureSkipVerifyHello(true),
	}
	for _, o := range shared {
		options = append(options, o)
	}
	conn, err = dtls.ServerWithOptions(transport, transport.RemoteAddr(), options...)
	return conn, mismatch, err
}

func (p *Peer) verify(chain [][]byte) error {
	if len(chain) == 0 {
		return errors.New("no certificate presented")
	}
	got := "sha-256 " + sha256Fingerprint(chain[0])
	if !slices.Contains(p.remote.fingerprints, got) {
		return ErrFingerprint
	}
	return nil
}

// watch waits for the far end's close_notify.
func (p *Peer) watch(conn *dtls.Conn) {
	buf := make([]byte, 256)
	for {
		if _, err := conn.Read(buf); err != nil {
			p.end(ErrRemoteClosed)
			return
		}
	}
}

// dtlsTransport is the ICE connection as DTLS sees it. Media that comes this
// way (through a TURN server over TCP, not past the socket's handler) is handed
// on with the time of the read.
type dtlsTransport struct {
	*ice.Conn
	peer *Peer
}

func (t *dtlsTransport) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, err := t.Read(b)
		if err != nil {
			return n, nil, err
		}
		if n > 0 && isMedia(b[0]) {
			now := mono.Now()
			t.peer.receive(now, now, b[:n])
			continue
		}
		return n, t.RemoteAddr(), nil
	}
}

func (t *dtlsTransport) WriteTo(b []byte, _ net.Addr) (int, error) { return t.Write(b) }

// Close leaves the agent to the peer: DTLS ends before ICE does, so that the
// close_notify can still leave.
func (t *dtlsTransport) Close() error {
	return t.SetReadDeadline(time.Now())
}
