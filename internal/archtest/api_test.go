package archtest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A user of the public packages must not need, or be broken by, anybody else's
// types: their API names the standard library and each other alone.
func TestPublicAPINamesNoForeignType(t *testing.T) {
	root := rootFolder(t)
	for _, public := range publicPackages {
		p, err := compiled(root, modulePath+"/"+public)
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range apiProblems(p) {
			t.Error(problem)
		}
	}
}

func TestCheckerFindsForeignTypesInAPI(t *testing.T) {
	foreign := types.NewPackage("github.com/pion/ice/v4", "ice")
	agent := types.NewNamed(types.NewTypeName(token.NoPos, foreign, "Agent", nil), types.NewStruct(nil, nil), nil)
	foreign.Scope().Insert(agent.Obj())
	foreign.MarkComplete()

	tests := []struct {
		name, source string
		want         string // the one problem's subject; empty: none
	}{
		{"hidden fields may hold anything", "type Call struct{ agent *ice.Agent }", ""},
		{"a hidden function may take anything", "func dial(a *ice.Agent) {}", ""},
		{"an exported field", "type Call struct{ Agent *ice.Agent }", "Call.Agent"},
		{"an embedded type", "type Call struct{ ice.Agent }", "Call.Agent"},
		{"a parameter", "func Dial(a ice.Agent) {}", "Dial"},
		{"a result inside a map", "func Agents() map[string][]*ice.Agent { return nil }", "Agents"},
		{"a method", "type Call struct{}\nfunc (c *Call) Agent() <-chan ice.Agent { return nil }", "Call.Agent"},
		{"a method that a hidden embedded type lends", "type inner struct{}\nfunc (inner) Agent() *ice.Agent { return nil }\ntype Call struct{ inner }", "Call.Agent"},
		{"a field that a hidden embedded type lends", "type inner struct{ Agent *ice.Agent }\ntype Call struct{ inner }", "Call.inner.Agent"},
		{"a method of an interface", "type Dialer interface{ Dial() ice.Agent }", "Dialer"},
		{"an alias", "type Agent = ice.Agent", "Agent"},
		{"a function type", "type Hook func(ice.Agent)", "Hook"},
		{"a variable", "var Default *ice.Agent", "Default"},
		{"a type argument", "type Box[T any] struct{ V T }\nvar Default Box[ice.Agent]", "Default"},
		{"a constraint", "func Dial[T interface{ *ice.Agent }](t T) {}", "Dial"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, "p.go", "package p\nimport \"github.com/pion/ice/v4\"\nvar _ ice.Agent\n"+tt.source, 0)
			if err != nil {
				t.Fatal(err)
			}
			config := types.Config{Importer: oneImporter{foreign}}
			p, err := config.Check("p", fset, []*ast.File{f}, nil)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			if tt.want != "" {
				want = []string{"p." + tt.want + " mentions github.com/pion/ice/v4.Agent"}
			}
			if got := apiProblems(p); !slices.Equal(got, want) {
				t.Errorf("got %q want %q", got, want)
			}
		})
	}
}

type oneImporter struct{ p *types.Package }

func (i oneImporter) Import(path string) (*types.Package, error) {
	if path == i.p.Path() {
		return i.p, nil
	}
	return nil, errors.New("no package " + path)
}

// apiProblems says which exported names of a package mention a type of a
// package that is neither in the standard library nor public here.
func apiProblems(p *types.Package) []string {
	a := api{of: p}
	for _, name := range p.Scope().Names() {
		if obj := p.Scope().Lookup(name); obj.Exported() {
			a.object(name, obj)
		}
	}
	return a.problems
}

type api struct {
	of       *types.Package
	problems []string
}

func (a *api) object(name string, obj types.Object) {
	typeName, ok := obj.(*types.TypeName)
	if !ok {
		a.mentions(name, obj.Type())
		return
	}
	if typeName.IsAlias() {
		a.mentions(name, obj.Type())
		return
	}
	named := obj.Type().(*types.Named)
	a.parameters(name, named.TypeParams())
	if structure, ok := named.Underlying().(*types.Struct); ok {
		a.fields(name, structure)
	} else {
		a.mentions(name, named.Underlying())
	}
	if types.IsInterface(named) {
		return
	}
	methods := types.NewMethodSet(types.NewPointer(named))
	for i := range methods.Len() {
		method := methods.At(i)
		if method.Obj().Exported() && !a.foreign(method.Obj().Pkg()) {
			a.mentions(name+"."+method.Obj().Name(), method.Type())
		}
	}
}

// fields walks what a struct shows. A hidden embedded struct shows its exported
// fields.
func (a *api) fields(name string, s *types.Struct) {
	for f := range s.Fields() {
		label := name + "." + f.Name()
		switch {
		case f.Exported():
			a.mentions(label, f.Type())
		case f.Embedded():
			t := f.Type()
			if p, ok := t.(*types.Pointer); ok {
				t = p.Elem()
			}
			if inner, ok := t.Underlying().(*types.Struct); ok {
				a.fields(label, inner)
			}
		}
	}
}

func (a *api) parameters(name string, list *types.TypeParamList) {
	for p := range list.TypeParams() {
		a.mentions(name, p.Constraint())
	}
}

// mentions looks for foreign types in a type expression. Named types of the
// package itself are looked at where they are declared.
func (a *api) mentions(name string, t types.Type) {
	switch t := t.(type) {
	case *types.Alias:
		a.mentions(name, types.Unalias(t))
	case *types.Named:
		if pkg := t.Obj().Pkg(); a.foreign(pkg) {
			a.problems = append(a.problems, fmt.Sprintf("%s.%s mentions %s.%s", a.of.Name(), name, pkg.Path(), t.Obj().Name()))
		}
		for arg := range t.TypeArgs().Types() {
			a.mentions(name, arg)
		}
	case *types.Pointer:
		a.mentions(name, t.Elem())
	case *types.Slice:
		a.mentions(name, t.Elem())
	case *types.Array:
		a.mentions(name, t.Elem())
	case *types.Chan:
		a.mentions(name, t.Elem())
	case *types.Map:
		a.mentions(name, t.Key())
		a.mentions(name, t.Elem())
	case *types.Signature:
		a.parameters(name, t.TypeParams())
		a.mentions(name, t.Params())
		a.mentions(name, t.Results())
	case *types.Tuple:
		for v := range t.Variables() {
			a.mentions(name, v.Type())
		}
	case *types.Struct:
		a.fields(name, t)
	case *types.Interface:
		for m := range t.ExplicitMethods() {
			a.mentions(name, m.Type())
		}
		for e := range t.EmbeddedTypes() {
			a.mentions(name, e)
		}
	case *types.Union:
		for term := range t.Terms() {
			a.mentions(name, term.Type())
		}
	}
}

// foreign reports whether users of the package should not have to know pkg.
// Types without a package (error, any) are nobody's.
func (a *api) foreign(pkg *types.Package) bool {
	if pkg == nil || pkg == a.of || standard(pkg.Path()) {
		return false
	}
	path, inProject := projectPath(pkg.Path())
	return !inProject || !slices.Contains(publicPackages, path)
}

// compiled loads a package's types from the compiler's own export data, which
// takes a tenth of the time of checking all its dependencies from source.
func compiled(root, importPath string) (*types.Package, error) {
	list := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", importPath)
	list.Dir = root
	var stderr bytes.Buffer
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w\n%s", importPath, err, stderr.Bytes())
	}
	files := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if path, file, ok := strings.Cut(lines.Text(), " "); ok {
			files[path] = file
		}
	}
	open := func(path string) (io.ReadCloser, error) { return os.Open(files[path]) }
	return importer.ForCompiler(token.NewFileSet(), "gc", open).Import(importPath)
}
