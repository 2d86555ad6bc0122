package probe_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/earshot-voip/earshot/probe"
)

// declaredCodes reads the constants of type Code from the source, so that none
// can be added without a row that provokes it.
func declaredCodes(t *testing.T) map[string]probe.Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]probe.Code{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Code" {
			return true
		}
		for i, name := range spec.Names {
			value, err := strconv.Unquote(spec.Values[i].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			codes[name.Name] = probe.Code(value)
		}
		return true
	})
	if len(codes) < 30 {
		t.Fatalf("found %d codes in codes.go: the source has another form than this test reads", len(codes))
	}
	return codes
}

func TestEveryCodeIsProvokedAndExplained(t *testing.T) {
	provoked := map[probe.Code]bool{
		// Nothing provokes it but a defect: TestAnErrorOfNoKnownKindIsADefect.
		probe.CodeInternal: true,
	}
	for _, row := range allFailures() {
		provoked[row.code] = true
	}
	declared := declaredCodes(t)
	for name, code := range declared {
		if !provoked[code] {
			t.Errorf("no row of the failures provokes %s (%s)", code, name)
		}
		if code.Meaning() == "" || code.Hint() == "" {
			t.Errorf("%s has meaning %q and hint %q, want both", code, code.Meaning(), code.Hint())
		}
		if strings.ToLower(string(code)) != string(code) || strings.ContainsAny(string(code), " -.") {
			t.Errorf("%q is no name in the form of the others", code)
		}
	}
	known := slices.Collect(maps.Values(declared))
	for code := range provoked {
		if !slices.Contains(known, code) {
			t.Errorf("%s is provoked and is not declared", code)
		}
	}
	if slices.Sort(known); len(slices.Compact(known)) != len(declared) {
		t.Error("two constants have one value")
	}
}
