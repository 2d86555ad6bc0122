package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/earshot-voip/earshot/internal/config"
)

const examples = "../../docs/examples"

// installed copies the examples to a folder, as a person would to /etc/earshot,
// with a file for each that a configuration names.
func installed(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(examples)); err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?m)([a-z]+)_file: ([a-z][\w./-]*)`)
	for _, name := range []string{"agent.yml", "agent-push.yml", "agent-minimal.yml"} {
		for _, match := range names.FindAllStringSubmatch(read(t, filepath.Join(dir, name)), -1) {
			text := []byte("secret\n")
			if match[1] == "ca" {
				text = authority(t)
			}
			path := filepath.Join(dir, match[2])
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// authority makes a certificate of an authority, in PEM.
func authority(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true}
	der, err := x509.CreateCertificate(rand.Reader, made, made, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestExampleConfigurationsLoad(t *testing.T) {
	dir := installed(t)
	for name, want := range map[string]struct{ targets, modules, receivers int }{
		"agent-minimal.yml": {targets: 2},
		"agent.yml":         {targets: 8, modules: 1},
		"agent-push.yml":    {targets: 1, receivers: 1},
	} {
		c, err := config.NewSource(filepath.Join(dir, name)).Load()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(c.Plan.Jobs) != want.targets || len(c.Modules) != want.modules || len(c.RemoteWrite) != want.receivers {
			t.Errorf("%s: got %d targets, %d modules, %d receivers, want %+v", name, len(c.Plan.Jobs), len(c.Modules), len(c.RemoteWrite), want)
		}
	}
}

// A team is promised ten lines.
func TestMinimalExampleIsTenLines(t *testing.T) {
	lines := 0
	for line := range strings.Lines(read(t, filepath.Join(examples, "agent-minimal.yml"))) {
		if text := strings.TrimSpace(line); text != "" && !strings.HasPrefix(text, "#") {
			lines++
		}
	}
	if lines > 10 {
		t.Errorf("got %d lines, want ten at most", lines)
	}
}

// checkCommandLine wants a command of ours with flags that it has.
func checkCommandLine(t *testing.T, where string, args []string) {
	t.Helper()
	cmd, rest, err := rootCommand().Find(args)
	if err != nil || !cmd.HasParent() {
		t.Errorf("%s: %v: %v", where, args, err)
		return
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Errorf("%s: %v: %v", where, args, err)
	}
}

// unit reads a systemd unit: the values of each key, by section.
func unit(t *testing.T, text string) map[string]map[string][]string {
	t.Helper()
	out, section := map[string]map[string][]string{}, ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch key, value, assigns := strings.Cut(line, "="); {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
			out[section] = map[string][]string{}
		case !assigns || section == "":
			t.Errorf("not a line of a unit: %q", line)
		default:
			out[section][key] = append(out[section][key], value)
		}
	}
	return out
}

func TestExampleUnitsAreHardenedAndRunOurCommands(t *testing.T) {
	users := read(t, filepath.Join(examples, "systemd/earshot.sysusers.conf"))
	for _, name := range []string{"earshot-agent.service", "earshot-echo.service"} {
		u := unit(t, read(t, filepath.Join(examples, "systemd", name)))
		service := u["Service"]
		for key, want := range map[string]string{
			"User": "earshot", "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateDevices": "yes",
			"CapabilityBoundingSet": "", "MemoryDenyWriteExecute": "yes", "RestrictNamespaces": "yes", "Restart": "always", "UMask": "0077",
		} {
			if !slices.Equal(service[key], []string{want}) {
				t.Errorf("%s: %s: got %q, want %q", name, key, service[key], want)
			}
		}
		if !strings.Contains(users, "\nu "+service["User"][0]+" ") {
			t.Errorf("%s runs as %s, whom earshot.sysusers.conf does not make", name, service["User"])
		}
		args := strings.Fields(service["ExecStart"][0])
		if args[0] != "/usr/bin/earshot" {
			t.Errorf("%s starts %s", name, args[0])
		}
		checkCommandLine(t, name, args[1:])
		if u["Install"]["WantedBy"] == nil {
			t.Errorf("%s cannot be enabled", name)
		}
	}
}

func TestExampleContainerRunsAsNobodyInParticular(t *testing.T) {
	text := read(t, filepath.Join(examples, "container/Containerfile"))
	last := text[strings.LastIndex(text, "\nFROM "):]
	for _, must := range []string{"distroless/static", ":nonroot", "\nUSER 65532:65532\n", "CGO_ENABLED=0"} {
		if !strings.Contains(text, must) {
			t.Errorf("the recipe lacks %q", must)
		}
	}
	command := regexp.MustCompile(`\nCMD (\[.*\])\n`).FindStringSubmatch(last)
	var args []string
	if command == nil || yaml.Unmarshal([]byte(command[1]), &args) != nil {
		t.Fatal("the last stage has no command")
	}
	checkCommandLine(t, "Containerfile", args)
}

// documents reads all YAML documents below a folder, by file.
func documents(t *testing.T, folder string) map[string][]map[string]any {
	t.Helper()
	out := map[string][]map[string]any{}
	err := fs.WalkDir(os.DirFS(folder), ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".yml" {
			return err
		}
		d := yaml.NewDecoder(bytes.NewReader([]byte(read(t, filepath.Join(folder, name)))))
		for {
			var one map[string]any
			if d.Decode(&one) != nil {
				return nil
			}
			out[name] = append(out[name], one)
		}
	})
	if err != nil || len(out) == 0 {
		t.Fatalf("nothing in %s: %v", folder, err)
	}
	return out
}

// at follows keys and indexes into a document; nil where there is nothing.
func at(v any, path ...any) any {
	for _, step := range path {
		switch key := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[key]
		case int:
			list, _ := v.([]any)
			if key >= len(list) {
				return nil
			}
			v = list[key]
		}
	}
	return v
}
