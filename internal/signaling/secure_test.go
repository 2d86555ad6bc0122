package signaling_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/signaling"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
)

// tlsServer shakes hands with config and holds the connection.
func tlsServer(config *tls.Config) func(net.Conn) {
	return func(c net.Conn) {
		server := tls.Server(c, config)
		if server.Handshake() == nil {
			hold(server)
		}
	}
}

func serving(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }

// hello reads a client's first record and answers it with reply.
func hello(reply string) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := c.Read(make([]byte, 4096)); err != nil {
			return
		}
		_, _ = io.WriteString(c, reply) // the client may be gone
		if reply != "" {
			hold(c)
		}
	}
}

func httpServer(c net.Conn) {
	_, _ = c.Read(make([]byte, 4096))
	_, _ = io.WriteString(c, "HTTP/1.0 400 Bad Request\r\n\r\n")
	hold(c)
}

func TestTLSFailures(t *testing.T) {
	ca, stranger := signalingtest.NewCA(t), signalingtest.NewCA(t)
	now := time.Now().Truncate(time.Second).UTC()
	yesterday, tomorrow := now.AddDate(0, 0, -1), now.AddDate(0, 0, 1)
	old := serving(ca.Valid())
	old.MaxVersion = tls.VersionTLS11
	old.MinVersion = tls.VersionTLS10

	wary := serving(ca.Valid())
	wary.MaxVersion, wary.ClientAuth = tls.VersionTLS12, tls.RequireAnyClientCert

	for name, c := range map[string]struct {
		serve               func(net.Conn)
		want                signaling.Kind
		notBefore, notAfter time.Time
		names               []string
	}{
		"an expired certificate": {
			serve: tlsServer(serving(ca.Issue(yesterday.AddDate(0, -1, 0), yesterday, "127.0.0.1"))),
			want:  signaling.KindExpired, notBefore: yesterday.AddDate(0, -1, 0), notAfter: yesterday, names: []string{"127.0.0.1"},
		},
		"a certificate of tomorrow": {
			serve: tlsServer(serving(ca.Issue(tomorrow, tomorrow.AddDate(0, 1, 0), "127.0.0.1"))),
			want:  signaling.KindNotYetValid, notBefore: tomorrow, notAfter: tomorrow.AddDate(0, 1, 0), names: []string{"127.0.0.1"},
		},
		"a certificate of another name": {
			serve: tlsServer(serving(ca.Issue(yesterday, tomorrow, "other.example", "192.0.2.1"))),
			want:  signaling.KindWrongName, notBefore: yesterday, notAfter: tomorrow, names: []string{"other.example", "192.0.2.1"},
		},
		"an unknown authority": {
			serve: tlsServer(serving(stranger.Issue(yesterday, tomorrow, "127.0.0.1"))),
			want:  signaling.KindUnknownAuthority, notBefore: yesterday, notAfter: tomorrow, names: []string{"127.0.0.1"},
		},
		"a server of old TLS versions":               {serve: tlsServer(old), want: signaling.KindVersion},
		"a server that wants our certificate":        {serve: tlsServer(wary), want: signaling.KindClientCertificate},
		"a server that picks TLS 1.1 regardless":     {serve: hello("\x16\x03\x02\x00\x2a\x02\x00\x00\x26\x03\x02" + strings.Repeat("r", 32) + "\x00\xc0\x13\x00"), want: signaling.KindVersion},
		"a server that wants no handshake":           {serve: hello("\x15\x03\x03\x00\x02\x02\x28"), want: signaling.KindRefused},
		"a server that hangs up on the client hello": {serve: hello(""), want: signaling.KindRefused},
		"a plain HTTP server":                        {serve: httpServer, want: signaling.KindPlainHTTP},
		"a server of another protocol":               {serve: hello("SSH-2.0-OpenSSH_9.2\r\n"), want: signaling.KindNotTLS},
		"a server that is silent":                    {serve: hold, want: signaling.KindTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			signalingtest.NoLeaks(t)
			server := listen(t, "127.0.0.1:0", c.serve)
			tr := &signaling.Trace{Deadlines: patient, RootCAs: ca.Pool()}
			if c.want == signaling.KindTimeout {
				tr.Deadlines.TLS = soon
			}
			conn, err := tr.TLSDialer("http/1.1")(context.Background(), "tcp", server.String())
			if err == nil {
				_ = conn.Close()
				t.Fatal("the handshake went well, want an error")
			}
			if conn != nil {
				t.Error("a connection came beside the error")
			}
			var failure *signaling.TLSError
			if !errors.As(err, &failure) {
				t.Fatalf("error %#v, want a *TLSError", err)
			}
			if failure.Kind != c.want || failure.Address != server.String() {
				t.Errorf("kind %q (%v), want %q", failure.Kind, err, c.want)
			}
			if !failure.NotBefore.Equal(c.notBefore) || !failure.NotAfter.Equal(c.notAfter) || !slices.Equal(failure.Names, c.names) {
				t.Errorf("certificate of %v from %v to %v, want %v from %v to %v",
					failure.Names, failure.NotBefore, failure.NotAfter, c.names, c.notBefore, c.notAfter)
			}
			if c.want == signaling.KindTimeout {
				timedOut(t, err)
			}
			failedPhase(t, "TLS", tr.TLS(), err)
			if hop := tr.Hops()[0]; !hop.NotAfter.Equal(c.notAfter) || (len(hop.Chain) > 0) != (c.names != nil) {
				t.Errorf("hop says the certificate ends %v with chain %v, want %v", hop.NotAfter, hop.Chain, c.notAfter)
			}
			if p := tr.Connect(); p.State != signaling.PhaseOK {
				t.Errorf("connect phase %+v, want it well", p)
			}
		})
	}
}

func TestHandshakeIsCanceled(t *testing.T) {
	signalingtest.NoLeaks(t)
	server := listen(t, "127.0.0.1:0", hold)
	tr := &signaling.Trace{Deadlines: patient}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(soon, cancel)
	_, err := tr.TLSDialer()(ctx, "tcp", server.String())
	var failure *signaling.TLSError
	if !errors.As(err, &failure) || failure.Kind != signaling.KindCanceled || !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want a *TLSError of kind canceled", err)
	}
}

func TestHandshakeIsDescribed(t *testing.T) {
	signalingtest.NoLeaks(t)
	ca := signalingtest.NewCA(t)
	end := time.Now().Add(48 * time.Hour).Truncate(time.Second).UTC()
	config := serving(ca.Issue(time.Now().Add(-time.Hour), end, "localhost"))
	config.NextProtos = []string{"h2", "http/1.1"}
	config.MaxVersion = tls.VersionTLS12
	config.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	server := listen(t, "127.0.0.1:0", tlsServer(config))
	tr := &signaling.Trace{Deadlines: patient, RootCAs: ca.Pool()}
	conn, err := tr.TLSDialer("http/1.1")(context.Background(), "tcp4", "localhost:"+portOf(server))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, ok := conn.(*tls.Conn); !ok {
		t.Errorf("connection is a %T, want *tls.Conn, which HTTP/2 needs", conn)
	}
	hop := tr.Hops()[0]
	got := []string{hop.TLSVersion, hop.CipherSuite, hop.Protocol, hop.NotAfter.String()}
	want := []string{"TLS 1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "http/1.1", end.String()}
	if !slices.Equal(got, want) {
		t.Errorf("hop says %q, want %q", got, want)
	}
	if len(hop.Chain) != 2 || hop.Chain[0].Subject != "CN=Earshot test server" || hop.Chain[0].Issuer != "CN=Earshot test authority" || !hop.Chain[0].NotAfter.Equal(end) {
		t.Errorf("chain %+v, want the server's certificate and its authority's", hop.Chain)
	}
	if p := tr.TLS(); p.State != signaling.PhaseOK || p.Took <= 0 || !strings.Contains(p.Detail, "TLS 1.2") || !strings.Contains(p.Detail, end.Format(time.DateOnly)) {
		t.Errorf("TLS phase %+v, want version and end of the certificate", p)
	}
}

// With TLS 1.3 a server that wants a client's certificate says so after the
// handshake is over on the client's side.
func TestRejectTLSAfterHandshake(t *testing.T) {
	signalingtest.NoLeaks(t)
	ca := signalingtest.NewCA(t)
	config := serving(ca.Valid())
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.ClientCAs = x509.NewCertPool()
	server := listen(t, "127.0.0.1:0", tlsServer(config))
	tr := &signaling.Trace{Deadlines: patient, RootCAs: ca.Pool()}
	conn, err := tr.TLSDialer()(context.Background(), "tcp", server.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = conn.Read(make([]byte, 1))
	rejected := tr.RejectTLS(server.String(), err)
	var failure *signaling.TLSError
	if !errors.As(rejected, &failure) || failure.Kind != signaling.KindClientCertificate {
		t.Fatalf("error %v (from %v), want a *TLSError of kind client_certificate", rejected, err)
	}
	if p := tr.TLS(); p.State != signaling.PhaseFailed || p.Err != rejected {
		t.Errorf("TLS phase %+v, want the refusal", p)
	}
	tr.Seal()
	if err := tr.RejectTLS(server.String(), io.EOF); err != nil {
		t.Errorf("a broken connection after the set-up counts as a refusal: %v", err)
	}
}

// A broken connection is the fault of the handshake only where the server had
// asked for a certificate.
func TestRejectTLSNeedsAReason(t *testing.T) {
	ca := signalingtest.NewCA(t)
	for name, c := range map[string]struct {
		auth    tls.ClientAuthType
		address string // other than the server's
		err     error
		want    bool
	}{
		"the server asked":                       {auth: tls.RequestClientCert, err: io.EOF, want: true},
		"the server did not ask":                 {auth: tls.NoClientCert, err: io.EOF},
		"the server asked on another connection": {auth: tls.RequestClientCert, address: "127.0.0.1:1", err: io.EOF},
		"nothing broke":                          {auth: tls.RequestClientCert},
	} {
		t.Run(name, func(t *testing.T) {
			config := serving(ca.Valid())
			config.ClientAuth = c.auth
			server := listen(t, "127.0.0.1:0", tlsServer(config))
			tr := &signaling.Trace{Deadlines: patient, RootCAs: ca.Pool()}
			conn, err := tr.TLSDialer()(context.Background(), "tcp", server.String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			rejected := tr.RejectTLS(cmp.Or(c.address, server.String()), c.err)
			if got := rejected != nil; got != c.want {
				t.Errorf("got %v, want a refusal: %v", rejected, c.want)
			}
			if got := tr.TLS().State == signaling.PhaseFailed; got != c.want {
				t.Errorf("TLS phase %+v, want it failed: %v", tr.TLS(), c.want)
			}
		})
	}
}
