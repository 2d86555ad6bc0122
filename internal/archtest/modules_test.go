package archtest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// Every module that the sources import directly has a record that says what it
// saves, what it brings and who keeps it; and no record outlives its module.
func TestDirectDependenciesHaveARecord(t *testing.T) {
	root := rootFolder(t)
	records := dependencyRecords(t, root)
	direct := directModules(t, root)
	for _, m := range direct {
		if _, ok := records[m]; !ok {
			t.Errorf("%s is a direct dependency without a record: add one to docs/adr that begins with the line %q", m, "# Dependency: "+m)
		}
		if _, ok := modules[m]; !ok {
			t.Errorf("%s is a direct dependency without a row in modules", m)
		}
	}
	for m, file := range records {
		if !slices.Contains(direct, m) {
			t.Errorf("docs/adr/%s is the record of %s, which nobody imports", file, m)
		}
	}
}

// directModules lists the modules of go.mod from which the tree imports.
func directModules(t *testing.T, root string) []string {
	t.Helper()
	edit := exec.Command("go", "mod", "edit", "-json")
	edit.Dir = root
	out, err := edit.Output()
	if err != nil {
		t.Fatalf("go mod edit -json: %v", err)
	}
	var file struct{ Require []struct{ Path string } }
	if err := json.Unmarshal(out, &file); err != nil {
		t.Fatal(err)
	}
	required := map[string]bool{}
	for _, r := range file.Require {
		required[r.Path] = true
	}
	var direct []string
	for _, p := range readTree(t, root) {
		for _, to := range append(slices.Clone(p.imports), p.testImports...) {
			if m, ok := moduleOf(to, required); ok {
				direct = append(direct, m)
			}
		}
	}
	slices.Sort(direct)
	return slices.Compact(direct)
}

var recordTitle = regexp.MustCompile(`\A# Dependency: (\S+)\n`)

// dependencyRecords maps a module to the file of its record.
func dependencyRecords(t *testing.T, root string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "docs", "adr", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	records := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if title := recordTitle.FindSubmatch(text); title != nil {
			records[string(title[1])] = filepath.Base(file)
		}
	}
	return records
}
