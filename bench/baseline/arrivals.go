package baseline

import (
	"encoding/binary"
	"net"
	"sync"
	"time"

	"github.com/pion/transport/v5"
	"github.com/pion/transport/v5/stdnet"
	"github.com/pion/webrtc/v4"

	"github.com/earshot-voip/earshot/bench/internal/stamped"
)

// API makes calls, like webrtc.API.
type API struct {
	webrtc *webrtc.API

	mu    sync.Mutex
	rings map[uint32]*ring // by SSRC
}

// NewAPI returns an API with pion's defaults. A watched one reads its sockets
// through a wrapper that notes when the kernel received each packet, by the
// RTP header, which SRTP leaves in clear.
func NewAPI(watched bool) (*API, error) {
	api := &API{rings: map[uint32]*ring{}}
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetIPFilter(loopbackOnly)
	if watched {
		base, err := stdnet.NewNet()
		if err != nil {
			return nil, err
		}
		settings.SetNet(&watchedNet{Net: base, api: api})
	}
	api.webrtc = webrtc.NewAPI(webrtc.WithSettingEngine(settings))
	return api, nil
}

// arrivals returns the arrival times of a stream.
func (a *API) arrivals(ssrc uint32) *ring {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.rings[ssrc]
	if r == nil {
		r = new(ring)
		a.rings[ssrc] = r
	}
	return r
}

// ring holds the arrival times of the last packets of a stream.
type ring struct {
	mu     sync.Mutex
	places [128]place
}

type place struct {
	seq uint16
	at  time.Duration // 0: none
}

func (r *ring) put(seq uint16, at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.places[int(seq)%len(r.places)] = place{seq, at}
}

func (r *ring) take(seq uint16) (time.Duration, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.places[int(seq)%len(r.places)]
	return p.at, p.seq == seq && p.at > 0
}

// watchedNet opens sockets that note arrival times.
type watchedNet struct {
	*stdnet.Net
	api *API
}

// ListenUDP leaves multicast sockets alone: pion's mDNS knows only a
// *net.UDPConn.
func (n *watchedNet) ListenUDP(network string, local *net.UDPAddr) (transport.UDPConn, error) {
	conn, err := n.Net.ListenUDP(network, local)
	udp, ok := conn.(*net.UDPConn)
	if err != nil || !ok || local == nil || !local.IP.IsLoopback() {
		return conn, err
	}
	wrapped, err := stamped.Wrap(udp)
	if err != nil {
		return nil, err
	}
	return &watchedConn{Conn: wrapped, api: n.api}, nil
}

// watchedConn is read by one goroutine.
type watchedConn struct {
	*stamped.Conn
	api  *API
	ssrc uint32
	ring *ring
}

// ReadFrom reads one packet and notes when it came.
func (c *watchedConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, at, err := c.ReadStamped(b)
	if err != nil {
		return n, nil, err
	}
	if n >= 12 && b[0] >= 128 && b[0] <= 191 && (b[1]&0x7f < 64 || b[1]&0x7f > 95) {
		if ssrc := binary.BigEndian.Uint32(b[8:]); c.ring == nil || c.ssrc != ssrc {
			c.ssrc, c.ring = ssrc, c.api.arrivals(ssrc)
		}
		c.ring.put(binary.BigEndian.Uint16(b[2:]), at)
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}
