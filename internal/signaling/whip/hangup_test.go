package whip_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/signaling"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/internal/signaling/whip"
)

// A server may close an idle connection whenever it likes; the session is then
// ended on a new one, which is no part of the call's set-up.
func TestHangupAfterConnectionBroke(t *testing.T) {
	ca := signalingtest.NewCA(t)
	certificate := ca.Valid()
	for name, config := range map[string]signalingtest.WHIPConfig{
		"HTTP":   {},
		"HTTPS":  {Certificate: &certificate},
		"HTTP/2": {Certificate: &certificate, HTTP2: true},
	} {
		t.Run(name, func(t *testing.T) {
			signalingtest.NoLeaks(t)
			server := signalingtest.NewWHIP(t, config)
			trace := &signaling.Trace{Deadlines: patient, RootCAs: ca.Pool()}
			s := dial(t, newDialer(t, whip.Options{URL: server.URL, Trace: trace}))
			server.DropConnections()
			hangUp(t, s)
			if server.Sessions() != 0 || server.Ends() != 1 {
				t.Errorf("%d sessions left after %d ends, want 0 after 1", server.Sessions(), server.Ends())
			}
			if n := len(trace.Hops()); n != 1 {
				t.Errorf("the trace has %d hops, want that of the set-up alone", n)
			}
			eventually(t, "no connection is left", func() bool { return server.Connections() == 0 })
		})
	}
}

// A connection that breaks under the DELETE, or that a middlebox has forgotten
// so that the DELETE gets no reply, is given up for a new one.
func TestHangupIsRetriedOnce(t *testing.T) {
	for name, fail := range map[string]func(r *http.Request){
		"a connection that breaks":     func(*http.Request) { panic(http.ErrAbortHandler) },
		"a connection that is ignored": func(r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name+" once", func(t *testing.T) {
			signalingtest.NoLeaks(t)
			deletes := make(chan *http.Request, 8)
			server := signalingtest.NewWHIP(t, signalingtest.WHIPConfig{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodDelete {
					deletes <- r
					if len(deletes) == 1 {
						fail(r)
						return true
					}
				}
				return false
			}})
			trace := &signaling.Trace{Deadlines: patient}
			trace.Deadlines.Hangup = time.Second
			s := dial(t, newDialer(t, whip.Options{URL: server.URL, Token: "abc", Trace: trace}))
			hangUp(t, s)
			if len(deletes) != 2 || server.Sessions() != 0 || server.Opened() != 2 {
				t.Errorf("%d DELETEs on %d connections left %d sessions, want 2 on 2 and none", len(deletes), server.Opened(), server.Sessions())
			}
			for range len(deletes) {
				if r := <-deletes; r.Header.Get("Authorization") != "Bearer abc" {
					t.Errorf("DELETE with %v, want the token", r.Header)
				}
			}
		})
		t.Run(name+" always", func(t *testing.T) {
			signalingtest.NoLeaks(t)
			deletes := make(chan *http.Request, 8)
			server := signalingtest.NewWHIP(t, signalingtest.WHIPConfig{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodDelete {
					deletes <- r
					fail(r)
					return true
				}
				return false
			}})
			trace := &signaling.Trace{Deadlines: patient}
			trace.Deadlines.Hangup = 400 * time.Millisecond
			s := dial(t, newDialer(t, whip.Options{URL: server.URL, Trace: trace}))
			err := s.Hangup(context.Background())
			var exchange *signaling.ExchangeError
			if !errors.As(err, &exchange) {
				t.Errorf("error %T (%v), want an *ExchangeError", err, err)
			}
			if len(deletes) != 2 {
				t.Errorf("%d DELETEs, want 2", len(deletes))
			}
			eventually(t, "no connection is left", func() bool { return server.Connections() == 0 })
		})
	}
}

func TestHangupAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		ok     bool
	}{
		"200 ends the session":               {200, true},
		"202 ends the session":               {202, true},
		"204 ends the session":               {204, true},
		"404 means that it is gone":          {404, true},
		"410 means that it is gone":          {410, true},
		"307 is not followed":                {307, false},
		"401 leaves it":                      {401, false},
		"405 leaves it":                      {405, false},
		"500 leaves it":                      {500, false},
		"503 leaves it and is not repeated ": {503, false},
	} {
		t.Run(name, func(t *testing.T) {
			signalingtest.NoLeaks(t)
			deletes := make(chan struct{}, 8)
			server := signalingtest.NewWHIP(t, signalingtest.WHIPConfig{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodDelete {
					return false
				}
				deletes <- struct{}{}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				return true
			}})
			s := dial(t, newDialer(t, whip.Options{URL: server.URL}))
			err := s.Hangup(context.Background())
			if c.ok {
				if err != nil {
					t.Errorf("hang-up: %v", err)
				}
			} else {
				var status *signaling.StatusError
				if !errors.As(err, &status) || status.Code != c.status {
					t.Errorf("error %v, want a *StatusError with %d", err, c.status)
				}
			}
			if len(deletes) != 1 {
				t.Errorf("%d DELETEs, want 1", len(deletes))
			}
			select {
			case <-s.Done():
			default:
				t.Error("the session is not done")
			}
			eventually(t, "no connection is left", func() bool { return server.Connections() == 0 })
		})
	}
}

// What a failed clean-up left behind is told by Close.
func TestCloseTellsOfSessionsLeftBehind(t *testing.T) {
	signalingtest.NoLeaks(t)
	server := signalingtest.NewWHIP(t, signalingtest.WHIPConfig{
		Behaviour: signalingtest.Behaviour{Garbage: "empty body"},
		Intercept: func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodDelete {
				return false
			}
			w.WriteHeader(http.StatusInternalServerError)
			return true
		},
	})
	d, err := whip.New(whip.Options{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Dial(context.Background(), signalingtest.Offer); err == nil {
		t.Fatal("dial went well, want an error")
	}
	var status *signaling.StatusError
	if err := d.Close(); !errors.As(err, &status) || status.Code != 500 {
		t.Errorf("close says %v, want the refusal of the DELETE", err)
	}
}

// A call that lasts gives the connection of its set-up back and ends on another.
func TestConnectionOfALongCallIsGivenBack(t *testing.T) {
	t.Parallel()
	server := signalingtest.NewWHIP(t, signalingtest.WHIPConfig{})
	s := dial(t, newDialer(t, whip.Options{URL: server.URL, Trace: &signaling.Trace{Deadlines: patient}}))
	if server.Connections() != 1 {
		t.Errorf("%d connections after the answer, want 1", server.Connections())
	}
	eventually(t, "the connection is given back", func() bool { return server.Connections() == 0 })
	hangUp(t, s)
	if server.Sessions() != 0 || server.Ends() != 1 || server.Opened() != 2 {
		t.Errorf("%d sessions left after %d ends on %d connections, want 0 after 1 on 2", server.Sessions(), server.Ends(), server.Opened())
	}
}
