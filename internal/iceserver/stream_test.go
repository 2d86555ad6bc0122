package iceserver

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/pion/stun/v4"
)

// scripted is a connection that plays what a server sends.
type scripted struct {
	net.Conn
	io.Reader
}

func (s scripted) Read(b []byte) (int, error) { return s.Reader.Read(b) }
func (s scripted) RemoteAddr() net.Addr       { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 3478} }

func playing(r io.Reader, media func(time.Duration, []byte) bool) *stream {
	return &stream{conn: scripted{Reader: r}, media: media, in: make([]byte, 2*maxFrame)}
}

// channelData is written from the definition (RFC 8656, 12.4 and 12.5).
func channelData(number uint16, data []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, number)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	b = append(b, data...)
	for len(b)%4 != 0 {
		b = append(b, 0xEE)
	}
	return b
}

func TestStreamFindsItsFramesHoweverTheyAreCut(t *testing.T) {
	request := stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.Fingerprint).Raw
	rtp, dtls := append([]byte{0x80, 0}, make([]byte, 171)...), []byte{22, 254, 253, 1, 2}
	wire := slices.Concat(request, channelData(0x4000, rtp), channelData(0x4001, dtls), channelData(0x4000, []byte{0x81}), request)
	wantLeft := [][]byte{request, append([]byte{0x40, 1, 0, 5}, dtls...), request}
	wantMedia := [][]byte{rtp, {0x81}}
	for name, reader := range map[string]io.Reader{
		"all at once":   bytes.NewReader(wire),
		"byte by byte":  iotest.OneByteReader(bytes.NewReader(wire)),
		"half of each":  iotest.HalfReader(bytes.NewReader(wire)),
		"data with EOF": iotest.DataErrReader(bytes.NewReader(wire)),
	} {
		t.Run(name, func(t *testing.T) {
			var taken, left [][]byte
			s := playing(reader, func(at time.Duration, b []byte) bool {
				if at <= 0 {
					t.Errorf("media has the time %v", at)
				}
				taken = append(taken, bytes.Clone(b))
				return true
			})
			buf := make([]byte, maxFrame)
			for {
				n, from, err := s.ReadFrom(buf)
				if errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				if from.String() != "127.0.0.1:3478" {
					t.Errorf("got %v as the server", from)
				}
				left = append(left, bytes.Clone(buf[:n]))
			}
			if !slices.EqualFunc(taken, wantMedia, bytes.Equal) || !slices.EqualFunc(left, wantLeft, bytes.Equal) {
				t.Errorf("got media %x and others %x\nwant %x and %x", taken, left, wantMedia, wantLeft)
			}
		})
	}
}

func TestStreamRefusesWhatIsNoTURN(t *testing.T) {
	for name, wire := range map[string][]byte{
		"a mail server":             []byte("\xDC20 mail.earshot.test ESMTP ready\r\n"),
		"a reserved channel":        channelData(0x5000, []byte{1, 2, 3, 4}),
		"a frame that is too large": {0x40, 0, 0xFF, 0xFF},
	} {
		if _, _, err := playing(bytes.NewReader(wire), nil).ReadFrom(make([]byte, maxFrame)); !errors.Is(err, errFraming) {
			t.Errorf("%s: got %v, want %v", name, err, errFraming)
		}
	}
}

// A server that stops reading must not hold up whoever sends: that is the clock
// of all calls.
func TestStreamNeverWaitsForTheServer(t *testing.T) {
	ours, theirs := net.Pipe() // without any buffer, and nobody reads
	defer theirs.Close()
	s := newStream(ours, nil)
	packet := channelData(0x4000, make([]byte, 200))
	const sent = 500
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range sent {
			if _, err := s.WriteTo(packet, nil); err != nil {
				t.Error(err)
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("writing waits for the server")
	}
	if lost := s.lost.Load(); lost < sent-2*maxWaiting/200 || lost >= sent {
		t.Errorf("got %d of %d packets lost, want all but those that wait", lost, sent)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.WriteTo(packet, nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("writing after closing: got %v", err)
	}
}

func TestStreamPadsWhatItSends(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	s := newStream(ours, nil)
	defer s.Close()
	for _, n := range []int{1, 2, 3, 4} {
		frame := channelData(0x4000, bytes.Repeat([]byte{0x80}, n))
		if _, err := s.WriteTo(frame[:channelHeader+n], nil); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(frame))
		if _, err := io.ReadFull(theirs, got); err != nil {
			t.Fatal(err)
		}
		if want := append(slices.Clone(frame[:channelHeader+n]), make([]byte, len(frame)-channelHeader-n)...); !bytes.Equal(got, want) {
			t.Errorf("got %x want %x", got, want)
		}
	}
}

func FuzzStream(f *testing.F) {
	f.Add(channelData(0x4000, []byte{0x80, 1}))
	f.Add(stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw)
	f.Fuzz(func(t *testing.T, wire []byte) {
		taken := 0
		s := playing(iotest.HalfReader(bytes.NewReader(wire)), func(_ time.Duration, b []byte) bool {
			taken += len(b)
			return true
		})
		buf := make([]byte, maxFrame)
		for {
			n, _, err := s.ReadFrom(buf)
			if err != nil {
				break
			}
			taken += n
		}
		if taken > len(wire) {
			t.Errorf("%d bytes came out of %d", taken, len(wire))
		}
	})
}

// halfDead is a connection whose end shows in writing alone, as when a server is
// gone and its last packets are still on their way.
type halfDead struct {
	net.Conn
	closed chan struct{}
}

func (h halfDead) Read([]byte) (int, error)         { <-h.closed; return 0, net.ErrClosed }
func (h halfDead) Write([]byte) (int, error)        { return 0, syscall.EPIPE }
func (h halfDead) Close() error                     { close(h.closed); return nil }
func (h halfDead) SetWriteDeadline(time.Time) error { return nil }
func (h halfDead) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 3478} }

// A connection that broke in writing is no connection that this side closed: who
// reads is told why, or a dead relay would pass for one that was given back.
func TestABrokenWriteIsWhatTheReaderIsTold(t *testing.T) {
	s := newStream(halfDead{closed: make(chan struct{})}, nil)
	if _, err := s.WriteTo(channelData(0x4000, []byte{0x80, 0}), nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.ReadFrom(make([]byte, maxFrame)); !errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want the broken pipe", err)
	}
	s.writing.Wait()
}
