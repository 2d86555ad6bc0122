// Package peer is one end of a WebRTC audio session, as blocking steps.
//
// The offering side calls [New], [Peer.Offer], [Peer.Accept], [Peer.WaitICE],
// [Peer.WaitDTLS] and then [Peer.WriteRTP]; the answering side calls
// [Peer.Answer] instead of the middle two. [Peer.Close] ends it on every path.
// Callbacks of the libraries underneath stay in this package.
//
// It is made of pion/ice, pion/dtls, pion/srtp and pion/sdp, the parts that
// pion/webrtc itself is made of, without the PeerConnection on top: a packet is
// decrypted and handed on by the goroutine that read it from the socket, with
// the kernel's receive time still at hand (docs/architecture.md, D5).
package peer

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"

	"github.com/earshot-voip/earshot/internal/iceserver"
	"github.com/earshot-voip/earshot/internal/media"
	"github.com/earshot-voip/earshot/internal/rtpflow"
	"github.com/earshot-voip/earshot/internal/udp"
)

// stampID is the identifier offered for the stamp extension.
const stampID = 1

// Relay says whether media may, must or must not go through a TURN relay.
type Relay uint8

// The relay policies.
const (
	RelayAuto Relay = iota
	RelayOnly
	RelayNever
)

// Config says what a peer offers and whom it tells. The zero value needs only
// Codecs.
type Config struct {
	Codecs       []media.Codec // offered in this order, with telephone events; the answerer takes the first of the offer's that is here
	Identity     *Identity     // nil: one for the whole process
	ICEServers   []iceserver.Server
	Dialer       iceserver.Dialer // reaches the servers; needed with ICEServers
	Relay        Relay
	Loopback     bool       // offer loopback addresses, and nothing else
	LocalAddress netip.Addr // when valid, the only address offered
	DSCP         int        // 0..63; negative leaves the system's default
	Port         *Port      // the shared port of an answering server; nil: sockets of its own
	Advertise    netip.Addr // with Port: the address to offer, when it is not the one bound
	Stamps       bool       // negotiate the echo's stamp extension
	Log          *slog.Logger

	// OnRTP is given each authenticated RTP packet: the time it reached the
	// host, the time it was read (both on internal/mono), and its bytes, which
	// are only valid during the call. It runs on the goroutine that read the
	// socket, never twice at once.
	OnRTP func(at, read time.Duration, raw []byte)
	// OnRTCP likewise, for compound RTCP packets. OnRTP and OnRTCP do not run
	// at the same time.
	OnRTCP func(at time.Duration, raw []byte)

	// ConsentTimeout is the silence of the far end's ICE agent after which the
	// session counts as dead (RFC 7675 allows 30 s). Zero: 15 s.
	ConsentTimeout time.Duration
}

// Errors of a session after it was established. Done is closed first.
var (
	// ErrConsentLost: the far end no longer answers ICE consent checks.
	ErrConsentLost = errors.New("consent lost: the far end stopped answering connectivity checks")
	// ErrRemoteClosed: the far end closed the DTLS session.
	ErrRemoteClosed = errors.New("the far end closed the session")
	// ErrClosed: the peer was closed by its owner.
	ErrClosed = errors.New("peer is closed")
)

// Peer is one end of a session. Its steps are called in order from one
// goroutine; WriteRTP, WriteRTCP, Done, Err, Stats and Close from any.
type Peer struct {
	cfg   Config
	ssrc  uint32
	cname string

	agent    *ice.Agent
	warnings *warnings
	net      *udp.Net // nil with a shared port
	local    description
	remote   description
	codec    media.Codec
	stampID  uint8
	offerer  bool

	iceConn *ice.Conn
	dtls    *dtls.Conn
	session srtpSession
	path    atomic.Pointer[path]

	conflict     atomic.Bool        // of ICE roles
	serverErrors []*iceserver.Error // of the gathering
	serversMu    sync.Mutex
	relays       []*iceserver.Relay // they are closed by the agent

	gathered  chan struct{}
	connected chan struct{} // a pair was selected
	failed    chan struct{} // ICE gave up
	routeLost atomic.Bool   // no consent answer for a while, not yet given up

	endOnce sync.Once
	done    chan struct{}
	endErr  error

	closeOnce sync.Once
	readers   sync.WaitGroup
}

// New prepares a peer. No socket is open before Offer or Answer.
func New(cfg Config) (*Peer, error) {
	if len(cfg.Codecs) == 0 {
		return nil, errors.New("peer: no codec configured")
	}
	if cfg.Identity == nil {
		id, err := processIdentity()
		if err != nil {
			return nil, err
		}
		cfg.Identity = id
	}
	if cfg.Log == nil {
		cfg.Log = discard
	}
	if cfg.ConsentTimeout == 0 {
		cfg.ConsentTimeout = 15 * time.Second
	}
	var random [12]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, err
	}
	p := &Peer{
		cfg:       cfg,
		ssrc:      binary.BigEndian.Uint32(random[:4]),
		cname:     hexString(random[4:]),
		warnings:  &warnings{log: cfg.Log},
		gathered:  make(chan struct{}),
		connected: make(chan struct{}),
		failed:    make(chan struct{}),
		done:      make(chan struct{}),
	}
	return p, nil
}

// SSRC returns the synchronization source of what this peer sends.
func (p *Peer) SSRC() uint32 { return p.ssrc }

// CNAME returns the canonical name for SDES (RFC 3550, 6.5.1).
func (p *Peer) CNAME() string { return p.cname }

// RemoteSSRC returns the synchronization source that the far end declared in
// its SDP, or 0 when it declared none.
func (p *Peer) RemoteSSRC() uint32 { return p.remote.ssrc }

// Codec returns the codec that both sides agreed on, with the payload type that
// it is sent under: the far end's.
func (p *Peer) Codec() media.Codec { return p.codec }

// Incoming returns the payload types under which media of the agreed codec may
// come, and those of telephone events. The far end sends under the numbers that
// were offered to it (RFC 3264, 5.1), which need not be its own; an echo returns
// its own, under which it got the packets.
func (p *Peer) Incoming() (codec, events rtpflow.PayloadSet) {
	audio := []uint8{p.codec.PayloadType}
	var others []uint8
	if p.offerer {
		for _, c := range p.cfg.Codecs {
			if c.Name == p.codec.Name {
				audio = append(audio, c.PayloadType)
			}
		}
		for _, f := range slices.Concat(eventsFor(p.cfg.Codecs), p.remote.formats) {
			if f.isEvent() && !slices.Contains(audio, f.payloadType) {
				others = append(others, f.payloadType)
			}
		}
	}
	return rtpflow.PayloadTypes(audio...), rtpflow.PayloadTypes(others...)
}

// StampID returns the negotiated identifier of the echo's stamp extension, or 0
// when the far end does not know it.
func (p *Peer) StampID() uint8 { return p.stampID }

// RemoteAddresses returns the addresses that the far end offered.
func (p *Peer) RemoteAddresses() []netip.Addr {
	var list []netip.Addr
	for _, c := range p.remote.candidates {
		if a, err := netip.ParseAddr(c.Address()); err == nil && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list
}

// Deviations lists what the far end's SDP left out or got wrong and what was
// assumed instead.
func (p *Peer) Deviations() []string { return p.remote.deviations }

// Done is closed when the session ended: the far end closed it, consent was
// lost, or Close was called. Err says which.
func (p *Peer) Done() <-chan struct{} { return p.done }

// Err returns why the session ended, or nil before Done is closed.
func (p *Peer) Err() error {
	select {
	case <-p.done:
		return p.endErr
	default:
		return nil
	}
}

// ConsentStale reports that the far end has answered no consent check for some
// seconds, though the session has not been given up yet.
func (p *Peer) ConsentStale() bool { return p.routeLost.Load() }

func (p *Peer) end(err error) {
	p.endOnce.Do(func() {
		p.endErr = err
		close(p.done)
	})
}

// Close ends the session and frees its sockets. The far end is told by a DTLS
// close_notify. It waits until no callback runs and is safe to call twice.
func (p *Peer) Close() error {
	p.closeOnce.Do(func() {
		p.end(ErrClosed)
		if p.dtls != nil {
			_ = p.dtls.Close()
		}
		if p.cfg.Port != nil {
			p.cfg.Port.forget(p)
		}
		if p.agent != nil {
			_ = p.agent.GracefulClose()
		}
		p.session.close()
		p.readers.Wait()
	})
	return nil
}

func hexString(b []byte) string {
	const digits = "0123456789abcdef"
	out := make([]byte, 0, 2*len(b))
	for _, c := range b {
		out = append(out, digits[c>>4], digits[c&15])
	}
	return string(out)
}
