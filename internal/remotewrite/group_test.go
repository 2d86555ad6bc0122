package remotewrite

import (
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestGroupKeepsWhatIsUnchangedAcrossConfigurations(t *testing.T) {
	a, b, c := newReceiver(t), newReceiver(t), newReceiver(t)
	registry, _ := counterRegistry("calls_total")
	g := NewGroup(registry, "earshot/test", slog.New(slog.DiscardHandler))
	options := func(r *receiver, name string) Options {
		return Options{Name: name, URL: r.URL, Interval: time.Hour, QueueDir: filepath.Join(t.TempDir(), name), MinRetry: time.Millisecond, MaxRetry: time.Millisecond, Grace: time.Minute}
	}
	first, second, third := options(a, "a"), options(b, "b"), options(c, "c")
	counts := func() map[string]int {
		return map[string]int{"a": len(a.samples()), "b": len(b.samples()), "c": len(c.samples())}
	}
	arrive := func(want map[string]int) {
		t.Helper()
		eventually(t, "samples arrive", func() bool { return maps.Equal(counts(), want) })
	}
	if err := g.Apply([]Options{first, second}); err != nil {
		t.Fatal(err)
	}
	arrive(map[string]int{"a": 1, "b": 1, "c": 0})

	second.Exemplars = true // changed, with the same queue
	if err := g.Apply([]Options{third, second, first}); err != nil {
		t.Fatal(err)
	}
	arrive(map[string]int{"a": 1, "b": 1 + 2 + 1, "c": 1}) // b: the last one and its end, then the successor's first
	if end := b.samples()[2]; !isStale(end.value) {
		t.Errorf("got %+v, want the end of the series of the writer that was replaced", end)
	}

	if err := g.Apply([]Options{first}); err != nil {
		t.Fatal(err)
	}
	arrive(map[string]int{"a": 1, "b": 6, "c": 3})
	var names []string
	g.Each(func(name string, s Stats) {
		names = append(names, name)
		if s.Sent != 1 {
			t.Errorf("%s: got %d samples sent, want 1: it has gone on all the time", name, s.Sent)
		}
	})
	if !slices.Equal(names, []string{"a"}) {
		t.Errorf("got receivers %v, want a", names)
	}
	g.Stop()
	arrive(map[string]int{"a": 3, "b": 6, "c": 3})
}

func TestGroupRunsTheOthersWhenOneCannotBegin(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := newReceiver(t)
	r.answer = func(http.ResponseWriter, *http.Request, int) bool { return false }
	registry, _ := counterRegistry("calls_total")
	g := NewGroup(registry, "earshot/test", slog.New(slog.DiscardHandler))
	defer g.Stop()
	err := g.Apply([]Options{{Name: "bad", URL: "http://192.0.2.1/", QueueDir: file}, {Name: "good", URL: r.URL}})
	if err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, want it to name the queue that cannot be", err)
	}
	eventually(t, "the other receiver gets samples", func() bool { return len(r.samples()) > 0 })
}
