package remotewrite

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// fleet is a registry of many targets whose figures change with every step, and
// the book of what they were.
type fleet struct {
	*prometheus.Registry
	packets *prometheus.CounterVec
	mos     *prometheus.GaugeVec
	targets int
	book    map[string][]float64 // by series, in the order of the steps
}

func newFleet(targets int) *fleet {
	f := &fleet{
		Registry: prometheus.NewRegistry(), targets: targets, book: map[string][]float64{},
		packets: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "packets_total"}, []string{"target"}),
		mos:     prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "mos"}, []string{"target"}),
	}
	f.MustRegister(f.packets, f.mos)
	return f
}

func (f *fleet) step(n int) {
	for i := range f.targets {
		target := fmt.Sprintf("site-%d", i)
		f.packets.WithLabelValues(target).Add(float64(500 + i))
		f.mos.WithLabelValues(target).Set(1 + float64((n*31+i)%350)/100)
		f.book[fmt.Sprintf("packets_total{target=%q}", target)] = append(f.book[fmt.Sprintf("packets_total{target=%q}", target)], float64((n+1)*(500+i)))
		f.book[fmt.Sprintf("mos{target=%q}", target)] = append(f.book[fmt.Sprintf("mos{target=%q}", target)], 1+float64((n*31+i)%350)/100)
	}
}

func TestAnHourOfOutageLosesNothing(t *testing.T) {
	const steps, targets = 240, 100 // an hour at 15 s, 200 series
	began := time.UnixMilli(1_790_000_000_000)
	r := newReceiver(t)
	r.answer = refusing(http.StatusServiceUnavailable, "down")
	f := newFleet(targets)
	dir := t.TempDir()
	o := Options{URL: r.URL, QueueDir: dir, SamplesPerSend: 80}
	w, _ := newWriter(t, o, f)
	ctx, restart := context.WithCancel(t.Context())
	defer restart()
	stopped := make(chan struct{})
	go func() { defer close(stopped); w.deliver(ctx) }()
	for n := range steps {
		f.step(n)
		w.collect(began.Add(time.Duration(n) * 15 * time.Second))
		if n == steps/2 { // the agent restarts in the middle of the outage
			restart()
			<-stopped
			w.queue.close()
			w, _ = newWriter(t, o, f)
			go w.deliver(t.Context())
		}
	}
	if s := w.Stats(); s.Sent != 0 || s.Backlog != steps*targets*2 || !s.Oldest.Equal(began) {
		t.Fatalf("got %+v in the outage, want %d samples since %v waiting and none sent", s, steps*targets*2, began)
	}
	waiting := w.Stats().BacklogBytes
	r.change(func() { r.answer = nil })
	eventually(t, "everything is delivered", func() bool { return w.Stats().Backlog == 0 })
	w.queue.close()
	t.Logf("%d samples took %d bytes on disk: %.2f bytes each", steps*targets*2, waiting, float64(waiting)/(steps*targets*2))

	got, times := map[string][]float64{}, map[string][]int64{}
	for _, s := range r.samples() {
		got[s.series] = append(got[s.series], s.value)
		times[s.series] = append(times[s.series], s.at)
	}
	if !maps.EqualFunc(got, f.book, slices.Equal) {
		t.Errorf("what arrived is not what was written down, in its order: %d series, want %d", len(got), len(f.book))
	}
	for series, all := range times {
		for n, at := range all {
			if want := began.UnixMilli() + int64(n)*15_000; at != want {
				t.Fatalf("%s: sample %d has time %d, want %d", series, n, at, want)
			}
		}
	}
}

func TestStopDeliversTheLastSamplesAndTheEnds(t *testing.T) {
	r := newReceiver(t)
	registry, counters := counterRegistry("calls_total")
	w, _ := newWriter(t, Options{URL: r.URL, Interval: time.Hour}, registry)
	ctx, stop := context.WithCancel(t.Context())
	finished := make(chan struct{})
	go func() { defer close(finished); w.Run(ctx) }()
	eventually(t, "the first collection arrives", func() bool { return len(r.samples()) == 1 })
	counters[0].Add(7)
	stop()
	<-finished
	got := r.samples()
	if len(got) != 3 || got[0].value != 0 || got[1].value != 7 || !isStale(got[2].value) || got[2].at <= got[1].at {
		t.Errorf("got %+v, want 0, then 7, then the end", got)
	}
}

func TestStopLeavesTheBacklogOnDisk(t *testing.T) {
	r := newReceiver(t)
	r.answer = refusing(http.StatusServiceUnavailable, "down")
	registry, _ := counterRegistry("calls_total")
	o := Options{URL: r.URL, Interval: time.Hour, QueueDir: t.TempDir(), Grace: 50 * time.Millisecond}
	w, _ := newWriter(t, o, registry)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	w.Run(ctx)
	r.change(func() { r.answer = nil })
	w, _ = newWriter(t, o, prometheus.NewRegistry())
	drain(t, w)
	// The request in flight at the stop may have arrived all the same.
	got := slices.CompactFunc(r.samples(), func(a, b pushed) bool { return a.at == b.at })
	if len(got) != 3 || !isStale(got[2].value) {
		t.Errorf("got %+v at the next start, want two samples and the end", got)
	}
}

func TestCollectionsKeepTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry, _ := counterRegistry("calls_total")
		w, _ := newWriter(t, Options{URL: "http://receiver.invalid/", Interval: 15 * time.Second}, registry)
		began := time.Now()
		ctx, stop := context.WithTimeout(t.Context(), time.Minute+time.Second)
		defer stop()
		w.collectEvery(ctx)
		var at []time.Duration
		for _, h := range w.queue.memory {
			at = append(at, time.UnixMilli(h.at).Sub(began))
		}
		want := []time.Duration{0, 15 * time.Second, 30 * time.Second, 45 * time.Second, time.Minute,
			61 * time.Second, 61*time.Second + time.Millisecond} // the last collection, and the end of its series
		if !slices.Equal(at, want) {
			t.Errorf("got collections after %v, want %v", at, want)
		}
	})
}

// Environment of the child process of TestKillLosesNothing.
const (
	childURL  = "EARSHOT_TEST_PUSH_URL"
	childDir  = "EARSHOT_TEST_PUSH_DIR"
	childFrom = "EARSHOT_TEST_PUSH_FROM"
)

func TestMain(m *testing.M) {
	if os.Getenv(childURL) != "" {
		child()
		return
	}
	os.Exit(m.Run())
}

// child collects numbers, one per millisecond of the samples' time, and says each
// that it has put into the queue, until its input ends.
func child() {
	next, _ := strconv.Atoi(os.Getenv(childFrom))
	registry := prometheus.NewRegistry()
	number := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "number"}, []string{"series"})
	registry.MustRegister(number)
	o := Options{URL: os.Getenv(childURL), QueueDir: os.Getenv(childDir), SamplesPerSend: 3, MinRetry: time.Millisecond, MaxRetry: 5 * time.Millisecond}
	w, err := New(o, registry, "earshot/test", slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	delivered := make(chan struct{})
	go func() { defer close(delivered); w.deliver(context.Background()) }()
	ended := make(chan struct{})
	go func() { defer close(ended); io.Copy(io.Discard, os.Stdin) }()
	for ; ; next++ {
		select {
		case <-ended:
			close(w.ending)
			<-delivered
			return
		default:
		}
		for i := range 7 {
			number.WithLabelValues(fmt.Sprint(i)).Set(float64(next))
		}
		w.collect(time.UnixMilli(1_790_000_000_000 + int64(next)))
		fmt.Println(next)
	}
}

// TestKillLosesNothing kills a process that collects and delivers, again and
// again, while the receiver refuses now and then.
func TestKillLosesNothing(t *testing.T) {
	r := newReceiver(t)
	r.change(func() { // the requests come from other processes
		r.answer = func(w http.ResponseWriter, request *http.Request, n int) bool {
			return n%3 != 0 && n%40 < 30 && refusing(http.StatusServiceUnavailable, "busy")(w, request, n)
		}
	})
	dir, said, kills := t.TempDir(), -1, 8
	for round := range kills + 1 {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), childURL+"="+r.URL, childDir+"="+dir, fmt.Sprintf("%s=%d", childFrom, said+1))
		var log bytes.Buffer
		c.Stderr = &log
		input, err := c.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		output, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		stopAt := said + 5 + rand.IntN(15)
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			if n, err := strconv.Atoi(lines.Text()); err != nil || n != said+1 {
				t.Fatalf("the child says %q after %d", lines.Text(), said)
			}
			said++
			if said == stopAt && round < kills {
				c.Process.Kill() // SIGKILL
			} else if said == stopAt {
				input.Close()
			}
		}
		if err := c.Wait(); (err == nil) != (round == kills) {
			t.Fatalf("round %d: the child ended with %v\n%s", round, err, &log)
		}
	}
	checkNumbers(t, r.samples(), said, kills)
}

// checkNumbers wants every number that was said, in order, and a second time
// only what was in flight at a kill.
func checkNumbers(t *testing.T, samples []pushed, said, kills int) {
	t.Helper()
	bySeries, twice := map[string][]int{}, 0
	for _, s := range samples {
		n := int(s.value)
		if s.at != 1_790_000_000_000+int64(n) {
			t.Fatalf("%s: number %d has time %d", s.series, n, s.at)
		}
		all := bySeries[s.series]
		if len(all) > 0 && all[len(all)-1] == n {
			twice++
			continue
		}
		bySeries[s.series] = append(all, n)
	}
	if len(bySeries) != 7 {
		t.Fatalf("got series %v, want 7", slices.Collect(maps.Keys(bySeries)))
	}
	for series, all := range bySeries {
		if !slices.Equal(all, upTo(0, said+1)) {
			t.Errorf("%s: got %v, want every number up to %d once and in order", series, all, said)
		}
	}
	// At most the batch in flight and the collection that was cut off (the child
	// that follows collects that number again).
	if most := kills * (3 + 7); twice > most {
		t.Errorf("got %d samples twice in %d kills, want at most %d", twice, kills, most)
	}
	t.Logf("%d numbers in 7 series, %d kills, %d samples twice", said+1, kills, twice)
	if strings.Contains(fmt.Sprint(samples), "NaN") {
		t.Error("a child that was killed ended its series")
	}
}
