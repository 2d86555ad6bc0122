package config

import (
	"cmp"
	"encoding"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/earshot-voip/earshot/internal/spelling"
)

// document is one YAML file while it is read: it knows where each value
// stands, and keeps everything that is wrong.
type document struct {
	file     string
	lines    map[string]int  // of each value that is given, by its path
	wrong    map[string]bool // paths with a problem
	problems *Problems
}

func newDocument(name string, problems *Problems) *document {
	return &document{file: name, lines: map[string]int{}, wrong: map[string]bool{}, problems: problems}
}

// parse reads the one YAML document of a file; nil when it is no YAML. JSON is
// YAML too.
func (d *document) parse(text []byte) *yaml.Node {
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	var root, second yaml.Node
	if err := decoder.Decode(&root); err != nil {
		d.syntax(err)
		return nil
	}
	if decoder.Decode(&second) == nil {
		d.at(second.Line, "", "holds a second document; hint: one file is one document, remove the line ---")
	}
	d.lines[""] = root.Content[0].Line
	return root.Content[0]
}

var syntaxLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntax notes an error of the YAML library, with its line as a number.
func (d *document) syntax(err error) {
	text := err.Error()
	if text == "EOF" {
		d.at(0, "", "is empty")
		return
	}
	found := syntaxLine.FindStringSubmatch(text)
	line := 0
	if found != nil {
		line, _ = strconv.Atoi(found[1])
		text = strings.TrimPrefix(text, found[0])
	}
	d.at(line, "", "is not YAML: "+text)
}

// problem notes what is wrong with the value at a path. The line is that of
// the value, or of what should hold it. Where something is wrong already,
// whatever else is found follows from it.
func (d *document) problem(path, format string, args ...any) {
	line := 0
	for above := path; above != ""; above = above[:max(strings.LastIndexAny(above, ".["), 0)] {
		if d.wrong[above] {
			return
		}
		line = cmp.Or(line, d.lines[above])
	}
	d.wrong[path] = path != ""
	d.at(cmp.Or(line, d.lines[""]), path, fmt.Sprintf(format, args...))
}

func (d *document) at(line int, path, text string) {
	*d.problems = append(*d.problems, Problem{File: d.file, Line: line, Path: path, Text: text})
}

// given reports whether the file has a value at the path.
func (d *document) given(path string) bool { return d.lines[path] != 0 }

// decode fills v, which must be settable, from a node. What the file does not
// give stays as it is: defaults are what v holds before.
func (d *document) decode(n *yaml.Node, path string, v reflect.Value) {
	n = named(n)
	if d.lines[path] == 0 {
		d.lines[path] = n.Line
	}
	if v.Type() == reflect.TypeFor[yaml.Node]() {
		v.Set(reflect.ValueOf(*n)) // decoded later, on top of defaults
		return
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.scalar(n, path, func(text string) error { return u.UnmarshalText([]byte(text)) })
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.mapping(n, path, func(key string, value *yaml.Node) bool {
			f, ok := field(v, key)
			if ok {
				d.decode(value, join(path, key), f)
			}
			return ok
		}, fieldNames(v.Type()))
	case reflect.Map:
		d.table(n, path, v)
	case reflect.Slice:
		d.list(n, path, v)
	default:
		d.scalar(n, path, func(text string) error { return setScalar(v, text) })
	}
}

// field finds the field of a struct that a key means.
func field(v reflect.Value, key string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if v.Type().Field(i).Anonymous {
			if f, ok := field(v.Field(i), key); ok {
				return f, true
			}
		} else if keyOf(v.Type().Field(i)) == key {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// keyOf is the key that a field has in a file.
func keyOf(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return key
}

func fieldNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		if t.Field(i).Anonymous {
			names = append(names, fieldNames(t.Field(i).Type)...)
			continue
		}
		names = append(names, keyOf(t.Field(i)))
	}
	return names
}

// mapping visits the keys of a mapping. A visit returns false for a key that it
// does not know.
func (d *document) mapping(n *yaml.Node, path string, visit func(key string, value *yaml.Node) bool, known []string) {
	if isNull(n) {
		return // a heading whose lines are all commented out
	}
	if n.Kind != yaml.MappingNode {
		d.problem(path, "must be a mapping of keys to values, is %s", kind(n))
		return
	}
	seen := map[string]int{}
	for _, pair := range pairs(n) {
		key, value := pair[0], pair[1]
		if before := seen[key.Value]; before != 0 {
			d.at(key.Line, join(path, key.Value), fmt.Sprintf("is given twice, first on line %d", before))
			continue
		}
		seen[key.Value] = key.Line
		d.lines[join(path, key.Value)] = key.Line
		if visit(key.Value, value) {
			continue
		}
		text := "unknown key"
		if meant := spelling.Nearest(key.Value, known); meant != "" {
			text += "; hint: did you mean " + meant + "?"
		} else if len(known) > 0 {
			text += "; hint: known here are " + strings.Join(slices.Sorted(slices.Values(known)), ", ")
		}
		d.at(key.Line, join(path, key.Value), text)
	}
}

// pairs lists keys and values, with what "<<" merges in where it is not
// overridden.
func pairs(n *yaml.Node, above ...*yaml.Node) [][2]*yaml.Node {
	var own, merged [][2]*yaml.Node
	names := map[string]bool{}
	above = append(above, n)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Tag != "!!merge" {
			own = append(own, [2]*yaml.Node{key, value})
			names[key.Value] = true
			continue
		}
		sources := []*yaml.Node{value}
		if value.Kind == yaml.SequenceNode {
			sources = value.Content
		}
		for _, source := range sources {
			// What merges itself adds nothing, and would not end.
			if source = named(source); source.Kind == yaml.MappingNode && !slices.Contains(above, source) {
				merged = append(merged, pairs(source, above...)...)
			}
		}
	}
	for _, pair := range merged {
		if !names[pair[0].Value] {
			names[pair[0].Value] = true
			own = append(own, pair)
		}
	}
	return own
}

// named is the node that an alias names, or the node itself.
func named(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// table decodes a mapping with keys of the user's choice.
func (d *document) table(n *yaml.Node, path string, v reflect.Value) {
	v.Set(reflect.MakeMap(v.Type())) // never write into what the defaults hold
	d.mapping(n, path, func(key string, value *yaml.Node) bool {
		element := reflect.New(v.Type().Elem()).Elem()
		d.decode(value, join(path, key), element)
		v.SetMapIndex(reflect.ValueOf(key), element)
		return true
	}, nil)
}

func (d *document) list(n *yaml.Node, path string, v reflect.Value) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.problem(path, "must be a list, is %s", kind(n))
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, element := range n.Content {
		d.decode(element, fmt.Sprintf("%s[%d]", path, i), list.Index(i))
	}
	v.Set(list)
}

func (d *document) scalar(n *yaml.Node, path string, set func(string) error) {
	switch {
	case isNull(n):
		d.problem(path, "has no value")
	case n.Kind != yaml.ScalarNode:
		d.problem(path, "must be one value, is %s", kind(n))
	default:
		if err := set(n.Value); err != nil {
			d.problem(path, "%v", err)
		}
	}
}

func setScalar(v reflect.Value, text string) error {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("must be true or false, is %q", text)
		}
		v.SetBool(text == "true")
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("must be a whole number, is %q", text)
		}
		v.SetInt(n)
	case reflect.Float64:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("must be a number, is %q", text)
		}
		v.SetFloat(x)
	default:
		panic("config: no way to read a " + v.Type().String())
	}
	return nil
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return fmt.Sprintf("%q", n.Value)
}
