package history

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/probe"
)

var verdicts = []probe.Verdict{probe.Good, probe.Degraded, probe.Failed, probe.Untrusted}

// fill hands over calls of three targets with verdicts by chance, and returns
// them in order.
func fill(t *testing.T, s *Store, count int, seed uint64) []*probe.Result {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	var all []*probe.Result
	for n := range count {
		r := testCall(string(rune('a'+random.IntN(3))), n, verdicts[random.IntN(4)])
		s.Ended(agent.Job{}, r)
		all = append(all, r)
		if n%500 == 0 {
			flush(t, s)
		}
	}
	flush(t, s)
	return all
}

// TestListAgainstAFilterOverASlice compares every kind of query, page by page,
// with a plain filter over what was handed over.
func TestListAgainstAFilterOverASlice(t *testing.T) {
	t.Parallel()
	s := openTest(t, Config{})
	all := fill(t, s, 400, 1)
	slices.Reverse(all)
	for name, q := range map[string]Query{
		"everything":              {},
		"one target":              {Name: "b"},
		"a target nobody knows":   {Name: "zz"},
		"good ones":               {Verdicts: []probe.Verdict{probe.Good}},
		"bad ones of a target":    {Name: "c", Verdicts: []probe.Verdict{probe.Degraded, probe.Failed}},
		"good and failed ones":    {Verdicts: []probe.Verdict{probe.Good, probe.Failed}},
		"failed at a layer":       {Layer: probe.LayerICE},
		"failed at another layer": {Layer: probe.LayerTLS},
		"failed with a code":      {Code: probe.CodeNoPair, Name: "a"},
		"from a time on":          {Since: began.Add(100 * time.Minute)},
		"in a span":               {Since: began.Add(100 * time.Minute), Until: began.Add(110 * time.Minute)},
	} {
		var want []string
		for _, r := range all {
			if (q.Name == "" || r.Name == q.Name) && (q.Verdicts == nil || slices.Contains(q.Verdicts, r.Verdict)) &&
				(q.Layer == "" || r.Failure != nil && r.Failure.Layer == q.Layer) &&
				(q.Code == "" || r.Failure != nil && r.Failure.Code == q.Code) &&
				!r.Started.Before(q.Since) && (q.Until.IsZero() || r.Started.Before(q.Until)) {
				want = append(want, r.ID)
			}
		}
		for _, limit := range []int{1, 7, 1000} {
			q, got := q, []string(nil)
			q.Limit = limit
			for range 1000 {
				page, err := s.List(q)
				if err != nil {
					t.Fatal(err)
				}
				if len(page.Calls) > limit {
					t.Fatalf("%s: a page of %d calls, limit %d", name, len(page.Calls), limit)
				}
				for _, e := range page.Calls {
					got = append(got, e.ID)
				}
				if q.Before = page.Next; q.Before == 0 {
					break
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %d a page: got %d calls %v\nwant %d %v", name, limit, len(got), got, len(want), want)
			}
		}
	}
}

// TestLimitsPerTarget compares what is kept with the last of each kind of what
// was handed over.
func TestLimitsPerTarget(t *testing.T) {
	const good, bad, points = 5, 12, 40
	s := openTest(t, Config{Good: good, Bad: bad, Points: points})
	all := fill(t, s, 500, 2)
	for _, name := range []string{"a", "b", "c"} {
		var wantGood, wantBad []string
		count := 0
		for _, r := range slices.Backward(all) {
			switch {
			case r.Name != name:
				continue
			case r.Verdict == probe.Good && len(wantGood) < good:
				wantGood = append(wantGood, r.ID)
			case r.Verdict != probe.Good && len(wantBad) < bad:
				wantBad = append(wantBad, r.ID)
			}
			count++
		}
		if got := ids(t, s, Query{Name: name, Verdicts: verdicts[:1], Limit: 1000}); !reflect.DeepEqual(got, wantGood) {
			t.Errorf("good calls of %s: got %v, want %v", name, got, wantGood)
		}
		if got := ids(t, s, Query{Name: name, Verdicts: verdicts[1:], Limit: 1000}); !reflect.DeepEqual(got, wantBad) {
			t.Errorf("bad calls of %s: got %v, want %v", name, got, wantBad)
		}
		if got, err := s.Points(name, time.Time{}); err != nil || len(got) != min(points, count) {
			t.Errorf("points of %s: got %d and %v, want %d", name, len(got), err, min(points, count))
		}
	}
	reports := 0
	for _, r := range all {
		if _, err := s.Report(r.ID); err == nil {
			reports++
		}
	}
	if reports != 3*(good+bad) {
		t.Errorf("got %d reports, want %d", reports, 3*(good+bad))
	}
}

func TestSizeIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("writes more than a megabyte, call by call")
	}
	t.Parallel()
	const bound = 1 << 20
	s := openTest(t, Config{MaxBytes: bound})
	fill(t, s, 1500, 3) // some 1.5 MB without the bound
	h := s.Health()
	if h.Bytes > bound || h.Err != "" || h.Dropped != 0 {
		t.Errorf("got %+v, want at most %d bytes in use", h, bound)
	}
	if h.Bytes < bound/3 {
		t.Errorf("only %d of %d bytes are used", h.Bytes, bound)
	}
	kept := map[string]int{}
	for _, name := range []string{"a", "b", "c"} {
		g := len(ids(t, s, Query{Name: name, Verdicts: verdicts[:1], Limit: 1000}))
		b := len(ids(t, s, Query{Name: name, Verdicts: verdicts[1:], Limit: 1000}))
		if kept[name] = g + b; b <= 2*g || g < 10 {
			t.Errorf("%s keeps %d good and %d bad calls; want more bad than their share of the calls, and some good", name, g, b)
		}
	}
	if got := ids(t, s, Query{Limit: 1}); got[0][2:] != "001499" {
		t.Errorf("the last call is %v", got)
	}
}

// TestEverNewNames is discovery with names that change: the size must hold, and
// the names that were called last stay.
func TestEverNewNames(t *testing.T) {
	if testing.Short() {
		t.Skip("writes more than a megabyte, call by call")
	}
	t.Parallel()
	const bound = 1 << 20
	s := openTest(t, Config{MaxBytes: bound})
	for n := range 800 {
		s.Ended(agent.Job{}, testCall(fmt.Sprintf("pod-%d", n), n, probe.Good))
		if n%200 == 0 {
			flush(t, s)
		}
	}
	flush(t, s)
	if h := s.Health(); h.Bytes > bound || h.Err != "" {
		t.Errorf("got %+v, want at most %d bytes in use", h, bound)
	}
	names, err := s.Names()
	if err != nil || len(names) < 20 || !slices.Contains(names, "pod-799") || slices.Contains(names, "pod-0") {
		t.Errorf("got %v and %d names", err, len(names))
	}
}

func TestFullQueueKeepsFailures(t *testing.T) {
	var q queue
	q.init(3)
	for n := range 3 {
		q.put(item{result: testCall("a", n, probe.Good)})
	}
	q.put(item{result: testCall("a", 3, probe.Good)})   // no room
	q.put(item{result: testCall("a", 4, probe.Failed)}) // instead of the first
	q.put(item{name: "c"})                              // a point, no room
	var got []string
	for _, i := range q.take(10) {
		got = append(got, i.result.ID)
	}
	if want := []string{"a-000001", "a-000002", "a-000004"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	q.finish(true)
	if waiting, dropped := q.state(); waiting != 0 || dropped != 3 || q.settled() != 6 || q.handedOver() != 6 {
		t.Errorf("waiting %d, dropped %d, %d of %d settled", waiting, dropped, q.settled(), q.handedOver())
	}
	for n := range 3 {
		q.put(item{result: testCall("a", n, probe.Failed)})
	}
	q.put(item{result: testCall("a", 9, probe.Failed)})
	if _, dropped := q.state(); dropped != 4 {
		t.Errorf("dropped %d, want 4: nothing may make way for it", dropped)
	}
}

// TestPointsWhenTheClockWasSet: what was written while the clock was wrong must
// not hide what was written before.
func TestPointsWhenTheClockWasSet(t *testing.T) {
	s := openTest(t, Config{})
	for n := range 30 {
		r := testCall("a", n, probe.Good)
		if n%10 == 5 {
			r.Started = began.Add(-1000 * time.Hour)
		}
		s.Ended(agent.Job{}, r)
	}
	flush(t, s)
	points, err := s.Points("a", began.Add(2*time.Minute))
	if err != nil || len(points) != 28-3 {
		t.Fatalf("got %d points and %v, want 25", len(points), err)
	}
	if !slices.IsSortedFunc(points, func(a, b Point) int { return a.Time.Compare(b.Time) }) {
		t.Error("points are out of order")
	}
}
