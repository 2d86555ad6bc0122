package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

func TestImportsKeepTheRules(t *testing.T) {
	for _, problem := range importProblems(readTree(t, rootFolder(t))) {
		t.Error(problem)
	}
}

func TestEveryRuleIsInUse(t *testing.T) {
	tree := readTree(t, rootFolder(t))
	for pattern := range places {
		if !slices.ContainsFunc(tree, func(p pkg) bool { return matches(pattern, p.path) }) && pattern != "bench/..." {
			t.Errorf("%s has a row in places and no source; remove the row", pattern)
		}
	}
	for path := range modules {
		used := slices.ContainsFunc(tree, func(p pkg) bool {
			return slices.ContainsFunc(append(slices.Clone(p.imports), p.testImports...), func(to string) bool {
				m, ok := moduleOf(to, modules)
				return ok && m == path
			})
		})
		if !used {
			t.Errorf("%s has a row in modules and nobody imports it; remove the row", path)
		}
	}
}

// The checker is fed trees with one fault each: a check that finds nothing is
// worth nothing.
func TestCheckerFindsForbiddenImports(t *testing.T) {
	project := func(p string) string { return modulePath + "/" + p }
	tests := []struct {
		name string
		pkg  pkg
		want string // part of the one problem; empty: none
	}{
		{"an import that points down is fine",
			pkg{path: "probe", imports: []string{project("internal/peer"), project("internal/mono"), "time"}}, ""},
		{"an import that points up is not",
			pkg{path: "internal/peer", imports: []string{project("probe")}}, "internal/peer (level 1) imports probe (level 2)"},
		{"an import within a level is not",
			pkg{path: "internal/echo", imports: []string{project("probe")}}, "internal/echo (level 2) imports probe (level 2)"},
		{"code does not import the conformance suite",
			pkg{path: "probe", imports: []string{project("internal/signaling/signalingtest")}}, "only for tests"},
		{"a test may import its own level",
			pkg{path: "probe", testImports: []string{project("internal/echo")}}, ""},
		{"any test may import what is only for tests",
			pkg{path: "internal/signaling", testImports: []string{project("internal/signaling/signalingtest")}}, ""},
		{"a test may not import upwards",
			pkg{path: "internal/impair", testImports: []string{project("probe")}}, "a test of internal/impair (level 0) imports probe (level 2)"},
		{"an external test imports its own package",
			pkg{path: "internal/impair", testImports: []string{project("internal/impair")}}, ""},
		{"mos imports the standard library alone",
			pkg{path: "mos", imports: []string{project("internal/mono")}}, "mos may import only the standard library"},
		{"mos imports no module",
			pkg{path: "mos", imports: []string{"github.com/pion/rtp"}}, "mos may import only the standard library"},
		{"the hot path has no clock",
			pkg{path: "internal/rtpflow", imports: []string{project("internal/mono")}}, "internal/rtpflow may import only"},
		{"the hot path has pion's headers",
			pkg{path: "internal/rtpflow", imports: []string{"github.com/pion/rtp", "github.com/pion/rtcp", "time"}}, ""},
		{"the hot path has no lock",
			pkg{path: "internal/rtpflow", imports: []string{"sync"}}, "internal/rtpflow is pure and imports sync"},
		{"other packages may lock",
			pkg{path: "internal/pace", imports: []string{"sync"}}, ""},
		{"packages of one folder's row may import each other",
			pkg{path: "bench/density", imports: []string{project("bench/internal/rig")}}, ""},
		{"only the command imports cobra",
			pkg{path: "internal/report", imports: []string{"github.com/spf13/cobra"}}, "internal/report imports github.com/spf13/cobra"},
		{"the command imports cobra",
			pkg{path: "cmd/earshot", imports: []string{"github.com/spf13/cobra"}}, ""},
		{"a package of a module counts as the module",
			pkg{path: "probe", imports: []string{"github.com/pion/webrtc/v4/pkg/media"}}, "probe imports github.com/pion/webrtc/v4"},
		{"an independent peer may be made of pion",
			pkg{path: "internal/farend", imports: []string{"github.com/pion/webrtc/v4"}}, ""},
		{"but not of everything",
			pkg{path: "bench/density", imports: []string{"github.com/spf13/cobra"}}, "bench/density imports github.com/spf13/cobra"},
		{"a peer for tests stays in tests",
			pkg{path: "internal/peer", testImports: []string{"github.com/pion/webrtc/v4"}}, ""},
		{"a module without a row is not imported, not even by tests",
			pkg{path: "probe", testImports: []string{"example.com/assert"}}, "example.com/assert, which has no row"},
		{"a package without a row is named with what to do",
			pkg{path: "internal/stranger"}, "internal/stranger has no row: add it to places"},
		{"a folder's row covers what is below it",
			pkg{path: "bench/density", imports: []string{project("probe")}}, ""},
		{"a package that is imported and unknown is named",
			pkg{path: "cmd/earshot", imports: []string{project("internal/stranger")}}, "imports internal/stranger, which has no row"},
		{"code in C is no option",
			pkg{path: "internal/udp", imports: []string{"C"}}, "imports C"},
		{"a name says what is inside",
			pkg{path: "bench/util", name: "util"}, "says nothing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := importProblems([]pkg{tt.pkg})
			got = append(got, nameProblems(tt.pkg)...)
			switch {
			case tt.want == "" && len(got) != 0:
				t.Errorf("got %q want no problem", got)
			case tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)):
				t.Errorf("got %q want one problem with %q", got, tt.want)
			}
		})
	}
}

func TestCheckerFindsAClockInAPurePackage(t *testing.T) {
	tests := []struct {
		name, body string
		want       int
	}{
		{"a duration is only arithmetic", "_ = 2 * time.Second", 0},
		{"reading the clock is found", "_ = time.Now()", 1},
		{"handing the clock on is found too", "f := time.Since; _ = f", 1},
		{"a timer is found", "time.NewTimer(0)", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, "p.go", "package p\nimport \"time\"\nfunc f() { "+tt.body+" }", 0)
			if err != nil {
				t.Fatal(err)
			}
			got := importProblems([]pkg{{path: "internal/rtpflow", fset: fset, files: []*ast.File{f}}})
			if len(got) != tt.want {
				t.Errorf("got %q want %d problems", got, tt.want)
			}
		})
	}
}

// importProblems says which imports of the tree break a rule, each with the
// rule's reason.
func importProblems(tree []pkg) []string {
	var problems []string
	for _, p := range tree {
		own, ok := placeOf(p.path)
		if !ok {
			problems = append(problems, fmt.Sprintf("%s has no row: add it to places in internal/archtest/rules_test.go with its level and the reason, and to docs/architecture.md", p.path))
			continue
		}
		for _, to := range p.imports {
			if problem := codeProblem(p.path, own, to); problem != "" {
				problems = append(problems, problem)
			}
		}
		if own.pure {
			for _, f := range p.files {
				problems = append(problems, impureUses(p.fset, f)...)
			}
		}
		for _, to := range p.testImports {
			if problem := testProblem(p.path, own, to); problem != "" {
				problems = append(problems, problem)
			}
		}
	}
	return problems
}

func placeOf(path string) (place, bool) {
	pattern := rowOf(path)
	pl, ok := places[pattern]
	return pl, ok
}

// rowOf is the pattern of the package's row, or "".
func rowOf(path string) string {
	for pattern := range places {
		if matches(pattern, path) {
			return pattern
		}
	}
	return ""
}

// codeProblem judges one import of a package's code.
func codeProblem(from string, own place, importPath string) string {
	if importPath == "C" {
		return from + " imports C; Earshot builds without a C compiler on every platform"
	}
	if standard(importPath) {
		if own.pure && slices.Contains(impureImports, importPath) {
			return fmt.Sprintf("%s is pure and imports %s: %s", from, importPath, own.reason)
		}
		return ""
	}
	if own.only != nil && !allowedOnly(own.only, importPath) {
		allowed := "the standard library"
		if len(own.only) > 0 {
			allowed += " and " + strings.Join(own.only, ", ")
		}
		return fmt.Sprintf("%s may import only %s, not %s: %s", from, allowed, importPath, own.reason)
	}
	to, inProject := projectPath(importPath)
	if !inProject {
		return moduleProblem(from, importPath, false)
	}
	target, ok := placeOf(to)
	switch {
	case !ok:
		return fmt.Sprintf("%s imports %s, which has no row in places", from, to)
	case target.testsOnly:
		return fmt.Sprintf("%s imports %s, which is only for tests", from, to)
	case target.level < own.level:
		return ""
	case strings.HasSuffix(rowOf(from), "/...") && rowOf(from) == rowOf(to):
		return "" // the row stands for a folder, whose packages are one whole
	case target.level == own.level && sameLevel[edge{from, to}] != "":
		return ""
	}
	return fmt.Sprintf("%s (level %d) imports %s (level %d), arrows point down only; %s: %s", from, own.level, to, target.level, to, target.reason)
}

// impureUses finds the names of impureNames in a file.
func impureUses(fset *token.FileSet, f *ast.File) []string {
	var problems []string
	ast.Inspect(f, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if from, ok := selector.X.(*ast.Ident); ok {
			if name := from.Name + "." + selector.Sel.Name; slices.Contains(impureNames, name) {
				problems = append(problems, fmt.Sprintf("%s: %s in a pure package: the caller passes times in", fset.Position(n.Pos()), name))
			}
		}
		return true
	})
	return problems
}

// testProblem judges one import of a package's tests.
func testProblem(from string, own place, importPath string) string {
	if standard(importPath) {
		return ""
	}
	to, inProject := projectPath(importPath)
	if !inProject {
		return moduleProblem(from, importPath, true)
	}
	target, ok := placeOf(to)
	switch {
	case !ok:
		return fmt.Sprintf("a test of %s imports %s, which has no row in places", from, to)
	case target.testsOnly, target.level <= own.level, upwardInTests[edge{from, to}] != "":
		return ""
	}
	return fmt.Sprintf("a test of %s (level %d) imports %s (level %d); move the test up, or list it in upwardInTests with a reason", from, own.level, to, target.level)
}

func moduleProblem(from, importPath string, inTest bool) string {
	importer := from
	if inTest {
		importer = "a test of " + from
	}
	m, ok := moduleOf(importPath, modules)
	if !ok {
		return fmt.Sprintf("%s imports %s, which has no row in modules of internal/archtest/rules_test.go; a direct dependency also wants a record in docs/adr", importer, importPath)
	}
	if strings.HasPrefix(m, "github.com/pion/") && matchesAny(independent, from) {
		return ""
	}
	rule := modules[m]
	if matchesAny(rule.code, from) || inTest && matchesAny(rule.tests, from) {
		return ""
	}
	return fmt.Sprintf("%s imports %s and is not among its users: %s", importer, m, rule.reason)
}

func allowedOnly(only []string, importPath string) bool {
	to, inProject := projectPath(importPath)
	return slices.ContainsFunc(only, func(allowed string) bool {
		if inProject {
			return allowed == to
		}
		return importPath == allowed || strings.HasPrefix(importPath, allowed+"/")
	})
}
