package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/probe"
)

var began = time.Date(2026, 11, 23, 20, 6, 0, 0, time.UTC)

// testCall is a call whose figures follow from its number.
func testCall(name string, n int, verdict probe.Verdict) *probe.Result {
	r := &probe.Result{
		ID: fmt.Sprintf("%s-%06d", name, n), Name: name, Target: "https://" + name + ".example.com/echo",
		Started: began.Add(time.Duration(n) * time.Minute), Elapsed: 11 * time.Second,
		Verdict: verdict, Summary: fmt.Sprintf("call %d", n),
		Uplink: probe.Direction{Evidence: probe.EvidenceStamps, Expected: 500, Received: 490, Lost: 10, Discarded: 5, Jitter: 3 * time.Millisecond,
			Score: &probe.Score{Scale: "nb", MOS: 4.25}},
		Downlink:  probe.Direction{Evidence: probe.EvidenceNone},
		RoundTrip: probe.RoundTrip{RTT: probe.Quantiles{Count: 480, P50: 12 * time.Millisecond}},
		Windows:   []probe.Window{{Length: 5 * time.Second}},
	}
	if verdict == probe.Failed {
		r.Failure = &probe.Failure{Layer: probe.LayerICE, Code: probe.CodeNoPair, Hint: "h", Err: errors.New("e")}
	}
	return r
}

func openTest(t *testing.T, c Config) *Store {
	t.Helper()
	if c.Path == "" {
		c.Path = filepath.Join(t.TempDir(), "history.db")
	}
	c.Gather = time.Nanosecond
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func flush(t *testing.T, s *Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := s.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

func ids(t *testing.T, s *Store, q Query) []string {
	t.Helper()
	page, err := s.List(q)
	if err != nil {
		t.Fatal(err)
	}
	list := []string{}
	for _, e := range page.Calls {
		list = append(list, e.ID)
	}
	return list
}

func TestEntryHoldsWhatIsKnownAndNoMore(t *testing.T) {
	s := openTest(t, Config{})
	s.Ended(agent.Job{}, testCall("a", 1, probe.Failed))
	flush(t, s)
	page, err := s.List(Query{})
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{{
		ID: "a-000001", Name: "a", Target: "https://a.example.com/echo", Started: began.Add(time.Minute), Elapsed: 11,
		Verdict: probe.Failed, Layer: probe.LayerICE, Code: probe.CodeNoPair, Summary: "call 1",
		Figures: Figures{Scale: "nb", RTT: known(0.012),
			// 10 of 500 lost, 5 of 500 discarded
			Uplink: Direction{MOS: known(4.25), Loss: known(0.03), Jitter: known(0.003)}},
	}}
	if !reflect.DeepEqual(page.Calls, want) {
		t.Errorf("got  %s\nwant %s", asJSON(page.Calls), asJSON(want))
	}
	points, err := s.Points("a", time.Time{})
	if err != nil || len(points) != 1 {
		t.Fatalf("got %v and %d points, want 1", err, len(points))
	}
	p := points[0]
	if !p.Time.Equal(began.Add(71*time.Second)) || p.Verdict != probe.Failed || p.Downlink != (Direction{}) || math.Abs(*p.Uplink.MOS-4.25) > 1e-6 || math.Abs(*p.RTT-0.012) > 1e-8 {
		t.Errorf("got point %s", asJSON(p))
	}
}

func asJSON(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func TestReportIsTheOneThatWasHandedOver(t *testing.T) {
	s := openTest(t, Config{})
	s.Ended(agent.Job{}, testCall("a", 7, probe.Good))
	flush(t, s)
	raw, err := s.Report("a-000007")
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Schema, ID string
		Uplink     struct {
			Lost int `json:"packets_lost"`
		}
		Windows []struct {
			Seconds float64
		}
	}
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if got.Schema != "earshot.report/v1" || got.ID != "a-000007" || got.Uplink.Lost != 10 || len(got.Windows) != 1 || got.Windows[0].Seconds != 5 {
		t.Errorf("got %+v", got)
	}
	if _, err := s.Report("a-000008"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func TestEverythingIsThereAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "er", "history.db")
	s, err := Open(Config{Path: path, Gather: time.Hour}) // Close does not wait for it
	if err != nil {
		t.Fatal(err)
	}
	for n := range 30 {
		s.Ended(agent.Job{}, testCall("a", n, probe.Good))
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	again := openTest(t, Config{Path: path})
	if got := len(ids(t, again, Query{Limit: 100})); got != 30 {
		t.Errorf("got %d calls, want 30", got)
	}
	again.Ended(agent.Job{}, testCall("a", 30, probe.Good))
	flush(t, again)
	if got := ids(t, again, Query{Limit: 2}); !reflect.DeepEqual(got, []string{"a-000030", "a-000029"}) {
		t.Errorf("got %v", got)
	}
}

func TestSecondProcessIsToldThatTheFileIsInUse(t *testing.T) {
	t.Parallel()
	s := openTest(t, Config{})
	s.Ended(agent.Job{}, testCall("a", 1, probe.Good))
	flush(t, s)
	if _, err := Open(Config{Path: s.config.Path}); !errors.Is(err, ErrInUse) {
		t.Fatalf("got %v, want ErrInUse", err)
	}
	if got := ids(t, s, Query{}); len(got) != 1 {
		t.Errorf("the first process lost its calls: %v", got)
	}
}

func TestOnlyWindowsOfContinuousCallsArePoints(t *testing.T) {
	s := openTest(t, Config{})
	w := probe.Window{Trusted: true, Uplink: probe.Direction{Evidence: probe.EvidenceStamps, Expected: 250, Received: 250, Score: &probe.Score{Scale: "fb", MOS: 4}}}
	s.Window(agent.Job{Target: probe.Target{Name: "p"}, Mode: agent.Periodic}, "x", w)
	s.Window(agent.Job{Target: probe.Target{Name: "c"}, Mode: agent.Continuous}, "x", w)
	w.Trusted = false
	s.Window(agent.Job{Target: probe.Target{Name: "c"}, Mode: agent.Continuous}, "x", w)
	flush(t, s)
	if names, err := s.Names(); err != nil || !reflect.DeepEqual(names, []string{"c"}) {
		t.Fatalf("got %v and targets %v, want c", err, names)
	}
	points, err := s.Points("c", time.Time{})
	if err != nil || len(points) != 2 {
		t.Fatalf("got %v and %d points, want 2", err, len(points))
	}
	s.Ended(agent.Job{Mode: agent.Continuous}, testCall("c", 1, probe.Good)) // its windows have been told
	flush(t, s)
	if again, err := s.Points("c", time.Time{}); err != nil || len(again) != 2 {
		t.Errorf("got %v and %d points after the call ended, want 2", err, len(again))
	}
	if points[0].Verdict != "" || points[1].Verdict != probe.Untrusted || points[0].Scale != "fb" || *points[0].Uplink.MOS != 4 || points[0].RTT != nil {
		t.Errorf("got %s", asJSON(points))
	}
	if later, err := s.Points("c", time.Now().Add(time.Hour)); err != nil || len(later) != 0 {
		t.Errorf("got %v and %d points of the future", err, len(later))
	}
}

func TestNamesThatTheStoreCannotTakeAsTheyAre(t *testing.T) {
	s := openTest(t, Config{})
	long := string(make([]byte, 40000))
	nameless := testCall("x", 1, probe.Good)
	nameless.Name, nameless.ID = "", ""
	huge := testCall("x", 2, probe.Good)
	huge.Name = long
	s.Ended(agent.Job{}, nameless)
	s.Ended(agent.Job{}, huge)
	flush(t, s)
	if got := len(ids(t, s, Query{})); got != 2 {
		t.Errorf("got %d calls, want 2", got)
	}
	if got := len(ids(t, s, Query{Name: long})); got != 1 {
		t.Errorf("got %d calls of the long name, want 1", got)
	}
}

func TestPointsSurviveEncodingWhateverTheyHold(t *testing.T) {
	for name, p := range map[string]Point{
		"nothing known": {Time: began},
		"all known": {Time: began, Verdict: probe.Untrusted, Figures: Figures{Scale: "wb", RTT: known(0.25),
			Uplink: Direction{known(1), known(0.5), known(0.125)}, Downlink: Direction{known(4.5), known(0), known(0)}}},
		"before 1970":      {Time: time.Unix(-5, 0).UTC()},
		"a verdict of old": {Time: began, Verdict: probe.Degraded},
	} {
		got, err := decodePoint(p.encode())
		if err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("%s: got %s and %v, want %s", name, asJSON(got), err, asJSON(p))
		}
	}
	if _, err := decodePoint([]byte("short")); err == nil {
		t.Error("decoded what is no point")
	}
}
