package echo

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/impair"
	"github.com/earshot-voip/earshot/internal/media"
	"github.com/earshot-voip/earshot/internal/peer"
	"github.com/earshot-voip/earshot/internal/rtpflow"
)

// sendFrames sends n packets of the codec's clip with rising sequence numbers.
func sendFrames(t *testing.T, p *peer.Peer, first, n int) {
	t.Helper()
	codec := p.Codec()
	for i := first; i < first+n; i++ {
		h := rtpflow.Header{SSRC: p.SSRC(), PayloadType: codec.PayloadType, SequenceNumber: uint16(i), Timestamp: uint32(i) * codec.TicksPerFrame}
		if err := p.WriteRTP(append(h.AppendTo(nil), codec.Clip().Frame(int64(i))...)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConditionsChangeRunningCalls(t *testing.T) {
	s, h := serve(t, Config{Drill: true})
	p, c := call(t, h.URL, true)

	sendFrames(t, p, 0, 3)
	for i, r := range c.wait(t, 3) {
		if want := string(p.Codec().Clip().Frame(int64(i))); r.payload != want {
			t.Errorf("packet %d of a sound endpoint came back with another payload", i)
		}
	}

	if err := s.SetConditions(Conditions{Fault: Silent}); err != nil {
		t.Fatal(err)
	}
	sendFrames(t, p, 3, 3)
	for i, r := range c.wait(t, 6)[3:] {
		if !bytes.Equal([]byte(r.payload), bytes.Repeat([]byte{0xff}, 160)) {
			t.Errorf("packet %d of a silent endpoint came back with % x…", i, r.payload[:4])
		}
	}

	if err := s.SetConditions(Conditions{Down: impair.Profile{Loss: 1}}); err != nil {
		t.Fatal(err)
	}
	sendFrames(t, p, 6, 5)
	waitFor(t, "the lossy packets to be booked", func() bool {
		_, down := s.only().media.ledgers()
		return down.Offered == 11
	})
	if err := s.SetConditions(Conditions{}); err != nil {
		t.Fatal(err)
	}
	sendFrames(t, p, 11, 1)
	got := c.wait(t, 7)
	if len(got) != 7 || got[6].stamp.Sequence != 11 {
		t.Errorf("got %d packets, the last for sequence %d; want 7, and 11: nothing of 6 to 10", len(got), got[6].stamp.Sequence)
	}
	up, down := s.only().media.ledgers()
	if up.Lost != 0 || down.Lost != 5 {
		t.Errorf("the ledgers have %d lost up, %d down; want 0 and 5", up.Lost, down.Lost)
	}
}

// only returns the one session there is.
func (s *Server) only() *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.sessions {
		return one
	}
	return nil
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestConditionsHoldForCallsThatCome(t *testing.T) {
	s, h := serve(t, Config{Drill: true})
	if err := s.SetConditions(Conditions{Fault: Silent}); err != nil {
		t.Fatal(err)
	}
	p, c := call(t, h.URL, true)
	sendFrames(t, p, 0, 1)
	if got := c.wait(t, 1)[0].payload; got != strings.Repeat("\xff", 160) {
		t.Errorf("a call that came later was not silent: % x…", got[:4])
	}
}

func TestBlockedDTLSStopsNewCallsOnly(t *testing.T) {
	s, h := serve(t, Config{Drill: true})
	stands, c := call(t, h.URL, true)
	sendFrames(t, stands, 0, 1)
	c.wait(t, 1) // its handshake is over on both sides
	if err := s.SetConditions(Conditions{Fault: NoDTLS}); err != nil {
		t.Fatal(err)
	}
	sendFrames(t, stands, 1, 1)
	c.wait(t, 2)

	late := caller(t, peer.Config{})
	created, answer := do(t, "POST", h.URL+"/echo", offerOf(t, late))
	if created.StatusCode != http.StatusCreated {
		t.Fatalf("got %s: %s", created.Status, answer)
	}
	if err := late.Accept(answer); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := late.WaitICE(ctx); err != nil {
		t.Fatalf("connectivity checks must pass: %v", err)
	}
	short, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	if _, err := late.WaitDTLS(short); err == nil {
		t.Error("the handshake went through")
	}
}

func TestConditionsOverHTTP(t *testing.T) {
	s, h := serve(t, Config{Drill: true, Token: "let me in"})
	const token = "Bearer let me in"
	for _, row := range []struct {
		name, body, auth string
		status           int
		says             string
	}{
		{"good conditions are taken", `{"up":"loss=5%,burst=2","down":"delay=80ms","fault":"silent"}`, token, 204, ""},
		{"without the token nothing is changed", `{"up":"loss=9%"}`, "", 401, "token"},
		{"an unknown key is refused", `{"upp":"loss=5%"}`, token, 400, "upp"},
		{"an unknown fault is refused by its name", `{"fault":"sulky"}`, token, 400, `"sulky" is not known; hint: use silent or no_dtls`},
		{"a wrong impairment is refused by its key", `{"down":"loss=300%"}`, token, 400, "loss=300% is not between 0 and 100 %"},
		{"what is no JSON is refused", `loss=5%`, token, 400, "invalid character"},
		{"more than one object is refused", `{}{}`, token, 400, "unexpected"},
	} {
		t.Run(row.name, func(t *testing.T) {
			response, body := do(t, "PUT", h.URL+ConditionsPath, row.body, "Authorization", row.auth)
			if response.StatusCode != row.status || !strings.Contains(body, row.says) {
				t.Errorf("got %d %q, want %d and something with %q", response.StatusCode, body, row.status, row.says)
			}
		})
	}
	want := Conditions{Up: impair.Profile{Loss: 0.05, Burst: 2}, Down: impair.Profile{Delay: 80 * time.Millisecond}, Fault: Silent}
	if got := s.Conditions(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	_, body := do(t, "GET", h.URL+ConditionsPath, "", "Authorization", token)
	if want := `{"up":"loss=5%,burst=2","down":"delay=80ms","fault":"silent"}`; strings.TrimSpace(body) != want {
		t.Errorf("got %s, want %s", body, want)
	}
}

func TestOnlyDrillsChangeConditions(t *testing.T) {
	s, h := serve(t, Config{})
	if response, _ := do(t, "PUT", h.URL+ConditionsPath, `{}`); response.StatusCode != http.StatusNotFound {
		t.Errorf("got %s, want 404", response.Status)
	}
	if err := s.SetConditions(Conditions{}); err == nil {
		t.Error("the conditions of an endpoint that is not for drills were changed")
	}
}

func TestSilenceIsAFrame(t *testing.T) {
	for _, name := range media.Names() {
		codec, err := media.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		silence := codec.Silence()
		if _, ours := codec.Clip().Find(silence); ours || len(silence) == 0 {
			t.Errorf("%s: the clip has a silent frame, or there is none", name)
		}
	}
}
