package web

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/earshot-voip/earshot/probe"
)

// Every hint that the ladder can give is worded for the agent's file, and names
// only what the file knows.
func TestHintsNameWhatAFileHas(t *testing.T) {
	keys := regexp.MustCompile(`yaml:"([a-z_]+)`)
	var known []string
	files, err := filepath.Glob("../config/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range keys.FindAllStringSubmatch(string(text), -1) {
			known = append(known, found[1])
		}
	}
	flags := 0
	for _, code := range probe.Codes() {
		hint := code.Hint()
		flags += strings.Count(hint, "--")
		said := inFile(hint)
		if strings.Contains(said, "--") {
			t.Errorf("%s: %q still names a flag", code, said)
		}
		for _, word := range regexp.MustCompile(`[a-z]+_[a-z_]+`).FindAllString(said, -1) {
			if !strings.Contains(hint, word) && !slices.Contains(known, word) {
				t.Errorf("%s: %q names %s, which the file does not know", code, said, word)
			}
		}
	}
	if flags == 0 {
		t.Error("no hint names a flag: what is tested here?")
	}
}
