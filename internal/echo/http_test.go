package echo

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/iceserver"
	"github.com/earshot-voip/earshot/internal/media"
	"github.com/earshot-voip/earshot/internal/peer"
)

// serve starts an endpoint on loopback and ends it with the test.
func serve(t *testing.T, c Config) (*Server, *httptest.Server) {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		h.Close()
	})
	return s, h
}

func caller(t *testing.T, c peer.Config) *peer.Peer {
	t.Helper()
	codec, err := media.Lookup("pcmu")
	if err != nil {
		t.Fatal(err)
	}
	c.Codecs = []media.Codec{codec}
	c.Loopback, c.DSCP = true, -1
	p, err := peer.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func offerOf(t *testing.T, p *peer.Peer) string {
	t.Helper()
	offer, err := p.Offer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return offer
}

// do sends a request and returns the response with its body read.
func do(t *testing.T, method, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/sdp")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

func TestACallIsCreatedAndDeleted(t *testing.T) {
	s, h := serve(t, Config{ICEServers: []iceserver.Server{
		{URL: "stun:stun.example.net"}, {URL: "turn:turn.example.net?transport=udp", Username: "user", Password: `pass"word`},
	}})
	created, answer := do(t, "POST", h.URL+"/echo", offerOf(t, caller(t, peer.Config{})))
	if created.StatusCode != http.StatusCreated || created.Header.Get("Content-Type") != "application/sdp" {
		t.Fatalf("got %s, %s: %s", created.Status, created.Header.Get("Content-Type"), answer)
	}
	if !strings.HasPrefix(answer, "v=0\r\n") || !strings.Contains(answer, "a=setup:active\r\n") {
		t.Errorf("got answer\n%s", answer)
	}
	links := created.Header.Values("Link")
	want := []string{`<stun:stun.example.net>; rel="ice-server"`,
		`<turn:turn.example.net?transport=udp>; rel="ice-server"; username="user"; credential="pass\"word"; credential-type="password"`}
	if strings.Join(links, "\n") != strings.Join(want, "\n") {
		t.Errorf("got Link %q, want %q", links, want)
	}
	location := h.URL + created.Header.Get("Location")
	if patched, _ := do(t, "PATCH", location, "a=candidate:x"); patched.StatusCode != http.StatusMethodNotAllowed || patched.Header.Get("Allow") != "DELETE" {
		t.Errorf("PATCH: got %s, Allow %q; trickle ICE is not supported and RFC 9725 asks for 405", patched.Status, patched.Header.Get("Allow"))
	}
	if s.Calls() != 1 {
		t.Errorf("got %d calls, want 1", s.Calls())
	}
	if deleted, _ := do(t, "DELETE", location, ""); deleted.StatusCode != http.StatusOK {
		t.Errorf("DELETE: got %s", deleted.Status)
	}
	if s.Calls() != 0 {
		t.Errorf("got %d calls after DELETE, want 0", s.Calls())
	}
	if again, _ := do(t, "DELETE", location, ""); again.StatusCode != http.StatusNotFound {
		t.Errorf("second DELETE: got %s, want 404", again.Status)
	}
}

func TestRefusals(t *testing.T) {
	_, h := serve(t, Config{})
	offer := offerOf(t, caller(t, peer.Config{}))
	for name, row := range map[string]struct {
		method, path, body string
		header             []string
		want               int
	}{
		"another path":         {"POST", "/other", offer, nil, http.StatusNotFound},
		"GET":                  {"GET", "/echo", "", nil, http.StatusMethodNotAllowed},
		"PATCH without a call": {"PATCH", "/echo/unknown", "x", nil, http.StatusMethodNotAllowed},
		"DELETE of no call":    {"DELETE", "/echo/unknown", "", nil, http.StatusNotFound},
		"another content type": {"POST", "/echo", offer, []string{"Content-Type", "text/plain"}, http.StatusUnsupportedMediaType},
		"no SDP":               {"POST", "/echo", "<html>", nil, http.StatusBadRequest},
		"an offer too large":   {"POST", "/echo", offer + strings.Repeat("a=x\r\n", maxOffer/5), nil, http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			response, text := do(t, row.method, h.URL+row.path, row.body, row.header...)
			if response.StatusCode != row.want {
				t.Errorf("got %s: %s, want %d", response.Status, text, row.want)
			}
		})
	}
}

func TestAnOfferOfAnUnknownCodecIsUnprocessable(t *testing.T) {
	_, h := serve(t, Config{})
	offer := offerOf(t, caller(t, peer.Config{}))
	offer = strings.NewReplacer("SAVPF 0 ", "SAVPF 96 ", "rtpmap:0 PCMU/8000", "rtpmap:96 G729/8000").Replace(offer)
	if response, text := do(t, "POST", h.URL+"/echo", offer); response.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("got %s: %s, want 422", response.Status, text)
	}
}

func TestToken(t *testing.T) {
	_, h := serve(t, Config{Token: "secret"})
	offer := offerOf(t, caller(t, peer.Config{}))
	for name, authorization := range map[string]string{
		"none": "", "another token": "Bearer wrong", "another scheme": "Basic secret", "a part of it": "Bearer secre",
	} {
		response, _ := do(t, "POST", h.URL+"/echo", offer, "Authorization", authorization)
		if response.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(response.Header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s: got %s", name, response.Status)
		}
	}
	created, _ := do(t, "POST", h.URL+"/echo", offer, "Authorization", "Bearer secret")
	if created.StatusCode != http.StatusCreated {
		t.Fatalf("with the token: got %s", created.Status)
	}
	location := h.URL + created.Header.Get("Location")
	if response, _ := do(t, "DELETE", location, ""); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("DELETE without the token: got %s", response.Status)
	}
	if response, _ := do(t, "OPTIONS", h.URL+"/echo", ""); response.StatusCode != http.StatusNoContent || response.Header.Get("Accept-Post") != "application/sdp" {
		t.Errorf("OPTIONS: got %s", response.Status)
	}
}

func TestLimits(t *testing.T) {
	for name, row := range map[string]struct {
		config Config
		want   int
	}{
		"calls at once":               {Config{MaxCalls: 1}, http.StatusServiceUnavailable},
		"calls at once from one host": {Config{MaxCallsPerHost: 1}, http.StatusTooManyRequests},
	} {
		t.Run(name, func(t *testing.T) {
			s, h := serve(t, row.config)
			offer := offerOf(t, caller(t, peer.Config{}))
			first, _ := do(t, "POST", h.URL+"/echo", offer)
			second, text := do(t, "POST", h.URL+"/echo", offer)
			if second.StatusCode != row.want || second.Header.Get("Retry-After") == "" {
				t.Errorf("got %s (Retry-After %q): %s, want %d", second.Status, second.Header.Get("Retry-After"), text, row.want)
			}
			do(t, "DELETE", h.URL+first.Header.Get("Location"), "")
			third, _ := do(t, "POST", h.URL+"/echo", offer)
			if third.StatusCode != http.StatusCreated || s.Calls() != 1 {
				t.Errorf("after the first ended: got %s", third.Status)
			}
		})
	}
}

// A caller that offers and never connects must not hold its place forever.
func TestACallThatNeverConnectsEnds(t *testing.T) {
	ended := make(chan Call, 1)
	s, h := serve(t, Config{SetupTimeout: 50 * time.Millisecond, OnEnd: func(c Call) { ended <- c }})
	do(t, "POST", h.URL+"/echo", offerOf(t, caller(t, peer.Config{})))
	select {
	case call := <-ended:
		if !strings.Contains(call.Ended, "in time") {
			t.Errorf("ended by %q", call.Ended)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the call is still there")
	}
	if err := s.Close(t.Context()); err != nil || s.Calls() != 0 {
		t.Errorf("got %d calls (%v), want 0", s.Calls(), err)
	}
}

func TestAnswerOffersTheAddressThatTheCallerReached(t *testing.T) {
	_, h := serve(t, Config{Media: netip.MustParseAddrPort("0.0.0.0:0")})
	_, answer := do(t, "POST", h.URL+"/echo", offerOf(t, caller(t, peer.Config{})))
	if got := strings.Count(answer, "a=candidate:"); got != 1 || !strings.Contains(answer, " 127.0.0.1 ") {
		t.Errorf("got %d candidates, want the one on 127.0.0.1:\n%s", got, answer)
	}
	_, h = serve(t, Config{PublicAddress: netip.MustParseAddr("192.0.2.7")})
	_, answer = do(t, "POST", h.URL+"/echo", offerOf(t, caller(t, peer.Config{})))
	if got := strings.Count(answer, "a=candidate:"); got != 1 || !strings.Contains(answer, " 192.0.2.7 ") {
		t.Errorf("got %d candidates, want the public one:\n%s", got, answer)
	}
}
