package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"
)

func TestPackagesAreNamedAndCommented(t *testing.T) {
	for _, p := range readTree(t, rootFolder(t)) {
		for _, problem := range nameProblems(p) {
			t.Error(problem)
		}
		if p.hasCode && !p.hasComment {
			t.Errorf("%s has no package comment: say what it is, what most people call, what it promises", p.path)
		}
	}
}

func TestPublicNamesAreDocumented(t *testing.T) {
	tree := readTree(t, rootFolder(t))
	for _, public := range publicPackages {
		i := slices.IndexFunc(tree, func(p pkg) bool { return p.path == public })
		if i < 0 {
			t.Errorf("%s is public and has no source", public)
			continue
		}
		for _, f := range tree[i].files {
			for _, problem := range docProblems(tree[i].fset, f) {
				t.Error(problem)
			}
		}
	}
}

func TestCheckerFindsMissingDocs(t *testing.T) {
	tests := []struct {
		name, source string
		want         string // part of the one problem; empty: none
	}{
		{"a documented function is fine", "// Rate rates.\nfunc Rate() {}", ""},
		{"an article may come first", "// A Score is a rating.\ntype Score struct{}", ""},
		{"an article alone is not the name", "// A rating.\ntype Score struct{}", "comment of Score"},
		{"a function without a comment is found", "func Rate() {}", "Rate has no doc comment"},
		{"a comment that starts otherwise is found", "// Computes a rating.\nfunc Rate() {}", "comment of Rate"},
		{"a name that is only a prefix does not count", "// RateAll rates.\nfunc Rate() {}", "comment of Rate"},
		{"a method of an exported type is found", "// T is a type.\ntype T struct{}\nfunc (t *T) Do() {}", "T.Do has no doc comment"},
		{"a method of a generic type is found", "// T is a type.\ntype T[V any] struct{}\nfunc (t *T[V]) Do() {}", "T.Do has no doc comment"},
		{"a method of an unexported type is not shown", "type t struct{}\nfunc (t) Do() {}", ""},
		{"a type without a comment is found", "type Score struct{}", "Score has no doc comment"},
		{"a type in a group wants its own", "// Two types.\ntype (\n\tA struct{}\n)", "A has no doc comment"},
		{"a group of constants may share one", "// The scales.\nconst (\n\tNB = 1\n\tWB = 2\n)", ""},
		{"a comment at the end of the line is enough for a constant", "const NB = 1 // narrowband", ""},
		{"a constant without any is found", "const NB = 1", "NB has no doc comment"},
		{"a variable without any is found", "var Limit = 1", "Limit has no doc comment"},
		{"unexported names are free", "func rate() {}\nvar limit = 1\ntype score struct{}", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, "p.go", "package p\n\n"+tt.source, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			got := docProblems(fset, f)
			switch {
			case tt.want == "" && len(got) != 0:
				t.Errorf("got %q want no problem", got)
			case tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)):
				t.Errorf("got %q want one problem with %q", got, tt.want)
			}
		})
	}
}

func nameProblems(p pkg) []string {
	var problems []string
	if slices.Contains(bannedNames, p.name) {
		problems = append(problems, fmt.Sprintf("%s: the name %q says nothing about what is inside", p.path, p.name))
	}
	if base := path.Base(p.path); p.name != "" && p.name != "main" && p.name != base {
		problems = append(problems, fmt.Sprintf("%s: the package is called %q, unlike its folder", p.path, p.name))
	}
	return problems
}

// docProblems says which exported names of a file lack a comment that starts
// with the name.
func docProblems(fset *token.FileSet, f *ast.File) []string {
	var problems []string
	note := func(pos token.Pos, format string, args ...any) {
		problems = append(problems, fset.Position(pos).String()+": "+fmt.Sprintf(format, args...))
	}
	check := func(pos token.Pos, label, name, doc string) {
		switch {
		case doc == "":
			note(pos, "%s has no doc comment", label)
		case !startsWith(doc, name):
			note(pos, "the comment of %s does not start with its name", label)
		}
	}
	for _, decl := range f.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			label := d.Name.Name
			if receiver := receiverType(d); receiver != "" {
				if !ast.IsExported(receiver) {
					continue
				}
				label = receiver + "." + label
			}
			if d.Name.IsExported() {
				check(d.Pos(), label, d.Name.Name, d.Doc.Text())
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					doc := s.Doc.Text()
					if !d.Lparen.IsValid() {
						doc = d.Doc.Text()
					}
					if s.Name.IsExported() {
						check(s.Pos(), s.Name.Name, s.Name.Name, doc)
					}
				case *ast.ValueSpec:
					// Values may share the comment of their group.
					i := slices.IndexFunc(s.Names, func(n *ast.Ident) bool { return n.IsExported() })
					if i >= 0 && d.Doc.Text()+s.Doc.Text()+s.Comment.Text() == "" {
						note(s.Pos(), "%s has no doc comment", s.Names[i].Name)
					}
				}
			}
		}
	}
	return problems
}

// startsWith reports whether a comment begins with the name as a word, after
// an article if there is one.
func startsWith(doc, name string) bool {
	words := strings.Fields(doc)
	if len(words) > 1 && slices.Contains([]string{"A", "An", "The"}, words[0]) {
		words = words[1:]
	}
	return strings.TrimSuffix(strings.TrimRight(words[0], ".,:;"), "'s") == name
}

// receiverType is the name of the type that a method is of, or "".
func receiverType(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return ""
	}
	expr := d.Recv.List[0].Type
	for {
		switch e := expr.(type) {
		case *ast.StarExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.IndexListExpr:
			expr = e.X
		case *ast.Ident:
			return e.Name
		default:
			return ""
		}
	}
}
