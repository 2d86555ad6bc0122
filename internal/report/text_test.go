package report

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/probe"
)

func text(t *testing.T, r *probe.Result, o Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := Text(&b, r, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// rowOf returns the cells of a row of the side-by-side table.
func rowOf(t *testing.T, report, label string) []string {
	t.Helper()
	for _, line := range strings.Split(report, "\n") {
		if rest, ok := strings.CutPrefix(line, "  "+label); ok {
			return regexp.MustCompile(` {2,}`).Split(strings.TrimSpace(rest), -1)
		}
	}
	t.Fatalf("no row %q in\n%s", label, report)
	return nil
}

func TestTextSaysUnknownInPlaceOfZero(t *testing.T) {
	report := text(t, callKnownByReports(), Options{})
	for label, want := range map[string]string{
		"packets expected":  "500|unknown",
		"lost":              "10 (2.00 %)|unknown",
		"duplicated":        "unknown|unknown",
		"reordered":         "unknown|unknown",
		"jitter":            "3.10 ms|unknown",
		"delay variation":   "unknown|unknown",
		"discarded as late": "unknown|unknown",
		"bursts of loss":    "unknown|unknown",
		"burst ratio":       "unknown|unknown",
		"MOS":               "unknown|unknown",
	} {
		if got := strings.Join(rowOf(t, report, label), "|"); got != want {
			t.Errorf("%s: got %q, want %q", label, got, want)
		}
	}
}

func TestTextFitsTheTerminal(t *testing.T) {
	escape := regexp.MustCompile(`\x1b\[[0-9;]*m`)
	for name, result := range results {
		for _, width := range []int{48, 53, 72, 80, 100} {
			for _, o := range []Options{{Width: width}, {Width: width, Color: true}, {Width: width, ASCII: true}} {
				for _, line := range strings.Split(text(t, result(), o), "\n") {
					if n := length(escape.ReplaceAllString(line, "")); n > width {
						t.Errorf("%s, %+v: %d columns: %s", name, o, n, line)
					}
				}
			}
		}
	}
}

func TestTextUsesEscapesAndWideCharactersOnlyWhenTold(t *testing.T) {
	for name, result := range results {
		if s := text(t, result(), Options{}); strings.Contains(s, "\x1b") {
			t.Errorf("%s: escapes without colour", name)
		}
		s := text(t, result(), Options{ASCII: true})
		if i := strings.IndexFunc(s, func(r rune) bool { return r > '~' }); i >= 0 {
			t.Errorf("%s: %q in ASCII", name, s[i:i+3])
		}
	}
}

func TestTextIsNotMovedByTheWordsOfAServer(t *testing.T) {
	r := callFailedAtTLS()
	hostile := "503 \x1b[2J\x1b]0;owned\a\r\nGOOD\u202e \xff\u009b2K"
	r.Summary, r.Name, r.Target, r.Site = hostile, hostile, hostile, hostile
	r.Steps[3].Detail, r.Deviations = hostile, []string{hostile}
	r.Opinions = []probe.Opinion{{Source: "X-VoiceQuality", Text: hostile}}
	r.Failure.Hint, r.Failure.Err = hostile, errors.New(hostile)
	r.RoundTrip.Sent = 1
	got := text(t, r, Options{})
	for _, c := range []string{"\x1b", "\a", "\r", "\u202e", "\u009b", "\xff", "\nGOOD"} {
		if strings.Contains(got, c) {
			t.Errorf("the report has %q", c)
		}
	}
	if !strings.Contains(got, "503") {
		t.Errorf("the words themselves are gone:\n%s", got)
	}
}

func TestQuantitiesHaveThreeDigitsAndAUnit(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                "0.000 ms",
		24 * time.Microsecond:            "0.024 ms",
		350 * time.Microsecond:           "0.350 ms",
		999_600 * time.Nanosecond:        "1.00 ms",
		-12 * time.Microsecond:           "-0.012 ms",
		3100 * time.Microsecond:          "3.10 ms",
		9_996 * time.Microsecond:         "10.0 ms",
		12600 * time.Microsecond:         "12.6 ms",
		99_960 * time.Microsecond:        "100 ms",
		190 * time.Millisecond:           "190 ms",
		999_600 * time.Microsecond:       "1.00 s",
		11200 * time.Millisecond:         "11.2 s",
		99_960 * time.Millisecond:        "100 s",
		2*time.Hour + 30*time.Second + 1: "7230 s",
	} {
		if got := duration(d); got != want {
			t.Errorf("%d ns: got %q, want %q", d, got, want)
		}
	}
}

func TestPercentNeverHidesALoss(t *testing.T) {
	for ratio, want := range map[float64]string{
		0: "0 %", 1e-6: "<0.01 %", 0.0004: "0.04 %", 0.02: "2.00 %", 0.0999: "9.99 %", 0.124: "12.4 %", 1: "100.0 %",
	} {
		if got := percent(ratio); got != want {
			t.Errorf("%v: got %q, want %q", ratio, got, want)
		}
	}
}

func TestWrapLosesNothing(t *testing.T) {
	for _, c := range []struct {
		name, text string
		width      int
		want       []string
	}{
		{"nothing is one empty line", "", 10, []string{""}},
		{"a line that fits stays", "one two", 10, []string{"one two"}},
		{"a line breaks at a space", "one two three", 8, []string{"one two", "three"}},
		{"a long word is cut", "abcdefghijklmno p", 10, []string{"abcdefghij", "klmno p"}},
		{"a unit stays with its number", "a limit of 3.0 %", 14, []string{"a limit of", "3.0 %"}},
		{"seconds stay with their number", "it took 9.01 s", 10, []string{"it took", "9.01 s"}},
		{"a word that looks like a unit breaks", "an s in ms", 8, []string{"an s in", "ms"}},
		{"characters count, not bytes", "äöü äöü äöü", 11, []string{"äöü äöü äöü"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := wrap(c.text, c.width); strings.Join(got, "|") != strings.Join(c.want, "|") {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestScoreOverTimeShowsTheWorstOfEachColumn(t *testing.T) {
	windows := make([]probe.Window, 48)
	for i := range windows {
		windows[i].Uplink.Score = &probe.Score{MOS: 4.4}
	}
	windows[3].Uplink.Score.MOS = 1
	windows[10].Uplink.Score, windows[11].Uplink.Score = nil, nil
	up := func(w *probe.Window) *probe.Score { return w.Uplink.Score }
	if got, want := newCanvas(Options{}).course(windows, up), "█▁███·██████████████████"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := newCanvas(Options{ASCII: true}).course(windows[:6], up), "444144"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
