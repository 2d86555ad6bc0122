package history

import (
	"errors"
	"math"
	"slices"
	"strings"

	"go.etcd.io/bbolt"
)

// limits are how many of each kind a target keeps.
type limits struct{ good, bad, points int }

const (
	trimStep    = 64          // most that one call drops of each kind, so that a transaction stays small
	trimAll     = math.MaxInt // no such bound
	shrink      = 0.8         // of the numbers, when the file is too large
	regrow      = 1.25        // when it is far from that
	farFromFull = 0.6
	least       = 0.02 // under which whole targets are dropped instead
)

// limits returns the configured numbers, or the share of them that fits.
func (s *Store) limits() limits {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := func(n int) int { return max(int(math.Ceil(float64(n)*s.share)), 1) }
	return limits{of(s.config.Good), of(s.config.Bad), of(s.config.Points)}
}

// trim drops the oldest of a target until it keeps no more than it may, at most
// step of each kind.
func trim(tx *bbolt.Tx, target *bbolt.Bucket, l limits, step int) error {
	return errors.Join(
		trimClass(tx, target.Bucket(bucketGood), l.good, step, true),
		trimClass(tx, target.Bucket(bucketBad), l.bad, step, true),
		trimClass(tx, target.Bucket(bucketPoints), l.points, step, false))
}

// trimClass drops from one bucket, and the reports of what it drops.
func trimClass(tx *bbolt.Tx, b *bbolt.Bucket, limit, step int, reports bool) error {
	if b == nil || b.Sequence() <= uint64(limit) {
		return nil
	}
	excess := min(int(b.Sequence())-limit, step)
	c := b.Cursor()
	for range excess {
		key, value := c.First()
		if key == nil {
			return damaged("a bucket holds fewer than it counts")
		}
		if reports {
			if err := dropReport(tx, key, value); err != nil {
				return err
			}
		}
		if err := c.Delete(); err != nil {
			return err
		}
	}
	return b.SetSequence(b.Sequence() - uint64(excess))
}

func dropReport(tx *bbolt.Tx, key, value []byte) error {
	payload, err := unseal(key, value)
	if err != nil {
		return err
	}
	e, err := decodeEntry(payload)
	if err != nil {
		return damaged("an entry is no JSON")
	}
	return tx.Bucket(bucketReports).Delete([]byte(e.ID))
}

// bound keeps the file within its size: every target gives up the same share of
// what it may keep, failures last longer than good calls in the same proportion.
// When that is not enough, as with ever new names of targets, those that were
// called the longest ago go.
func (s *Store) bound() {
	for range 100 {
		size := s.measure()
		s.mu.Lock()
		if size < int64(farFromFull*float64(s.config.MaxBytes)) {
			s.share = min(1, s.share*regrow)
		}
		over := size > s.config.MaxBytes
		if over && s.share > least {
			s.share *= shrink
		}
		whole := s.share <= least
		s.mu.Unlock()
		if !over {
			return
		}
		if err := s.giveUp(whole); err != nil {
			s.unwell(err)
			return
		}
	}
}

// giveUp makes room once.
func (s *Store) giveUp(whole bool) error {
	l := s.limits()
	err := s.update(func(tx *bbolt.Tx) error {
		calls := tx.Bucket(bucketCalls)
		if whole {
			return dropIdlest(tx, calls)
		}
		return calls.ForEachBucket(func(name []byte) error {
			return trim(tx, calls.Bucket(name), l, trimAll)
		})
	})
	s.measure()
	return err
}

// measure notes how much is in use.
func (s *Store) measure() int64 {
	s.file.RLock()
	defer s.file.RUnlock()
	if s.db == nil {
		return 0
	}
	size := used(s.db)
	s.note(func(h *Health) { h.Bytes = size })
	return size
}

// dropIdlest removes the targets whose last points are the oldest, one in
// eight, with their calls.
func dropIdlest(tx *bbolt.Tx, calls *bbolt.Bucket) error {
	type target struct{ name, last string }
	var all []target
	err := calls.ForEachBucket(func(name []byte) error {
		one := target{name: string(name)}
		if b := calls.Bucket(name).Bucket(bucketPoints); b != nil {
			key, _ := b.Cursor().Last()
			one.last = string(key)
		}
		all = append(all, one)
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b target) int { return strings.Compare(a.last, b.last) })
	for _, one := range all[:(len(all)+7)/8] {
		name := []byte(one.name)
		if err := trim(tx, calls.Bucket(name), limits{}, trimAll); err != nil {
			return err
		}
		if err := calls.DeleteBucket(name); err != nil {
			return err
		}
	}
	return nil
}
