package farend

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
)

// Edit changes a session description on its way.
type Edit func(sdp string) string

// Replace is an Edit by regular expression, line by line ("(?m)" is set).
func Replace(expression, with string) Edit {
	re := regexp.MustCompile("(?m)" + expression)
	return func(sdp string) string { return re.ReplaceAllString(sdp, with) }
}

// Drop removes the lines that begin with one of the prefixes.
func Drop(prefixes ...string) Edit {
	return func(sdp string) string {
		var kept strings.Builder
		for line := range strings.Lines(sdp) {
			if !beginsWithAny(line, prefixes) {
				kept.WriteString(line)
			}
		}
		return kept.String()
	}
}

func beginsWithAny(line string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(line, p) {
			return true
		}
	}
	return false
}

// Candidates points every candidate, and the default destination, to one
// address.
func Candidates(to netip.AddrPort) Edit {
	edits := []Edit{
		Replace(`^(a=candidate:\S+ \d+ \S+ \d+) \S+ \d+ `, fmt.Sprintf("${1} %s %d ", to.Addr(), to.Port())),
		Replace(`^m=audio \d+ `, fmt.Sprintf("m=audio %d ", to.Port())),
		Replace(`^c=IN IP4 \S+`, fmt.Sprintf("c=IN IP4 %s", to.Addr())),
	}
	return func(sdp string) string {
		for _, e := range edits {
			sdp = e(sdp)
		}
		return sdp
	}
}

// Edits makes one Edit of several. Each of them must find something to change.
func Edits(edits ...Edit) Edit {
	return func(sdp string) string {
		for _, e := range edits {
			before := sdp
			if sdp = e(sdp); sdp == before {
				return unedited
			}
		}
		return sdp
	}
}

// unedited marks a description in which one edit of several found nothing.
const unedited = "edit found nothing"

// Tamper stands between a caller and a real endpoint.
type Tamper struct {
	Offer  Edit // of what is posted
	Answer Edit // of what is answered with 201
	// Before sees each POST first; when it returns true it has answered itself,
	// and the endpoint does not see the request.
	Before func(w http.ResponseWriter, r *http.Request) bool
	// Hold runs with the endpoint's answer in hand, before it goes out.
	Hold func()
}

// Handler puts the tamper in front of an endpoint. An edit that finds nothing
// to change fails the test: it would not test what its name says.
func (c Tamper) Handler(t testing.TB, endpoint http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			endpoint.ServeHTTP(w, r)
			return
		}
		if c.Before != nil && c.Before(w, r) {
			return
		}
		offer, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read the offer: %v", err)
		}
		text := apply(t, "offer", c.Offer, string(offer))
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))

		answered := httptest.NewRecorder()
		endpoint.ServeHTTP(answered, r)
		body := answered.Body.String()
		if answered.Code == http.StatusCreated {
			body = apply(t, "answer", c.Answer, body)
		}
		if c.Hold != nil {
			c.Hold()
		}
		maps.Copy(w.Header(), answered.Header())
		w.WriteHeader(answered.Code)
		_, _ = io.Copy(w, bytes.NewBufferString(body)) // the caller may be gone
	})
}

func apply(t testing.TB, what string, e Edit, sdp string) string {
	if e == nil {
		return sdp
	}
	edited := e(sdp)
	if edited == sdp || edited == unedited {
		t.Errorf("the edit of the %s found nothing to change in:\n%s", what, sdp)
	}
	return edited
}

// Serve serves an endpoint over HTTP on loopback and returns its base URL.
func Serve(t testing.TB, endpoint http.Handler) string {
	t.Helper()
	return serve(t, endpoint, (*httptest.Server).Start)
}

// ServeTLS is Serve over HTTPS with a certificate.
func ServeTLS(t testing.TB, endpoint http.Handler, certificate tls.Certificate) string {
	t.Helper()
	return serve(t, endpoint, func(s *httptest.Server) {
		s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
		s.StartTLS()
	})
}

// ServeOn is Serve on an address, as net.Listen takes it.
func ServeOn(t testing.TB, endpoint http.Handler, address string) string {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, endpoint, func(s *httptest.Server) {
		_ = s.Listener.Close()
		s.Listener = listener
		s.Start()
	})
}

func serve(t testing.TB, endpoint http.Handler, start func(*httptest.Server)) string {
	t.Helper()
	server := httptest.NewUnstartedServer(endpoint)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // broken connections are what tests are about
	start(server)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}
