package dashgen

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/earshot-voip/earshot/internal/catalog"
	"github.com/earshot-voip/earshot/probe"
)

// named finds the series that a text speaks of.
var named = regexp.MustCompile(`\b(earshot_[a-z0-9_]+|earshot:[a-zA-Z0-9_:]+)\b`)

// known are the names of all series that there are: those of the catalog, of its
// histograms' parts, and of the recording rules.
func known() map[string]bool {
	names := map[string]bool{}
	for _, m := range catalog.All() {
		names[m.Name] = true
		if m.Type == catalog.Histogram {
			for _, part := range []string{"_bucket", "_sum", "_count"} {
				names[m.Name+part] = true
			}
		}
	}
	for _, g := range Groups() {
		for _, r := range g.Rules {
			if r.Record != "" {
				names[string(r.Record)] = true
			}
		}
	}
	return names
}

func TestRulesSpeakOfSeriesThatExist(t *testing.T) {
	names := known()
	for _, g := range Groups() {
		for _, r := range g.Rules {
			for _, name := range named.FindAllString(r.Expr, -1) {
				if !names[name] {
					t.Errorf("%s: there is no series %s, in %s", g.Name, name, r.Expr)
				}
			}
		}
	}
}

// Tests of the rules and hand-written files must keep up with names, too.
func TestHandWrittenFilesSpeakOfWhatExists(t *testing.T) {
	names, alerts := known(), map[string]bool{}
	for _, a := range Alerts() {
		alerts[a.Name] = true
	}
	alert := regexp.MustCompile(`\bEarshot[A-Z][A-Za-z]+\b`)
	for _, path := range handWritten(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range named.FindAllString(string(text), -1) {
			if !names[name] {
				t.Errorf("%s: there is no series %s", path, name)
			}
		}
		for _, name := range alert.FindAllString(string(text), -1) {
			if !alerts[name] {
				t.Errorf("%s: there is no alert %s", path, name)
			}
		}
	}
}

func handWritten(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, pattern := range []string{"tests/*.yml", "alertmanager.yml"} {
		found, err := filepath.Glob(filepath.Join("..", "..", "dashboards", pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("nothing at dashboards/%s (%v)", pattern, err)
		}
		list = append(list, found...)
	}
	return list
}

// slowPages are critical and not about what has just collapsed.
var slowPages = []string{"EarshotBudgetBurnsFast", "EarshotCertificateExpires"}

func TestEveryAlertSaysWhatToDo(t *testing.T) {
	layers := []string{"", "probe"}
	for _, l := range probe.Layers {
		layers = append(layers, string(l))
	}
	for _, a := range Alerts() {
		problem := func(format string, args ...any) { t.Helper(); t.Errorf(a.Name+": "+format, args...) }
		if !slices.Contains([]Severity{Critical, Warning, Info}, a.Severity) {
			problem("severity %q", a.Severity)
		}
		if !slices.Contains(layers, a.Layer) {
			problem("layer %q", a.Layer)
		}
		if a.Summary == "" || a.Description == "" || a.Meaning == "" || len(a.Checks) == 0 || len(a.Run) == 0 || a.Call == "" {
			problem("it does not say everything: %+v", a)
		}
		if a.Within == 0 || a.Within < a.For {
			problem("fires within %v, after %v", a.Within, a.For)
		}
		if a.Severity == Critical && a.Within > 45*time.Second && !slices.Contains(slowPages, a.Name) {
			problem("pages only within %v", a.Within)
		}
		if a.Board == "" {
			problem("no board")
		}
	}
}

// Each alert has a test that it fires, and one in which it does not.
func TestEveryAlertIsTested(t *testing.T) {
	var all strings.Builder
	for _, path := range handWritten(t) {
		if strings.Contains(path, "tests") {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := yaml.Unmarshal(text, &struct{}{}); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			all.Write(text)
		}
	}
	for _, a := range Alerts() {
		if !strings.Contains(all.String(), `alertname="`+a.Name+`"`) {
			t.Errorf("%s: no test in dashboards/tests expects it", a.Name)
		}
	}
}
