// Package baseline is the call that Earshot is compared with: the same one,
// written plainly on pion's defaults. One PeerConnection with the default
// interceptors and one socket for each call, a time.Ticker that sends, a
// goroutine that reads the track.
//
// What is not default is what the comparison needs: loopback candidates and
// nothing else, and PCMU as the only codec.
package baseline

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"

	"github.com/earshot-voip/earshot/internal/mono"
	"github.com/earshot-voip/earshot/internal/rtpflow"
)

// Target is whom to call.
type Target struct {
	URL      string // of an offer/answer endpoint in WHIP's wire form
	Roots    *x509.CertPool
	Duration time.Duration // of the media

	// OnReady is called when the call is connected, before it sends; media
	// waits for it. OnEnd is called when it has talked; hanging up waits for it.
	OnReady, OnEnd func()
}

// Result is what came of a call.
type Result struct {
	FirstMedia     time.Duration // from the start to the first echoed packet; 0: none came
	Sent, Returned int64
	Noise          rtpflow.Quantiles // from the kernel's receive time until the application has the packet
}

// frame is the audio of one packet.
const frame = 20 * time.Millisecond

// Place places a call over an API of NewAPI.
func Place(ctx context.Context, api *API, t Target) (*Result, error) {
	began := mono.Now()
	connection, err := api.webrtc.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, err
	}
	c := &call{connection: connection, api: api, connected: make(chan struct{}), lost: make(chan struct{})}
	defer c.close()
	if err := c.dial(ctx, t); err != nil {
		return nil, err
	}
	if t.OnReady != nil {
		t.OnReady()
	}
	if err := c.talk(ctx, t.Duration); err != nil {
		return nil, err
	}
	if t.OnEnd != nil {
		t.OnEnd()
	}
	c.close()
	result := &Result{Sent: c.sent, Returned: c.returned, Noise: c.noise.Quantiles()}
	if c.firstAt > 0 {
		result.FirstMedia = c.firstAt - began
	}
	return result, nil
}

type call struct {
	connection *webrtc.PeerConnection
	api        *API
	track      *webrtc.TrackLocalStaticSample
	resource   string
	client     *http.Client
	connected  chan struct{}
	lost       chan struct{}
	readers    sync.WaitGroup
	closing    sync.Once
	measuring  atomic.Bool
	sent       int64

	// Of the goroutine that reads the track, until it is joined.
	returned int64
	firstAt  time.Duration
	noise    rtpflow.Histogram
}

// dial sets the call up, until its PeerConnection is connected.
func (c *call) dial(ctx context.Context, t Target) error {
	pcmu := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMU, ClockRate: 8000}
	var err error
	if c.track, err = webrtc.NewTrackLocalStaticSample(pcmu, "audio", "baseline"); err != nil {
		return err
	}
	transceiver, err := c.connection.AddTransceiverFromTrack(c.track)
	if err != nil {
		return err
	}
	if err := transceiver.SetCodecPreferences([]webrtc.RTPCodecParameters{{RTPCodecCapability: pcmu, PayloadType: 0}}); err != nil {
		return err
	}
	c.readers.Go(func() {
		buffer := make([]byte, 1500)
		for {
			if _, _, err := transceiver.Sender().Read(buffer); err != nil {
				return
			}
		}
	})
	c.connection.OnTrack(func(in *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		c.readers.Add(1)
		defer c.readers.Done()
		c.read(in)
	})
	var once, gone sync.Once
	c.connection.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		switch s {
		case webrtc.PeerConnectionStateConnected:
			once.Do(func() { close(c.connected) })
		case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
			gone.Do(func() { close(c.lost) })
		}
	})
	if err := c.negotiate(ctx, t); err != nil {
		return err
	}
	select {
	case <-c.connected:
		return nil
	case <-c.lost:
		return errors.New("the call was not connected")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// negotiate offers and takes the answer.
func (c *call) negotiate(ctx context.Context, t Target) error {
	offer, err := c.connection.CreateOffer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(c.connection)
	if err := c.connection.SetLocalDescription(offer); err != nil {
		return err
	}
	select {
	case <-gathered:
	case <-ctx.Done():
		return ctx.Err()
	}
	c.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: t.Roots}}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, strings.NewReader(c.connection.LocalDescription().SDP))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/sdp")
	response, err := c.client.Do(request)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	if response.StatusCode != http.StatusCreated {
		return fmt.Errorf("the endpoint answered %s: %s", response.Status, answer)
	}
	base, err := url.Parse(t.URL)
	if err != nil {
		return err
	}
	where, err := base.Parse(response.Header.Get("Location"))
	if err != nil {
		return err
	}
	c.resource = where.String()
	return c.connection.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: string(answer)})
}

// talk sends for so long, and waits a little for the last packets.
func (c *call) talk(ctx context.Context, d time.Duration) error {
	payload := make([]byte, 160)
	for i := range payload {
		payload[i] = byte(i)
	}
	c.measuring.Store(true)
	ticker := time.NewTicker(frame)
	defer ticker.Stop()
	for n := int64(d / frame); c.sent < n; c.sent++ {
		select {
		case <-ticker.C:
		case <-c.lost:
			return errors.New("the call was lost")
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := c.track.WriteSample(media.Sample{Data: payload, Duration: frame}); err != nil {
			return err
		}
	}
	time.Sleep(200 * time.Millisecond)
	c.measuring.Store(false)
	return nil
}

// read takes what comes back, until the call ends.
func (c *call) read(in *webrtc.TrackRemote) {
	arrivals := c.api.arrivals(uint32(in.SSRC()))
	for {
		packet, _, err := in.ReadRTP()
		if err != nil {
			return
		}
		now := mono.Now()
		if c.returned++; c.returned == 1 {
			c.firstAt = now
		}
		if at, ok := arrivals.take(packet.SequenceNumber); ok && c.measuring.Load() {
			c.noise.Add(now - at)
		}
	}
}

// close ends the call on both sides and waits for the readers.
func (c *call) close() {
	c.closing.Do(func() {
		if c.resource != "" {
			if request, err := http.NewRequest(http.MethodDelete, c.resource, http.NoBody); err == nil {
				if response, err := c.client.Do(request); err == nil {
					_ = response.Body.Close()
				}
			}
		}
		if c.client != nil {
			c.client.CloseIdleConnections()
		}
		_ = c.connection.GracefulClose()
		c.readers.Wait()
	})
}

// FirstMedia places a short call and returns the time from its start to its
// first echoed packet.
func FirstMedia(ctx context.Context, url string, roots *x509.CertPool) (time.Duration, error) {
	api, err := NewAPI(false)
	if err != nil {
		return 0, err
	}
	result, err := Place(ctx, api, Target{URL: url, Roots: roots, Duration: time.Second})
	if err != nil {
		return 0, err
	}
	if result.FirstMedia == 0 {
		return 0, errors.New("nothing came back")
	}
	return result.FirstMedia, nil
}

// loopbackOnly keeps candidates to loopback.
func loopbackOnly(ip net.IP) bool { return ip.IsLoopback() }
