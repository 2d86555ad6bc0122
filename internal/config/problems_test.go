package config

import (
	"os"
	"strings"
	"testing"
)

// Each row is one mistake and all that is said about it.
func TestMistakesAreNamedWithTheirPlace(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"an unknown key, near a known one", "targets:\n  - {name: a, url: http://h/, durtion: 5s}", []string{
			"earshot.yml:2: targets[0].durtion: unknown key; hint: did you mean duration?"}},
		{"an unknown key, near none", "targets: [{name: a, url: http://h/}]\nbudget: {frobnicate: 1}", []string{
			"earshot.yml:2: budget.frobnicate: unknown key; hint: known here are bytes_per_day, parallel_calls"}},
		{"a key that is there twice", "site: a\ntargets: [{name: a, url: http://h/}]\nsite: b", []string{
			"earshot.yml:3: site: is given twice, first on line 1"}},
		{"a number where a time is meant", "targets:\n- name: a\n  url: http://h/\n  every: 60", []string{
			`earshot.yml:4: targets[0].every: must be a time with its unit, like 500ms, 10s or 5m, is "60"`}},
		{"a time below zero", "defaults: {duration: -5s}\ntargets: [{name: a, url: http://h/}]", []string{
			"earshot.yml:1: defaults.duration: must be more than 0, is -5s"}},
		{"a list where a mapping is meant", "targets: [{name: a, url: http://h/}]\nbudget: [50]", []string{
			"earshot.yml:2: budget: must be a mapping of keys to values, is a list"}},
		{"a mapping where a list is meant", "targets: {name: a, url: http://h/}", []string{
			"earshot.yml:1: targets: must be a list of targets, is a mapping"}},
		{"a word where a number is meant", "targets: [{name: a, url: http://h/}]\nbudget: {parallel_calls: many}", []string{
			`earshot.yml:2: budget.parallel_calls: must be a whole number, is "many"`}},
		{"no value", "targets:\n- name: a\n  url:", []string{
			"earshot.yml:3: targets[0].url: has no value"}},
		{"nothing to call", "site: paris", []string{
			"earshot.yml:1: targets: there is nothing to call; hint: name a target, targets_files or a module"}},
		{"two documents", "targets: [{name: a, url: http://h/}]\n---\nsite: paris", []string{
			"earshot.yml:2: holds a second document; hint: one file is one document, remove the line ---"}},

		{"too often", "targets:\n- {name: a, url: http://h/}\n- name: b\n  url: http://h/\n  every: 1s", []string{
			"earshot.yml:5: targets[1].every: must be at least 5s, is 1s"}},
		{"too often for its length", "targets: [{name: a, url: http://h/, every: 30s, duration: 29s}]", []string{
			"earshot.yml:1: targets[0].every: must be at least 31s for calls of 29s, is 30s; hint: call less often or make duration shorter"}},
		{"renewed too often", "targets: [{name: a, url: http://h/, mode: continuous, renew: 10s}]", []string{
			"earshot.yml:1: targets[0].renew: must be at least 1m, is 10s"}},
		{"times of the other mode", "targets:\n- {name: a, url: http://h/, renew: 1h}\n- {name: b, url: http://h/, mode: continuous, every: 60s, duration: 5s, timeout: 60s}", []string{
			"earshot.yml:2: targets[0].renew: has no meaning in mode periodic; hint: every is what says",
			"earshot.yml:3: targets[1].every: has no meaning in mode continuous; hint: renew is the age",
			"earshot.yml:3: targets[1].duration: has no meaning in mode continuous; hint: renew says",
			"earshot.yml:3: targets[1].timeout: has no meaning in mode continuous; hint: renew says"}},
		{"no such mode", "targets: [{name: a, url: http://h/, mode: nightly}]", []string{
			`earshot.yml:1: targets[0].mode: must be periodic or continuous, is "nightly"`}},
		{"two of a name", "targets:\n- {name: a, url: http://h/}\n- {name: b, url: http://h/}\n- {name: a, url: http://i/}", []string{
			`earshot.yml:4: targets[2].name: "a" is also the name of the target at earshot.yml:2; hint: give each target a name of its own`}},
		{"two of a name that nobody gave", "targets:\n- {url: http://h/a}\n- {url: http://h/b}", []string{
			`earshot.yml:3: targets[1].name: "h" is also the name of the target at earshot.yml:2`}},
		{"a name that no label can hold", "targets: [{name: \"a\\tb\", url: http://h/}, {name: " + strings.Repeat("x", 201) + ", url: http://h/}]", []string{
			"earshot.yml:1: targets[0].name: must be text without control characters",
			"earshot.yml:1: targets[1].name: must be at most 200 bytes long, is 201"}},

		{"what a target itself refuses", "targets:\n- name: a\n  url: gopher://h/\n  codec: g729\n  relay: only\n  dscp: high\n  window: 1ms\n  local_address: eth0\n  ice_servers:\n    - url: turn:h", []string{
			`earshot.yml:3: targets[0].url: cannot call "gopher://h/"`,
			`earshot.yml:4: targets[0].codec: unknown codec "g729"; hint: use one of pcmu, pcma, opus`,
			`earshot.yml:6: targets[0].dscp: unknown code point "high"`,
			"earshot.yml:7: targets[0].window: must be at least 500ms, is 1ms",
			`earshot.yml:8: targets[0].local_address: must be an address of this host, is "eth0"`,
			"earshot.yml:10: targets[0].ice_servers[0]: turn:h needs a username and a password"}},
		{"a default that is wrong is said once", "defaults: {codec: g729}\ntargets:\n- {name: a, url: http://h/}\n- {name: b, url: http://h/}", []string{
			`earshot.yml:1: defaults.codec: unknown codec "g729"`}},
		{"limits that are none", "targets: [{name: a, url: http://h/, limits: {bad_mos: 0, jitter: 0s, loss: 4}}]\nlimits: {bad_mos: 7, rtt: 0ms}\ntrust: {missed: 0}", []string{
			"earshot.yml:1: targets[0].limits.jitter: must be more than 0, is 0s",
			"earshot.yml:1: targets[0].limits.loss: must be within 0%..100%, 0 excluded, is 4",
			"earshot.yml:1: targets[0].limits.bad_mos: must be within 1..4.5, is 0",
			"earshot.yml:2: limits.rtt: must be more than 0, is 0ms",
			"earshot.yml:2: limits.bad_mos: must be within 1..4.5, is 7",
			"earshot.yml:3: trust.missed: must be within 0%..100%, 0 excluded, is 0"}},

		{"a secret in a URL", "targets: [{name: a, url: \"http://probe:sesame@h/\"}]", []string{
			"earshot.yml:1: targets[0].url: must hold no password; hint: a secret belongs into a file"}},
		{"a secret in a URL that is none", "targets: [{name: a, url: \"http://probe:sesame@h:port/\"}]", []string{
			`earshot.yml:1: targets[0].url: invalid port ":port" after host`}},
		{"secrets that cannot be read", "targets:\n- {name: a, url: http://h/, token_file: absent}\n- {name: b, url: http://h/, token_file: empty}\n- {name: c, url: http://h/, token_file: long}\n- {name: d, url: http://h/, token_env: ABSENT}\n- {name: e, url: http://h/, token_env: A, token_file: b}\n- {name: f, url: http://h/, ca_file: long}", []string{
			"earshot.yml:2: targets[0].token_file: open absent: no such file",
			"earshot.yml:3: targets[1].token_file: empty is empty",
			"earshot.yml:4: targets[2].token_file: long has more than one line",
			"earshot.yml:5: targets[3].token_env: the environment variable ABSENT is empty or not set",
			"earshot.yml:6: targets[4].token_env: cannot be given beside token_file; hint: keep one of the two",
			"earshot.yml:7: targets[5].ca_file: long has no certificate in PEM form"}},

		{"more than the budget holds", "targets:\n- {name: a, url: http://h/, mode: continuous}\n- {name: b, url: http://h/, every: 12s}\nbudget: {parallel_calls: 1, bytes_per_day: 1GB}", []string{
			"earshot.yml:4: budget.parallel_calls: is 1, but the targets need 2.0 places on average (1 continuous, 1.0 for the others); hint: raise it, or call less often",
			"earshot.yml:4: budget.bytes_per_day: is 1 GB, but the schedule alone takes 2.9"}},
		{"a budget of nothing", "targets: [{name: a, url: http://h/}]\nbudget: {parallel_calls: 0, bytes_per_day: 0}", []string{
			"earshot.yml:2: budget.bytes_per_day: must be more than 0",
			"earshot.yml:2: budget.parallel_calls: must be at least 1, is 0"}},

		{"a module that may call nobody", "modules:\n  short: {duration: 4s}", []string{
			"earshot.yml:2: modules.short.allow: is missing"}},
		{"a module with a schedule", "modules:\n  short: {allow: [\"*\"], every: 60s}", []string{
			"earshot.yml:2: modules.short.every: unknown key"}},
		{"a module that is wrong", "modules:\n  short:\n    allow: [\"echo.example.com\", \"*://h/\"]\n    codec: g729", []string{
			`earshot.yml:3: modules.short.allow[0]: must be a URL in which * stands for any text`,
			`earshot.yml:3: modules.short.allow[1]: must be a URL in which * stands for any text`,
			`earshot.yml:4: modules.short.codec: unknown codec "g729"`}},
		{"a pattern of files that is none", "targets_files: [\"[\"]", []string{
			"earshot.yml:1: targets_files[0]: syntax error in pattern"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := problemsOf(t, map[string]string{"earshot.yml": tt.text, "empty": "\n", "long": "two\nlines\n"})
			checkProblems(t, got, tt.want)
			for _, line := range got {
				if strings.Contains(line, "sesame") {
					t.Errorf("a secret is shown: %s", line)
				}
			}
		})
	}
}

func TestAFileThatIsNoConfiguration(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "comments alone": "# nothing\n", "a list": "- a\n", "a word": "hello\n", "broken": "a: [\n", "tabs": "a:\n\tb: c\n", "binary": "\x00\x01\xff",
	} {
		t.Run(name, func(t *testing.T) {
			if got := problemsOf(t, map[string]string{"earshot.yml": text}); !strings.HasPrefix(got[0], "earshot.yml") {
				t.Errorf("got %q", got)
			}
		})
	}
	_, err := NewSource("absent.yml").Load()
	if want := "absent.yml: open absent.yml: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("got %v want %s", err, want)
	}
}

// Anchors and merges are YAML, and people use them to say things once.
func TestAnchorsAndMerges(t *testing.T) {
	c := load(t, map[string]string{"earshot.yml": `
targets:
  - &first {name: a, url: http://h/, codec: pcma, every: 30s}
  - {<<: *first, name: b, every: 40s}
  - <<: [{codec: pcmu}, *first]
    name: c
`})
	for i, want := range []string{"a pcma 30s", "b pcma 40s", "c pcmu 30s"} {
		j := c.Plan.Jobs[i]
		if got := j.Name() + " " + j.Target.Codec + " " + j.Every.String(); got != want {
			t.Errorf("got %q want %q", got, want)
		}
	}
}

// Whatever a file holds, it is read or refused: nothing else.
func FuzzLoad(f *testing.F) {
	f.Add("site: paris\ntargets: [{name: a, url: http://h/}]")
	f.Add("defaults: &d {every: 60s}\ntargets:\n- {<<: *d, name: a, url: http://h/, limits: {loss: 3%}}\nmodules: {m: {allow: [\"*\"]}}")
	f.Add("defaults: &d {<<: *d}")
	f.Add("targets: &t [*t]")
	f.Add("remote_write: [{url: http://h/, headers: {a: b}}]\nhistory: {path: x}")
	f.Fuzz(func(t *testing.T, text string) {
		name := t.TempDir() + "/earshot.yml"
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := NewSource(name).Load()
		switch {
		case err != nil && c != nil, err == nil && c == nil:
			t.Fatalf("got configuration %v and error %v", c, err)
		case err != nil:
			return
		}
		if err := c.Plan.Validate(); err != nil {
			t.Errorf("a plan that is not valid was found good: %v", err)
		}
		// What is in effect can be read again, but for what is hidden in it.
		if strings.Contains(string(c.Render()), "…") {
			return
		}
		again := t.TempDir() + "/again.yml"
		if err := os.WriteFile(again, c.Render(), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := NewSource(again).Load(); err != nil && !strings.Contains(err.Error(), "_file") {
			t.Errorf("what is in effect cannot be read again: %v\n%s", err, c.Render())
		}
	})
}
