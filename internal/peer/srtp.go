package peer

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"github.com/earshot-voip/earshot/internal/iceserver"
	"github.com/earshot-voip/earshot/internal/udp"
)

// usualPacket is the size that buffers for packets begin with: 20 ms of G.711 with
// a stamp under SRTP, or of Opus as it speaks. They grow with what is larger.
const usualPacket = 320

// srtpSession protects what is sent and unprotects what comes in. Duplicates
// pass on purpose: whether the network repeated a packet is part of what is
// measured. A forged packet still fails authentication.
type srtpSession struct {
	ready atomic.Bool

	sendMu sync.Mutex
	out    *srtp.Context
	sealed []byte
	sent   rtp.Header

	recvMu sync.Mutex
	in     *srtp.Context
	header rtp.Header
	plain  []byte

	waiting []waitingPacket // came before the keys
	closed  bool

	early, unauthentic atomic.Uint64
	dscp, ttl          atomic.Int32 // of the last media packet, plus 1; 0: unknown
}

// maxWaiting is how many packets may wait for the keys: the far end is through
// with DTLS half a round trip before this side, and may send at once.
const maxWaiting = 64

type waitingPacket struct {
	at, read time.Duration
	data     []byte
}

// start derives the keys from a finished handshake and returns the profile's
// name.
func (s *srtpSession) start(conn *dtls.Conn, client bool) (string, error) {
	chosen, ok := conn.SelectedSRTPProtectionProfile()
	if !ok {
		return "", errors.New("no common SRTP protection profile")
	}
	profile := srtp.ProtectionProfile(chosen)
	state, ok := conn.ConnectionState()
	if !ok {
		return "", errors.New("no DTLS connection state")
	}
	keys := srtp.Config{Profile: profile}
	if err := keys.ExtractSessionKeysFromDTLS(&state, client); err != nil {
		return "", fmt.Errorf("derive SRTP keys: %w", err)
	}
	out, err := srtp.CreateContext(keys.Keys.LocalMasterKey, keys.Keys.LocalMasterSalt, profile)
	if err != nil {
		return "", fmt.Errorf("make SRTP context: %w", err)
	}
	in, err := srtp.CreateContext(keys.Keys.RemoteMasterKey, keys.Keys.RemoteMasterSalt, profile,
		srtp.SRTPNoReplayProtection(), srtp.SRTCPNoReplayProtection())
	if err != nil {
		return "", fmt.Errorf("make SRTP context: %w", err)
	}
	s.recvMu.Lock()
	defer s.recvMu.Unlock()
	s.out, s.in = out, in
	s.sealed = make([]byte, iceserver.Headroom, iceserver.Headroom+usualPacket)
	s.plain = make([]byte, 0, usualPacket)
	return profile.String(), nil
}

// close stops both directions. When it returns no callback runs and nothing is
// sent any more.
func (s *srtpSession) close() {
	s.recvMu.Lock()
	defer s.recvMu.Unlock()
	s.ready.Store(false)
	s.closed = true
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
}

// isMedia tells RTP and RTCP from STUN and DTLS by the first byte (RFC 7983, 7).
func isMedia(first byte) bool { return first >= 128 && first <= 191 }

// isRTCP tells RTCP from RTP on a shared port by the second byte (RFC 5761, 4).
func isRTCP(packet []byte) bool { return packet[1]&0x7f >= 64 && packet[1]&0x7f <= 95 }

// handlePacket takes media off the socket before the ICE agent sees it.
func (p *Peer) handlePacket(packet *udp.Packet) bool {
	if len(packet.Data) < 2 || !isMedia(packet.Data[0]) {
		if p.offerer && !p.conflict.Load() && isRoleConflict(packet.Data) {
			p.conflict.Store(true)
		}
		return false
	}
	p.receivePacket(packet)
	return true
}

func (p *Peer) receivePacket(packet *udp.Packet) {
	p.session.dscp.Store(int32(packet.DSCP) + 1)
	p.session.ttl.Store(int32(packet.TTL) + 1)
	p.receive(packet.At, packet.Read, packet.Data)
}

// receive unprotects one packet and hands it on.
func (p *Peer) receive(at, read time.Duration, data []byte) {
	s := &p.session
	if len(data) < 12 {
		return
	}
	s.recvMu.Lock()
	defer s.recvMu.Unlock()
	switch {
	case s.ready.Load():
		p.unprotect(at, read, data)
	case !s.closed:
		s.early.Add(1)
		if len(s.waiting) < maxWaiting {
			s.waiting = append(s.waiting, waitingPacket{at, read, slices.Clone(data)})
		}
	}
}

// release hands on what waited for the keys.
func (p *Peer) release() {
	s := &p.session
	s.recvMu.Lock()
	defer s.recvMu.Unlock()
	s.ready.Store(true)
	for _, w := range s.waiting {
		p.unprotect(w.at, w.read, w.data)
	}
	s.waiting = nil
}

// unprotect needs recvMu.
func (p *Peer) unprotect(at, read time.Duration, data []byte) {
	s := &p.session
	if isRTCP(data) {
		plain, err := s.in.DecryptRTCP(s.plain[:0], data, nil)
		if err != nil {
			s.unauthentic.Add(1)
			return
		}
		s.plain = plain
		if p.cfg.OnRTCP != nil {
			p.cfg.OnRTCP(at, plain)
		}
		return
	}
	plain, err := s.in.DecryptRTP(s.plain[:0], data, &s.header)
	if err != nil {
		s.unauthentic.Add(1)
		return
	}
	s.plain = plain
	if p.cfg.OnRTP != nil {
		p.cfg.OnRTP(at, read, plain)
	}
}

// ErrNotReady: media cannot be sent before DTLS is through or after the end.
var ErrNotReady = errors.New("session is not established")

// WriteRTP protects and sends one RTP packet. It does not allocate while the
// route is direct, but for a packet longer than any before. When it returns the packet has been given to the kernel.
func (p *Peer) WriteRTP(packet []byte) error {
	s := &p.session
	if !s.ready.Load() {
		return ErrNotReady
	}
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	const room = iceserver.Headroom
	sealed, err := s.out.EncryptRTP(s.sealed[room:room], packet, &s.sent)
	if err != nil {
		return fmt.Errorf("protect RTP: %w", err)
	}
	s.sealed = append(s.sealed[:room], sealed...) // where it is already, unless it outgrew the buffer
	return p.send(s.sealed)
}

// WriteRTCP protects and sends one compound RTCP packet.
func (p *Peer) WriteRTCP(packet []byte) error {
	s := &p.session
	if !s.ready.Load() {
		return ErrNotReady
	}
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	sealed, err := s.out.EncryptRTCP(nil, packet, nil)
	if err != nil {
		return fmt.Errorf("protect RTCP: %w", err)
	}
	return p.send(append(make([]byte, iceserver.Headroom), sealed...))
}

// send sends a protected packet that begins after the headroom of a relay.
func (p *Peer) send(buf []byte) error {
	if way := p.path.Load(); way != nil && way.conn != nil {
		_, err := way.conn.WriteToAddrPort(buf[iceserver.Headroom:], way.to)
		return err
	} else if way != nil && way.relay != nil {
		if sent, err := way.relay.WriteMedia(buf, way.to); sent || err != nil {
			return err
		}
	}
	_, err := p.iceConn.Write(buf[iceserver.Headroom:])
	return err
}

// Stats are counts that the media itself does not show.
type Stats struct {
	EarlyPackets       uint64 // media that came before DTLS was through
	UnauthenticPackets uint64 // media that failed SRTP authentication
	SocketDrops        uint64 // datagrams that the kernel dropped at our own sockets
	KernelTimestamps   bool   // arrival times are the kernel's
	RoleConflict       bool   // the far end's ICE agent wanted to control too
	Congestion         uint64 // packets that the TCP connection to the TURN server did not take in time
	DSCP, TTL          int    // that the last media packet arrived with; -1: unknown
}

// Stats returns the counts so far.
func (p *Peer) Stats() Stats {
	s := Stats{
		EarlyPackets:       p.session.early.Load(),
		UnauthenticPackets: p.session.unauthentic.Load(),
		RoleConflict:       p.conflict.Load(),
		DSCP:               int(p.session.dscp.Load()) - 1,
		TTL:                int(p.session.ttl.Load()) - 1,
	}
	var sockets udp.Stats
	switch {
	case p.cfg.Port != nil:
		sockets = p.cfg.Port.conn.Stats()
	case p.net != nil:
		sockets = p.net.Stats()
	}
	s.SocketDrops = sockets.Dropped
	s.KernelTimestamps = sockets.Timestamps == udp.Kernel
	if way := p.path.Load(); way != nil && way.relay != nil {
		s.Congestion = way.relay.Congestion()
		s.KernelTimestamps = s.KernelTimestamps && way.relay.Server().Transport == iceserver.UDP
	}
	return s
}
