package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pkg is one package of the tree as its sources tell, on every platform.
type pkg struct {
	path        string   // below the module, with slashes
	name        string   // of its code, or of its tests when it has no code
	imports     []string // of its code, whatever the build tags; sorted
	testImports []string // of its tests, internal and external; sorted
	hasCode     bool
	hasComment  bool
	files       []*ast.File // its code
	fset        *token.FileSet
}

// rootFolder is the folder of go.mod.
func rootFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = up
	}
}

// readTree reads every package of root's module.
func readTree(t *testing.T, root string) []pkg {
	t.Helper()
	var tree []pkg
	err := filepath.WalkDir(root, func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if dir != root && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_")) {
			return filepath.SkipDir
		}
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil && dir != root {
			return filepath.SkipDir // a module of its own has dependencies of its own
		}
		rel, err := filepath.Rel(root, dir)
		if err != nil {
			return err
		}
		p, found, err := readPackage(dir, filepath.ToSlash(rel))
		if found {
			tree = append(tree, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func readPackage(dir, rel string) (p pkg, found bool, err error) {
	p = pkg{path: rel, fset: token.NewFileSet()}
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return p, false, err
	}
	for _, name := range names {
		isTest := strings.HasSuffix(name, "_test.go")
		mode := parser.ParseComments
		if isTest {
			mode = parser.ImportsOnly
		}
		f, err := parser.ParseFile(p.fset, name, nil, mode)
		if err != nil {
			return p, false, err
		}
		found = true
		p.add(f, isTest)
	}
	slices.Sort(p.imports)
	slices.Sort(p.testImports)
	p.imports, p.testImports = slices.Compact(p.imports), slices.Compact(p.testImports)
	return p, found, nil
}

func (p *pkg) add(f *ast.File, isTest bool) {
	list := &p.imports
	if isTest {
		list = &p.testImports
	} else {
		p.name, p.hasCode = f.Name.Name, true
		p.files = append(p.files, f)
		p.hasComment = p.hasComment || f.Doc != nil && !strings.HasPrefix(f.Doc.Text(), "//go:")
	}
	if p.name == "" {
		p.name = strings.TrimSuffix(f.Name.Name, "_test")
	}
	for _, spec := range f.Imports {
		if to, err := strconv.Unquote(spec.Path.Value); err == nil {
			*list = append(*list, to)
		}
	}
}

// projectPath returns the package's path below the module, if it is in it.
func projectPath(importPath string) (string, bool) {
	if importPath == modulePath {
		return ".", true
	}
	return strings.CutPrefix(importPath, modulePath+"/")
}

// standard reports whether an import is of the standard library: the first
// element of its path has no dot.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// matches reports whether a package is the pattern's, which may end in /...
func matches(pattern, p string) bool {
	if folder, ok := strings.CutSuffix(pattern, "/..."); ok {
		return p == folder || strings.HasPrefix(p, folder+"/")
	}
	return pattern == p
}

func matchesAny(patterns []string, p string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return matches(pattern, p) })
}

// moduleOf returns the longest key of modules that holds the import path.
func moduleOf[V any](importPath string, modules map[string]V) (string, bool) {
	for m := importPath; m != "." && m != "/"; m = path.Dir(m) {
		if _, ok := modules[m]; ok {
			return m, true
		}
	}
	return "", false
}
