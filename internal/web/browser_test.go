//go:build peers

package web

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/earshot-voip/earshot/internal/history"
)

// startBrowser runs one headless Chromium for a test, with an empty profile.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	off := []string{"quic", "background-networking", "component-update", "sync"}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(chromium(t)), chromedp.UserDataDir(t.TempDir()), chromedp.Flag("hide-scrollbars", true),
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.NoSandbox, chromedp.Headless, chromedp.DisableGPU,
	}
	for _, what := range off {
		options = append(options, chromedp.Flag("disable-"+what, true))
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("the browser: %v", err)
		}
		cancel()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// chromium is the program of Debian's package, or what CHROMIUM names.
func chromium(t *testing.T) string {
	t.Helper()
	for _, path := range []string{os.Getenv("CHROMIUM"), "/usr/bin/chromium"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Fatal("there is no Chromium: apt-get install chromium, or name it by CHROMIUM")
	return ""
}

// screen is what a page is looked at on.
type screen struct {
	width, height int64
	dark          bool
}

func (s screen) set() chromedp.Action[chromedp.Void] {
	scheme := "light"
	if s.dark {
		scheme = "dark"
	}
	return chromedp.Steps(chromedp.EmulateViewport(s.width, s.height), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
		return err
	}))
}

// shots are the pictures of the documentation.
var shots = []struct {
	file, path string
	screen     screen
	most       int // pixels of height that are kept
}{
	{"overview.png", "/", screen{1280, 900, false}, 1500},
	{"overview-dark.png", "/", screen{1280, 900, true}, 1500},
	{"overview-phone.png", "/", screen{360, 740, false}, 1700},
	{"target.png", "/targets/contact-centre-paris", screen{1280, 900, false}, 1500},
	{"call-failed.png", "call:warehouse-lyon", screen{1280, 900, false}, 1500},
	{"call.png", "call:sip-trunk", screen{1280, 900, false}, 2700},
	{"call-dark.png", "call:contact-centre-paris", screen{1280, 900, true}, 1500},
	{"call-phone.png", "call:contact-centre-paris", screen{360, 740, true}, 1700},
}

// TestScreenshots writes the pictures of docs/images where SCREENSHOTS says.
func TestScreenshots(t *testing.T) {
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		folder = t.TempDir()
	}
	sc := newScene(t)
	base := sc.serve(t)
	ctx := startBrowser(t)
	for _, shot := range shots {
		err := chromedp.Do(ctx, shot.screen.set(), chromedp.Navigate(base+sc.address(t, shot.path)), chromedp.WaitReady("footer button"))
		if err != nil {
			t.Fatalf("%s: %v", shot.file, err)
		}
		picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
		if err != nil {
			t.Fatalf("%s: %v", shot.file, err)
		}
		if picture, err = slim(picture, shot.most); err != nil {
			t.Fatalf("%s: %v", shot.file, err)
		}
		if err := os.WriteFile(filepath.Join(folder, shot.file), picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// slim cuts a picture to a height and to the 256 colours that it has most of: a
// page has few others.
func slim(picture []byte, height int) ([]byte, error) {
	full, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, err
	}
	bounds := full.Bounds()
	bounds.Max.Y = min(bounds.Max.Y, height)
	counts := map[color.Color]int{}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			counts[full.At(x, y)]++
		}
	}
	most := slices.SortedFunc(maps.Keys(counts), func(a, b color.Color) int { return counts[b] - counts[a] })
	few := image.NewPaletted(bounds, most[:min(len(most), 256)])
	draw.Draw(few, bounds, full, bounds.Min, draw.Src)
	var out bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, few)
	return out.Bytes(), err
}

// serve serves the scene on loopback.
func (sc *scene) serve(t testing.TB) string {
	t.Helper()
	server := httptest.NewServer(sc.server)
	t.Cleanup(server.Close)
	return server.URL
}

// address of a page: "call:NAME" is the last call to that target.
func (sc *scene) address(t testing.TB, path string) string {
	t.Helper()
	name, ok := strings.CutPrefix(path, "call:")
	if !ok {
		return path
	}
	page, err := sc.store.List(history.Query{Name: name, Limit: 1})
	if err != nil || len(page.Calls) == 0 {
		t.Fatalf("no call to %s: %v", name, err)
	}
	return "/calls/" + page.Calls[0].ID
}
