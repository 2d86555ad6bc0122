// Package prometheustest runs a real Prometheus, for the suites in .ci/peers:
// one that scrapes, that takes remote writes, and that is asked.
package prometheustest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// Server is a Prometheus on loopback. Its data outlives Stop and Start.
type Server struct {
	URL string

	t       testing.TB
	folder  string
	address string
	flags   []string
	process *exec.Cmd
	log     bytes.Buffer
}

// New prepares a Prometheus with a configuration and further flags.
func New(t testing.TB, config string, flags ...string) *Server {
	t.Helper()
	s := &Server{t: t, folder: t.TempDir(), address: FreeAddress(t), flags: flags}
	s.URL = "http://" + s.address
	if err := os.WriteFile(filepath.Join(s.folder, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Stop()
		if t.Failed() {
			t.Logf("the end of Prometheus's log:\n%s", tail(s.log.String(), 4000))
		}
	})
	return s
}

func tail(text string, n int) string { return text[max(0, len(text)-n):] }

// FreeAddress returns an address on loopback where nobody listens.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Start starts it and waits until it is ready.
func (s *Server) Start() {
	s.t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		s.t.Fatal(err)
	}
	s.process = exec.Command(program, append([]string{
		"--config.file=" + filepath.Join(s.folder, "prometheus.yml"),
		"--storage.tsdb.path=" + filepath.Join(s.folder, "data"),
		"--web.listen-address=" + s.address,
	}, s.flags...)...)
	s.process.Stdout, s.process.Stderr = &s.log, &s.log
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	Eventually(s.t, "Prometheus is ready", func() error {
		response, err := http.Get(s.URL + "/-/ready")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("status %s", response.Status)
		}
		return nil
	})
}

// Stop ends it in order.
func (s *Server) Stop() {
	if s.process == nil {
		return
	}
	if err := s.process.Process.Signal(os.Interrupt); err != nil {
		s.t.Error(err)
	}
	if err := s.process.Wait(); err != nil {
		s.t.Errorf("Prometheus ended with %v", err)
	}
	s.process = nil
}

// Series is a series of an answer: its labels, and its samples or the one sample
// of an instant query.
type Series struct {
	Metric     map[string]string `json:"metric"`
	Value      *Sample           `json:"value"`
	Values     []Sample          `json:"values"`
	Histogram  json.RawMessage   `json:"histogram"`
	Histograms []json.RawMessage `json:"histograms"`
}

// Sample is a value with its time.
type Sample struct {
	At    time.Time
	Value float64
}

// UnmarshalJSON reads [seconds, "value"].
func (s *Sample) UnmarshalJSON(raw []byte) error {
	var pair [2]json.RawMessage
	if err := json.Unmarshal(raw, &pair); err != nil {
		return err
	}
	var seconds float64
	var text string
	if err := json.Unmarshal(pair[0], &seconds); err != nil {
		return err
	}
	if err := json.Unmarshal(pair[1], &text); err != nil {
		return err
	}
	value, err := strconv.ParseFloat(text, 64)
	s.At, s.Value = time.UnixMilli(int64(seconds*1000+0.5)), value
	return err
}

// Query asks an instant query, and fails the test when it is refused.
func (s *Server) Query(query string) []Series {
	s.t.Helper()
	return s.must(s.get("query", url.Values{"query": {query}}))
}

// QueryAt asks an instant query of a time.
func (s *Server) QueryAt(query string, at time.Time) []Series {
	s.t.Helper()
	return s.must(s.get("query", url.Values{"query": {query}, "time": {seconds(at)}}))
}

// QueryRange asks a query of every step from a time to another.
func (s *Server) QueryRange(query string, from, to time.Time, step time.Duration) []Series {
	s.t.Helper()
	return s.must(s.get("query_range", url.Values{"query": {query}, "start": {seconds(from)}, "end": {seconds(to)}, "step": {step.String()}}))
}

// Exemplars are those of all series that a query reads, in no order.
func (s *Server) Exemplars(query string, from, to time.Time) []Sample {
	s.t.Helper()
	raw, err := s.ask("query_exemplars", url.Values{"query": {query}, "start": {seconds(from)}, "end": {seconds(to)}})
	if err != nil {
		s.t.Fatal(err)
	}
	var series []struct {
		Exemplars []struct {
			Value     float64 `json:"value,string"`
			Timestamp float64 `json:"timestamp"`
		} `json:"exemplars"`
	}
	if err := json.Unmarshal(raw, &series); err != nil {
		s.t.Fatal(err)
	}
	var list []Sample
	for _, one := range series {
		for _, e := range one.Exemplars {
			list = append(list, Sample{time.UnixMilli(int64(e.Timestamp*1000 + 0.5)), e.Value})
		}
	}
	return list
}

func seconds(at time.Time) string {
	return strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64)
}

func (s *Server) must(series []Series, err error) []Series {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	return series
}

func (s *Server) get(path string, values url.Values) ([]Series, error) {
	raw, err := s.ask(path, values)
	if err != nil {
		return nil, err
	}
	var data struct {
		Type   string          `json:"resultType"`
		Result json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(raw, &data); err != nil {
		return nil, err
	}
	if data.Type == "scalar" {
		var one Sample
		err := json.Unmarshal(data.Result, &one)
		return []Series{{Value: &one}}, err
	}
	var series []Series
	err = json.Unmarshal(data.Result, &series)
	return series, err
}

// ask returns the data of an answer of Prometheus's API.
func (s *Server) ask(path string, values url.Values) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/v1/"+path+"?"+values.Encode(), nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Status string          `json:"status"`
		Error  string          `json:"error"`
		Data   json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", values.Get("query"), err, tail(string(body), 300))
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("%s: %s", values.Get("query"), answer.Error)
	}
	return answer.Data, nil
}

// Value is the value of a query that has one series; false without any.
func (s *Server) Value(query string) (float64, bool) {
	s.t.Helper()
	series := s.Query(query)
	if len(series) > 1 {
		s.t.Fatalf("%s: got %d series, want one", query, len(series))
	}
	if len(series) == 0 || series[0].Value == nil {
		return 0, false
	}
	return series[0].Value.Value, true
}

// Eventually waits for a minute until a condition is without an error.
func Eventually(t testing.TB, what string, holds func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := holds()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s: %v", what, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
