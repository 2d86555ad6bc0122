package iceserver

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/pion/stun/v4"

	"github.com/earshot-voip/earshot/internal/mono"
)

// ReadFrom returns the next packet from a peer that is no media taken by a
// handler.
func (r *Relay) ReadFrom(b []byte) (int, net.Addr, error) { return r.conn.ReadFrom(b) }

// WriteTo sends a packet to a peer. The first one to an address asks the server
// for the permission to send there, which takes a round trip; what comes
// meanwhile is dropped, as on a path that is not up yet. ICE repeats itself.
func (r *Relay) WriteTo(b []byte, to net.Addr) (int, error) {
	peer := addrPort(to)
	r.mu.Lock()
	state, known := r.peers[peer.Addr()]
	if !known {
		state = &peerState{}
		r.peers[peer.Addr()] = state
	}
	open, closed := state.open, r.closed
	if !known && !closed {
		r.working.Add(1) // under the lock that Close takes before it waits
	}
	r.mu.Unlock()
	switch {
	case closed:
		return 0, net.ErrClosed
	case open:
		return r.conn.WriteTo(b, to)
	case !known:
		go r.openPeer(state, slices.Clone(b), to)
	}
	return len(b), nil
}

// openPeer sends the first packet to an address: pion/turn asks for the
// permission before and for a channel afterwards.
func (r *Relay) openPeer(state *peerState, b []byte, to net.Addr) {
	defer r.working.Done()
	_, err := r.conn.WriteTo(b, to)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		state.open = true
		return
	}
	peer := addrPort(to)
	var refused *stun.TurnError
	if errors.As(err, &refused) {
		state.err = r.request.refusal(refused.ErrorCodeAttr)
		state.err.Kind, state.err.Peer = KindPeerRefused, peer
		return // for good: what is refused once stays so
	}
	delete(r.peers, peer.Addr()) // it may try again
}

// Refusals lists the peers that the server does not relay to, each an *Error.
func (r *Relay) Refusals() []*Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*Error
	for _, state := range r.peers {
		if state.err != nil {
			list = append(list, state.err)
		}
	}
	return list
}

// Headroom is how many bytes WriteMedia needs before the packet.
const Headroom = channelHeader

// WriteMedia sends the packet in buf[Headroom:] through the channel that is bound
// to a peer, and overwrites the headroom. It does not allocate over UDP. It
// reports false, and sends nothing, while there is no channel: WriteTo works all
// the same.
func (r *Relay) WriteMedia(buf []byte, peer netip.AddrPort) (bool, error) {
	number, ok := r.channel(peer)
	if !ok {
		return false, nil
	}
	binary.BigEndian.PutUint16(buf, number)
	binary.BigEndian.PutUint16(buf[2:], uint16(len(buf)-channelHeader))
	if _, err := r.base.WriteTo(buf, r.base.server); err != nil {
		return false, err
	}
	return true, nil
}

// channel returns the channel to a peer once it is bound.
func (r *Relay) channel(peer netip.AddrPort) (uint16, bool) {
	c := r.channelTo.Load()
	if c == nil || c.peer != peer {
		number, ok := r.conn.FindChannelNumberByAddr(net.UDPAddrFromAddrPort(peer))
		if !ok {
			return 0, false
		}
		c = &channel{peer, number}
		if r.conn.IsChannelActive(number) {
			r.channelTo.Store(c)
		}
	}
	return c.number, r.conn.IsChannelActive(c.number)
}

// Permit asks the server whether it would relay to a peer, until ctx ends. The
// error is an *Error.
func (r *Relay) Permit(ctx context.Context, peer netip.Addr) error {
	stop := context.AfterFunc(ctx, r.client.Close) // which ends what waits for an answer
	defer stop()
	start := mono.Now()
	err := r.conn.CreatePermissions(&net.UDPAddr{IP: peer.AsSlice(), Port: 9})
	if err == nil {
		return nil
	}
	var refused *stun.TurnError
	if errors.As(err, &refused) {
		e := r.request.refusal(refused.ErrorCodeAttr)
		e.Kind, e.Peer = KindPeerRefused, netip.AddrPortFrom(peer, 0)
		return e
	}
	return r.request.silence(ctx, since(start))
}

// LocalAddr returns the relayed address.
func (r *Relay) LocalAddr() net.Addr { return r.conn.LocalAddr() }

// SetDeadline sets the deadline of reading; writing never waits.
func (r *Relay) SetDeadline(t time.Time) error { return r.conn.SetReadDeadline(t) }

// SetReadDeadline sets the deadline of reading.
func (r *Relay) SetReadDeadline(t time.Time) error { return r.conn.SetReadDeadline(t) }

// SetWriteDeadline does nothing: writing never waits.
func (r *Relay) SetWriteDeadline(time.Time) error { return nil }
