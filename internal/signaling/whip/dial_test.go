package whip_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/signaling"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/internal/signaling/whip"
)

const patience = 10 * time.Second

// quiet is for servers whose clients break off on purpose.
var quiet = log.New(io.Discard, "", 0)

var patient = signaling.Deadlines{Resolve: patience, Connect: patience, TLS: patience, Answer: patience, Hangup: patience}

func newDialer(t *testing.T, o whip.Options) *whip.Dialer {
	t.Helper()
	if o.Trace == nil {
		o.Trace = &signaling.Trace{Deadlines: patient}
	}
	d, err := whip.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close the dialer: %v", err)
		}
	})
	return d
}

func dial(t *testing.T, d *whip.Dialer) signaling.Session {
	t.Helper()
	s, err := d.Dial(context.Background(), signalingtest.Offer)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func hangUp(t *testing.T, s signaling.Session) {
	t.Helper()
	if err := s.Hangup(context.Background()); err != nil {
		t.Errorf("hang-up: %v", err)
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so after %v: %s", patience, what)
		}
	}
}

func TestNewRefusesWhatCannotBeCalled(t *testing.T) {
	for name, o := range map[string]whip.Options{
		"no URL":                  {},
		"another scheme":          {URL: "ftp://a.example/whip"},
		"no scheme":               {URL: "a.example/whip"},
		"no host":                 {URL: "http:///whip"},
		"a port that is none":     {URL: "http://a.example:70000/whip"},
		"port zero":               {URL: "http://a.example:0/whip"},
		"a host outside ASCII":    {URL: "http://bücher.example/whip"},
		"user information":        {URL: "http://me:s3cret@a.example/whip"},
		"a broken URL":            {URL: "http://a.example/%zz?s3cret"},
		"a token with a new line": {URL: "http://a.example/whip", Token: "s3cret\r\nHost: b.example"},
		"a token with a space":    {URL: "http://a.example/whip", Token: "s3cret s3cret"},
		"a token of padding":      {URL: "http://a.example/whip", Token: "=="},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := whip.New(o)
			if err == nil {
				t.Fatalf("New(%+v) went well, want an error", o)
			}
			if d != nil {
				t.Error("a dialer came beside the error")
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("error %q tells a secret", err)
			}
		})
	}
	for _, token := range []string{"", "a", "eyJhbGciOi.J9_-~+/abc==", "0"} {
		if _, err := whip.New(whip.Options{URL: "https://a.example/whip?room=1", Token: token}); err != nil {
			t.Errorf("New with token %q: %v", token, err)
		}
	}
}

// What goes over the wire, and that it goes over one connection.
func TestRequests(t *testing.T) {
	ca := signalingtest.NewCA(t)
	certificate := ca.Valid()
	for name, c := range map[string]struct {
		certificate *tls.Certificate
		http2       bool
		proto       string
	}{
		"HTTP":                {nil, false, "HTTP/1.1"},
		"HTTPS with HTTP/1.1": {&certificate, false, "HTTP/1.1"},
		"HTTPS with HTTP/2":   {&certificate, true, "HTTP/2.0"},
	} {
		t.Run(name, func(t *testing.T) {
			signalingtest.NoLeaks(t)
			server := signalingtest.NewWHIP(t, signalingtest.WHIPConfig{Certificate: c.certificate, HTTP2: c.http2})
			trace := &signaling.Trace{Deadlines: patient, RootCAs: ca.Pool()}
			s := dial(t, newDialer(t, whip.Options{URL: server.URL + "?room=5", Token: "abc", UserAgent: "earshot/1.2", Trace: trace}))
			hangUp(t, s)
			requests := server.Requests()
			if len(requests) != 2 {
				t.Fatalf("%d requests, want POST and DELETE", len(requests))
			}
			post, end := requests[0], requests[1]
			if got := post.Method + " " + post.RequestURI; got != "POST /whip?room=5" {
				t.Errorf("first request %s, want POST /whip?room=5", got)
			}
			if got := end.Method + " " + end.RequestURI; got != "DELETE /session/1" {
				t.Errorf("second request %s, want DELETE /session/1", got)
			}
			for _, r := range requests {
				if r.Proto != c.proto || r.Header.Get("Authorization") != "Bearer abc" || r.UserAgent() != "earshot/1.2" {
					t.Errorf("%s by %s with %v, want %s with token and user agent", r.Method, r.Proto, r.Header, c.proto)
				}
			}
			if got := post.Header.Get("Content-Type"); got != "application/sdp" || post.ContentLength != int64(len(signalingtest.Offer)) {
				t.Errorf("POST of %d bytes of %q, want %d of application/sdp", post.ContentLength, got, len(signalingtest.Offer))
			}
			if got := server.Opened(); got != 1 {
				t.Errorf("%d connections, want 1", got)
			}
			if p := trace.Exchange(); !strings.Contains(p.Detail, "201 Created by "+c.proto) {
				t.Errorf("exchange detail %q, want status and protocol", p.Detail)
			}
			wantTLS := signaling.PhaseNotApplicable
			if c.certificate != nil {
				wantTLS = signaling.PhaseOK
			}
			if p := trace.TLS(); p.State != wantTLS {
				t.Errorf("TLS phase %+v, want %s", p, wantTLS)
			}
		})
	}
}

func TestNoTokenNoHeader(t *testing.T) {
	server := signalingtest.NewWHIP(t, signalingtest.WHIPConfig{})
	hangUp(t, dial(t, newDialer(t, whip.Options{URL: server.URL})))
	for _, r := range server.Requests() {
		if _, sent := r.Header["Authorization"]; sent || r.UserAgent() != "earshot" {
			t.Errorf("%s with %v, want no Authorization and the default user agent", r.Method, r.Header)
		}
	}
}

func TestEnvironmentProxyIsNotUsed(t *testing.T) {
	for _, name := range []string{"http_proxy", "HTTP_PROXY", "all_proxy"} {
		t.Setenv(name, "http://127.0.0.1:1")
	}
	server := signalingtest.NewWHIP(t, signalingtest.WHIPConfig{})
	// The standard library never sends loopback to a proxy, so a name is needed.
	trace := &signaling.Trace{Deadlines: patient, Resolver: signalingtest.NewResolver(t, loopback("whip.example."))}
	hangUp(t, dial(t, newDialer(t, whip.Options{URL: strings.Replace(server.URL, "127.0.0.1", "whip.example", 1), Trace: trace})))
}

// The layers below HTTP fail with their own types through the adapter.
func TestLowerLayersFail(t *testing.T) {
	ca := signalingtest.NewCA(t)
	certificate := ca.Issue(time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour), "127.0.0.1")
	expired := signalingtest.NewWHIP(t, signalingtest.WHIPConfig{Certificate: &certificate})
	plain := signalingtest.NewWHIP(t, signalingtest.WHIPConfig{})
	for name, c := range map[string]struct {
		url   string
		want  any
		steps [4]signaling.PhaseState // resolve, connect, TLS, exchange
	}{
		"a name that does not exist": {"https://gone.example/whip", new(*signaling.ResolveError),
			[4]signaling.PhaseState{signaling.PhaseFailed}},
		"a closed port": {"http://127.0.0.1:1/whip", new(*signaling.ConnectError),
			[4]signaling.PhaseState{signaling.PhaseNotApplicable, signaling.PhaseFailed}},
		"an expired certificate": {expired.URL, new(*signaling.TLSError),
			[4]signaling.PhaseState{signaling.PhaseNotApplicable, signaling.PhaseOK, signaling.PhaseFailed}},
		"https to a plain port": {strings.Replace(plain.URL, "http:", "https:", 1), new(*signaling.TLSError),
			[4]signaling.PhaseState{signaling.PhaseNotApplicable, signaling.PhaseOK, signaling.PhaseFailed}},
	} {
		t.Run(name, func(t *testing.T) {
			signalingtest.NoLeaks(t)
			trace := &signaling.Trace{Deadlines: patient, RootCAs: ca.Pool(), Resolver: signalingtest.NewResolver(t, signalingtest.Zone{})}
			_, err := newDialer(t, whip.Options{URL: c.url, Trace: trace}).Dial(context.Background(), signalingtest.Offer)
			if !errors.As(err, c.want) {
				t.Errorf("error %T (%v), want %T", err, err, c.want)
			}
			got := [4]signaling.PhaseState{trace.Resolve().State, trace.Connect().State, trace.TLS().State, trace.Exchange().State}
			if got != c.steps {
				t.Errorf("steps %q, want %q", got, c.steps)
			}
		})
	}
}

// A server that wants a client certificate says so after a TLS 1.3 handshake:
// the failure belongs to TLS all the same.
func TestClientCertificateIsATLSFailure(t *testing.T) {
	ca := signalingtest.NewCA(t)
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		for _, http2 := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				signalingtest.NoLeaks(t)
				server := httptest.NewUnstartedServer(http.NotFoundHandler())
				server.EnableHTTP2 = http2
				server.Config.ErrorLog = quiet
				server.TLS = &tls.Config{
					Certificates: []tls.Certificate{ca.Valid()}, MaxVersion: version,
					ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: x509.NewCertPool(),
				}
				server.StartTLS()
				defer server.Close()
				trace := &signaling.Trace{Deadlines: patient, RootCAs: ca.Pool()}
				_, err := newDialer(t, whip.Options{URL: server.URL, Trace: trace}).Dial(context.Background(), signalingtest.Offer)
				var failure *signaling.TLSError
				if !errors.As(err, &failure) || failure.Kind != signaling.KindClientCertificate {
					t.Errorf("error %T (%v), want a *TLSError of kind client_certificate", err, err)
				}
				if p := trace.TLS(); p.State != signaling.PhaseFailed {
					t.Errorf("TLS phase %+v, want it failed", p)
				}
			})
		}
	}
}

// A server that asked for a certificate and went on without one has accepted
// the handshake: what breaks later is not TLS's fault.
func TestOptionalClientCertificateIsNoTLSFailure(t *testing.T) {
	signalingtest.NoLeaks(t)
	ca := signalingtest.NewCA(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			panic(http.ErrAbortHandler)
		}
	}))
	server.Config.ErrorLog = quiet
	server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Valid()}, ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	defer server.Close()
	trace := &signaling.Trace{Deadlines: patient, RootCAs: ca.Pool()}
	d := newDialer(t, whip.Options{URL: server.URL, Trace: trace})
	if _, err := d.ICEServers(context.Background()); err != nil {
		t.Fatal(err)
	}
	_, err := d.Dial(context.Background(), signalingtest.Offer)
	var exchange *signaling.ExchangeError
	if !errors.As(err, &exchange) || exchange.Kind != signaling.KindLost {
		t.Errorf("error %T (%v), want an *ExchangeError of kind lost", err, err)
	}
	if p := trace.TLS(); p.State != signaling.PhaseOK {
		t.Errorf("TLS phase %+v, want it well", p)
	}
}

// rawServer answers each connection's first bytes with reply.
func rawServer(t *testing.T, reply string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				_, _ = c.Read(make([]byte, 4096))
				_, _ = io.WriteString(c, reply) // the client may be gone
				_ = c.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, c)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	return "http://" + l.Addr().String() + "/whip"
}

func TestWhatIsNotHTTP(t *testing.T) {
	for name, c := range map[string]struct {
		reply string
		want  signaling.Kind
	}{
		"binary":                         {"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\n\n", signaling.KindProtocol},
		"another protocol":               {"SIP/2.0 200 OK\r\n\r\n", signaling.KindProtocol},
		"a status that is no number":     {"HTTP/1.1 abc OK\r\n\r\n", signaling.KindProtocol},
		"a broken header":                {"HTTP/1.1 201 Created\r\nno colon\r\n\r\n", signaling.KindProtocol},
		"a length that is no number":     {"HTTP/1.1 201 Created\r\nContent-Length: x\r\n\r\n", signaling.KindProtocol},
		"a header without end":           {"HTTP/1.1 201 Created\r\n" + strings.Repeat("X-Padding: 0123456789\r\n", 10000), signaling.KindProtocol},
		"nothing":                        {"", signaling.KindLost},
		"half a header":                  {"HTTP/1.1 201 Cre", signaling.KindLost},
		"a TLS alert from an HTTPS port": {"\x15\x03\x01\x00\x02\x02\x46", signaling.KindProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			signalingtest.NoLeaks(t)
			_, err := newDialer(t, whip.Options{URL: rawServer(t, c.reply)}).Dial(context.Background(), signalingtest.Offer)
			var exchange *signaling.ExchangeError
			if !errors.As(err, &exchange) || exchange.Kind != c.want {
				t.Errorf("error %T (%v), want an *ExchangeError of kind %q", err, err, c.want)
			}
		})
	}
}

func loopback(names ...string) signalingtest.Zone {
	z := signalingtest.Zone{Addresses: make(map[string][]netip.Addr)}
	for _, n := range names {
		z.Addresses[n] = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	}
	return z
}

func TestRefusalIsReadable(t *testing.T) {
	for name, c := range map[string]struct {
		contentType, body, want string
	}{
		"text is kept on one line":          {"text/plain", "no such\r\n room\t42\n", "no such room 42"},
		"a page loses its markup":           {"text/html", "<!DOCTYPE html><html><head><title>x</title></head><body><h1>Not&nbsp;found</h1><p>ask &lt;ops&gt;</p></body></html>", "Not found ask <ops>"},
		"scripts and styles are not text":   {"text/html", "<style>p{}</style><script>alert('1 < 2')</script>denied", "denied"},
		"a page that is not called one":     {"", "<html><body>denied</body></html>", "denied"},
		"a problem document is kept":        {"application/problem+json", `{"title":"no such room"}`, `{"title":"no such room"}`},
		"control characters are left out":   {"text/plain", "a\x1b[31mred\x07\u202e", "a[31mred"},
		"binary says nothing":               {"application/octet-stream", "a\x00b", ""},
		"another encoding says nothing":     {"text/plain", "gar\xe7on ", ""},
		"a long text is cut":                {"text/plain", strings.Repeat("ä", 300), strings.Repeat("ä", 200) + "…"},
		"a text beyond the limit is cut":    {"text/plain", "x" + strings.Repeat("ä", 100000), "x" + strings.Repeat("ä", 199) + "…"},
		"an empty body says nothing":        {"text/plain", "", ""},
		"a page cut within a tag is no tag": {"text/html", "denied<a href=\"" + strings.Repeat("x", 8000), "denied"},
	} {
		t.Run(name, func(t *testing.T) {
			server := signalingtest.NewWHIP(t, signalingtest.WHIPConfig{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
				w.Header()["Content-Type"] = []string{c.contentType}
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, c.body)
				return true
			}})
			_, err := newDialer(t, whip.Options{URL: server.URL + "?key=s3cret"}).Dial(context.Background(), signalingtest.Offer)
			var status *signaling.StatusError
			if !errors.As(err, &status) {
				t.Fatalf("error %T (%v), want a *StatusError", err, err)
			}
			want := signaling.StatusError{Request: "POST " + server.URL, Code: 403, Reason: "Forbidden", Body: c.want}
			if *status != want {
				t.Errorf("got %+v, want %+v", *status, want)
			}
		})
	}
}

func TestRetryAfterDate(t *testing.T) {
	at := time.Now().Add(90 * time.Second)
	server := signalingtest.NewWHIP(t, signalingtest.WHIPConfig{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Retry-After", at.UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}})
	_, err := newDialer(t, whip.Options{URL: server.URL}).Dial(context.Background(), signalingtest.Offer)
	var status *signaling.StatusError
	if !errors.As(err, &status) {
		t.Fatalf("error %T (%v), want a *StatusError", err, err)
	}
	if latest := time.Until(at); status.RetryAfter > 90*time.Second || status.RetryAfter < latest-time.Second {
		t.Errorf("retry after %v, want what is left of 90s", status.RetryAfter)
	}
}

func TestLinksOfAnswer(t *testing.T) {
	server := signalingtest.NewWHIP(t, signalingtest.WHIPConfig{Links: []string{
		`<stun:stun.example.net>; rel="ice-server"`,
		`<turn:turn.example.net?transport=udp>; rel="ice-server"; username="user"; credential="p\"a,s;s"; credential-type="password", </next>; rel=next`,
	}})
	want := []signaling.ICEServer{
		{URL: "stun:stun.example.net"},
		{URL: "turn:turn.example.net?transport=udp", Username: "user", Password: `p"a,s;s`},
	}
	t.Run("come with the session", func(t *testing.T) {
		s := dial(t, newDialer(t, whip.Options{URL: server.URL}))
		defer hangUp(t, s)
		if got := s.(signaling.ICEServerSource).ICEServers(); !slices.Equal(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
	t.Run("come with OPTIONS, whose connection the call uses", func(t *testing.T) {
		signalingtest.NoLeaks(t)
		opened := server.Opened()
		d := newDialer(t, whip.Options{URL: server.URL, Token: "abc"})
		got, err := d.ICEServers(context.Background())
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		s := dial(t, d)
		hangUp(t, s)
		if n := server.Opened() - opened; n != 1 {
			t.Errorf("%d connections for OPTIONS and call, want 1", n)
		}
		options := server.Requests()[len(server.Requests())-3]
		if options.Method != http.MethodOptions || options.Header.Get("Authorization") != "Bearer abc" {
			t.Errorf("asked by %s with %v, want OPTIONS with the token", options.Method, options.Header)
		}
	})
	t.Run("come on a connection that the call replaces when it broke", func(t *testing.T) {
		signalingtest.NoLeaks(t)
		opened := server.Opened()
		d := newDialer(t, whip.Options{URL: server.URL})
		if _, err := d.ICEServers(context.Background()); err != nil {
			t.Fatal(err)
		}
		server.DropConnections()
		eventually(t, "the connection is broken", func() bool { return server.Connections() == 0 })
		time.Sleep(20 * time.Millisecond) // for the client to notice, as during gathering
		hangUp(t, dial(t, d))
		if n := server.Opened() - opened; n != 2 {
			t.Errorf("%d connections for OPTIONS and call, want 2", n)
		}
	})
	t.Run("leave no connection when no call follows", func(t *testing.T) {
		signalingtest.NoLeaks(t)
		d := newDialer(t, whip.Options{URL: server.URL})
		if _, err := d.ICEServers(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "no connection is left", func() bool { return server.Connections() == 0 })
	})
	t.Run("may be refused", func(t *testing.T) {
		server := signalingtest.NewWHIP(t, signalingtest.WHIPConfig{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return true
		}})
		_, err := newDialer(t, whip.Options{URL: server.URL}).ICEServers(context.Background())
		var status *signaling.StatusError
		if !errors.As(err, &status) || status.Code != http.StatusMethodNotAllowed {
			t.Errorf("error %v, want a *StatusError with 405", err)
		}
	})
	t.Run("end with the caller's patience", func(t *testing.T) {
		signalingtest.NoLeaks(t)
		arrived := make(chan struct{})
		server := signalingtest.NewWHIP(t, signalingtest.WHIPConfig{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
			close(arrived)
			<-r.Context().Done()
			return true
		}})
		ctx, cancel := context.WithCancel(context.Background())
		go func() { <-arrived; cancel() }()
		_, err := newDialer(t, whip.Options{URL: server.URL}).ICEServers(ctx)
		var exchange *signaling.ExchangeError
		if !errors.As(err, &exchange) || exchange.Kind != signaling.KindCanceled || !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want an *ExchangeError of kind canceled", err)
		}
	})
}
