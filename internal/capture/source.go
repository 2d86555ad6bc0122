package capture

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// ErrFormat is the cause when the input is not a capture that can be read.
var ErrFormat = errors.New("not a pcap or pcapng capture")

// ErrEmpty is the cause when the input holds no byte.
var ErrEmpty = errors.New("empty: not one byte to read")

// DamageError says where a capture breaks off. What came before it is in the
// report that it was returned with.
type DamageError struct {
	Packet int64 // number of the packet that could not be read, from 1
	Offset int64 // where its record begins, in bytes from the start
	// Unpacked says that Offset counts in what gzip compressed.
	Unpacked bool
	// Truncated says that the input ends in the middle of a record; else what
	// is written there cannot be.
	Truncated bool
	Err       error
}

func (e *DamageError) Error() string {
	unpacked := ""
	if e.Unpacked {
		unpacked = " of the uncompressed data"
	}
	if e.Truncated {
		return fmt.Sprintf("truncated: the capture ends inside packet %d, which begins at byte %d%s", e.Packet, e.Offset, unpacked)
	}
	return fmt.Sprintf("damaged: packet %d at byte %d%s: %v", e.Packet, e.Offset, unpacked, e.Err)
}

func (e *DamageError) Unwrap() error { return e.Err }

// readBuffer is what is read at once.
const readBuffer = 256 << 10

// source reads the packets of a capture.
type source struct {
	format  string // pcap or pcapng
	gzip    bool
	reader  gopacket.ZeroCopyPacketDataSource
	link    layers.LinkType // of pcap: all packets
	buffer  *bufio.Reader
	counted *counter
	packets int64

	dropped      uint64 // by the capturing host, in sections that have ended
	droppedKnown bool
	live         []uint64 // the same per interface of the present section
}

// counter counts what is read through it.
type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// openSource reads the head of a capture.
func openSource(r io.Reader) (*source, error) {
	s := &source{}
	s.counted = &counter{Reader: r}
	s.buffer = bufio.NewReaderSize(s.counted, readBuffer)
	magic, err := s.buffer.Peek(4)
	if len(magic) >= 2 && magic[0] == 0x1f && magic[1] == 0x8b {
		unpacked, err := gzip.NewReader(s.buffer)
		if err != nil {
			return nil, fmt.Errorf("%w: gzip: %w", ErrFormat, err)
		}
		s.gzip = true
		s.counted = &counter{Reader: unpacked}
		s.buffer = bufio.NewReaderSize(s.counted, readBuffer)
		magic, err = s.buffer.Peek(4)
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("%w: gzip: %w", ErrFormat, err)
		}
	} else if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read: %w", err)
	}
	if len(magic) == 0 {
		return nil, ErrEmpty
	}
	if len(magic) < 4 {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrFormat, len(magic))
	}
	switch binary.BigEndian.Uint32(magic) {
	case 0x0a0d0d0a:
		return s, s.openNg()
	case 0xa1b2c3d4, 0xd4c3b2a1, 0xa1b23c4d, 0x4d3cb2a1:
		return s, s.open()
	}
	return nil, fmt.Errorf("%w: it begins with % x", ErrFormat, magic)
}

func (s *source) open() error {
	s.format = "pcap"
	r, err := pcapgo.NewReader(s.buffer)
	if err != nil {
		return s.headError(err)
	}
	s.reader, s.link = r, r.LinkType()
	return nil
}

func (s *source) openNg() error {
	s.format = "pcapng"
	r, err := pcapgo.NewNgReader(s.buffer, pcapgo.NgReaderOptions{
		WantMixedLinkType:  true,
		SkipUnknownVersion: true,
		StatisticsCallback: s.statistics,
		SectionEndCallback: func([]pcapgo.NgInterface, pcapgo.NgSectionInfo) { s.endSection() },
	})
	if err != nil {
		return s.headError(err)
	}
	s.reader = r
	return nil
}

func (s *source) headError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends inside the file header, after %d bytes", ErrFormat, s.counted.n)
	}
	return fmt.Errorf("%w: %s header: %w", ErrFormat, s.format, err)
}

// statistics notes what an interface says it dropped so far.
func (s *source) statistics(iface int, n pcapgo.NgInterfaceStatistics) {
	if n.PacketsDropped == pcapgo.NgNoValue64 || iface < 0 || iface > 1<<16 {
		return
	}
	for len(s.live) <= iface {
		s.live = append(s.live, 0)
	}
	s.live[iface] = n.PacketsDropped
	s.droppedKnown = true
}

func (s *source) endSection() {
	for _, n := range s.live {
		s.dropped += n
	}
	s.live = s.live[:0]
}

// offset is how much of the capture has been taken.
func (s *source) offset() int64 { return s.counted.n - int64(s.buffer.Buffered()) }

// next reads a packet, which is valid until the call after it. The error is
// io.EOF at the end of the capture, or a *DamageError.
func (s *source) next() (data []byte, ci gopacket.CaptureInfo, link layers.LinkType, err error) {
	start := s.offset()
	data, ci, err = s.reader.ZeroCopyReadPacketData()
	if err != nil {
		if err == io.EOF && (s.format == "pcapng" || s.offset() == start) {
			return nil, ci, 0, io.EOF
		}
		return nil, ci, 0, &DamageError{
			Packet: s.packets + 1, Offset: start, Unpacked: s.gzip, Err: err,
			Truncated: err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF),
		}
	}
	s.packets++
	link = s.link
	if len(ci.AncillaryData) > 0 {
		link, _ = ci.AncillaryData[0].(layers.LinkType)
	}
	return data, ci, link, nil
}
