package config

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// names lists the targets of a configuration, with their URLs and intervals.
func names(c *Config) (list []string) {
	for _, j := range c.Plan.Jobs {
		list = append(list, j.Name()+" "+j.Target.URL+" "+short(j.Every))
	}
	return list
}

func TestTargetsFiles(t *testing.T) {
	c := load(t, map[string]string{
		"earshot.yml": "defaults: {every: 30s, token_file: token}\ntargets: [{name: own, url: http://own/}]\ntargets_files: [sd/*.yml, sd/*.json, sd/b.*, none/*]",
		"token":       "sesame",
		"sd/a.yml":    "- {name: first, url: http://first/, every: 40s}\n- {url: http://second/echo, token_file: other}",
		"sd/other":    "barley",
		"sd/b.json":   `[{"targets": ["http://third/", "http://fourth/"], "labels": {"__earshot_every": "50s", "__earshot_codec": "pcmu", "env": "prod", "__meta_x": "y"}}, {"targets": ["http://fifth/"]}]`,
		"sd/c.yml":    "",
		"sd/d.yml":    "[]",
		"sd/e.txt":    "not: looked at",
	})
	want := []string{
		"own http://own/ 30s", "first http://first/ 40s", "second http://second/echo 30s",
		"third http://third/ 50s", "fourth http://fourth/ 50s", "fifth http://fifth/ 30s",
	}
	if got := names(c); !slices.Equal(got, want) {
		t.Errorf("got targets\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	tokens, codecs := []string{}, []string{}
	for _, j := range c.Plan.Jobs {
		tokens, codecs = append(tokens, j.Target.Token), append(codecs, j.Target.Codec)
	}
	// A file that the defaults name is beside the configuration, one that a target names beside its list.
	if want := []string{"sesame", "sesame", "barley", "sesame", "sesame", "sesame"}; !slices.Equal(tokens, want) {
		t.Errorf("got tokens %v want %v", tokens, want)
	}
	if want := []string{"opus", "opus", "opus", "pcmu", "pcmu", "opus"}; !slices.Equal(codecs, want) {
		t.Errorf("got codecs %v want %v", codecs, want)
	}
}

func TestMistakesInTargetsFiles(t *testing.T) {
	got := problemsOf(t, map[string]string{
		"earshot.yml": "targets: [{name: own, url: http://own/}]\ntargets_files: [sd/*]",
		"sd/a.yml":    "- {name: own, url: http://other/}\n- {name: b, url: http://b/, durtion: 5s}",
		"sd/b.json":   "[{\"targets\": [\"http://c/\"],\n\"labels\": {\"__earshot_every\": \"1s\",\n\"__earshot_token_file\": \"/etc/shadow\"}},\n{\"targets\": [\"c:/\"], \"label\": {}}]",
		"sd/c.yml":    "targets: []",
		"sd/d.yml":    "- [",
	})
	checkProblems(t, got, []string{
		`sd/a.yml:1: [0].name: "own" is also the name of the target at earshot.yml:1`,
		"sd/a.yml:2: [1].durtion: unknown key; hint: did you mean duration?",
		"sd/b.json:1: [0].targets[0].every: must be at least 5s, is 1s",
		"sd/b.json:3: [0].labels.__earshot_token_file: is no label of Earshot; hint: there are name, mode, every,",
		"sd/b.json:4: [1].label: unknown key; hint: did you mean labels?",
		`sd/b.json:4: [1].targets[0].url: cannot call "c:/"`,
		"sd/c.yml:1: must be a list of targets, is a mapping",
		"sd/d.yml:1: is not YAML: ",
	})
}

// replace writes a file as careful programs do: beside, then renamed.
func replace(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

func TestFilesThatChangeAreReadAgain(t *testing.T) {
	dir := write(t, map[string]string{
		"earshot.yml":     "targets_files: [sd/*.yml, mounted/*.yml]\ndefaults: {token_file: token}",
		"token":           "sesame",
		"sd/a.yml":        "[{name: a, url: http://a/}]",
		"..v1/list.yml":   "[{name: linked, url: http://v1/}]",
		"..v2/list.yml":   "[{name: linked, url: http://v2/}]",
		"mounted/.ignore": "",
	})
	at := func(name string) string { return filepath.Join(dir, name) }
	// As Kubernetes mounts a ConfigMap: a link to a link that is replaced at once.
	for _, link := range [][2]string{{"../..v1", "mounted/..data"}, {"..data/list.yml", "mounted/list.yml"}} {
		if err := os.Symlink(link[0], at(link[1])); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	source := NewSource(at("earshot.yml"))
	first, err := source.Load()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := names(first), []string{"a http://a/ 1m", "linked http://v1/ 1m"}; !slices.Equal(got, want) {
		t.Fatalf("got %v want %v", got, want)
	}
	if source.stale() {
		t.Error("nothing changed since it was read")
	}
	steps := []struct {
		name   string
		change func()
		want   []string // nil: refused
		token  string
	}{
		{"a file is replaced", func() { replace(t, at("sd/a.yml"), "[{name: a, url: http://a2/}]") },
			[]string{"a http://a2/ 1m", "linked http://v1/ 1m"}, "sesame"},
		{"a file is added", func() { replace(t, at("sd/b.yml"), "[{name: b, url: http://b/}]") },
			[]string{"a http://a2/ 1m", "b http://b/ 1m", "linked http://v1/ 1m"}, "sesame"},
		{"a file is removed", func() { _ = os.Remove(at("sd/a.yml")) },
			[]string{"b http://b/ 1m", "linked http://v1/ 1m"}, "sesame"},
		{"the link to a mounted folder is swapped", func() {
			_ = os.Symlink("../..v2", at("mounted/..data.new"))
			_ = os.Rename(at("mounted/..data.new"), at("mounted/..data"))
		}, []string{"b http://b/ 1m", "linked http://v2/ 1m"}, "sesame"},
		{"a secret is replaced", func() { replace(t, at("token"), "barley") },
			[]string{"b http://b/ 1m", "linked http://v2/ 1m"}, "barley"},
		{"a file has a mistake", func() { replace(t, at("sd/b.yml"), "[{name: b, url: http://b/, every: 1s}]") }, nil, ""},
		{"the mistake is mended", func() { replace(t, at("sd/b.yml"), "[{name: b, url: http://b/, every: 2m}]") },
			[]string{"b http://b/ 2m", "linked http://v2/ 1m"}, "barley"},
		{"the configuration itself is half written", func() {
			replace(t, at("earshot.yml"), "targets_files: [")
			replace(t, at("sd/b.yml"), "[{name: b, url: http://b/, every: 3m}]")
		}, []string{"b http://b/ 3m", "linked http://v2/ 1m"}, "barley"},
	}
	for _, s := range steps {
		s.change()
		if !source.stale() {
			t.Fatalf("%s, and it is not noticed", s.name)
		}
		if source.stale() {
			t.Errorf("%s, and it is noticed twice", s.name)
		}
		c, err := source.Refresh()
		if s.want == nil {
			if err == nil {
				t.Errorf("%s, and it is taken: %v", s.name, names(c))
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if got := names(c); !slices.Equal(got, s.want) || c.Plan.Jobs[0].Target.Token != s.token {
			t.Errorf("%s: got %v with token %q, want %v with %q", s.name, got, c.Plan.Jobs[0].Target.Token, s.want, s.token)
		}
	}
}

func TestWatchTellsOfChangesUntilItsEnd(t *testing.T) {
	dir := write(t, map[string]string{"earshot.yml": "targets_files: [sd/*.yml]", "sd/a.yml": ""})
	source := NewSource(filepath.Join(dir, "earshot.yml"))
	if _, err := source.Load(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	changes, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		source.Watch(ctx, time.Millisecond, func() { changes <- struct{}{} })
	}()
	for _, text := range []string{"[{name: a, url: http://a/}]", "[{name: b, url: http://a/}]"} {
		replace(t, filepath.Join(dir, "sd/a.yml"), text)
		select {
		case <-changes:
		case <-time.After(30 * time.Second):
			t.Fatal("the change was not noticed")
		}
	}
	stop()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Fatal("watching does not end")
	}
}
