package iceserver

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/earshot-voip/earshot/internal/mono"
)

const (
	maxFrame = 2048 // the longest STUN message or ChannelData that is read
	// maxWaiting bounds what waits for a connection that does not take it. A
	// congested connection must neither hold the send clock up nor make packets
	// older than any de-jitter buffer: what does not fit is lost, as a browser
	// loses it.
	maxWaiting = 8 << 10
	// sendBuffer is what the kernel may hold: about two seconds of media.
	sendBuffer = 32 << 10

	stunHeader    = 20
	channelHeader = 4 // of ChannelData: channel number and length (RFC 8656, 12.4)
	firstChannel  = 0x4000
	lastChannel   = 0x4fff
)

// errFraming: the stream is neither STUN nor ChannelData, and where the next
// message begins is lost.
var errFraming = errors.New("the server sends what is neither STUN nor ChannelData")

// stream is a TCP or TLS connection to a TURN server as packets: STUN messages
// and ChannelData, each padded to four bytes (RFC 8656, 12.5). Media is given to
// its handler instead of the reader. Writing never waits.
type stream struct {
	conn  net.Conn
	media func(at time.Duration, packet []byte) bool

	in         []byte // read and not taken yet; of the reader alone
	from, upTo int
	at         time.Duration // when the end of in was read

	mu      sync.Mutex
	waiting []byte
	closed  bool
	broken  error         // of writing, which closed the connection
	more    chan struct{} // holds a token while waiting may have grown

	lost    atomic.Uint64
	writing sync.WaitGroup
	once    sync.Once
}

func newStream(conn net.Conn, media func(at time.Duration, packet []byte) bool) *stream {
	if tcp, ok := plain(conn).(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer)
	}
	s := &stream{conn: conn, media: media, in: make([]byte, 2*maxFrame), more: make(chan struct{}, 1)}
	s.writing.Go(s.write)
	return s
}

// plain returns the TCP connection under TLS.
func plain(conn net.Conn) net.Conn {
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
		return secure.NetConn()
	}
	return conn
}

// mark sets the DSCP of what a connection sends, where the system lets it.
func mark(conn net.Conn, dscp int) {
	if dscp < 0 {
		return
	}
	conn = plain(conn)
	if addrPort(conn.RemoteAddr()).Addr().Is4() {
		_ = ipv4.NewConn(conn).SetTOS(dscp << 2)
		return
	}
	_ = ipv6.NewConn(conn).SetTrafficClass(dscp << 2)
}

// ReadFrom returns the next message that is no media.
func (s *stream) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		frame, err := s.next()
		if err != nil {
			return 0, nil, err
		}
		if inner, ok := media(frame); ok && s.media != nil && s.media(s.at, inner) {
			continue
		}
		return copy(b, frame), s.conn.RemoteAddr(), nil
	}
}

// next returns the next frame without its padding. It is valid until the next
// call.
func (s *stream) next() ([]byte, error) {
	for {
		length, whole, err := frameLength(s.in[s.from:s.upTo])
		switch {
		case err != nil:
			return nil, err
		case whole > 0 && s.upTo-s.from >= whole:
			frame := s.in[s.from : s.from+length]
			s.from += whole
			return frame, nil
		}
		if s.from > 0 {
			s.upTo = copy(s.in, s.in[s.from:s.upTo])
			s.from = 0
		}
		n, err := s.conn.Read(s.in[s.upTo:])
		s.at = mono.Now()
		s.upTo += n
		if n == 0 && err != nil {
			return nil, s.reason(err)
		}
	}
}

// frameLength says how long the message at the beginning of b is, and how long
// with its padding; 0 while that cannot be told.
func frameLength(b []byte) (length, whole int, err error) {
	if len(b) < channelHeader {
		return 0, 0, nil
	}
	switch kind := binary.BigEndian.Uint16(b); {
	case kind < firstChannel: // STUN: its two highest bits are 0
		length = stunHeader + int(binary.BigEndian.Uint16(b[2:]))
	case kind <= lastChannel:
		length = channelHeader + int(binary.BigEndian.Uint16(b[2:]))
	default:
		return 0, 0, errFraming
	}
	if whole = (length + 3) &^ 3; whole > maxFrame {
		return 0, 0, errFraming
	}
	return length, whole, nil
}

// media returns the RTP or RTCP packet inside ChannelData (RFC 7983, 7: by the
// first byte).
func media(frame []byte) (inner []byte, ok bool) {
	if len(frame) <= channelHeader || frame[0] < firstChannel>>8 || frame[0] > lastChannel>>8 {
		return nil, false
	}
	inner = frame[channelHeader:]
	return inner, inner[0] >= 128 && inner[0] <= 191
}

// WriteTo queues one message for the server. What the connection does not take
// in time is lost, and counted.
func (s *stream) WriteTo(b []byte, _ net.Addr) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	if len(s.waiting)+len(b) > maxWaiting {
		s.lost.Add(1)
		return len(b), nil
	}
	s.waiting = append(s.waiting, b...)
	for len(s.waiting)&3 != 0 {
		s.waiting = append(s.waiting, 0)
	}
	select {
	case s.more <- struct{}{}:
	default:
	}
	return len(b), nil
}

// write sends what waits, all at once when the connection was busy.
func (s *stream) write() {
	var out []byte
	for range s.more {
		s.mu.Lock()
		out, s.waiting = s.waiting, out[:0]
		s.mu.Unlock()
		if len(out) == 0 {
			continue
		}
		if _, err := s.conn.Write(out); err != nil {
			s.mu.Lock()
			s.broken = err
			s.mu.Unlock()
			_ = s.conn.Close() // the reader is told
			return
		}
	}
}

// reason is why reading ended: what broke writing, where that closed the
// connection, else what the reader saw.
func (s *stream) reason(read error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	return read
}

// closeGrace is how long closing waits for what was written last to leave: the
// request that frees the relay.
const closeGrace = 100 * time.Millisecond

// Close ends the connection.
func (s *stream) Close() error {
	err := net.ErrClosed
	s.once.Do(func() {
		s.mu.Lock()
		s.closed = true
		close(s.more)
		s.mu.Unlock()
		_ = s.conn.SetWriteDeadline(time.Now().Add(closeGrace))
		s.writing.Wait()
		err = s.conn.Close()
	})
	return err
}

func (s *stream) LocalAddr() net.Addr { return s.conn.LocalAddr() }

// RemoteAddr is the server: pion/turn checks by it where messages come from.
func (s *stream) RemoteAddr() net.Addr { return s.conn.RemoteAddr() }

func (s *stream) SetReadDeadline(t time.Time) error { return s.conn.SetReadDeadline(t) }

// SetWriteDeadline does nothing: writing never waits.
func (s *stream) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline sets the deadline of reading.
func (s *stream) SetDeadline(t time.Time) error { return s.SetReadDeadline(t) }

// broken is what a reader saw at the end of a connection, in words.
func broken(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("closed by the server")
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
