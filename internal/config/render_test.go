package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// rendered is a configuration with a secret wherever one can be.
var rendered = map[string]string{
	"earshot.yml": `
site: paris
defaults: {duration: 8s, ice_servers: [{url: "turn:turn.example.com:3478?transport=tcp", username: probe, password_file: secret}]}
targets:
  - {name: often, url: "https://echo.example.com/echo?key=sesame#sesame", token_env: TOKEN, limits: {loss: 1%}, relay: only}
  - {name: always, url: "http://probe@192.0.2.7:8443/echo", mode: continuous, renew: 1d, trust: {send_late: 50ms}}
targets_files: [more.yml]
modules:
  short: {duration: 4s, allow: ["https://echo.example.com/*"], token_file: secret}
limits: {jitter: 90s}
budget: {bytes_per_day: 20GB}
history: {path: history, max_size: 1GiB}
`,
	"more.yml": `[{targets: ["https://branch.example.com/echo"], labels: {__earshot_name: branch}}]`,
	"secret":   "sesame",
}

func TestWhatIsInEffectIsShownWithoutSecrets(t *testing.T) {
	got := string(load(t, rendered, "TOKEN", "sesame").Render())
	if strings.Contains(got, "sesame") {
		t.Errorf("a secret is shown:\n%s", got)
	}
	golden := filepath.Join("testdata", "effective.yml")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What is shown is a configuration, and the one that is in effect.
func TestWhatIsShownMeansWhatIsInEffect(t *testing.T) {
	files := map[string]string{"secret": "sesame"}
	for name, text := range rendered {
		files[name] = strings.NewReplacer("?key=sesame#sesame", "").Replace(text)
	}
	first := load(t, files, "TOKEN", "sesame")
	second := load(t, map[string]string{"earshot.yml": string(first.Render()), "secret": "sesame"})
	if string(first.Render()) != string(second.Render()) {
		t.Errorf("got\n%s\nwant\n%s", second.Render(), first.Render())
	}
	if len(second.Plan.Jobs) != 3 || second.Plan.BytesPerDay() != first.Plan.BytesPerDay() {
		t.Errorf("got plan %+v want %+v", second.Plan, first.Plan)
	}
}
