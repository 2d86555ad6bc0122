package farend

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// Mode is what a Pion does with the media it gets.
type Mode uint8

// The modes.
const (
	Reflect Mode = iota // sequence number and timestamp survive
	Rebuild             // the payload survives, under headers of its own
	Silence             // silence comes back in place of the payload
	Noise               // random bytes come back in place of the payload
	Nothing             // nothing comes back
)

// PionConfig says what a far end made of pion/webrtc does.
type PionConfig struct {
	Mode Mode
	// Reports is the interval of its RTCP reports; 0: it sends none.
	Reports time.Duration
	// HangUpAfter ends a call, by DTLS alone, when so many packets have come;
	// 0: never.
	HangUpAfter int
	// Alter, when set, changes what is returned, after the mode.
	Alter Alteration
	// Codec is the MIME type that the answer has first, whatever the offer
	// prefers; "": the offer's first.
	Codec string
}

// Pion answers offers in WHIP's wire form with a PeerConnection of its own for
// each call.
type Pion struct {
	config PionConfig
	api    *webrtc.API

	running sync.WaitGroup

	mu    sync.Mutex
	count int
	calls map[string]*webrtc.PeerConnection
}

// NewPion starts a far end. It is an http.Handler for any path.
func NewPion(t testing.TB, c PionConfig) *Pion {
	t.Helper()
	media := &webrtc.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	interceptors := &interceptor.Registry{}
	if c.Reports > 0 {
		if err := webrtc.ConfigureRTCPReportsWithOptions(interceptors,
			[]report.ReceiverOption{report.ReceiverInterval(c.Reports)}, report.SenderInterval(c.Reports)); err != nil {
			t.Fatal(err)
		}
	}
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetIPFilter(func(ip net.IP) bool { return ip.IsLoopback() })
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	p := &Pion{
		config: c,
		api:    webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(interceptors), webrtc.WithSettingEngine(settings)),
		calls:  map[string]*webrtc.PeerConnection{},
	}
	t.Cleanup(p.close)
	return p
}

// Calls returns how many calls nobody has ended.
func (p *Pion) Calls() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.calls)
}

// ServeHTTP implements http.Handler: POST creates a call, DELETE ends it.
func (p *Pion) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost:
		offer, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		where, answer, err := p.answer(string(offer))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/sdp")
		w.Header().Set("Location", where)
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, answer) // the caller may be gone
	case http.MethodDelete:
		if !p.end(r.URL.Path) {
			http.NotFound(w, r)
		}
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// answer makes a call and returns its path and the answer, all candidates in it.
func (p *Pion) answer(offer string) (where, answer string, err error) {
	mime, err := offeredCodec(offer)
	if err != nil {
		return "", "", err
	}
	if p.config.Codec != "" {
		mime = p.config.Codec
	}
	pc, err := p.api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return "", "", err
	}
	p.mu.Lock()
	p.count++
	where = fmt.Sprintf("/call/%d", p.count)
	p.calls[where] = pc
	p.mu.Unlock()
	if answer, err = p.negotiate(where, pc, mime, offer); err != nil {
		p.end(where)
		return "", "", err
	}
	return where, answer, nil
}

func (p *Pion) negotiate(where string, pc *webrtc.PeerConnection, mime, offer string) (string, error) {
	static, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, "audio", "pion")
	if err != nil {
		return "", err
	}
	back := &rawTrack{TrackLocalStaticRTP: static}
	sender, err := pc.AddTrack(back)
	if err != nil {
		return "", err
	}
	p.running.Go(func() { drain(sender) })
	pc.OnTrack(func(in *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { p.echo(where, in, back) })
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", err
	}
	if err := prefer(pc, mime); err != nil {
		return "", err
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		return "", err
	}
	complete := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(answer); err != nil {
		return "", err
	}
	<-complete
	return pc.LocalDescription().SDP, nil
}

// prefer puts a codec first in the answer. By itself pion keeps the order of its
// own list, whatever the offer prefers.
func prefer(pc *webrtc.PeerConnection, mime string) error {
	for _, transceiver := range pc.GetTransceivers() {
		all := transceiver.Receiver().GetParameters().Codecs
		slices.SortStableFunc(all, func(a, b webrtc.RTPCodecParameters) int {
			first := func(c webrtc.RTPCodecParameters) int {
				if strings.EqualFold(c.MimeType, mime) {
					return 0
				}
				return 1
			}
			return first(a) - first(b)
		})
		if err := transceiver.SetCodecPreferences(all); err != nil {
			return err
		}
	}
	return nil
}

// rawTrack sends packets as they are, whatever their payload type.
type rawTrack struct {
	*webrtc.TrackLocalStaticRTP

	mu   sync.Mutex
	ssrc webrtc.SSRC
	to   webrtc.TrackLocalWriter // nil: not bound
}

// Bind implements webrtc.TrackLocal.
func (r *rawTrack) Bind(c webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	r.mu.Lock()
	r.ssrc, r.to = c.SSRC(), c.WriteStream()
	r.mu.Unlock()
	return r.TrackLocalStaticRTP.Bind(c)
}

// send sends a packet under the track's SSRC. What cannot be sent is lost, as on
// any network.
func (r *rawTrack) send(p *rtp.Packet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.to != nil {
		p.SSRC = uint32(r.ssrc)
		_, _ = r.to.WriteRTP(&p.Header, p.Payload)
	}
}

// offeredCodec is the first audio codec of an offer that pion knows.
func offeredCodec(offer string) (string, error) {
	for line := range strings.Lines(offer) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "a=rtpmap:")
		if !ok {
			continue
		}
		_, format, _ := strings.Cut(rest, " ")
		name, _, _ := strings.Cut(format, "/")
		switch strings.ToLower(name) {
		case "opus":
			return webrtc.MimeTypeOpus, nil
		case "pcmu":
			return webrtc.MimeTypePCMU, nil
		case "pcma":
			return webrtc.MimeTypePCMA, nil
		}
	}
	return "", errors.New("the offer has no codec that this end knows")
}

// drain lets the interceptors see the caller's reports.
func drain(s *webrtc.RTPSender) {
	buffer := make([]byte, 1500)
	for {
		if _, _, err := s.Read(buffer); err != nil {
			return
		}
	}
}

// echo sends back what comes, until the call ends.
func (p *Pion) echo(where string, in *webrtc.TrackRemote, back *rawTrack) {
	rebuilt := rtp.Header{Version: 2, SequenceNumber: uint16(rand.Uint32()), Timestamp: rand.Uint32()}
	alter := func(*rtp.Packet) bool { return true }
	if p.config.Alter != nil {
		alter = p.config.Alter()
	}
	var last uint32
	for n := 1; ; n++ {
		packet, _, err := in.ReadRTP()
		if err != nil {
			return
		}
		if n == p.config.HangUpAfter {
			p.running.Go(func() { p.hangUp(where) })
			return
		}
		if n > 1 {
			rebuilt.Timestamp += packet.Timestamp - last
		}
		rebuilt.SequenceNumber++
		last = packet.Timestamp
		switch p.config.Mode {
		case Nothing:
			continue
		case Rebuild:
			rebuilt.PayloadType = packet.PayloadType
			packet.Header = rebuilt
		case Silence:
			for i := range packet.Payload {
				packet.Payload[i] = 0xff // silence in PCMU
			}
		case Noise:
			for i := range packet.Payload {
				packet.Payload[i] = byte(rand.Uint32())
			}
		}
		if alter(packet) {
			back.send(packet)
		}
	}
}

// hangUp closes the connection; the call stays in the books until its caller
// ends it by signalling.
func (p *Pion) hangUp(where string) {
	p.mu.Lock()
	pc := p.calls[where]
	p.mu.Unlock()
	if pc != nil {
		_ = pc.GracefulClose()
	}
}

func (p *Pion) end(where string) bool {
	p.mu.Lock()
	pc := p.calls[where]
	delete(p.calls, where)
	p.mu.Unlock()
	if pc == nil {
		return false
	}
	_ = pc.GracefulClose()
	return true
}

func (p *Pion) close() {
	p.mu.Lock()
	var left []string
	for where := range p.calls {
		left = append(left, where)
	}
	p.mu.Unlock()
	for _, where := range left {
		p.end(where)
	}
	p.running.Wait()
}
