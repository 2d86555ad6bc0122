package archtest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTopLevelHoldsWhatItShould(t *testing.T) {
	entries, err := os.ReadDir(rootFolder(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		hidden := strings.HasPrefix(e.Name(), ".")
		if e.IsDir() && !hidden && topFolders[e.Name()] == "" {
			t.Errorf("%s/ stands at the top of the tree without a row in topFolders", e.Name())
		}
	}
}

// The page that people read and the table that is enforced are one.
func TestArchitecturePageShowsTheLevels(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(rootFolder(t), "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := levelTable()
	if !strings.Contains(string(page), want) {
		t.Errorf("docs/architecture.md does not show the level table; it is:\n%s", want)
	}
}

// levelTable renders places from the top level down.
func levelTable() string {
	rows := map[int][]string{}
	for path, p := range places {
		rows[p.level] = append(rows[p.level], path)
	}
	levels := slices.Sorted(maps.Keys(rows))
	slices.Reverse(levels)
	var table strings.Builder
	for _, level := range levels {
		slices.Sort(rows[level])
		fmt.Fprintf(&table, "level %2d   %s\n", level, strings.Join(rows[level], "   "))
	}
	return table.String()
}
