package web

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/internal/history"
	"github.com/earshot-voip/earshot/probe"
)

var update = flag.Bool("update", false, "write the golden files")

// get asks the server and returns status and body.
func get(t testing.TB, h http.Handler, address string) (int, string, http.Header) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address, nil))
	return w.Code, w.Body.String(), w.Result().Header
}

// page asks for a page that must be there.
func page(t testing.TB, h http.Handler, address string) string {
	t.Helper()
	code, body, _ := get(t, h, address)
	if code != http.StatusOK {
		t.Fatalf("%s: status %d\n%s", address, code, body)
	}
	return body
}

// golden compares with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; go test ./internal/web -update writes it, then read the diff", path)
		for i, line := range strings.Split(got, "\n") {
			if lines := strings.Split(string(want), "\n"); i >= len(lines) || lines[i] != line {
				t.Fatalf("line %d:\ngot  %s\nwant %s", i+1, line, append(lines, make([]string, i+1)...)[i])
			}
		}
	}
}

// oneCall is a server whose history holds one call.
func oneCall(t *testing.T, r *probe.Result) (*Server, *history.Store) {
	t.Helper()
	store, err := history.Open(history.Config{Path: filepath.Join(t.TempDir(), "h.db"), Gather: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	job := agent.Job{Target: probe.Target{Name: r.Name, URL: "https://x.example.com/echo"}, Mode: agent.Periodic, Every: time.Minute}
	store.Ended(job, r)
	sc := scene{store: store}
	sc.flush(t)
	status := agent.Status{Jobs: []agent.JobStatus{{Job: job, Last: r}}}
	return New(Config{Version: "test", Now: func() time.Time { return sceneNow }, History: store, Status: func() agent.Status { return status }}), store
}

var callPages = map[string]func(string, time.Time) *probe.Result{
	"good": goodCall, "one_way": oneWayCall, "untrusted": untrustedCall, "failed_at_ice": callFailedAtICE, "empty": emptyCall,
	"degraded": func(name string, at time.Time) *probe.Result { return poorCall(name, at, 0.1, 0.002) },
}

func TestCallPagesAreAsTheyWere(t *testing.T) {
	for name, make := range callPages {
		r := make("echo", sceneNow.Add(-time.Minute))
		s, _ := oneCall(t, r)
		_, body, found := strings.Cut(page(t, s, "/calls/"+r.ID), `<main id="main" tabindex="-1">`)
		if !found {
			t.Fatalf("%s: no main part", name)
		}
		body, _, _ = strings.Cut(body, "</main>")
		golden(t, "call_"+name+".html", body)
	}
}

// zero is a figure that reads as zero.
var zero = regexp.MustCompile(`>\s*0(\.0+)?(\s|\x{a0})*(ms|s|%)?\s*<`)

// visible takes out what is no figure: plots, and the rulers that begin at 0.
var visible = regexp.MustCompile(`(?s)<svg.*?</svg>|<span class="ruler".*?</span></span>|<div class="[yx]s".*?</div>`)

func TestUnknownIsNeverZero(t *testing.T) {
	for _, name := range []string{"failed_at_ice", "empty", "one_way"} {
		r := callPages[name]("echo", sceneNow.Add(-time.Minute))
		r.Uplink = probe.Direction{Evidence: probe.EvidenceNone}
		s, _ := oneCall(t, r)
		for _, address := range []string{"/", "/calls", "/targets/echo", "/calls/" + r.ID} {
			body := visible.ReplaceAllString(page(t, s, address), "")
			if found := zero.FindString(body); found != "" {
				t.Errorf("%s of a call that is %s shows %q, though nothing is known", address, name, found)
			}
			if !strings.Contains(body, ">unknown<") && !strings.Contains(body, "Nothing is known") {
				t.Errorf("%s of a call that is %s does not say that it is unknown", address, name)
			}
		}
	}
}

func TestOverview(t *testing.T) {
	sc := newScene(t)
	body := page(t, sc.server, "/")
	var order []string
	for _, m := range regexp.MustCompile(`<a href="/targets/([^"]+)">`).FindAllStringSubmatch(body, -1) {
		order = append(order, m[1])
	}
	want := []string{"warehouse-lyon", "call-centre-tunis", "branch-lille", "contact-centre-paris", "remote-agents", "lab", "head-office", "sip-trunk"}
	if !slices.Equal(order, want) {
		t.Errorf("targets are listed as %v, want %v", order, want)
	}
	for _, text := range []string{
		"<h1>5 of 8 targets need attention</h1>", "(5) need attention · Earshot paris-front-office",
		"Nothing has been heard for 14\u00a0min; 60\u00a0s is usual", `<span class="verdict stale">stale</span><span class="was">was good</span>`,
		"<code>ice_no_pair</code>", ">28 s ago<", ">never<", "No call has ended yet.",
	} {
		if !strings.Contains(body, text) {
			t.Errorf("the overview lacks %q", text)
		}
	}
}

func TestNoSecretOnAnyPage(t *testing.T) {
	sc := newScene(t)
	for i := range sc.status.Jobs {
		sc.status.Jobs[i].Job.Target.URL = "https://user:hunter2@x.example.com/echo?token=hunter2#hunter2"
		sc.status.Jobs[i].Job.Target.Token = "hunter2"
	}
	for _, address := range []string{"/", "/targets/lab", "/calls", "/api/v1/targets", "/api/v1/calls", "/config"} {
		if body := page(t, sc.server, address); strings.Contains(body, "hunter2") {
			t.Errorf("%s shows a secret", address)
		}
	}
	if got := withoutSecrets("sip:600:hunter2@pbx.example.com?x=hunter2"); got != "sip:600@pbx.example.com" {
		t.Errorf("got %s", got)
	}
}

// TestEveryLinkLeadsSomewhere follows all links from the first page on.
func TestEveryLinkLeadsSomewhere(t *testing.T) {
	sc := newScene(t)
	link := regexp.MustCompile(`(?:href|src|action)="([^"]*)"`)
	seen, queue := map[string]bool{"/": true}, []string{"/"}
	for len(queue) > 0 && len(seen) < 400 {
		address := queue[0]
		queue = queue[1:]
		code, body, header := get(t, sc.server, address)
		if code != http.StatusOK && !strings.HasPrefix(address, "/metrics") {
			t.Errorf("%s: status %d", address, code)
		}
		if header.Get("Content-Security-Policy") != policy || header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", address, header)
		}
		if !strings.HasPrefix(header.Get("Content-Type"), "text/html") {
			continue
		}
		checkPage(t, address, body)
		for _, m := range link.FindAllStringSubmatch(body, -1) {
			next := strings.ReplaceAll(m[1], "&amp;", "&")
			switch {
			case strings.HasPrefix(next, "#"):
				continue
			case strings.HasPrefix(next, "?"):
				base, _, _ := strings.Cut(address, "?")
				next = base + next
			case !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//"):
				t.Errorf("%s links outside: %s", address, next)
				continue
			}
			if !seen[next] && !strings.Contains(next, "before=") {
				seen[next] = true
				queue = append(queue, next)
			}
		}
	}
	if len(seen) < 60 {
		t.Errorf("only %d addresses were found", len(seen))
	}
}

// checkPage looks for what the policy would block, for identifiers that are there
// twice, and for tags that are not closed.
func checkPage(t *testing.T, address, body string) {
	t.Helper()
	for _, bad := range []string{" style=", " onclick=", "<style", "javascript:", "<script>", "<no value>", "ZgotmplZ", "%!"} {
		if strings.Contains(body, bad) {
			t.Errorf("%s contains %q", address, bad)
		}
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(body, -1) {
		if ids[m[1]] {
			t.Errorf("%s has the id %q twice", address, m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`aria-labelledby="([^"]+)"`).FindAllStringSubmatch(body, -1) {
		if !ids[m[1]] {
			t.Errorf("%s is labelled by %q, which is not there", address, m[1])
		}
	}
	var open []string
	for _, m := range regexp.MustCompile(`<(/?)([a-z0-9]+)[^>]*?(/?)>`).FindAllStringSubmatch(body, -1) {
		switch name := m[2]; {
		case m[3] == "/" || slices.Contains([]string{"meta", "link", "br", "input"}, name):
		case slices.Contains([]string{"option", "dt", "dd"}, name): // may stay open
		case m[1] == "":
			open = append(open, name)
		case len(open) == 0 || open[len(open)-1] != name:
			t.Fatalf("%s closes %s within %v", address, name, open)
		default:
			open = open[:len(open)-1]
		}
	}
	if len(open) != 0 {
		t.Errorf("%s leaves %v open", address, open)
	}
}

func TestEmptyAgent(t *testing.T) {
	s := New(Config{Status: func() agent.Status { return agent.Status{} }})
	for address, want := range map[string]string{
		"/": "No targets are configured", "/calls": "No call matches.",
	} {
		if body := page(t, s, address); !strings.Contains(body, want) {
			t.Errorf("%s does not say %q", address, want)
		}
	}
	for _, address := range []string{"/calls/0123", "/targets/x", "/nothing", "/debug/pprof/", "/assets/none.css", "/metrics"} {
		if code, _, _ := get(t, s, address); code != http.StatusNotFound {
			t.Errorf("%s: status %d, want 404", address, code)
		}
	}
	if code, body, _ := get(t, s, "/calls?verdict=%3Cscript%3E"); code != http.StatusBadRequest || strings.Contains(body, "<script>alert") || !strings.Contains(body, "good, degraded, failed or untrusted") {
		t.Errorf("status %d\n%s", code, body)
	}
}

func TestWhatComesFromOutsideIsEscaped(t *testing.T) {
	const evil = `<img src=x onerror=alert(1)>"'&`
	r := callFailedAtICE(evil, sceneNow)
	r.ID, r.Summary, r.Failure.Err = "evil", evil, fmt.Errorf("%s", evil)
	r.Steps[0].Detail, r.Deviations = evil, []string{evil}
	s, _ := oneCall(t, r)
	for _, address := range []string{"/", "/calls", "/calls/evil", "/targets/" + "%3Cimg%20src=x%20onerror=alert(1)%3E%22%27&"} {
		if body := page(t, s, address); strings.Contains(body, "<img") {
			t.Errorf("%s lets a tag through", address)
		}
	}
}

func TestBrokenHistoryIsSaidOnEveryPage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h.db")
	if err := os.WriteFile(path, make([]byte, 100000), 0o600); err != nil {
		t.Fatal(err)
	}
	store, err := history.Open(history.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	s := New(Config{History: store, Status: func() agent.Status { return agent.Status{} }})
	if body := page(t, s, "/"); !strings.Contains(body, "The history was damaged and begun anew") || !strings.Contains(body, path+".damaged-") {
		t.Errorf("no word of the damaged history:\n%s", body)
	}
}

func TestAssets(t *testing.T) {
	s := New(Config{Status: func() agent.Status { return agent.Status{} }})
	server := httptest.NewServer(s)
	defer server.Close()
	for name, kind := range map[string]string{"style.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml"} {
		r, err := http.Get(server.URL + "/assets/" + name)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || len(body) < 100 || r.Header.Get("Content-Type") != kind {
			t.Errorf("%s: %v, %d bytes of %s", name, err, len(body), r.Header.Get("Content-Type"))
		}
		again, _ := http.NewRequest(http.MethodGet, server.URL+"/assets/"+name, nil)
		again.Header.Set("If-None-Match", r.Header.Get("ETag"))
		if r, err = http.DefaultClient.Do(again); err != nil || r.StatusCode != http.StatusNotModified {
			t.Errorf("%s asked again: %v, %v", name, r.StatusCode, err)
		}
	}
}
