// Package history keeps the last calls of each target on disk: their reports as
// JSON, a line of figures for each to list them by, and points over time to
// plot.
//
// Most callers Open a Store, hand it to the agent as an observer and read it
// with List, Report and Points. What List and Report show has been committed
// to the disk: it survives the process being killed, and the machine too. A
// file that is damaged is set aside under another name, with a message, and a
// fresh one is begun. When the disk is full the store goes on trying; what it
// could not write by then waits in a bounded queue.
//
// Calls that are not good are kept apart from good ones and for longer, so that
// weeks of good calls do not push out the one that failed.
package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// Config of a store. The zero value of each field but Path is its default.
type Config struct {
	Path     string // of the file
	MaxBytes int64  // bound of what is kept, in pages of the file; default 256 MiB
	Good     int    // good calls kept per target; default 500
	Bad      int    // degraded, failed and untrusted calls kept per target; default 2000
	Points   int    // points over time kept per target; default 20000
	Queue    int    // calls that may wait to be written, and a sixteenth of the windows; default 1024
	// Gather is how long a call waits for others, to share the disk's
	// confirmation with them; default 300 ms.
	Gather time.Duration
	Log    *slog.Logger
	Now    func() time.Time // when a window closed; nil: time.Now

	compactAbove int64 // bytes; smaller files are left as they are; default 8 MiB
}

func (c Config) withDefaults() Config {
	c.MaxBytes = cmp.Or(c.MaxBytes, 256<<20)
	c.Good = cmp.Or(c.Good, 500)
	c.Bad = cmp.Or(c.Bad, 2000)
	c.Points = cmp.Or(c.Points, 20000)
	c.Queue = cmp.Or(c.Queue, 1024)
	c.Gather = cmp.Or(c.Gather, 300*time.Millisecond)
	c.compactAbove = cmp.Or(c.compactAbove, 8<<20)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// MinBytes is the least bound that makes sense: what a fresh file takes, and
// some calls.
const MinBytes = 1 << 20

// Errors that callers branch on.
var (
	ErrInUse    = errors.New("another process uses the history")
	ErrNotFound = errors.New("no such call in the history")
)

var errClosed = errors.New("the history is not open")

// Store is the history. It is safe for concurrent use.
type Store struct {
	config Config
	queue  queue
	stop   chan struct{}
	done   chan struct{} // the writer has ended
	ending func() error  // closes once

	// file guards db: readers and the writer hold it shared while they use db;
	// who replaces a damaged file holds it alone.
	file  sync.RWMutex
	db    *bbolt.DB // nil: a fresh file could not be begun yet, or ended
	ended bool

	mu     sync.Mutex
	health Health
	share  float64 // of the configured numbers that fits within MaxBytes
}

// Health says how the store is doing.
type Health struct {
	Stored   int64 // calls written since the start
	Dropped  int64 // calls and points that the full queue did not take, or that were left at the end
	Waiting  int   // calls and points not yet written
	Bytes    int64 // in use
	MaxBytes int64
	Err      string    // why nothing can be written; empty when all is well
	Since    time.Time // of Err
	SetAside string    // the last damaged file, under its new name
	Damaged  int64     // files that were set aside since the start
}

// Open opens the store, or begins it. A damaged file is set aside; a file that
// another process has open is an error, ErrInUse.
func Open(config Config) (*Store, error) {
	config = config.withDefaults()
	if config.MaxBytes < MinBytes {
		return nil, fmt.Errorf("open history: a bound of %d bytes is too small, the least is %d", config.MaxBytes, MinBytes)
	}
	s := &Store{config: config, stop: make(chan struct{}), done: make(chan struct{}), share: 1}
	s.queue.init(config.Queue)
	s.health.MaxBytes = config.MaxBytes
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	s.ending = sync.OnceValue(s.end)
	go s.write()
	return s, nil
}

// Close writes what waits, as far as the disk takes it, and closes the file.
func (s *Store) Close() error { return s.ending() }

func (s *Store) end() error {
	close(s.stop)
	<-s.done
	s.file.Lock()
	defer s.file.Unlock()
	s.ended = true
	if s.db == nil {
		return nil
	}
	err := s.db.Close()
	s.db = nil
	return err
}

// Health returns how the store is doing.
func (s *Store) Health() Health {
	waiting, dropped := s.queue.state()
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.health
	h.Waiting, h.Dropped = waiting, h.Dropped+dropped
	return h
}

// Flush returns when everything that was handed over before has been written,
// or ctx ends.
func (s *Store) Flush(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	mark := s.queue.handedOver()
	for s.queue.settled() < mark {
		select {
		case <-ctx.Done():
			return fmt.Errorf("write history: %w: %s", ctx.Err(), s.Health().Err)
		case <-tick.C:
		}
	}
	return nil
}
