package config

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// What the README shows is a configuration.
func TestExamplesOfTheReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```").FindAllSubmatch(text, -1)
	if len(blocks) < 2 {
		t.Fatalf("the README has %d blocks of YAML", len(blocks))
	}
	for i, b := range blocks {
		if !regexp.MustCompile(`(?m)^(targets|modules):`).Match(b[1]) {
			continue // of another program
		}
		dir := write(t, map[string]string{"echo.token": "sesame"})
		example := strings.ReplaceAll(string(b[1]), "/etc/earshot/", dir+"/")
		if _, err := NewSource(writeFile(t, dir, example)).Load(); err != nil {
			t.Errorf("block %d: %v", i, err)
		}
	}
}

func writeFile(t *testing.T, dir, text string) (name string) {
	t.Helper()
	name = dir + "/earshot.yml"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
