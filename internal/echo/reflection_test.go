package echo

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/impair"
	"github.com/earshot-voip/earshot/internal/mono"
	"github.com/earshot-voip/earshot/internal/peer"
	"github.com/earshot-voip/earshot/internal/rtpflow"
)

// returned is what came back to a caller.
type returned struct {
	at      time.Duration
	header  rtpflow.Header
	stamp   rtpflow.Stamp
	stamped bool
	payload string
}

type collector struct {
	mu   sync.Mutex
	got  []returned
	more chan struct{}
}

func (c *collector) onRTP(at, _ time.Duration, raw []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := returned{at: at}
	payload, extension, ok := r.header.Parse(raw)
	if !ok {
		return
	}
	r.payload = string(payload)
	r.stamped = r.stamp.Unmarshal(rtpflow.FindExtension(extension, 1))
	c.got = append(c.got, r)
	c.more <- struct{}{}
}

func (c *collector) wait(t *testing.T, n int) []returned {
	t.Helper()
	late := time.After(5 * time.Second)
	for {
		c.mu.Lock()
		got := slices.Clone(c.got)
		c.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-c.more:
		case <-late:
			t.Fatalf("got %d packets back, want %d", len(got), n)
		}
	}
}

// call sets a call up and returns the caller's end of it.
func call(t *testing.T, url string, stamps bool) (*peer.Peer, *collector) {
	t.Helper()
	c := &collector{more: make(chan struct{}, 1000)}
	p := caller(t, peer.Config{Stamps: stamps, OnRTP: c.onRTP})
	created, answer := do(t, "POST", url+"/echo", offerOf(t, p))
	if created.StatusCode != http.StatusCreated {
		t.Fatalf("got %s: %s", created.Status, answer)
	}
	if err := p.Accept(answer); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := p.WaitICE(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := p.WaitDTLS(ctx); err != nil {
		t.Fatal(err)
	}
	return p, c
}

func send(t *testing.T, p *peer.Peer, seq uint16, timestamp uint32, payload string) {
	t.Helper()
	h := rtpflow.Header{SSRC: p.SSRC(), SequenceNumber: seq, Timestamp: timestamp}
	if err := p.WriteRTP(append(h.AppendTo(nil), payload...)); err != nil {
		t.Fatal(err)
	}
}

func TestEchoStampsWhatItReturns(t *testing.T) {
	_, h := serve(t, Config{})
	p, c := call(t, h.URL, true)
	seqs := []uint16{65534, 65535, 1, 0, 1} // 0 comes late, 1 twice
	for i, seq := range seqs {
		send(t, p, seq, uint32(seq)*160, string(rune('a'+i)))
		c.wait(t, i+1)
	}
	got := c.wait(t, len(seqs))
	for i, r := range got {
		if !r.stamped || r.stamp.Sequence != seqs[i] || r.stamp.Index != uint32(i) || r.payload != string(rune('a'+i)) ||
			r.header.Timestamp != uint32(seqs[i])*160 || r.header.SSRC == p.SSRC() {
			t.Errorf("packet %d: got %+v", i, r)
		}
		if i > 0 && r.header.SequenceNumber != got[i-1].header.SequenceNumber+1 {
			t.Errorf("packet %d: sequence number %d does not follow %d", i, r.header.SequenceNumber, got[i-1].header.SequenceNumber)
		}
	}
	last := got[len(got)-1].stamp
	if last.Duplicates != 1 || last.Reordered != 1 || last.Highest != 1 || last.Recent != 0b1111 {
		t.Errorf("got last stamp %+v, want one duplicate, one reordered and four packets seen", last)
	}
}

func TestEchoReflectsToACallerWithoutStamps(t *testing.T) {
	_, h := serve(t, Config{})
	p, c := call(t, h.URL, false)
	for i, seq := range []uint16{100, 101, 103} {
		send(t, p, seq, uint32(seq)*160, "x")
		r := c.wait(t, i+1)[i]
		if r.stamped || r.header.SequenceNumber != seq || r.header.Timestamp != uint32(seq)*160 {
			t.Errorf("got %+v, want sequence number %d and its timestamp unchanged", r, seq)
		}
	}
}

// What the legs add must look like the network to the caller: in the arrival
// time for the uplink, outside of the hold time for the downlink.
func TestStampsSeparateTheNetworkFromTheHost(t *testing.T) {
	delay := func(d time.Duration) impair.Schedule {
		return impair.Schedule{{Profile: impair.Profile{Delay: d}}}
	}
	ended := make(chan Call, 1)
	_, h := serve(t, Config{Up: delay(40 * time.Millisecond), Down: delay(60 * time.Millisecond), Recorded: 10,
		OnEnd: func(c Call) { ended <- c }})
	p, c := call(t, h.URL, true)
	sent := make([]time.Duration, 5)
	for i := range sent {
		sent[i] = mono.Now()
		send(t, p, uint16(i), 0, "x")
		r := c.wait(t, i+1)[i]
		network := r.at - sent[i] - r.stamp.Hold
		if network < 100*time.Millisecond {
			t.Errorf("packet %d: %v there and back without the hold time, the legs alone take 100ms", i, network)
		}
		if r.stamp.Hold < 0 || r.at-sent[i] < network {
			t.Errorf("packet %d: hold time %v", i, r.stamp.Hold)
		}
	}
	_ = p.Close()
	ledger := <-ended
	if ledger.Uplink.Delivered != 5 || ledger.Downlink.Delivered != 5 || len(ledger.Uplink.Packets) != 5 ||
		ledger.Uplink.DelayMean != 0.04 || ledger.Downlink.DelayMean != 0.06 {
		t.Errorf("got ledgers %+v and %+v", ledger.Uplink, ledger.Downlink)
	}
}

// An endpoint that answered packets from anybody could be used against others.
func TestNothingIsReflectedToStrangers(t *testing.T) {
	s, h := serve(t, Config{})
	p, c := call(t, h.URL, true)
	stranger, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(s.MediaAddr()))
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	header := rtpflow.Header{SSRC: p.SSRC(), SequenceNumber: 7}
	packets := [][]byte{
		append(header.AppendTo(nil), "in clear"...),
		{0x81, 200, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		{22, 254, 253, 0, 0},
		[]byte("anything else"),
	}
	for _, packet := range packets {
		if _, err := stranger.Write(packet); err != nil {
			t.Fatal(err)
		}
	}
	// The endpoint reads in order: once it has answered the caller, it has seen
	// what the stranger sent before.
	send(t, p, 8, 0, "x")
	if got := c.wait(t, 1); got[0].stamp.Sequence != 8 || len(got) != 1 {
		t.Errorf("got %+v, want the caller's packet alone", got)
	}
	_ = stranger.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := stranger.Read(make([]byte, 1500)); err == nil {
		t.Errorf("the stranger got %d bytes back", n)
	}
}

func TestTheCallerIsToldOfTheEnd(t *testing.T) {
	ended := make(chan Call, 1)
	_, h := serve(t, Config{MaxDuration: 100 * time.Millisecond, OnEnd: func(c Call) { ended <- c }})
	p, _ := call(t, h.URL, true)
	select {
	case <-p.Done():
	case <-time.After(5 * time.Second):
		t.Fatal("the caller was not told")
	}
	if c := <-ended; c.Ended != tooLong {
		t.Errorf("ended by %q", c.Ended)
	}
}
