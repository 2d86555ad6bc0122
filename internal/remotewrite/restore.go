package remotewrite

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	segmentSuffix = ".batches"
	damagedSuffix = ".damaged"
)

// openQueue opens the queue in a folder and finds what an earlier process left
// there, however it ended. One process at a time can have it.
func openQueue(dir string, limit int64, log *slog.Logger) (*queue, error) {
	q := &queue{dir: dir, limit: limit, log: log, ready: make(chan struct{}, 1)}
	if dir == "" {
		return q, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the queue's folder: %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("lock the queue in %s: %w\nhint: is another agent using the same queue path?", dir, err)
	}
	q.lock = lock
	if err := q.restore(); err != nil {
		lock.Close()
		return nil, fmt.Errorf("read the queue in %s: %w", dir, err)
	}
	if b := q.backlog(); b.samples > 0 {
		log.Info("remote write found samples to deliver", "samples", b.samples, "bytes", b.bytes, "oldest", b.oldest)
	}
	q.signal()
	return q, nil
}

// restore reads all segments in their order.
func (q *queue) restore() error {
	entries, err := os.ReadDir(q.dir) // sorted by name, so by age
	if err != nil {
		return err
	}
	for i, entry := range entries {
		number, is := segmentNumber(entry.Name())
		if !is {
			continue
		}
		q.nextFile = number + 1
		last := !slices.ContainsFunc(entries[i+1:], func(e os.DirEntry) bool {
			_, is := segmentNumber(e.Name())
			return is
		})
		s, err := scanSegment(filepath.Join(q.dir, entry.Name()))
		if err != nil {
			if err = q.repair(s, err, last); err != nil {
				return err
			}
		}
		for i := range s.records {
			s.records[i].id = q.nextID
			q.nextID++
		}
		q.segments = append(q.segments, s)
	}
	q.discardEmpty()
	return nil
}

func segmentNumber(name string) (uint64, bool) {
	digits, is := strings.CutSuffix(name, segmentSuffix)
	if !is {
		return 0, false
	}
	number, err := strconv.ParseUint(digits, 16, 64)
	return number, err == nil
}

// repair cuts a segment where it becomes unreadable. A torn end is what a
// process leaves that dies while it writes, and is dropped; anything else is set
// aside for a person to look at.
func (q *queue) repair(s *segment, trouble error, last bool) error {
	switch {
	case errors.Is(trouble, errTorn) && last:
		q.log.Warn("remote write queue ends in an incomplete batch, cutting it off", "file", s.path)
	case errors.Is(trouble, errTorn), errors.Is(trouble, errDamaged):
		aside := s.path + damagedSuffix
		rest, err := setAside(s.path, aside, s.size)
		if err != nil {
			return fmt.Errorf("set the damaged part aside: %w", err)
		}
		q.forgetOlderDamage(aside)
		q.log.Error("remote write queue is damaged, the part that cannot be read is set aside",
			"file", s.path, "from_byte", s.size, "bytes", rest, "set_aside", aside)
	default:
		return trouble
	}
	if s.size == 0 { // not even the magic text
		return os.Truncate(s.path, 0)
	}
	return os.Truncate(s.path, s.size)
}

// setAside copies a file from an offset on.
func setAside(from, to string, offset int64) (int64, error) {
	in, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	if _, err := in.Seek(offset, io.SeekStart); err != nil {
		return 0, err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(out, in)
	return n, errors.Join(err, out.Close())
}

// forgetOlderDamage keeps one file that was set aside, so that a failing disk
// does not fill itself with them.
func (q *queue) forgetOlderDamage(keep string) {
	all, err := filepath.Glob(filepath.Join(q.dir, "*"+damagedSuffix))
	if err != nil {
		return
	}
	for _, path := range all {
		if path != keep {
			os.Remove(path)
		}
	}
}
