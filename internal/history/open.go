package history

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// The buckets. Calls has a bucket for each target, by its name, with one each
// for good calls, other calls and points. Their keys are numbers that count up
// in the order of writing, 8 bytes, over all targets; so the oldest comes first
// whatever the clock did. The sequence of each of the three is how many
// it holds.
var (
	bucketCalls   = []byte("calls")
	bucketReports = []byte("reports") // by id: the report, compressed

	bucketGood   = []byte("good")
	bucketBad    = []byte("bad")
	bucketPoints = []byte("points")
)

const (
	lockPatience  = 2 * time.Second // for a process that is about to end
	keepSetAside  = 2               // damaged files
	setAsideMark  = ".damaged-"
	unbornPages   = 4 // of a file in which nothing was ever written
	compactChunk  = 4 << 20
	compactSuffix = ".compact"
)

// open opens the file, which must not be open. A damaged one is set aside.
func (s *Store) open() error {
	if err := os.MkdirAll(filepath.Dir(s.config.Path), 0o750); err != nil {
		return err
	}
	err := s.check()
	if isDamage(err) {
		err = s.setAside(err)
	}
	if err != nil {
		return err
	}
	if err := s.compact(); err != nil {
		s.config.Log.Warn("history keeps its free space", "file", s.config.Path, "error", err)
	}
	db, err := openFile(s.config.Path, false)
	if err != nil {
		return err
	}
	if err := guard(func() error { return begin(db) }); err != nil {
		return errors.Join(err, db.Close())
	}
	s.db = db
	s.note(func(h *Health) { h.Bytes = used(db) })
	return nil
}

// begin makes the buckets of a fresh file.
func begin(db *bbolt.DB) error {
	begun := false
	err := db.View(func(tx *bbolt.Tx) error {
		begun = tx.Bucket(bucketCalls) != nil && tx.Bucket(bucketReports) != nil
		return nil
	})
	if begun || err != nil {
		return err
	}
	return db.Update(func(tx *bbolt.Tx) error {
		_, err1 := tx.CreateBucketIfNotExists(bucketCalls)
		_, err2 := tx.CreateBucketIfNotExists(bucketReports)
		return errors.Join(err1, err2)
	})
}

// openFile maps a file that is known to be sound.
func openFile(path string, readOnly bool) (db *bbolt.DB, err error) {
	err = guard(func() error {
		db, err = bbolt.Open(path, 0o640, &bbolt.Options{Timeout: lockPatience, ReadOnly: readOnly, FreelistType: bbolt.FreelistMapType})
		return err
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("%w: %s", ErrInUse, path)
	}
	return db, err
}

// check looks at the file while nobody can write to it. Its error is of type
// *damage when the content is.
func (s *Store) check() error {
	info, err := os.Stat(s.config.Path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	file, err := os.Open(s.config.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := readMeta(file, info.Size()); err != nil {
		return s.unborn(info.Size(), err)
	}
	lock, err := openFile(s.config.Path, true)
	if err != nil {
		return err
	}
	defer lock.Close()
	if info, err = file.Stat(); err != nil {
		return err
	}
	return checkStructure(file, info.Size())
}

// unborn removes a file whose making was interrupted; it never held anything.
func (s *Store) unborn(size int64, err error) error {
	if size > int64(unbornPages*os.Getpagesize()) {
		return err
	}
	s.config.Log.Info("history begins anew: the file holds nothing", "file", s.config.Path, "bytes", size)
	return os.Remove(s.config.Path)
}

// setAside renames the damaged file, and removes those set aside long ago.
func (s *Store) setAside(bad error) error {
	to := s.config.Path + setAsideMark + time.Now().UTC().Format("20060102T150405.000")
	if err := os.Rename(s.config.Path, to); err != nil {
		return fmt.Errorf("set the damaged file aside: %w", err)
	}
	s.config.Log.Error("history begins anew: the file was damaged and is set aside", "file", s.config.Path, "set_aside", to, "error", bad)
	s.note(func(h *Health) { h.SetAside = to; h.Damaged++ })
	old, err := filepath.Glob(s.config.Path + setAsideMark + "*")
	if err != nil {
		return nil // a path with brackets: nothing is tidied
	}
	slices.Sort(old)
	for _, path := range old[:max(len(old)-keepSetAside, 0)] {
		if err := os.Remove(path); err != nil {
			s.config.Log.Warn("an old damaged file stays", "file", path, "error", err)
		}
	}
	return nil
}

// reopen replaces a file that turned out to be damaged while it was in use.
func (s *Store) reopen(broken *bbolt.DB, bad error) error {
	s.file.Lock()
	defer s.file.Unlock()
	if s.db != broken {
		return nil // another goroutine has done it
	}
	s.db = nil
	if err := guard(broken.Close); err != nil {
		s.config.Log.Warn("the damaged history does not close", "error", err)
	}
	if err := s.setAside(bad); err != nil {
		return err
	}
	return s.open()
}

// revive opens the file again after reopen could not.
func (s *Store) revive() error {
	s.file.Lock()
	defer s.file.Unlock()
	if s.db != nil || s.ended {
		return nil
	}
	return s.open()
}

// compact copies the file without its free pages, when they are most of it. A
// file never gets smaller by itself.
func (s *Store) compact() error {
	info, err := os.Stat(s.config.Path)
	if err != nil || info.Size() < s.config.compactAbove {
		return nil
	}
	from, err := openFile(s.config.Path, false)
	if err != nil {
		return err
	}
	if used(from) > info.Size()/2 {
		return from.Close()
	}
	path := s.config.Path + compactSuffix
	defer os.Remove(path) // nothing is there after the renaming
	_ = os.Remove(path)   // left by a process that was killed
	err = guard(func() error {
		to, err := openFile(path, false)
		if err != nil {
			return err
		}
		return errors.Join(bbolt.Compact(to, from, compactChunk), to.Close())
	})
	if err != nil {
		return errors.Join(err, from.Close())
	}
	// Renamed before the lock is given back, so that nobody writes to the old one.
	return errors.Join(os.Rename(path, s.config.Path), from.Close())
}

// used is how many bytes the pages take that are not free.
func used(db *bbolt.DB) int64 {
	stats := db.Stats()
	var size int64
	_ = db.View(func(tx *bbolt.Tx) error { size = tx.Size(); return nil })
	return size - int64(stats.FreePageN+stats.PendingPageN)*int64(db.Info().PageSize)
}

// guard runs something that reads the mapped file. A damaged page makes bbolt
// panic or the processor fault: both are an error of type *damage.
func guard(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = damaged("%v", p)
		}
	}()
	return do()
}
