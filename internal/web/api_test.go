package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/internal/report"
	"github.com/earshot-voip/earshot/probe"
)

// listed is what /api/v1/calls answers, as a program reads it.
type listed struct {
	Calls []struct {
		ID      string
		Name    string
		Verdict string
		Layer   string
		Code    string
		Started time.Time
		Uplink  struct {
			MOS  *float64
			Loss *float64 `json:"loss_ratio"`
		}
	}
	Next *string
}

func list(t *testing.T, h http.Handler, query string) listed {
	t.Helper()
	body := page(t, h, "/api/v1/calls?"+query)
	var l listed
	if err := json.Unmarshal([]byte(body), &l); err != nil {
		t.Fatalf("%s: %v\n%s", query, err, body)
	}
	return l
}

func TestCallsAsJSON(t *testing.T) {
	sc := newScene(t)
	for query, want := range map[string]func(r *probe.Result) bool{
		"limit=1000":                       func(*probe.Result) bool { return true },
		"target=head-office&limit=1000":    func(r *probe.Result) bool { return r.Name == "head-office" },
		"verdict=failed":                   func(r *probe.Result) bool { return r.Verdict == probe.Failed },
		"verdict=failed&verdict=untrusted": func(r *probe.Result) bool { return r.Verdict == probe.Failed || r.Verdict == probe.Untrusted },
		"layer=media":                      func(r *probe.Result) bool { return r.Failure != nil && r.Failure.Layer == probe.LayerMedia },
		"code=ice_no_pair":                 func(r *probe.Result) bool { return r.Failure != nil && r.Failure.Code == "ice_no_pair" },
		"since=30m&limit=1000":             func(r *probe.Result) bool { return !r.Started.Before(sceneNow.Add(-30 * time.Minute)) },
		"until=2026-11-23T17:30:00Z&limit=900": func(r *probe.Result) bool {
			return r.Started.Before(sceneNow.Add(-2*time.Hour - 36*time.Minute - 41*time.Second))
		},
	} {
		ids := map[string]bool{}
		for _, r := range sc.results {
			if want(r) {
				ids[r.ID] = true
			}
		}
		got := list(t, sc.server, query)
		if len(got.Calls) != len(ids) || got.Next != nil {
			t.Errorf("%s: %d calls and next %v, want %d", query, len(got.Calls), got.Next, len(ids))
		}
		for _, c := range got.Calls {
			if !ids[c.ID] {
				t.Errorf("%s: unexpected call %+v", query, c)
			}
		}
	}
}

func TestPagesOfCallsJoinWithoutSeam(t *testing.T) {
	sc := newScene(t)
	whole := list(t, sc.server, "target=warehouse-lyon&limit=1000").Calls
	var joined []string
	query := "target=warehouse-lyon&limit=7"
	for range 50 {
		l := list(t, sc.server, query)
		for _, c := range l.Calls {
			joined = append(joined, c.ID)
		}
		if l.Next == nil {
			break
		}
		query = "target=warehouse-lyon&limit=7&before=" + *l.Next
	}
	if len(joined) != len(whole) {
		t.Fatalf("%d calls in pages, %d at once", len(joined), len(whole))
	}
	for i := range whole {
		if whole[i].ID != joined[i] {
			t.Fatalf("call %d: %s in pages, %s at once", i, joined[i], whole[i].ID)
		}
	}
	if c := whole[0]; c.Verdict != "failed" || c.Code != "ice_no_pair" || c.Uplink.MOS != nil || c.Uplink.Loss != nil {
		t.Errorf("the last call is %+v", c)
	}
}

func TestReportOfACallIsTheReport(t *testing.T) {
	r := poorCall("echo", sceneNow, 0.05, 0)
	s, _ := oneCall(t, r)
	var want bytes.Buffer
	if err := report.JSON(&want, r); err != nil {
		t.Fatal(err)
	}
	if got := page(t, s, "/api/v1/calls/"+r.ID); got != want.String() {
		t.Errorf("got %s", got)
	}
	code, body, header := get(t, s, "/api/v1/calls/nobody")
	if code != http.StatusNotFound || header.Get("Content-Type") != "application/json" || !strings.Contains(body, `"hint"`) {
		t.Errorf("status %d, %s", code, body)
	}
}

func TestTargetsAsJSON(t *testing.T) {
	sc := newScene(t)
	var got struct {
		Now     time.Time
		Targets []struct {
			Name, Target, Mode, State, Code string
			Stale                           bool
			Age                             *float64 `json:"age_seconds"`
			LastCall                        *string  `json:"last_call"`
			Running                         []struct{ Windows int }
			Figures                         struct{ Uplink struct{ MOS *float64 } }
		}
	}
	if err := json.Unmarshal([]byte(page(t, sc.server, "/api/v1/targets")), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Targets) != 8 || !got.Now.Equal(sceneNow) {
		t.Fatalf("got %+v", got)
	}
	failed, lab, trunk := got.Targets[0], got.Targets[5], got.Targets[7]
	if failed.State != "failed" || failed.Code != "ice_no_pair" || failed.Target != "https://warehouse-lyon.example.com/echo" || failed.LastCall == nil || failed.Figures.Uplink.MOS != nil {
		t.Errorf("got %+v", failed)
	}
	if lab.State != "unknown" || lab.Age != nil || lab.LastCall != nil || lab.Figures.Uplink.MOS != nil {
		t.Errorf("got %+v", lab)
	}
	if trunk.Mode != "continuous" || trunk.State != "good" || *trunk.Age != 2 || len(trunk.Running) != 1 || trunk.Running[0].Windows != 396 {
		t.Errorf("got %+v", trunk)
	}
	if !got.Targets[2].Stale || got.Targets[2].State != "good" {
		t.Errorf("got %+v", got.Targets[2])
	}
}

func TestQueriesThatAreNotUnderstood(t *testing.T) {
	s := New(Config{Status: func() agent.Status { return agent.Status{} }})
	for _, query := range []string{"limit=0", "limit=1001", "limit=x", "before=-1", "verdict=bad", "layer=cake", "since=yesterday", "until=1", "traget=x"} {
		code, body, _ := get(t, s, "/api/v1/calls?"+query)
		var answer struct{ Error, Hint string }
		if err := json.Unmarshal([]byte(body), &answer); err != nil || code != http.StatusBadRequest || answer.Hint == "" || !strings.HasPrefix(answer.Error, query[:strings.Index(query, "=")]) {
			t.Errorf("%s: status %d, %v, %s", query, code, err, body)
		}
		if code, _, _ := get(t, s, "/calls?"+query); code != http.StatusBadRequest {
			t.Errorf("/calls?%s: status %d", query, code)
		}
	}
}

func TestControl(t *testing.T) {
	var reloads int
	var reload, ready error
	s := New(Config{Status: func() agent.Status { return agent.Status{} }, Reload: func() error { reloads++; return reload }, Ready: func() error { return ready }, Pprof: true})
	send := func(method, address string, header ...string) (int, string) {
		r := httptest.NewRequest(method, address, nil)
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	want := func(what string, code, wantCode int, body, wantText string) {
		t.Helper()
		if code != wantCode || !strings.Contains(body, wantText) {
			t.Errorf("%s: status %d, %q, want %d, %q", what, code, body, wantCode, wantText)
		}
	}
	code, body := send("POST", "/-/reload")
	want("reload", code, 200, body, "reloaded")
	code, body = send("PUT", "/-/reload")
	want("reload by PUT", code, 200, body, "reloaded")
	reload = errors.New("agent.yaml:7: targets[3].every: must be at least 5s, is 1s")
	code, body = send("POST", "/-/reload")
	want("reload of a bad file", code, 500, body, "targets[3].every: must be at least 5s")
	if code, _ = send("GET", "/-/reload"); code != http.StatusMethodNotAllowed {
		t.Errorf("reload by GET: status %d", code)
	}
	code, body = send("POST", "/-/reload", "Sec-Fetch-Site", "cross-site")
	want("reload by another site", code, 403, body, "")
	if reloads != 3 {
		t.Errorf("%d reloads, want 3", reloads)
	}
	code, body = send("GET", "/-/healthy")
	want("healthy", code, 200, body, "healthy")
	code, body = send("GET", "/-/ready")
	want("ready", code, 200, body, "ready")
	ready = errors.New("the first configuration is being read")
	code, body = send("GET", "/-/ready")
	want("not ready", code, 503, body, "the first configuration")
	code, body = send("GET", "/debug/pprof/")
	want("pprof when asked for", code, 200, body, "goroutine")
}

func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"", "target=a&verdict=good&limit=5", "since=1h&until=2026-11-23T17:30:00Z", "before=18446744073709551615", "verdict=%zz", "limit=9223372036854775808"} {
		f.Add(seed)
	}
	s := New(Config{Status: func() agent.Status { return agent.Status{} }})
	f.Fuzz(func(t *testing.T, query string) {
		v, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		q, err := parseQuery(v, sceneNow)
		if err == nil && (q.Limit < 0 || q.Limit > 1000) {
			t.Errorf("%q: limit %d", query, q.Limit)
		}
		r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/calls", RawQuery: query}, Header: http.Header{}}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
			t.Errorf("%q: status %d", query, w.Code)
		}
	})
}
