package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; hint: go test ./internal/report -update", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

func TestTextIsAsApproved(t *testing.T) {
	for name, result := range results {
		var b bytes.Buffer
		if err := Text(&b, result(), Options{}); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", b.Bytes())
	}
	for name, o := range map[string]Options{
		"degraded_narrow": {Width: 48},
		"degraded_wide":   {Width: 200},
		"degraded_ascii":  {ASCII: true},
		"degraded_color":  {Color: true},
	} {
		var b bytes.Buffer
		if err := Text(&b, results[strings.Split(name, "_")[0]](), o); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", b.Bytes())
	}
}

func TestJSONIsAsApproved(t *testing.T) {
	for name, result := range results {
		var b bytes.Buffer
		if err := JSON(&b, result()); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".json", b.Bytes())
	}
}
