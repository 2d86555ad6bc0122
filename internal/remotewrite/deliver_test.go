package remotewrite

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestProtocolFallsBackWhereTheReceiverKnowsOnlyOne(t *testing.T) {
	rows := []struct {
		name  string
		reads map[string]string
	}{
		{"a receiver that says 415", map[string]string{contentV1: "1.0", contentV2: "415"}},
		{"an old receiver that cannot parse 2.0", map[string]string{contentV1: "1.0", contentV2: "400"}},
		{"an old receiver that says success and has read nothing", map[string]string{contentV1: "1.0", contentV2: "1.0"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := newReceiver(t)
			r.reads = row.reads
			registry, counters := counterRegistry("calls_total")
			w, _ := newWriter(t, Options{URL: r.URL}, registry)
			for range 3 {
				counters[0].Inc()
				w.collect(time.Now())
			}
			drain(t, w)
			var got []float64
			for _, s := range r.samples() {
				got = append(got, s.value)
			}
			if fmt.Sprint(got) != "[1 2 3]" {
				t.Errorf("got values %v, want 1, 2, 3", got)
			}
			if r.requests != 4 {
				t.Errorf("got %d requests, want 4: one in vain, then three", r.requests)
			}
			if s := w.Stats(); s.Protocol != Version1 || s.Sent != 3 || s.Rejected != 0 {
				t.Errorf("got %+v, want 3 samples sent by 1.0", s)
			}
		})
	}
}

func TestReceiverThatWasUpgradedIsFoundAgain(t *testing.T) {
	r := newReceiver(t)
	r.reads = map[string]string{contentV1: "1.0", contentV2: "415"}
	registry, _ := counterRegistry("calls_total")
	w, _ := newWriter(t, Options{URL: r.URL}, registry)
	plain := func() []byte {
		w.collect(time.Now())
		h, _ := w.queue.head()
		m, err := message(h.payload)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	send := func(want Protocol) {
		t.Helper()
		if err := w.client.write(t.Context(), plain(), func(error) {}); err != nil || w.client.speaks != want {
			t.Errorf("got %v in %s, want success in %s", err, w.client.speaks, want)
		}
	}
	send(Version1)
	r.change(func() { r.reads[contentV2] = "2.0" })
	send(Version1)
	w.client.fellBack = w.client.fellBack.Add(-2 * reprobing)
	send(Version2)
}

// refusing answers every request with a status.
func refusing(status int, text string) func(http.ResponseWriter, *http.Request, int) bool {
	return func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		http.Error(w, text, status)
		return true
	}
}

func TestRefusedSamplesAreCountedAndNotRepeated(t *testing.T) {
	r := newReceiver(t)
	registry, counters := counterRegistry("a_total", "b_total")
	w, log := newWriter(t, Options{URL: r.URL}, registry)
	w.collect(time.Now())
	counters[0].Inc()
	w.collect(time.Now().Add(time.Second))
	r.answer = func(rw http.ResponseWriter, request *http.Request, n int) bool {
		return n > 1 && refusing(http.StatusBadRequest, "out of order sample\x1b[31m\nsecond line")(rw, request, n)
	}
	drain(t, w)
	s := w.Stats()
	if s.Sent != 2 || s.Rejected != 2 || s.Backlog != 0 || s.Retries != 0 || s.Protocol != Version2 {
		t.Errorf("got %+v, want 2 samples sent, 2 rejected without a retry, and 2.0 kept", s)
	}
	if r.requests != 2 {
		t.Errorf("got %d requests, want 2: a receiver that knows 2.0 is not asked in 1.0", r.requests)
	}
	if text := log.String(); !strings.Contains(text, "out of order sample") || !strings.Contains(text, "status=400") || strings.Contains(text, "x1b[31") {
		t.Errorf("got log %s, want the status and the receiver's words without control characters", text)
	}
}

func TestRefusedByBothProtocolsIsNoFallback(t *testing.T) {
	r := newReceiver(t)
	r.answer = refusing(http.StatusBadRequest, "no")
	registry, _ := counterRegistry("a_total")
	w, _ := newWriter(t, Options{URL: r.URL}, registry)
	w.collect(time.Now())
	drain(t, w)
	if s := w.Stats(); s.Rejected != 1 || s.Protocol != Version2 || r.requests != 2 {
		t.Errorf("got %+v after %d requests, want one sample rejected after one of each version, and 2.0 kept", s, r.requests)
	}
}

func TestPartlyTakenSamplesAreCountedApart(t *testing.T) {
	r := newReceiver(t)
	r.answer = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", "3")
		http.Error(w, "one is out of order", http.StatusBadRequest)
		return true
	}
	registry, _ := counterRegistry("a_total", "b_total", "c_total", "d_total")
	w, _ := newWriter(t, Options{URL: r.URL, Protocol: Version2}, registry)
	w.collect(time.Now())
	drain(t, w)
	if s := w.Stats(); s.Sent != 3 || s.Rejected != 1 {
		t.Errorf("got %+v, want 3 sent and 1 rejected", s)
	}
}

func TestFailuresThatMayPassAreRetried(t *testing.T) {
	broken := func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			connection.Close()
		}
		return true
	}
	redirect := func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.Header().Set("Location", "https://portal.example.com/login?token=secret")
		w.WriteHeader(http.StatusFound)
		return true
	}
	rows := []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request, int) bool
		says   string
	}{
		{"the receiver is overloaded", refusing(http.StatusServiceUnavailable, "wait"), "503"},
		{"the receiver limits the rate", refusing(http.StatusTooManyRequests, "slower"), "429"},
		{"the connection breaks", broken, "EOF"},
		{"a portal wants a login", redirect, "portal.example.com/login"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := newReceiver(t)
			r.answer = func(w http.ResponseWriter, request *http.Request, n int) bool {
				return n <= 4 && row.answer(w, request, n)
			}
			registry, _ := counterRegistry("a_total")
			w, log := newWriter(t, Options{URL: r.URL + "?key=secret"}, registry)
			w.collect(time.Now())
			drain(t, w)
			if s := w.Stats(); s.Sent != 1 || s.Rejected != 0 || s.Retries != 4 {
				t.Errorf("got %+v, want the sample sent after 4 retries", s)
			}
			text := log.String()
			if !strings.Contains(text, row.says) || !strings.Contains(text, "delivers again") || strings.Contains(text, "secret") {
				t.Errorf("got log %s, want it to say %q, then that it delivers again, and no secret", text, row.says)
			}
			if n := strings.Count(text, "cannot deliver"); n != 1 {
				t.Errorf("got %d complaints in the log, want one per outage", n)
			}
		})
	}
}

func TestRetryAfterIsKeptToWithinReason(t *testing.T) {
	o := observer{longest: time.Minute}
	in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for header, want := range map[string]string{
		"7": "7", "0": "0", "-3": "0", "0.5": "1", "86400": "60", "99999999999999999999": "60", "NaN": "0",
		in(24 * time.Hour): "60", in(-time.Hour): "0", "soon": "0",
	} {
		if got := o.patience(header); got != want {
			t.Errorf("Retry-After: %s: got %s seconds, want %s", header, got, want)
		}
	}
}

func TestRetryAfterDelaysTheNextAttempt(t *testing.T) {
	r := newReceiver(t)
	var times []time.Time
	r.answer = func(w http.ResponseWriter, request *http.Request, n int) bool {
		times = append(times, time.Now())
		if n > 1 {
			return false
		}
		w.Header().Set("Retry-After", "1")
		return refusing(http.StatusServiceUnavailable, "wait")(w, request, n)
	}
	registry, _ := counterRegistry("a_total")
	w, _ := newWriter(t, Options{URL: r.URL, MinRetry: time.Millisecond, MaxRetry: 2 * time.Second}, registry)
	w.collect(time.Now())
	drain(t, w)
	if gap := times[1].Sub(times[0]); gap < time.Second {
		t.Errorf("got the next attempt after %v, want at least the second that was asked for", gap)
	}
}

func TestAuthentication(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	write(t, secret, "first\n")
	rows := []struct {
		name    string
		options Options
		want    func(password string) string
	}{
		{"basic", Options{Username: "probe", PasswordFile: secret}, func(p string) string { return "probe:" + p }},
		{"bearer", Options{TokenFile: secret}, func(p string) string { return "Bearer " + p }},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			write(t, secret, "first\n")
			r := newReceiver(t)
			var seen []string
			r.answer = func(_ http.ResponseWriter, request *http.Request, _ int) bool {
				if user, password, basic := request.BasicAuth(); basic {
					seen = append(seen, user+":"+password)
				} else {
					seen = append(seen, request.Header.Get("Authorization"))
				}
				return false
			}
			row.options.URL = r.URL
			registry, _ := counterRegistry("a_total")
			w, log := newWriter(t, row.options, registry)
			first, _ := message(collected(t, w))
			if err := w.client.write(t.Context(), first, func(error) {}); err != nil {
				t.Fatal(err)
			}
			write(t, secret, "second\n") // rotated while the agent runs
			if err := w.client.write(t.Context(), first, func(error) {}); err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprint([]string{row.want("first"), row.want("second")}); fmt.Sprint(seen) != want {
				t.Errorf("got %v, want %v", seen, want)
			}
			if strings.Contains(log.String()+fmt.Sprintf("%+v", w.options), "first") {
				t.Error("the secret is in the log or the options")
			}
		})
	}
}

// collected returns the payload of one collection.
func collected(t *testing.T, w *Writer) []byte {
	t.Helper()
	w.collect(time.Now())
	h, waiting := w.queue.head()
	if !waiting {
		t.Fatal("nothing was collected")
	}
	return h.payload
}

func TestSecretFileThatIsMissingIsAFailureThatMayPass(t *testing.T) {
	r := newReceiver(t)
	missing := filepath.Join(t.TempDir(), "password")
	registry, _ := counterRegistry("a_total")
	w, log := newWriter(t, Options{URL: r.URL, Username: "probe", PasswordFile: missing}, registry)
	w.collect(time.Now())
	go func() {
		for !strings.Contains(log.String(), missing) {
			time.Sleep(time.Millisecond)
		}
		os.WriteFile(missing, []byte("there\n"), 0o600)
	}()
	drain(t, w)
	if s := w.Stats(); s.Sent != 1 || s.Rejected != 0 || s.Retries == 0 {
		t.Errorf("got %+v, want the sample sent once the file is there", s)
	}
}

func TestCertificates(t *testing.T) {
	r := &receiver{reads: map[string]string{contentV2: "2.0"}}
	r.Server = httptest.NewUnstartedServer(r)
	r.Config.ErrorLog = log.New(io.Discard, "", 0)
	r.StartTLS()
	defer r.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw})))
	registry, _ := counterRegistry("a_total")

	w, _ := newWriter(t, Options{URL: r.URL, CAFile: ca}, registry)
	w.collect(time.Now())
	drain(t, w)
	if s := w.Stats(); s.Sent != 1 {
		t.Errorf("with the authority: got %+v, want the sample sent", s)
	}

	w, said := newWriter(t, Options{URL: r.URL}, registry)
	w.collect(time.Now())
	go w.deliver(t.Context())
	eventually(t, "the certificate is refused without the authority", func() bool {
		return strings.Contains(said.String(), "certificate signed by unknown authority")
	})
	w.queue.close()
}

func TestOptionsThatCannotWork(t *testing.T) {
	for _, row := range []struct {
		name    string
		options Options
		want    string
	}{
		{"no URL", Options{}, "not a URL of a receiver"},
		{"another scheme", Options{URL: "ftp://user:hunter2@host/"}, "…@host/"},
		{"a password in the URL", Options{URL: "https://user:hunter2@host/write"}, "give username and password_file"},
		{"an unknown protocol", Options{URL: "http://host", Protocol: "3.0"}, `unknown protocol "3.0"`},
		{"a queue of nothing", Options{URL: "http://host", QueueBytes: 1000}, "at least 1048576 bytes"},
		{"a label that belongs to Prometheus", Options{URL: "http://host", ExternalLabels: map[string]string{"__name__": "x"}}, `"__name__"`},
		{"an authority that is not there", Options{URL: "http://host", CAFile: "/nonexistent/ca"}, "/nonexistent/ca"},
		{"password and token", Options{URL: "http://host", Username: "u", PasswordFile: "p", TokenFile: "t"}, "at most one of"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := New(row.options, prometheus.NewRegistry(), "earshot/test", slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want it to say %q and no secret", err, row.want)
			}
		})
	}
}

func TestGatherErrorDoesNotStopWhatWasGathered(t *testing.T) {
	r := newReceiver(t)
	registry, _ := counterRegistry("a_total")
	registry.MustRegister(failing{})
	w, log := newWriter(t, Options{URL: r.URL}, registry)
	w.collect(time.Now())
	drain(t, w)
	if len(r.samples()) != 1 || !strings.Contains(log.String(), "half of it is missing") {
		t.Errorf("got %v and log %s, want the good sample and the error", r.samples(), log)
	}
}

// failing is a collector of which one metric cannot be had.
type failing struct{}

func (failing) Describe(chan<- *prometheus.Desc) {}
func (failing) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.NewInvalidMetric(prometheus.NewDesc("bad", "", nil, nil), errors.New("half of it is missing"))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
