package janus_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/signaling"
	"github.com/earshot-voip/earshot/internal/signaling/janus"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
)

// patience bounds what a test waits for. It is reached by broken code only.
const patience = 20 * time.Second

// transports are both ways to a gateway.
func transports(g *signalingtest.Janus) map[string]string {
	return map[string]string{"HTTP": g.HTTP, "WebSocket": g.WebSocket}
}

func dial(t *testing.T, o janus.Options) (signaling.Dialer, signaling.Session, error) {
	t.Helper()
	d, err := janus.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	s, err := d.Dial(t.Context(), signalingtest.Offer)
	if err == nil {
		t.Cleanup(func() { _ = s.Hangup(context.Background()) })
	}
	return d, s, err
}

func waitEnded(t *testing.T, s signaling.Session) *signaling.EndedError {
	t.Helper()
	select {
	case <-s.Done():
	case <-time.After(patience):
		t.Fatal("the session does not end")
	}
	var ended *signaling.EndedError
	if !errors.As(s.Err(), &ended) {
		t.Fatalf("ended with %T (%v), want an *EndedError", s.Err(), s.Err())
	}
	return ended
}

func TestAnAnswerMayComeBeforeTheAck(t *testing.T) {
	g := signalingtest.NewJanus(t, signalingtest.JanusConfig{AnswerFirst: true})
	for name, url := range transports(g) {
		t.Run(name, func(t *testing.T) {
			_, s, err := dial(t, janus.Options{URL: url})
			if err != nil {
				t.Fatal(err)
			}
			if s.Answer() != signalingtest.Answer {
				t.Errorf("got %q", s.Answer())
			}
		})
	}
}

// The EchoTest takes Opus wherever it is offered, unless it is told otherwise.
func TestTheGatewayIsToldWhichCodecIsWanted(t *testing.T) {
	g := signalingtest.NewJanus(t, signalingtest.JanusConfig{})
	all := strings.Replace(signalingtest.Offer, "SAVPF 0", "SAVPF 111 8 0", 1) +
		"a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:111 opus/48000/2\r\n"
	for want, offer := range map[string]string{
		"opus": all,
		"pcma": strings.Replace(all, "SAVPF 111 8 0", "SAVPF 8 111 0", 1),
		"pcmu": strings.Replace(all, "SAVPF 111 8 0", "SAVPF 0", 1),
		"":     signalingtest.Offer, // it names none
	} {
		d, err := janus.New(janus.Options{URL: g.WebSocket})
		if err != nil {
			t.Fatal(err)
		}
		s, err := d.Dial(t.Context(), offer)
		if err != nil {
			t.Fatal(err)
		}
		if got := <-g.Codecs(); got != want {
			t.Errorf("the gateway is asked for %q, want %q", got, want)
		}
		if err := errors.Join(s.Hangup(t.Context()), d.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestSecretsGoWithEveryRequestAndIntoNoError(t *testing.T) {
	g := signalingtest.NewJanus(t, signalingtest.JanusConfig{Secret: "s3cret", Token: "t0ken"})
	for name, url := range transports(g) {
		t.Run(name, func(t *testing.T) {
			_, s, err := dial(t, janus.Options{URL: url, Secret: "s3cret", Token: "t0ken"})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Hangup(t.Context()); err != nil {
				t.Error(err)
			}
			if g.Sessions() != 0 {
				t.Error("a session is left")
			}
			_, _, err = dial(t, janus.Options{URL: url, Secret: "wr0ng", Token: "gu3ss"})
			var status *signaling.StatusError
			if !errors.As(err, &status) || status.Code != 403 || !strings.HasPrefix(status.Reason, "Unauthorized request") {
				t.Errorf("got %v, want the gateway's 403", err)
			}
			if strings.Contains(fmt.Sprint(err), "wr0ng") || strings.Contains(fmt.Sprint(err), "gu3ss") {
				t.Errorf("the error gives a secret away: %v", err)
			}
		})
	}
}

func TestTheEndOfASessionIsNoticed(t *testing.T) {
	for _, row := range []struct {
		name   string
		cause  func(*signalingtest.Janus)
		reason string
	}{
		{"a hang-up with its reason", (*signalingtest.Janus).HangUp, "hangup, DTLS alert"},
		{"a session that was forgotten", (*signalingtest.Janus).ForgetSessions, "the gateway forgot the session"},
		{"a gateway that died", (*signalingtest.Janus).Die, "the connection to the gateway broke"},
	} {
		for _, transport := range []string{"HTTP", "WebSocket"} {
			t.Run(row.name+" over "+transport, func(t *testing.T) {
				g := signalingtest.NewJanus(t, signalingtest.JanusConfig{})
				_, s, err := dial(t, janus.Options{URL: transports(g)[transport]})
				if err != nil {
					t.Fatal(err)
				}
				row.cause(g)
				if ended := waitEnded(t, s); ended.Reason != row.reason {
					t.Errorf("ended for %q, want %q", ended.Reason, row.reason)
				}
			})
		}
	}
}

// A gateway that vanished without a word, as behind a NAT that forgot the
// connection, answers no pings.
func TestASilentSocketIsNoticed(t *testing.T) {
	g := signalingtest.NewJanus(t, signalingtest.JanusConfig{})
	front := newFreezer(t, strings.TrimPrefix(g.WebSocket, "janus+ws://"))
	_, s, err := dial(t, janus.Options{URL: "janus+ws://" + front.address, KeepAlive: 50 * time.Millisecond,
		Trace: &signaling.Trace{Deadlines: signaling.Deadlines{Hangup: 300 * time.Millisecond}}})
	if err != nil {
		t.Fatal(err)
	}
	close(front.frozen)
	if ended := waitEnded(t, s); ended.Err == nil || !strings.Contains(ended.Err.Error(), "did not answer a ping within 50ms") {
		t.Errorf("ended with %v", ended.Err)
	}
}

// freezer passes bytes on until it is frozen, and then holds them.
type freezer struct {
	address string
	frozen  chan struct{}
}

func newFreezer(t *testing.T, to string) *freezer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &freezer{address: l.Addr().String(), frozen: make(chan struct{})}
	t.Cleanup(func() { l.Close() })
	pass := func(from, to net.Conn) {
		buffer := make([]byte, 4096)
		for {
			n, err := from.Read(buffer)
			select {
			case <-f.frozen:
				<-t.Context().Done()
			default:
			}
			if err != nil {
				_ = to.Close() // it is the end either way
				return
			}
			_, _ = to.Write(buffer[:n]) // the reader sees the end
		}
	}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				return
			}
			go pass(in, out)
			go pass(out, in)
		}
	}()
	return f
}

func TestASessionOverWebSocketIsKeptAlive(t *testing.T) {
	g := signalingtest.NewJanus(t, signalingtest.JanusConfig{})
	_, s, err := dial(t, janus.Options{URL: g.WebSocket, SessionKeepAlive: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		alive := 0
		for _, m := range g.Heard() {
			if m["janus"] == "keepalive" && m["session_id"] != nil {
				alive++
			}
		}
		if alive >= 3 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("heard of the session %d times", alive)
		}
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNoGatewayIsToldByItsStatus(t *testing.T) {
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "17")
		http.Error(w, "<h1>busy</h1>", http.StatusServiceUnavailable)
	}))
	t.Cleanup(busy.Close)
	moved := httptest.NewServer(http.RedirectHandler("https://elsewhere.example/", http.StatusMovedPermanently))
	t.Cleanup(moved.Close)
	for _, row := range []struct {
		name, url string
		is        func(error) bool
	}{
		{"a busy proxy before HTTP", "janus+" + busy.URL, func(err error) bool {
			var s *signaling.StatusError
			return errors.As(err, &s) && s.Code == 503 && s.RetryAfter == 17*time.Second
		}},
		{"a busy proxy before WebSocket", "janus+ws" + strings.TrimPrefix(busy.URL, "http"), func(err error) bool {
			var s *signaling.StatusError
			return errors.As(err, &s) && s.Code == 503
		}},
		{"a redirect of HTTP", "janus+" + moved.URL, func(err error) bool {
			var r *signaling.RedirectError
			return errors.As(err, &r) && r.Code == 301
		}},
		{"a redirect of WebSocket", "janus+ws" + strings.TrimPrefix(moved.URL, "http"), func(err error) bool {
			var r *signaling.RedirectError
			return errors.As(err, &r) && r.Code == 301
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, _, err := dial(t, janus.Options{URL: row.url}); !row.is(err) {
				t.Errorf("got %T: %v", err, err)
			}
		})
	}
}

// A gateway that takes the request for a session and says nothing may have made
// one, which nobody can end without its id.
func TestASessionThatIsNotAnsweredMayStayBehind(t *testing.T) {
	over := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	t.Cleanup(func() { close(over); silent.Close() })
	deadlines := signaling.Deadlines{Answer: 200 * time.Millisecond, Hangup: 200 * time.Millisecond}
	d, _, err := dial(t, janus.Options{URL: "janus+" + silent.URL, Trace: &signaling.Trace{Deadlines: deadlines}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	if err := d.Close(); err == nil || !strings.Contains(err.Error(), "a session may have stayed behind until the gateway forgets it") {
		t.Errorf("close says %v, want that a session may have stayed", err)
	}
}
