package audio

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

func TestGaps(t *testing.T) {
	for _, row := range []struct {
		name  string
		heard []int64
		end   int64
		want  []Gap
	}{
		{"nothing is missing", []int64{0, 1, 2, 3}, 4, nil},
		{"the beginning is", []int64{3, 4}, 5, []Gap{{0, 3}}},
		{"one in the middle and the end are", []int64{0, 2, 3}, 7, []Gap{{1, 1}, {4, 3}}},
		{"one that comes late is not missing", []int64{0, 1, 3, 2, 4}, 5, nil},
		{"one that comes late leaves what is before it", []int64{0, 5, 4}, 6, []Gap{{1, 3}}},
		{"and what is behind it", []int64{0, 5, 1}, 6, []Gap{{2, 3}}},
		{"and what is on both sides", []int64{0, 9, 4}, 10, []Gap{{1, 3}, {5, 4}}},
		{"a copy fills nothing", []int64{0, 1, 1, 4, 0}, 5, []Gap{{2, 2}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var g Gaps
			for _, p := range row.heard {
				g.heard(p)
			}
			g.end(row.end)
			got := g.List()
			if len(got) == 0 {
				got = nil
			}
			if !reflect.DeepEqual(got, row.want) {
				t.Errorf("got %v want %v", got, row.want)
			}
			var sum int64
			for _, gap := range row.want {
				sum += gap.Length
			}
			if missing, n := g.Missing(20 * time.Millisecond); missing != time.Duration(sum)*20*time.Millisecond || n != int64(len(row.want)) {
				t.Errorf("got %v in %d gaps want %d frames in %d", missing, n, sum, len(row.want))
			}
		})
	}
}

func TestTheFirstTimeIsKnownFromACopy(t *testing.T) {
	var g Gaps
	for _, row := range []struct {
		position int64
		first    bool
	}{{0, true}, {0, false}, {3, true}, {2, true}, {2, false}, {1, true}, {4, true}, {3, false}} {
		if got := g.heard(row.position); got != row.first {
			t.Errorf("position %d: got %v want %v", row.position, got, row.first)
		}
	}
}

// Of a long call with many gaps the longest are kept, all are counted, and the
// memory does not grow. A slow list of every position is the oracle.
func TestGapsOfALongCall(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const frames = 50_000
	heard := make([]bool, frames)
	for i := range heard {
		heard[i] = random.IntN(10) > 0
	}
	var long []Gap
	for i := range int64(10) {
		start := 1000 + 4500*i
		for p := start; p < start+100+i; p++ {
			heard[p] = false
		}
		heard[start-1], heard[start+100+i] = true, true
		long = append(long, Gap{start, 100 + i})
	}
	var g Gaps
	missing, count := int64(0), int64(0)
	for p, ok := range heard {
		if ok {
			g.heard(int64(p))
			continue
		}
		missing++
		if p == 0 || heard[p-1] {
			count++
		}
	}
	g.end(frames)
	if got, n := g.Missing(1); got != time.Duration(missing) || n != count {
		t.Errorf("got %d frames in %d gaps want %d in %d", got, n, missing, count)
	}
	list := g.List()
	if len(list) != openGaps+keptGaps {
		t.Errorf("got %d gaps, there is room for %d", len(list), openGaps+keptGaps)
	}
	for _, want := range long {
		found := false
		for _, gap := range list {
			found = found || gap == want
		}
		if !found {
			t.Errorf("the long gap %v is not on the map", want)
		}
	}
}
