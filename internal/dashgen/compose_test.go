package dashgen

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/earshot-voip/earshot/internal/config"
)

var composeFolder = filepath.Join("..", "..", "dashboards", "compose")

func TestTheExamplesAgentIsConfiguredWell(t *testing.T) {
	c, err := config.NewSource(filepath.Join(composeFolder, "agent.yml")).Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Plan.Jobs) != 2 || c.Site == "" {
		t.Errorf("got %d jobs at %q", len(c.Plan.Jobs), c.Site)
	}
}

// Every file of ours that a container is given is there, and every board.
func TestTheExamplesFilesAreThere(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(composeFolder, "compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var compose struct {
		Services map[string]struct {
			Image   string
			Volumes []string
		}
		Volumes map[string]any
	}
	if err := yaml.Unmarshal(text, &compose); err != nil {
		t.Fatal(err)
	}
	given := map[string]bool{}
	for name, s := range compose.Services {
		if s.Image == "" {
			t.Errorf("%s has no image", name)
		}
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if !strings.HasPrefix(from, ".") {
				if _, ok := compose.Volumes[from]; !ok {
					t.Errorf("%s: there is no volume %s", name, from)
				}
				continue
			}
			given[filepath.Base(from)] = true
			if _, err := os.Stat(filepath.Join(composeFolder, from)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for board := range Boards() {
		if !given[board] {
			t.Errorf("Grafana is not given %s", board)
		}
	}
	for _, name := range []string{"echo", "agent", "prometheus", "alertmanager", "grafana"} {
		if _, ok := compose.Services[name]; !ok {
			t.Errorf("there is no %s", name)
		}
	}
}

func TestEveryAlertHasItsRunbook(t *testing.T) {
	for _, a := range Alerts() {
		text := runbook(a)
		for _, heading := range []string{"## What it means", "## Where to look, lowest layer first", "## What to run", "## Whom to call", "## The rule"} {
			if !strings.Contains(text, heading) {
				t.Errorf("%s: no %q", a.Name, heading)
			}
		}
		if _, err := os.Stat(filepath.Join("..", "..", "dashboards", "runbooks", a.Name+".md")); err != nil {
			t.Errorf("%v: run go generate ./internal/dashgen", err)
		}
	}
}

// Pages of alerts that are gone would tell people what to do about nothing.
func TestThereIsNothingElse(t *testing.T) {
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"runbooks/*.md", "rules/*", "*.json"} {
		found, err := filepath.Glob(filepath.Join("..", "..", "dashboards", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			name := "dashboards/" + strings.Replace(pattern, filepath.Base(pattern), filepath.Base(path), 1)
			if files[name] == "" {
				t.Errorf("%s is not generated any more: remove it", name)
			}
		}
	}
}
