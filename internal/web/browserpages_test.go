//go:build peers

package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	browserlog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	browserpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/earshot-voip/earshot/internal/agent"
)

// everyPage is one of each kind.
var everyPage = []string{
	"/", "/calls", "/calls?target=lab", "/calls?verdict=nonsense", "/nothing",
	"/targets/contact-centre-paris", "/targets/sip-trunk?span=24h", "/targets/lab",
	"call:contact-centre-paris", "call:warehouse-lyon", "call:call-centre-tunis", "call:remote-agents", "call:sip-trunk",
}

// screens on which every page is looked at.
var screens = map[string]screen{
	"desktop": {1280, 900, false}, "desktop, dark": {1280, 900, true}, "phone": {360, 740, false}, "phone, dark": {360, 740, true}, "small phone": {320, 568, false},
}

// witness notes what a browser does that it should not.
type witness struct {
	mu       sync.Mutex
	requests []string
	errors   []string
}

func (w *witness) note(list *[]string, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*list = append(*list, fmt.Sprintf(format, args...))
}

// take returns what was noted since the last time.
func (w *witness) take() (requests, errors []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	requests, errors, w.requests, w.errors = w.requests, w.errors, nil, nil
	return requests, errors
}

// watchBrowser listens to requests, the console, exceptions and violations of
// the policy.
func watchBrowser(t *testing.T, ctx context.Context) *witness {
	t.Helper()
	w := &witness{}
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			w.note(&w.requests, "%s", e.Request.URL)
		case *browserlog.EventEntryAdded:
			if e.Entry.Level != "info" && e.Entry.Level != "verbose" && !strings.Contains(e.Entry.Text, "status of 40") { // asked for
				w.note(&w.errors, "%s: %s", e.Entry.Source, e.Entry.Text)
			}
		case *runtime.EventExceptionThrown:
			w.note(&w.errors, "exception: %s", e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			w.note(&w.errors, "console.%s", e.Type)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	do(t, ctx, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		if _, err := cdp.Call(ctx, target, network.Enable, network.EnableParams{}); err != nil {
			return err
		}
		if _, err := cdp.Call(ctx, target, browserlog.Enable, cdp.Empty{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, target, browserpage.AddScriptToEvaluateOnNewDocument, browserpage.AddScriptToEvaluateOnNewDocumentParams{
			Source: `addEventListener("securitypolicyviolation", (e) => console.error(e.violatedDirective, e.blockedURI))`})
		return err
	}))
	return w
}

func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	bounded, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := chromedp.Do(bounded, steps...); err != nil {
		t.Fatal(err)
	}
}

func evaluate[T any](t *testing.T, ctx context.Context, expression string, options ...chromedp.EvaluateOption) T {
	t.Helper()
	bounded, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	v, err := chromedp.Run(bounded, chromedp.Evaluate[T](expression, options...))
	if err != nil {
		t.Fatalf("%.80s: %v", expression, err)
	}
	return v
}

// TestPagesInABrowser looks at every page on every screen: nothing is loaded from
// elsewhere, nothing is blocked, nothing has to be scrolled sideways, and axe
// finds no violation of WCAG 2.2 A and AA.
func TestPagesInABrowser(t *testing.T) {
	axe, err := os.ReadFile(os.Getenv("AXE"))
	if err != nil {
		t.Fatalf("AXE must name axe.min.js of the npm package axe-core: %v", err)
	}
	sc := newScene(t)
	base := sc.serve(t)
	host := strings.TrimPrefix(base, "http://")
	ctx := startBrowser(t)
	w := watchBrowser(t, ctx)
	for name, one := range screens {
		for _, path := range everyPage {
			do(t, ctx, one.set(), chromedp.Navigate(base+sc.address(t, path)), chromedp.WaitReady("footer button"))
			where := name + ": " + path
			requests, errors := w.take()
			for _, r := range requests {
				if u, err := url.Parse(r); err != nil || u.Host != host {
					t.Errorf("%s asks elsewhere: %s", where, r)
				}
			}
			if len(requests) < 2 {
				t.Errorf("%s: only %v was asked for; the witness is blind", where, requests)
			}
			if len(errors) > 0 {
				t.Errorf("%s: %v", where, errors)
			}
			if wide := evaluate[int](t, ctx, `document.documentElement.scrollWidth`); int64(wide) > one.width {
				t.Errorf("%s is %d pixels wide, the screen %d", where, wide, one.width)
			}
			if one.width == 320 || one.width == 360 && one.dark {
				continue // the rules have seen these colours and this layout
			}
			for _, v := range violations(t, ctx, string(axe)) {
				t.Errorf("%s: %s", where, v)
			}
			w.take() // axe asks for nothing, but says a word on the console
		}
	}
}

// violations runs axe in the page.
func violations(t *testing.T, ctx context.Context, axe string) []string {
	t.Helper()
	evaluate[bool](t, ctx, axe+"; true")
	text := evaluate[string](t, ctx, `axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then((r) => JSON.stringify(
		{passes: r.passes.length, found: r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.html.slice(0, 120) + " " + n.failureSummary.split("\n").slice(1, 3).join(" ")))}))`,
		chromedp.EvalAwaitPromise)
	var r struct {
		Passes int
		Found  []string
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil || r.Passes < 10 {
		t.Fatalf("axe: %v, %d passes", err, r.Passes)
	}
	return r.Found
}

// TestKeyboard goes through the first page with the tab key alone.
func TestKeyboard(t *testing.T) {
	sc := newScene(t)
	base := sc.serve(t)
	ctx := startBrowser(t)
	do(t, ctx, screen{1280, 900, false}.set(), chromedp.Navigate(base+"/"), chromedp.WaitReady("footer button"))
	want := evaluate[[]string](t, ctx, `[...document.querySelectorAll("a[href], button, select")].map((e) => e.textContent.trim())`)
	var got []string
	for range want {
		do(t, ctx, chromedp.KeyEvent(kb.Tab))
		got = append(got, evaluate[string](t, ctx, `document.activeElement.textContent.trim()`))
		if style := evaluate[string](t, ctx, `(() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle + " " + s.outlineWidth })()`); style != "solid 3px" {
			t.Errorf("%s has the focus, and its outline is %s", got[len(got)-1], style)
		}
		if seen := evaluate[bool](t, ctx, `(() => { const r = document.activeElement.getBoundingClientRect(); return r.width > 0 && r.top >= 0 && r.bottom <= innerHeight })()`); !seen {
			t.Errorf("%s has the focus and is out of sight", got[len(got)-1])
		}
	}
	if !slices.Equal(got, want) || got[0] != "Skip to the content" || !slices.Contains(got, "warehouse-lyon") {
		t.Errorf("the focus goes through %q, want %q", got, want)
	}
	do(t, ctx, chromedp.Navigate(base+"/"), chromedp.WaitReady("footer button"), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent(kb.Tab))
	if where := evaluate[string](t, ctx, `document.activeElement.textContent.trim()`); where != "warehouse-lyon" {
		t.Errorf("after skipping, the focus is at %q", where)
	}
}

func TestColourScheme(t *testing.T) {
	sc := newScene(t)
	base := sc.serve(t)
	ctx := startBrowser(t)
	light := func(dark bool) float64 {
		do(t, ctx, screen{1280, 900, dark}.set(), chromedp.Navigate(base+"/"))
		return evaluate[float64](t, ctx, `(() => { const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\d+/g); return (+r + +g + +b) / 765 })()`)
	}
	if l, d := light(false), light(true); l < 0.9 || d > 0.15 {
		t.Errorf("the background is %.2f in light and %.2f in dark", l, d)
	}
}

func TestReadingWithoutScripts(t *testing.T) {
	sc := newScene(t)
	base := sc.serve(t)
	ctx := startBrowser(t)
	for _, path := range everyPage {
		address := base + sc.address(t, path)
		read := func(off bool) string {
			do(t, ctx, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
				_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: off})
				return err
			}), chromedp.Navigate(address), chromedp.WaitReady("footer"))
			text, err := chromedp.Run(ctx, chromedp.TextContent("main"))
			if err != nil {
				t.Fatal(err)
			}
			return strings.Join(strings.Fields(text), " ")
		}
		without, with := read(true), read(false)
		if len(without) < 20 || without != with && !strings.Contains(with, "ago") { // ages go on
			t.Errorf("%s without scripts: %q\nwith: %q", path, without, with)
		}
	}
}

// TestPageThatStaysOpen: ages go on, what changes is shown, and an agent that is
// gone is noticed.
func TestPageThatStaysOpen(t *testing.T) {
	sc := newScene(t)
	var mu sync.Mutex
	config := sc.config
	config.Status = func() agent.Status {
		mu.Lock()
		defer mu.Unlock()
		return sc.status
	}
	server := httptest.NewServer(New(config))
	defer server.Close()
	ctx := startBrowser(t)
	do(t, ctx, screen{1280, 900, false}.set(), chromedp.Navigate(server.URL+"/"), chromedp.WaitReady("footer button"))
	waitFor := func(what, expression string) {
		t.Helper()
		for end := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
			if evaluate[bool](t, ctx, expression) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: never", what)
			}
		}
	}
	waitFor("ages go on", `[...document.querySelectorAll("time.ago")].some((e) => e.textContent === "30 s ago")`)
	mu.Lock()
	sc.status.Jobs = sc.status.Jobs[:2]
	mu.Unlock()
	waitFor("what changed is shown", `document.querySelector("h1").textContent === "1 of 2 targets needs attention"`)
	if hidden := evaluate[bool](t, ctx, `document.getElementById("lost").hidden`); !hidden {
		t.Error("the agent answers and is said to be gone")
	}
	server.CloseClientConnections()
	server.Listener.Close()
	waitFor("the agent is gone", `!document.getElementById("lost").hidden && document.getElementById("lost").textContent.includes("has not answered since")`)
	if left := evaluate[int](t, ctx, `document.querySelectorAll(".targets tbody tr").length`); left != 2 {
		t.Errorf("%d targets are left on the page", left)
	}
}
