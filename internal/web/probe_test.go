package web

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/internal/config"
	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/probe"
)

// moduleFile configures /probe for the tests; ECHO stands for the far end.
const moduleFile = `
site: lab
modules:
  short: {duration: 1s, codec: pcmu, allow: ["ECHO/*"]}
  long: {duration: 10s, allow: ["https://*.example.com/*"]}
`

// prober is a server with modules.
func prober(t *testing.T, far string, c Config) *Server {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(moduleFile, "ECHO", far)), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := config.NewSource(path).Load()
	if err != nil {
		t.Fatal(err)
	}
	c.Loaded = func() *config.Config { return loaded }
	c.Status = func() agent.Status { return agent.Status{} }
	return New(c)
}

func ask(h http.Handler, target, module, timeout string, more ...string) *httptest.ResponseRecorder {
	v := url.Values{"target": {target}, "module": {module}}
	for i := 0; i+1 < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	r := httptest.NewRequest(http.MethodGet, "/probe?"+v.Encode(), nil)
	if timeout != "" {
		r.Header.Set(scrapeHeader, timeout)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// sample finds the value of a metric without labels.
func sample(body, name string) string {
	m := regexp.MustCompile(`(?m)^` + name + ` (\S+)`).FindStringSubmatch(body)
	if m == nil {
		return "none"
	}
	return m[1]
}

func TestProbeOfARealEcho(t *testing.T) {
	far, err := echo.New(echo.Config{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(far)
	t.Cleanup(func() {
		server.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := far.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	s := prober(t, server.URL, Config{})
	w := ask(s, server.URL+"/echo", "short", "60")
	body := w.Body.String()
	if w.Code != http.StatusOK || sample(body, "probe_success") != "1" || sample(body, "probe_duration_seconds") == "none" {
		t.Fatalf("status %d\n%s", w.Code, body)
	}
	// 1 s of 20 ms packets; on a host too busy to measure they are not counted, and that is said
	packets := regexp.MustCompile(`(?m)^earshot_uplink_packets_expected_total\{target="127.0.0.1:\d+"\} (4[0-9]|5[01])$`)
	busy := regexp.MustCompile(`(?m)^earshot_windows_untrusted_total\{target="127.0.0.1:\d+"\} 1$`)
	if !packets.MatchString(body) && !busy.MatchString(body) {
		t.Errorf("no count of packets:\n%s", body)
	}
	w = ask(s, server.URL+"/echo", "short", "60", "debug", "true")
	for _, text := range []string{"module short: 1s of media, codec pcmu", "\nLog\n", "\nResult\n", "uplink", "\nMetrics\n", "\nprobe_success 1"} {
		if !strings.Contains(w.Body.String(), text) {
			t.Errorf("debug=true lacks %q:\n%s", text, w.Body.String())
		}
	}
	w = ask(s, server.URL+"/nothing", "short", "60")
	if body = w.Body.String(); w.Code != http.StatusOK || sample(body, "probe_success") != "0" || !strings.Contains(body, `code="signaling_not_found"`) {
		t.Errorf("status %d\n%s", w.Code, body)
	}
}

func TestProbeOfAPortWhereNothingListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	far := "http://" + l.Addr().String()
	l.Close()
	w := ask(prober(t, far, Config{}), far+"/echo", "short", "30")
	if body := w.Body.String(); w.Code != http.StatusOK || sample(body, "probe_success") != "0" || !strings.Contains(body, `code="connect_refused"`) {
		t.Errorf("status %d\n%s", w.Code, body)
	}
}

// TestProbeIsNoOpenRelay: what no module allows is not called.
func TestProbeIsNoOpenRelay(t *testing.T) {
	called := false
	s := prober(t, "https://echo.example.com", Config{Probe: func(context.Context, probe.Target) (*probe.Result, error) {
		called = true
		return nil, errors.New("called")
	}})
	for _, target := range []string{
		"https://evil.net/echo", "https://echo.example.com.evil.net/echo", "https://echo.example.com@evil.net/echo", "https://evil.net/echo.example.com/echo",
		"http://echo.example.com/echo", "https://echo.example.com:444/echo", "https://evil.net#https://echo.example.com/echo", "https://echo.example.com\\@evil.net/",
		"https://169.254.169.254/", "file:///etc/passwd", "https://x:y@echo.example.com/echo", "https://[::1]/", "//echo.example.com/x",
	} {
		for _, module := range []string{"short", "long"} {
			w := ask(s, target, module, "")
			if w.Code != http.StatusForbidden && w.Code != http.StatusBadRequest || called || !strings.Contains(w.Body.String(), "hint: ") {
				t.Errorf("%s by %s: status %d, called %v, %s", target, module, w.Code, called, w.Body.String())
			}
		}
	}
	if w := ask(s, "https://other.example.com/echo", "short", ""); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "modules.short.allow") {
		t.Errorf("one module's target by another: status %d, %s", w.Code, w.Body.String())
	}
	for _, c := range []struct {
		query string
		want  string
	}{
		{"target=https://echo.example.com/echo", "the modules are long, short"},
		{"target=https://echo.example.com/echo&module=none", "the modules are long, short"},
		{"module=short", "target is missing"},
		{"module=short&target=https://echo.example.com/echo&duration=1h", `parameter "duration" is not known`},
	} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/probe?"+c.query, nil))
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), c.want) || called {
			t.Errorf("%s: status %d, %s", c.query, w.Code, w.Body.String())
		}
	}
	if w := ask(New(Config{Status: s.config.Status}), "https://echo.example.com/echo", "short", ""); w.Code != http.StatusForbidden {
		t.Errorf("without modules: status %d", w.Code)
	}
}

func TestModuleThatCannotFitIsRefusedWithTheArithmetic(t *testing.T) {
	var asked probe.Target
	s := prober(t, "https://echo.example.com", Config{Probe: func(_ context.Context, target probe.Target) (*probe.Result, error) {
		asked = target
		return &probe.Result{Name: "x", Verdict: probe.Good}, nil
	}})
	w := ask(s, "https://a.example.com/echo", "long", "10")
	want := "module long does not fit into the scrape: 1s to set up + 10s of media + 1s for the last packets = 12s, and of the scrape timeout of 10s, 500ms are kept for the answer, which leaves 9.5s\n" +
		"hint: scrape_timeout: 13s, or modules.long.duration: 7s\n"
	if w.Code != http.StatusBadRequest || w.Body.String() != want {
		t.Errorf("status %d\ngot  %swant %s", w.Code, w.Body.String(), want)
	}
	// What the hint says is enough.
	if w := ask(s, "https://a.example.com/echo", "long", "13"); w.Code != http.StatusOK || asked.Timeout != 12500*time.Millisecond {
		t.Errorf("status %d, timeout %v, want 12.5s", w.Code, asked.Timeout)
	}
	if w := ask(s, "https://a.example.com/echo", "long", "3600"); w.Code != http.StatusOK || asked.Timeout >= 5*time.Minute {
		t.Errorf("status %d, timeout %v: a long scrape must not lengthen the call", w.Code, asked.Timeout)
	}
	for _, header := range []string{"x", "-1", "0", "NaN", "1e99"} {
		if w := ask(s, "https://a.example.com/echo", "long", header); w.Code != http.StatusBadRequest {
			t.Errorf("%s: status %d", header, w.Code)
		}
	}
	if w := ask(s, "https://a.example.com/echo", "long", "1"); !strings.Contains(w.Body.String(), "hint: scrape_timeout: 13s\n") {
		t.Errorf("no duration can fit into 1 s, but: %s", w.Body.String())
	}
}

func TestParallelCallsOfProbeAreLimited(t *testing.T) {
	begun, end := make(chan struct{}, 2), make(chan struct{})
	s := prober(t, "https://echo.example.com", Config{ParallelProbe: 2, Probe: func(context.Context, probe.Target) (*probe.Result, error) {
		begun <- struct{}{}
		<-end
		return &probe.Result{Name: "x", Verdict: probe.Good}, nil
	}})
	done := make(chan int, 2)
	for range 2 {
		go func() { done <- ask(s, "https://echo.example.com/echo", "short", "").Code }()
		<-begun
	}
	w := ask(s, "https://echo.example.com/echo", "short", "")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "2 calls") {
		t.Errorf("status %d, %v, %s", w.Code, w.Header(), w.Body.String())
	}
	close(end)
	for range 2 {
		if code := <-done; code != http.StatusOK {
			t.Errorf("status %d", code)
		}
	}
	if w := ask(s, "https://echo.example.com/echo", "short", ""); w.Code != http.StatusOK {
		t.Errorf("a place was not given back: status %d", w.Code)
	}
}

func TestProbeEndsWhenWhoAskedIsGone(t *testing.T) {
	ended := make(chan struct{})
	begun := make(chan struct{})
	s := prober(t, "https://echo.example.com", Config{Probe: func(ctx context.Context, _ probe.Target) (*probe.Result, error) {
		close(begun)
		<-ctx.Done()
		close(ended)
		return &probe.Result{Name: "x", Verdict: probe.Failed}, nil
	}})
	server := httptest.NewServer(s)
	defer server.Close()
	ctx, cancel := context.WithCancel(context.Background())
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/probe?module=short&target=https://echo.example.com/echo", nil)
	go func() {
		<-begun
		cancel()
	}()
	if answer, err := http.DefaultClient.Do(r); err == nil {
		answer.Body.Close()
	}
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Error("the call goes on")
	}
}
