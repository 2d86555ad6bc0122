package history

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/earshot-voip/earshot/probe"
)

// Query selects calls. Zero fields select all.
type Query struct {
	Name         string // of the target
	Verdicts     []probe.Verdict
	Layer        probe.Layer // of the failure
	Code         probe.Code
	Since, Until time.Time // of the start: not before Since, before Until
	Limit        int       // default 50, at most 1000
	Before       uint64    // from a Page; 0: from the last call on
}

// Page is a part of a list.
type Page struct {
	Calls []Entry // the last that was finished first
	Next  uint64  // Query.Before of the next page; 0: there is none
}

// Limits of a page.
const (
	DefaultLimit = 50
	MaxLimit     = 1000
	scanMost     = 20000 // calls looked at for one page
	olderInRow   = 200   // points before the time asked for, that end the search: the clock may have been set
)

// List returns the calls that match, the last first. It may return fewer than
// Limit, and still a Next, when few of very many match.
func (s *Store) List(q Query) (Page, error) {
	if q.Limit <= 0 {
		q.Limit = DefaultLimit
	}
	q.Limit = min(q.Limit, MaxLimit)
	var page Page
	err := s.view(func(tx *bbolt.Tx) error {
		page = Page{Calls: []Entry{}}
		heads, err := q.heads(tx)
		if err != nil {
			return err
		}
		return q.merge(heads, &page)
	})
	return page, err
}

// head is the next call of one bucket, going back in time.
type head struct {
	cursor     *bbolt.Cursor
	key, value []byte
}

// heads opens a cursor on every bucket that may hold a match.
func (q Query) heads(tx *bbolt.Tx) ([]*head, error) {
	calls := tx.Bucket(bucketCalls)
	var heads []*head
	add := func(name []byte) error {
		target := calls.Bucket(name)
		for _, class := range q.classes() {
			if target == nil || target.Bucket(class) == nil {
				continue
			}
			h := &head{cursor: target.Bucket(class).Cursor()}
			h.seek(q.Before)
			heads = append(heads, h)
		}
		return nil
	}
	if q.Name != "" {
		return heads, add(bucketName(q.Name))
	}
	err := calls.ForEachBucket(add)
	return heads, err
}

func (q Query) classes() [][]byte {
	good := slices.Contains(q.Verdicts, probe.Good)
	switch {
	case q.Layer != "" || q.Code != "":
		return [][]byte{bucketBad}
	case len(q.Verdicts) == 0 || good && len(q.Verdicts) > 1:
		return [][]byte{bucketGood, bucketBad}
	case good:
		return [][]byte{bucketGood}
	}
	return [][]byte{bucketBad}
}

// seek goes to the last key below before, or to the last of all.
func (h *head) seek(before uint64) {
	if before == 0 {
		h.key, h.value = h.cursor.Last()
		return
	}
	if key, _ := h.cursor.Seek(binary.BigEndian.AppendUint64(nil, before)); key == nil {
		h.key, h.value = h.cursor.Last()
		return
	}
	h.key, h.value = h.cursor.Prev()
}

// merge takes the newest of all heads until the page is full.
func (q Query) merge(heads []*head, page *Page) error {
	for range scanMost {
		newest := (*head)(nil)
		for _, h := range heads {
			if h.key != nil && (newest == nil || bytes.Compare(h.key, newest.key) > 0) {
				newest = h
			}
		}
		if newest == nil {
			page.Next = 0
			return nil
		}
		if len(page.Calls) == q.Limit {
			return nil
		}
		payload, err := unseal(newest.key, newest.value)
		if err != nil {
			return err
		}
		e, err := decodeEntry(payload)
		if err != nil {
			return damaged("an entry is no JSON")
		}
		if q.matches(e) {
			page.Calls = append(page.Calls, e)
		}
		page.Next = binary.BigEndian.Uint64(newest.key)
		newest.key, newest.value = newest.cursor.Prev()
	}
	return nil
}

func (q Query) matches(e Entry) bool {
	return (len(q.Verdicts) == 0 || slices.Contains(q.Verdicts, e.Verdict)) &&
		(q.Layer == "" || q.Layer == e.Layer) &&
		(q.Code == "" || q.Code == e.Code) &&
		(q.Since.IsZero() || !e.Started.Before(q.Since)) &&
		(q.Until.IsZero() || e.Started.Before(q.Until))
}

// Report returns the report of a call as JSON; ErrNotFound without one.
func (s *Store) Report(id string) ([]byte, error) {
	var out []byte
	err := s.view(func(tx *bbolt.Tx) error {
		key := []byte(id)
		value := tx.Bucket(bucketReports).Get(key)
		if value == nil {
			return fmt.Errorf("%w: %q", ErrNotFound, id)
		}
		packed, err := unseal(key, value)
		if err != nil {
			return err
		}
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return damaged("a report is not compressed: %v", err)
		}
		if out, err = io.ReadAll(z); err != nil {
			return damaged("a report does not decompress: %v", err)
		}
		return nil
	})
	return out, err
}

// Points returns the points of a target from since on, the oldest first.
func (s *Store) Points(name string, since time.Time) ([]Point, error) {
	var points []Point
	err := s.view(func(tx *bbolt.Tx) error {
		points = nil
		target := tx.Bucket(bucketCalls).Bucket(bucketName(name))
		if target == nil || target.Bucket(bucketPoints) == nil {
			return nil
		}
		c, early := target.Bucket(bucketPoints).Cursor(), 0
		for key, value := c.Last(); key != nil && early < olderInRow; key, value = c.Prev() {
			payload, err := unseal(key, value)
			if err != nil {
				return err
			}
			p, err := decodePoint(payload)
			switch {
			case err != nil:
				return damaged("%v", err)
			case p.Time.Before(since):
				early++
				continue
			}
			early = 0
			points = append(points, p)
		}
		return nil
	})
	slices.Reverse(points)
	slices.SortStableFunc(points, func(a, b Point) int { return a.Time.Compare(b.Time) })
	return points, err
}

// Names returns the targets of which anything is kept, in their order.
func (s *Store) Names() ([]string, error) {
	var names []string
	err := s.view(func(tx *bbolt.Tx) error {
		names = nil
		return tx.Bucket(bucketCalls).ForEachBucket(func(name []byte) error {
			names = append(names, string(name))
			return nil
		})
	})
	return names, err
}

// view runs a transaction that reads.
func (s *Store) view(do func(*bbolt.Tx) error) error {
	return s.try(func(db *bbolt.DB) error { return db.View(do) })
}
