package remotewrite

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// queue keeps batches in order until they are delivered: in files, or in memory
// when it has no folder or while the disk refuses. What is in memory is younger
// than all that is in files. Its methods may be called from any goroutine.
type queue struct {
	dir   string // empty: memory only
	limit int64  // bytes
	log   *slog.Logger
	lock  *os.File
	ready chan struct{} // holds one token when a batch may be waiting

	mu         sync.Mutex
	segments   []*segment // the oldest first; the last one is appended to
	active     *os.File   // of the last segment; nil: the next batch begins a segment
	memory     []held
	nextID     uint64
	nextFile   uint64
	overflowed int64 // samples dropped since the queue was full
	damaged    int64 // samples dropped since they could not be read back
	diskFailed bool
}

// held is a batch in the queue.
type held struct {
	batch
	id uint64
}

// backlog is what waits in a queue.
type backlog struct {
	samples int64
	bytes   int64
	oldest  time.Time // of the samples; zero: nothing waits
}

const (
	// memoryLimit bounds what is kept in memory while the disk refuses.
	memoryLimit = 16 << 20
	// A queue consists of about this many files, so that a full one loses that
	// share at once.
	segmentsPerQueue = 8
	maxSegment       = 16 << 20
)

// push appends batches, and drops the oldest where the limit demands it.
func (q *queue) push(batches []batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, b := range batches {
		q.memory = append(q.memory, held{b, q.nextID})
		q.nextID++
	}
	if q.dir != "" {
		q.toDisk()
	}
	q.trimMemory()
	q.signal()
}

// toDisk moves what is in memory to the files, as far as the disk takes it.
func (q *queue) toDisk() {
	var err error
	for len(q.memory) > 0 && err == nil {
		h := q.memory[0]
		if err = q.store(h); err == nil {
			q.memory[0] = held{}
			q.memory = q.memory[1:]
		}
	}
	if err == nil && q.active != nil {
		err = q.active.Sync()
	}
	switch {
	case err != nil && !q.diskFailed:
		q.log.Error("remote write queue cannot be written, keeping samples in memory", "dir", q.dir, "error", err)
	case err == nil && q.diskFailed:
		q.log.Info("remote write queue can be written again", "dir", q.dir)
	}
	q.diskFailed = err != nil
}

// store writes one batch behind all others.
func (q *queue) store(h held) error {
	need := int64(recordHead + len(h.payload))
	if q.active != nil && q.last().size+need > q.segmentSize() {
		q.active.Close()
		q.active = nil
	}
	q.trimDisk(need)
	if q.active == nil {
		path := q.segmentPath(q.nextFile)
		s, f, err := createSegment(path)
		q.nextFile++
		if err != nil {
			return err
		}
		q.segments, q.active = append(q.segments, s), f
		q.discardEmpty()
	}
	err := q.last().append(q.active, h.id, h.batch)
	if err != nil { // the file may have a torn end: do not write behind it
		q.active.Close()
		q.active = nil
	}
	return err
}

// trimDisk makes room for a record by dropping whole files, the oldest first.
func (q *queue) trimDisk(need int64) {
	total := need
	for _, s := range q.segments {
		total += s.size
	}
	for total > q.limit && len(q.segments) > 0 {
		oldest := q.segments[0]
		if len(q.segments) == 1 && q.active != nil {
			q.active.Close()
			q.active = nil
		}
		total -= oldest.size
		q.drop(oldest.records, "queue is full")
		q.segments = q.segments[1:]
		q.remove(oldest)
	}
}

func (q *queue) drop(records []record, why string) {
	var samples int64
	for _, r := range records {
		samples += int64(r.samples)
	}
	if samples > 0 {
		q.overflowed += samples
		q.log.Warn("remote write dropped its oldest samples", "reason", why, "samples", samples)
	}
}

// trimMemory drops the oldest batches in memory beyond its limit.
func (q *queue) trimMemory() {
	limit := q.limit
	if q.dir != "" {
		limit = min(limit, memoryLimit)
	}
	var total, samples int64
	for _, h := range q.memory {
		total += int64(recordHead + len(h.payload))
	}
	for total > limit && len(q.memory) > 0 {
		total -= int64(recordHead + len(q.memory[0].payload))
		samples += int64(q.memory[0].samples)
		q.memory[0] = held{}
		q.memory = q.memory[1:]
	}
	if samples > 0 {
		q.overflowed += samples
		q.log.Warn("remote write dropped its oldest samples", "reason", "queue is full", "samples", samples)
	}
}

// head returns the oldest batch and leaves it in the queue. It is false when
// there is none, and while the disk cannot be read.
func (q *queue) head() (held, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range q.segments {
		for len(s.records) > 0 {
			r := s.records[0]
			b, err := s.read(r)
			if err == nil {
				return held{b, r.id}, true
			}
			if !errors.Is(err, errDamaged) && !errors.Is(err, fs.ErrNotExist) {
				q.log.Error("remote write queue cannot be read", "error", err)
				return held{}, false
			}
			q.log.Error("remote write queue holds a batch that is lost, dropping it", "error", err, "samples", r.samples)
			q.damaged += int64(r.samples)
			s.records = s.records[1:]
		}
	}
	if len(q.memory) > 0 {
		return q.memory[0], true
	}
	return held{}, false
}

// done takes a batch out of the queue. It is false when the batch had been
// dropped before.
func (q *queue) done(id uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range q.segments {
		for i, r := range s.records {
			if r.id != id {
				continue
			}
			if err := s.deliver(r); err != nil {
				q.log.Warn("remote write queue cannot be marked, a batch may be sent twice after a restart", "error", err)
			}
			s.records = append(s.records[:i], s.records[i+1:]...)
			q.discardEmpty()
			return true
		}
	}
	for i, h := range q.memory {
		if h.id == id {
			q.memory = append(q.memory[:i], q.memory[i+1:]...)
			return true
		}
	}
	return false
}

// holds says whether a batch is still in the queue.
func (q *queue) holds(id uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range q.segments {
		for _, r := range s.records {
			if r.id == id {
				return true
			}
		}
	}
	for _, h := range q.memory {
		if h.id == id {
			return true
		}
	}
	return false
}

// backlog says what waits.
func (q *queue) backlog() backlog {
	q.mu.Lock()
	defer q.mu.Unlock()
	var b backlog
	count := func(samples int, bytes, at int64) {
		b.samples += int64(samples)
		b.bytes += bytes
		if t := time.UnixMilli(at); b.oldest.IsZero() || t.Before(b.oldest) {
			b.oldest = t
		}
	}
	for _, s := range q.segments {
		for _, r := range s.records {
			count(r.samples, r.bytes(), r.at)
		}
	}
	for _, h := range q.memory {
		count(h.samples, int64(recordHead+len(h.payload)), h.at)
	}
	return b
}

// dropped returns the samples lost so far, by reason.
func (q *queue) dropped() (overflowed, damaged int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.overflowed, q.damaged
}

// close leaves the files as they are. What is in memory alone is lost.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	var lost int64
	for _, h := range q.memory {
		lost += int64(h.samples)
	}
	if lost > 0 {
		q.log.Warn("remote write ends with samples that were not delivered", "samples", lost,
			"hint", "give the queue a path to keep them across restarts")
	}
	q.memory = nil
	if q.active != nil {
		q.active.Close()
		q.active = nil
	}
	if q.lock != nil {
		q.lock.Close()
	}
}

// discardEmpty removes files of which everything is delivered, but not the one
// that is appended to.
func (q *queue) discardEmpty() {
	kept := q.segments[:0]
	for i, s := range q.segments {
		if len(s.records) == 0 && (i < len(q.segments)-1 || q.active == nil) {
			q.remove(s)
			continue
		}
		kept = append(kept, s)
	}
	q.segments = kept
}

func (q *queue) remove(s *segment) {
	if err := os.Remove(s.path); err != nil {
		q.log.Warn("remote write queue cannot remove a file", "error", err)
	}
}

func (q *queue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

func (q *queue) last() *segment { return q.segments[len(q.segments)-1] }

func (q *queue) segmentSize() int64 { return min(q.limit/segmentsPerQueue, maxSegment) }

func (q *queue) segmentPath(number uint64) string {
	return fmt.Sprintf("%s%c%016x%s", q.dir, os.PathSeparator, number, segmentSuffix)
}
