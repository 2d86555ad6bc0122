package history

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/internal/report"
	"github.com/earshot-voip/earshot/probe"
)

const (
	batchSize   = 256
	retryFirst  = time.Second // after the disk refused
	retryMost   = 30 * time.Second
	longestName = 512 // bytes of a target's name; a longer one is cut
	fillPage    = 0.9 // keys are appended, so pages need no room in the middle
)

var _ agent.Observer = (*Store)(nil)

// Added is part of agent.Observer; the history has no use for it.
func (s *Store) Added(agent.Job) {}

// Started is part of agent.Observer; a call is kept when it has ended.
func (s *Store) Started(agent.Job, string, time.Time) {}

// Dropped is part of agent.Observer; such a call says nothing.
func (s *Store) Dropped(agent.Job, string) {}

// Removed is part of agent.Observer; what a target did stays.
func (s *Store) Removed(agent.Job) {}

// Window keeps the figures of a window of a call that stays up. It does not block.
func (s *Store) Window(job agent.Job, _ string, w probe.Window) {
	if job.Mode == agent.Continuous {
		s.queue.put(item{name: job.Name(), point: NewWindowPoint(s.config.Now(), &w)})
	}
}

// Ended keeps a call. It does not block.
func (s *Store) Ended(job agent.Job, r *probe.Result) {
	s.queue.put(item{result: r, told: job.Mode == agent.Continuous && len(r.Windows) > 0})
}

// record is an item as it goes to disk.
type record struct {
	name   []byte
	entry  []byte // nil: only a point
	good   bool
	id     []byte
	report []byte
	point  []byte // nil: none
}

// packer turns items into records. It belongs to the writer: a compressor takes
// most of a megabyte, which is not to be made anew for each call.
type packer struct {
	z *gzip.Writer
}

// write is the writer's goroutine.
func (s *Store) write() {
	defer close(s.done)
	pack := packer{gzip.NewWriter(nil)}
	for {
		select {
		case <-s.queue.wake:
			pause(s.config.Gather, s.stop)
		case <-s.stop:
		}
		for {
			batch := s.queue.take(batchSize)
			if len(batch) == 0 {
				break
			}
			s.queue.finish(s.persist(pack, batch))
		}
		select {
		case <-s.stop:
			if waiting, _ := s.queue.state(); waiting == 0 {
				return
			}
		default:
		}
	}
}

// persist writes a batch, and tries again as long as the disk refuses it; false
// when the store ends before.
func (s *Store) persist(pack packer, batch []item) bool {
	var records []record
	calls := int64(0)
	for _, i := range batch {
		r, err := pack.record(i)
		if err != nil {
			s.config.Log.Error("a call is not kept: it has no JSON form", "target", i.name, "error", err)
			s.note(func(h *Health) { h.Dropped++ })
			continue
		}
		if r.entry != nil {
			calls++
		}
		records = append(records, r)
	}
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		err := errors.Join(s.revive(), s.commit(records))
		if err == nil {
			s.wellAgain(calls)
			s.bound()
			return true
		}
		s.unwell(err)
		if !pause(wait, s.stop) {
			if err = s.commit(records); err != nil {
				s.config.Log.Error("calls are lost: they could not be written before the end", "count", len(batch), "error", err)
				return false
			}
		}
	}
}

func (p packer) record(i item) (record, error) {
	if i.result == nil {
		return record{name: bucketName(i.name), point: i.point.encode()}, nil
	}
	e := NewEntry(i.result)
	if e.ID == "" {
		e.ID = fmt.Sprintf("%016x", e.Started.UnixNano())
	}
	var packed bytes.Buffer
	p.z.Reset(&packed)
	if err := errors.Join(report.JSON(p.z, i.result), p.z.Close()); err != nil {
		return record{}, err
	}
	r := record{
		name: bucketName(e.Name), entry: e.encode(), good: e.Verdict == probe.Good,
		id: []byte(e.ID), report: packed.Bytes(),
	}
	if !i.told {
		r.point = e.point().encode()
	}
	return r, nil
}

// bucketName is the name of a target's bucket: it is never empty, nor longer
// than bbolt takes.
func bucketName(name string) []byte {
	switch {
	case name == "":
		return []byte("(no name)")
	case len(name) > longestName:
		return []byte(name[:longestName])
	}
	return []byte(name)
}

// commit writes records in one transaction; what it wrote is on the disk when
// it returns. A file that is damaged is replaced, and then it is written there.
func (s *Store) commit(records []record) error {
	if len(records) == 0 {
		return nil
	}
	return s.update(func(tx *bbolt.Tx) error {
		for _, r := range records {
			if err := s.put(tx, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// update runs a transaction that writes.
func (s *Store) update(do func(*bbolt.Tx) error) error {
	return s.try(func(db *bbolt.DB) error { return db.Update(do) })
}

// try uses the file. When it meets damage the file is set aside and it goes on
// in a fresh one.
func (s *Store) try(use func(*bbolt.DB) error) error {
	var err error
	for range 2 {
		var db *bbolt.DB
		if db, err = s.attempt(use); !isDamage(err) {
			return err
		}
		if failed := s.reopen(db, err); failed != nil {
			return failed
		}
	}
	return err
}

func (s *Store) attempt(use func(*bbolt.DB) error) (*bbolt.DB, error) {
	s.file.RLock()
	defer s.file.RUnlock()
	if s.db == nil {
		return nil, errClosed
	}
	return s.db, guard(func() error { return use(s.db) })
}

// put writes one record and drops what its target has too many of.
func (s *Store) put(tx *bbolt.Tx, r record) error {
	calls := tx.Bucket(bucketCalls)
	target, err := calls.CreateBucketIfNotExists(r.name)
	if err != nil {
		return fmt.Errorf("target %q: %w", r.name, err)
	}
	number, err := calls.NextSequence()
	if err != nil {
		return err
	}
	key := binary.BigEndian.AppendUint64(nil, number)
	if r.point != nil {
		if err := insert(target, bucketPoints, key, r.point); err != nil {
			return err
		}
	}
	if r.entry != nil {
		class := bucketBad
		if r.good {
			class = bucketGood
		}
		if err := insert(target, class, key, r.entry); err != nil {
			return err
		}
		if err := tx.Bucket(bucketReports).Put(r.id, seal(r.id, r.report)); err != nil {
			return err
		}
	}
	return trim(tx, target, s.limits(), trimStep)
}

// insert appends to one of a target's buckets and counts it.
func insert(target *bbolt.Bucket, class, key, payload []byte) error {
	b, err := target.CreateBucketIfNotExists(class)
	if err != nil {
		return err
	}
	b.FillPercent = fillPage
	if err := b.Put(key, seal(key, payload)); err != nil {
		return err
	}
	return b.SetSequence(b.Sequence() + 1)
}

// note changes the health.
func (s *Store) note(change func(*Health)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.health)
}

// unwell notes that writing fails, and says it when that begins.
func (s *Store) unwell(err error) {
	s.mu.Lock()
	first := s.health.Err == ""
	s.health.Err = err.Error()
	if first {
		s.health.Since = time.Now()
	}
	s.mu.Unlock()
	if first {
		s.config.Log.Error("history cannot be written; calls wait in memory", "file", s.config.Path, "error", err,
			"hint", "free space on the disk, or check the permissions of the file")
	}
}

// wellAgain notes that a batch was written.
func (s *Store) wellAgain(calls int64) {
	s.mu.Lock()
	since, ill := s.health.Since, s.health.Err != ""
	s.health.Err, s.health.Since = "", time.Time{}
	s.health.Stored += calls
	s.mu.Unlock()
	if ill {
		s.config.Log.Info("history is written again", "file", s.config.Path, "after", time.Since(since).Round(time.Second))
	}
}
