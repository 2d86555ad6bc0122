package whip_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/earshot-voip/earshot/internal/signaling"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/internal/signaling/whip"
)

// redirector answers every POST with status and a location.
func redirector(t *testing.T, c signalingtest.WHIPConfig, status int, location string) *signalingtest.WHIP {
	t.Helper()
	c.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		if location != "" {
			w.Header().Set("Location", location)
		}
		w.WriteHeader(status)
		return true
	}
	return signalingtest.NewWHIP(t, c)
}

func TestRedirectIsFollowed(t *testing.T) {
	for _, status := range []int{http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		t.Run(fmt.Sprint(status, " to the same origin keeps connection and token"), func(t *testing.T) {
			signalingtest.NoLeaks(t)
			server := signalingtest.NewWHIP(t, signalingtest.WHIPConfig{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/whip" {
					return false
				}
				w.Header().Set("Location", "nodes/5?room=1")
				w.WriteHeader(status)
				return true
			}})
			s := dial(t, newDialer(t, whip.Options{URL: server.URL, Token: "abc"}))
			hangUp(t, s)
			var got []string
			for _, r := range server.Requests() {
				got = append(got, r.Method+" "+r.RequestURI+" "+r.Header.Get("Authorization"))
			}
			want := "POST /whip Bearer abc, POST /nodes/5?room=1 Bearer abc, DELETE /session/1 Bearer abc"
			if strings.Join(got, ", ") != want {
				t.Errorf("requests %s, want %s", strings.Join(got, ", "), want)
			}
			if server.Opened() != 1 {
				t.Errorf("%d connections, want 1", server.Opened())
			}
			if offer := <-server.Offers(); offer != signalingtest.Offer {
				t.Errorf("offer %q after the redirect, want it whole", offer)
			}
		})
		t.Run(fmt.Sprint(status, " to another origin leaves the token behind"), func(t *testing.T) {
			signalingtest.NoLeaks(t)
			other := signalingtest.NewWHIP(t, signalingtest.WHIPConfig{})
			first := redirector(t, signalingtest.WHIPConfig{}, status, strings.Replace(other.URL, "http://", "http://me:pw@", 1))
			trace := &signaling.Trace{Deadlines: patient}
			s := dial(t, newDialer(t, whip.Options{URL: first.URL, Token: "abc", Trace: trace}))
			hangUp(t, s)
			for _, r := range other.Requests() {
				if r.Header.Get("Authorization") != "" {
					t.Errorf("the other origin's %s got %q", r.Method, r.Header.Get("Authorization"))
				}
			}
			if first.Requests()[0].Header.Get("Authorization") != "Bearer abc" || other.Ends() != 1 {
				t.Errorf("token %q to the first origin and %d ends at the other, want the token and 1", first.Requests()[0].Header.Get("Authorization"), other.Ends())
			}
			eventually(t, "the first origin's connection is closed", func() bool { return first.Connections() == 0 })
			if hops := trace.Hops(); len(hops) != 2 {
				t.Errorf("%d hops, want 2", len(hops))
			}
		})
	}
}

func TestRedirectIsRefused(t *testing.T) {
	ca := signalingtest.NewCA(t)
	certificate := ca.Valid()
	secure := signalingtest.WHIPConfig{Certificate: &certificate}
	plain := signalingtest.NewWHIP(t, signalingtest.WHIPConfig{})
	for name, c := range map[string]struct {
		config   signalingtest.WHIPConfig
		status   int
		location string
		want     signaling.Kind
		target   string // as the error names it; * stands for the server
	}{
		"301 may lose the offer":                 {status: 301, location: "/next", want: signaling.KindNotFollowed, target: "*/next"},
		"302 may lose the offer":                 {status: 302, location: "/next", want: signaling.KindNotFollowed, target: "*/next"},
		"303 loses the offer":                    {status: 303, location: "/next?key=s3cret", want: signaling.KindNotFollowed, target: "*/next"},
		"300 leaves the choice open":             {status: 300, want: signaling.KindNotFollowed},
		"304 has no meaning here":                {status: 304, want: signaling.KindNotFollowed},
		"307 without a target":                   {status: 307, want: signaling.KindNoTarget},
		"307 to a broken URL":                    {status: 307, location: "http://[::1/", want: signaling.KindNoTarget},
		"307 to another scheme":                  {status: 307, location: "ftp://127.0.0.1/", want: signaling.KindNoTarget, target: "ftp://127.0.0.1/"},
		"307 to nowhere":                         {status: 307, location: "http:///x", want: signaling.KindNoTarget, target: "http:///x"},
		"307 to itself for ever":                 {status: 307, location: "/whip", want: signaling.KindTooMany, target: "*/whip"},
		"307 from an encrypted to a plain place": {config: secure, status: 307, location: plain.URL, want: signaling.KindDowngrade, target: plain.URL},
	} {
		t.Run(name, func(t *testing.T) {
			signalingtest.NoLeaks(t)
			server := redirector(t, c.config, c.status, c.location)
			trace := &signaling.Trace{Deadlines: patient, RootCAs: ca.Pool()}
			_, err := newDialer(t, whip.Options{URL: server.URL, Trace: trace}).Dial(context.Background(), signalingtest.Offer)
			var redirect *signaling.RedirectError
			if !errors.As(err, &redirect) {
				t.Fatalf("error %T (%v), want a *RedirectError", err, err)
			}
			target := strings.Replace(c.target, "*", strings.TrimSuffix(server.URL, "/whip"), 1)
			if redirect.Kind != c.want || redirect.Code != c.status || redirect.Target != target {
				t.Errorf("%d to %q of kind %q, want %d to %q of kind %q", redirect.Code, redirect.Target, redirect.Kind, c.status, target, c.want)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("error %q tells a secret", err)
			}
			wantPosts := 1
			if c.want == signaling.KindTooMany {
				wantPosts = 6 // the first and five redirects
			}
			if got := len(server.Requests()); got != wantPosts {
				t.Errorf("%d requests, want %d", got, wantPosts)
			}
			eventually(t, "no connection is left", func() bool { return server.Connections() == 0 })
		})
	}
	if n := len(plain.Requests()); n != 0 {
		t.Errorf("the plain place got %d requests, want none", n)
	}
}

// The session may live at another origin than the endpoint: it is ended there,
// with the token that RFC 9725, 4.7 wants, unless that would show the token.
func TestSessionAtAnotherOrigin(t *testing.T) {
	ca := signalingtest.NewCA(t)
	certificate := ca.Valid()
	for name, c := range map[string]struct {
		config signalingtest.WHIPConfig
		want   string
	}{
		"gets the token":                         {signalingtest.WHIPConfig{}, "Bearer abc"},
		"gets no token in clear after HTTPS":     {signalingtest.WHIPConfig{Certificate: &certificate}, ""},
		"gets no token in clear after HTTPS h2 ": {signalingtest.WHIPConfig{Certificate: &certificate, HTTP2: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			signalingtest.NoLeaks(t)
			ended := make(chan string, 1)
			other := signalingtest.NewWHIP(t, signalingtest.WHIPConfig{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
				ended <- r.Method + " " + r.RequestURI + " " + r.Header.Get("Authorization")
				return true
			}})
			c.config.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("Location", strings.Replace(other.URL, "/whip", "/resource/7?x=y", 1))
				w.Header().Set("Content-Type", "Application/SDP; charset=utf-8")
				w.WriteHeader(http.StatusCreated)
				_, _ = w.Write([]byte(signalingtest.Answer))
				return true
			}
			first := signalingtest.NewWHIP(t, c.config)
			trace := &signaling.Trace{Deadlines: patient, RootCAs: ca.Pool()}
			hangUp(t, dial(t, newDialer(t, whip.Options{URL: first.URL, Token: "abc", Trace: trace})))
			if got, want := <-ended, "DELETE /resource/7?x=y "+c.want; got != want {
				t.Errorf("the other origin got %q, want %q", got, want)
			}
			eventually(t, "no connection is left", func() bool { return first.Connections()+other.Connections() == 0 })
		})
	}
}

// A Location that names no session is as bad as none.
func TestUselessLocation(t *testing.T) {
	for _, location := range []string{"http://[::1/", "mailto:me@a.example", "http:///x"} {
		t.Run(location, func(t *testing.T) {
			server := signalingtest.NewWHIP(t, signalingtest.WHIPConfig{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("Location", location)
				w.Header().Set("Content-Type", "application/sdp")
				w.WriteHeader(http.StatusCreated)
				_, _ = w.Write([]byte(signalingtest.Answer))
				return true
			}})
			d, err := whip.New(whip.Options{URL: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			_, err = d.Dial(context.Background(), signalingtest.Offer)
			var answer *signaling.AnswerError
			if !errors.As(err, &answer) || answer.Kind != signaling.KindNoSession {
				t.Errorf("error %v, want an *AnswerError of kind no_session", err)
			}
			if err := d.Close(); err == nil {
				t.Error("close is content, though the session could not be ended")
			}
		})
	}
}
