package peer

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/earshot-voip/earshot/internal/media"
	"github.com/earshot-voip/earshot/internal/udp"
)

var pcmu = media.Codec{Name: "PCMU", PayloadType: 0, ClockRate: 8000, Channels: 1, Frame: 20 * time.Millisecond}
var opus = media.Codec{Name: "opus", PayloadType: 111, ClockRate: 48000, Channels: 2, Frame: 20 * time.Millisecond}

// inbox collects the packets that a peer hands on.
type inbox struct {
	mu   sync.Mutex
	rtp  [][]byte
	more chan struct{}
}

func newInbox() *inbox { return &inbox{more: make(chan struct{}, 1000)} }

func (b *inbox) onRTP(_, _ time.Duration, raw []byte) {
	b.mu.Lock()
	b.rtp = append(b.rtp, append([]byte(nil), raw...))
	b.mu.Unlock()
	b.more <- struct{}{}
}

func (b *inbox) wait(t *testing.T, n int) [][]byte {
	t.Helper()
	deadline := time.After(5 * time.Second)
	for {
		b.mu.Lock()
		got, all := len(b.rtp), slices.Clone(b.rtp)
		b.mu.Unlock()
		if got >= n {
			return all
		}
		select {
		case <-b.more:
		case <-deadline:
			t.Fatalf("got %d packets, want %d", got, n)
		}
	}
}

func newPeer(t *testing.T, c Config) *Peer {
	t.Helper()
	if c.Codecs == nil {
		c.Codecs = []media.Codec{pcmu}
	}
	c.Loopback = true
	c.DSCP = -1
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// establish runs the steps of both ends up to DTLS.
func establish(t *testing.T, a, b *Peer) (Route, DTLSInfo, DTLSInfo) {
	t.Helper()
	ctx := testContext(t)
	offer, err := a.Offer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := b.Answer(ctx, offer)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Accept(answer); err != nil {
		t.Fatal(err)
	}
	answered := make(chan DTLSInfo, 1)
	go func() {
		if _, err := b.WaitICE(ctx); err != nil {
			t.Error(err)
		}
		info, err := b.WaitDTLS(ctx)
		if err != nil {
			t.Error(err)
		}
		answered <- info
	}()
	route, err := a.WaitICE(ctx)
	if err != nil {
		t.Fatal(err)
	}
	info, err := a.WaitDTLS(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return route, info, <-answered
}

func packet(t *testing.T, ssrc uint32, seq uint16, payload string) []byte {
	t.Helper()
	raw, err := (&rtp.Packet{Header: rtp.Header{Version: 2, SSRC: ssrc, SequenceNumber: seq}, Payload: []byte(payload)}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestTwoPeersExchangeMedia(t *testing.T) {
	port, err := ListenPort(netip.MustParseAddrPort("127.0.0.1:0"), udp.Config{DSCP: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	boxA, boxB := newInbox(), newInbox()
	a := newPeer(t, Config{OnRTP: boxA.onRTP, Stamps: true, Codecs: []media.Codec{opus, pcmu}})
	b := newPeer(t, Config{OnRTP: boxB.onRTP, Stamps: true, Port: port})
	route, infoA, infoB := establish(t, a, b)

	if route.Remote.Address != port.Addr() || route.Local.Type != "host" || route.Relayed {
		t.Errorf("got route %+v, want a direct one to %v", route, port.Addr())
	}
	if infoA.Client || !infoB.Client || infoA.Profile != "SRTP_AEAD_AES_128_GCM" || infoB.Profile != infoA.Profile {
		t.Errorf("got %+v and %+v, want the answerer as client and AES-GCM", infoA, infoB)
	}
	if a.Codec().Name != "PCMU" || b.Codec().Name != "PCMU" {
		t.Errorf("got codecs %v and %v, want the common one", a.Codec(), b.Codec())
	}
	if a.StampID() == 0 || a.StampID() != b.StampID() {
		t.Errorf("got stamp ids %d and %d, want the same", a.StampID(), b.StampID())
	}
	if a.RemoteSSRC() != b.SSRC() || b.RemoteSSRC() != a.SSRC() {
		t.Error("declared SSRCs differ from those used")
	}
	for i := range uint16(20) {
		if err := a.WriteRTP(packet(t, a.SSRC(), i, "from a")); err != nil {
			t.Fatal(err)
		}
		if err := b.WriteRTP(packet(t, b.SSRC(), i, "from b")); err != nil {
			t.Fatal(err)
		}
	}
	for i, raw := range boxB.wait(t, 20) {
		if seq := binary.BigEndian.Uint16(raw[2:]); int(seq) != i || string(raw[12:]) != "from a" {
			t.Fatalf("packet %d: got sequence number %d, payload %q", i, seq, raw[12:])
		}
	}
	boxA.wait(t, 20)
}

func TestCloseTellsTheFarEnd(t *testing.T) {
	a, b := newPeer(t, Config{}), newPeer(t, Config{})
	establish(t, a, b)
	if err := a.Err(); err != nil {
		t.Fatalf("got %v before the end, want nil", err)
	}
	_ = b.Close()
	select {
	case <-a.Done():
	case <-time.After(3 * time.Second):
		t.Fatal("close_notify did not arrive")
	}
	if !errors.Is(a.Err(), ErrRemoteClosed) {
		t.Errorf("got %v, want ErrRemoteClosed", a.Err())
	}
	if err := b.WriteRTP(packet(t, 1, 1, "late")); !errors.Is(err, ErrNotReady) {
		t.Errorf("sending after Close: got %v, want ErrNotReady", err)
	}
}

func TestWriteRTPDoesNotAllocate(t *testing.T) {
	a, b := newPeer(t, Config{}), newPeer(t, Config{})
	establish(t, a, b)
	raw := packet(t, a.SSRC(), 1, string(make([]byte, 160)))
	if allocs := testing.AllocsPerRun(200, func() {
		if err := a.WriteRTP(raw); err != nil {
			t.Fatal(err)
		}
	}); allocs > 0 {
		t.Errorf("WriteRTP allocates %v times", allocs)
	}
}

// plainPion is an endpoint that this project did not write.
func plainPion(t *testing.T) (*webrtc.PeerConnection, *webrtc.TrackLocalStaticRTP, chan []byte) {
	t.Helper()
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	engine := &webrtc.MediaEngine{}
	if err := engine.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(settings), webrtc.WithMediaEngine(engine)).
		NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.GracefulClose() })
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMU, ClockRate: 8000}, "audio", "far")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pc.AddTrack(track); err != nil {
		t.Fatal(err)
	}
	got := make(chan []byte, 100)
	pc.OnTrack(func(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			p, _, err := remote.ReadRTP()
			if err != nil {
				return
			}
			got <- p.Payload
		}
	})
	return pc, track, got
}

func localDescription(t *testing.T, pc *webrtc.PeerConnection, d webrtc.SessionDescription) string {
	t.Helper()
	complete := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(d); err != nil {
		t.Fatal(err)
	}
	<-complete
	return pc.LocalDescription().SDP
}

func exchange(t *testing.T, ours *Peer, box *inbox, track *webrtc.TrackLocalStaticRTP, got chan []byte) {
	t.Helper()
	ctx := testContext(t)
	if _, err := ours.WaitICE(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := ours.WaitDTLS(ctx); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	received, sent := false, uint16(0)
	for !received || len(box.wait(t, 0)) == 0 {
		select {
		case payload := <-got:
			received = true
			if string(payload) != "ours" {
				t.Fatalf("far end got %q", payload)
			}
		case <-tick.C:
			sent++
			if err := ours.WriteRTP(packet(t, ours.SSRC(), sent, "ours")); err != nil {
				t.Fatal(err)
			}
			if err := track.WriteRTP(&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: sent}, Payload: []byte("theirs")}); err != nil {
				t.Fatal(err)
			}
		case <-ctx.Done():
			t.Fatalf("no media: far end received %v, this end %d packets", received, len(box.wait(t, 0)))
		}
	}
	if raw := box.wait(t, 1)[0]; string(raw[12:]) != "theirs" {
		t.Errorf("got payload %q, want theirs", raw[12:])
	}
}

func TestOfferToAnotherImplementation(t *testing.T) {
	box := newInbox()
	ours := newPeer(t, Config{OnRTP: box.onRTP, Stamps: true})
	pc, track, got := plainPion(t)
	offer, err := ours.Offer(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		t.Fatalf("offer refused: %v\n%s", err, offer)
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := ours.Accept(localDescription(t, pc, answer)); err != nil {
		t.Fatal(err)
	}
	if ours.StampID() != 0 {
		t.Error("stamps count as negotiated with a far end that does not know them")
	}
	exchange(t, ours, box, track, got)
}

func TestAnswerAnotherImplementation(t *testing.T) {
	box := newInbox()
	ours := newPeer(t, Config{OnRTP: box.onRTP, Stamps: true})
	pc, track, got := plainPion(t)
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := ours.Answer(testContext(t), localDescription(t, pc, offer))
	if err != nil {
		t.Fatal(err)
	}
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		t.Fatalf("answer refused: %v\n%s", err, answer)
	}
	exchange(t, ours, box, track, got)
}

// The far end is through with DTLS half a round trip before this side and may
// send at once.
func TestMediaThatComesBeforeTheKeysIsNotLost(t *testing.T) {
	box := newInbox()
	a := newPeer(t, Config{})
	b := newPeer(t, Config{OnRTP: box.onRTP})
	establish(t, a, b)
	early := newPeer(t, Config{OnRTP: box.onRTP})
	early.session.out, early.session.in = b.session.out, b.session.in // the keys are agreed on, but not released yet
	early.session.plain = make([]byte, 0, usualPacket)
	sealed, err := a.session.out.EncryptRTP(nil, packet(t, a.SSRC(), 1, "early"), nil)
	if err != nil {
		t.Fatal(err)
	}
	early.receive(5, 6, sealed)
	if got := early.Stats().EarlyPackets; got != 1 {
		t.Errorf("got %d early packets, want 1", got)
	}
	early.release()
	if raw := box.wait(t, 1)[0]; string(raw[12:]) != "early" {
		t.Errorf("got %q", raw[12:])
	}
}

func TestMediaOverIPv6Loopback(t *testing.T) {
	port, err := ListenPort(netip.MustParseAddrPort("[::1]:0"), udp.Config{DSCP: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	box := newInbox()
	a := newPeer(t, Config{OnRTP: box.onRTP})
	b := newPeer(t, Config{Port: port})
	route, _, _ := establish(t, a, b)
	if route.Remote.Address != port.Addr() || !route.Local.Address.Addr().Is6() {
		t.Errorf("got route %+v, want one to %v", route, port.Addr())
	}
	if err := b.WriteRTP(packet(t, b.SSRC(), 1, "six")); err != nil {
		t.Fatal(err)
	}
	box.wait(t, 1)
}
