package remotewrite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// A segment is a file of batches. It begins with the magic text, then come
// records, little-endian:
//
//	state    1 byte   pending or delivered; the only byte that is ever changed
//	length   4 bytes  of the payload
//	samples  4 bytes
//	at       8 bytes  of the oldest sample, milliseconds since 1970
//	check    4 bytes  CRC-32C of length, samples, at and payload
//	payload
const (
	segmentMagic = "EARSHQ1\n"
	recordHead   = 1 + 4 + 4 + 8 + 4

	pending   = 'p'
	delivered = 'd'
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errTorn is a record whose end is missing: the process or the machine died
// while it was written. errDamaged is anything else that cannot be read.
var (
	errTorn    = errors.New("the last batch is incomplete")
	errDamaged = errors.New("damaged")
)

// record is where a batch lies in its segment.
type record struct {
	id      uint64
	offset  int64 // of the state byte
	length  int   // of the payload
	samples int
	at      int64 // milliseconds since 1970
}

func (r record) bytes() int64 { return int64(recordHead + r.length) }

// segment is one file of the queue.
type segment struct {
	path    string
	size    int64
	records []record // pending, the oldest first
}

// createSegment makes an empty segment and leaves it open for appending.
func createSegment(path string) (*segment, *os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, nil, err
	}
	if _, err := f.WriteString(segmentMagic); err != nil {
		f.Close()
		os.Remove(path)
		return nil, nil, err
	}
	return &segment{path: path, size: int64(len(segmentMagic))}, f, nil
}

// scanSegment reads a segment and checks every record. With errTorn or
// errDamaged the segment holds what comes before, and its size is where the
// trouble begins.
func scanSegment(path string) (*segment, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	s := &segment{path: path}
	magic := make([]byte, len(segmentMagic))
	if _, err := io.ReadFull(f, magic); err != nil {
		return s, errTorn
	}
	if string(magic) != segmentMagic {
		return s, errDamaged
	}
	s.size = int64(len(magic))
	for {
		r, state, err := scanRecord(f, info.Size()-s.size)
		if err == io.EOF {
			return s, nil
		}
		if err != nil {
			return s, err
		}
		r.offset = s.size
		s.size += r.bytes()
		if state == pending {
			s.records = append(s.records, r)
		}
	}
}

// scanRecord reads one record and checks it; left is how much of the file there
// is. io.EOF is the end between records.
func scanRecord(f io.Reader, left int64) (record, byte, error) {
	head := make([]byte, recordHead)
	if _, err := io.ReadFull(f, head); err == io.EOF {
		return record{}, 0, io.EOF
	} else if err != nil {
		return record{}, 0, errTorn
	}
	r, check := parseHead(head)
	if head[0] != pending && head[0] != delivered || r.length > maxPlain {
		return record{}, 0, errDamaged
	}
	if r.bytes() > left {
		return record{}, 0, errTorn
	}
	payload := make([]byte, r.length)
	if _, err := io.ReadFull(f, payload); err != nil {
		return record{}, 0, err
	}
	if sum(head, payload) != check {
		return record{}, 0, errDamaged
	}
	return r, head[0], nil
}

func parseHead(head []byte) (record, uint32) {
	return record{
		length:  int(binary.LittleEndian.Uint32(head[1:])),
		samples: int(binary.LittleEndian.Uint32(head[5:])),
		at:      int64(binary.LittleEndian.Uint64(head[9:])),
	}, binary.LittleEndian.Uint32(head[17:])
}

func sum(head, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(head[1:17], castagnoli), castagnoli, payload)
}

// append writes a batch behind the others. After an error the file is as it was
// before, as far as the system lets it.
func (s *segment) append(f *os.File, id uint64, b batch) error {
	raw := make([]byte, recordHead, recordHead+len(b.payload))
	raw[0] = pending
	binary.LittleEndian.PutUint32(raw[1:], uint32(len(b.payload)))
	binary.LittleEndian.PutUint32(raw[5:], uint32(b.samples))
	binary.LittleEndian.PutUint64(raw[9:], uint64(b.at))
	binary.LittleEndian.PutUint32(raw[17:], sum(raw, b.payload))
	raw = append(raw, b.payload...)
	if _, err := f.WriteAt(raw, s.size); err != nil {
		return errors.Join(err, f.Truncate(s.size))
	}
	s.records = append(s.records, record{id: id, offset: s.size, length: len(b.payload), samples: b.samples, at: b.at})
	s.size += int64(len(raw))
	return nil
}

// read returns the batch of a record, checked again. An error that is neither
// errDamaged nor fs.ErrNotExist may pass.
func (s *segment) read(r record) (batch, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return batch{}, err
	}
	defer f.Close()
	raw := make([]byte, r.bytes())
	if _, err := f.ReadAt(raw, r.offset); err == io.EOF {
		return batch{}, fmt.Errorf("%s: %w: it has become shorter", s.path, errDamaged)
	} else if err != nil {
		return batch{}, err
	}
	head, payload := raw[:recordHead], raw[recordHead:]
	if _, check := parseHead(head); sum(head, payload) != check {
		return batch{}, fmt.Errorf("%s: %w", s.path, errDamaged)
	}
	return batch{samples: r.samples, at: r.at, payload: payload}, nil
}

// deliver marks a record, so that it is not sent again after a restart. The
// write is one byte and not synced: after a power cut a batch may be sent twice,
// never lost.
func (s *segment) deliver(r record) error {
	f, err := os.OpenFile(s.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte{delivered}, r.offset)
	return errors.Join(err, f.Close())
}
