package remotewrite

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	contentV1 = "application/x-protobuf"
	contentV2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
)

// receiver is a server of Remote Write that keeps what it is given.
type receiver struct {
	*httptest.Server

	// answer, when set, decides about a request before it is read; true: done.
	answer func(w http.ResponseWriter, r *http.Request, n int) bool
	// reads says what becomes of each kind of message: "1.0", "2.0", or a status.
	reads map[string]string

	mu       sync.Mutex
	requests int
	got      []pushed
	about    []pushedMetadata
	headers  []http.Header // of accepted requests
}

// newReceiver knows both versions.
func newReceiver(t *testing.T) *receiver {
	r := &receiver{reads: map[string]string{contentV1: "1.0", contentV2: "2.0"}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	if r.answer != nil && r.answer(w, request, r.requests) {
		return
	}
	if request.Method != http.MethodPost || request.Header.Get("Content-Encoding") != "snappy" {
		http.Error(w, "not a remote write", http.StatusBadRequest)
		return
	}
	body, err := io.ReadAll(request.Body)
	if err == nil {
		body, err = unsnap(body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var taken []pushed
	switch reads := r.reads[request.Header.Get("Content-Type")]; reads {
	case "1.0": // also given a message of 2.0: none of its fields is one of 1.0
		var about []pushedMetadata
		taken, about = decode1(body)
		r.about = append(r.about, about...)
	case "2.0":
		taken = decode2(body)
		floats, histograms, exemplars := 0, 0, 0
		for _, s := range taken {
			if s.native != nil {
				histograms++
			} else {
				floats++
			}
			exemplars += len(s.exemplars)
		}
		w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", fmt.Sprint(floats))
		w.Header().Set("X-Prometheus-Remote-Write-Histograms-Written", fmt.Sprint(histograms))
		w.Header().Set("X-Prometheus-Remote-Write-Exemplars-Written", fmt.Sprint(exemplars))
	case "415":
		http.Error(w, "unsupported media type", http.StatusUnsupportedMediaType)
		return
	case "400":
		http.Error(w, "cannot parse", http.StatusBadRequest)
		return
	default:
		http.Error(w, "unexpected content type", http.StatusTeapot)
		return
	}
	r.got = append(r.got, taken...)
	r.headers = append(r.headers, request.Header.Clone())
	w.WriteHeader(http.StatusNoContent)
}

// samples returns what was taken so far.
func (r *receiver) samples() []pushed {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]pushed(nil), r.got...)
}

// latest returns the last value of each series that holds a float.
func (r *receiver) latest() map[string]float64 {
	out := map[string]float64{}
	for _, s := range r.samples() {
		if s.native == nil {
			out[s.series] = s.value
		}
	}
	return out
}

func (r *receiver) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// journal keeps what a Writer logs.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// newWriter makes a Writer for tests: it retries at once.
func newWriter(t *testing.T, o Options, g prometheus.Gatherer) (*Writer, *journal) {
	t.Helper()
	if o.MinRetry == 0 {
		o.MinRetry, o.MaxRetry = time.Millisecond, 20*time.Millisecond
	}
	if o.Grace == 0 {
		o.Grace = time.Minute
	}
	j := &journal{}
	w, err := New(o, g, "earshot/test", slog.New(slog.NewTextHandler(j, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return w, j
}

// drain delivers all that is in the queue, and closes the Writer.
func drain(t *testing.T, w *Writer) {
	t.Helper()
	finished := make(chan struct{})
	close(w.ending)
	go func() { defer close(finished); w.deliver(t.Context()) }()
	select {
	case <-finished:
	case <-time.After(time.Minute):
		t.Fatalf("the queue is not empty after a minute: %+v", w.Stats())
	}
	w.queue.close()
	w.client.close()
}

// eventually waits for something that happens in another goroutine.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not after a minute: %s", what)
		}
	}
}

func isStale(v float64) bool { return math.Float64bits(v) == 0x7ff0000000000002 }

// counterRegistry has one counter that the test moves.
func counterRegistry(names ...string) (*prometheus.Registry, []prometheus.Counter) {
	r := prometheus.NewRegistry()
	var all []prometheus.Counter
	for _, name := range names {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: "Help of " + strings.ReplaceAll(name, "_", " ") + "."})
		r.MustRegister(c)
		all = append(all, c)
	}
	return r, all
}
