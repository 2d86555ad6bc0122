package remotewrite

import (
	"hash/maphash"
	"math"

	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
)

// staleNaN is the value that tells a receiver that a series has ended here
// (Remote Write 2.0, "Stale Markers"). It is one certain NaN: it must not pass
// through arithmetic.
var staleNaN = math.Float64frombits(0x7ff0000000000002)

// staleness remembers the series of the last collection, so that those that are
// gone from the next one can be ended. It belongs to one goroutine.
type staleness struct {
	seed maphash.Seed
	last map[uint64]series
}

func newStaleness() *staleness {
	return &staleness{seed: maphash.MakeSeed(), last: map[uint64]series{}}
}

// advance takes the series of a collection and returns the ends of those that
// were in the one before and are not in this one.
func (s *staleness) advance(all []series, at int64) []series {
	present := make(map[uint64]series, len(all))
	for _, one := range all {
		one.exemplars = nil
		present[s.key(one.labels)] = one
	}
	var ended []series
	for key, one := range s.last {
		if _, still := present[key]; still {
			continue
		}
		one.at, one.created = at, 0
		if one.native != nil {
			one.native = &writev2.Histogram{Sum: staleNaN, Timestamp: at}
		} else {
			one.value = staleNaN
		}
		ended = append(ended, one)
	}
	s.last = present
	return ended
}

func (s *staleness) key(labels []string) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	for _, l := range labels {
		h.WriteString(l)
		h.WriteByte(0xff) // not a byte of UTF-8
	}
	return h.Sum64()
}
