package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// labelPrefix marks the labels of a file_sd entry that are meant for Earshot.
// Prometheus drops labels that begin with two underscores, so both can read the
// same file.
const labelPrefix = "__earshot_"

// discoverable are the settings that a label may give: none that name a file
// or a variable of this host, since lists of targets are made by programs.
var discoverable = []string{"name", "mode", "every", "renew", "duration", "window", "timeout", "codec", "codec_only", "dscp", "relay", "via", "username", "register"}

// globs are the patterns of targets_files, as seen from here.
func (r *reading) globs() []string {
	var list []string
	for _, pattern := range r.file.TargetsFiles {
		list = append(list, relative(r.doc.file, pattern))
	}
	return list
}

// discover reads the targets of targets_files.
func (r *reading) discover(top place) {
	seen := map[string]bool{}
	for i, pattern := range r.globs() {
		names, err := filepath.Glob(pattern) // sorted
		if err != nil {
			top.problem(fmt.Sprintf("targets_files[%d]", i), "%v", err)
		}
		for _, name := range names {
			if !seen[name] {
				seen[name] = true
				r.targetsFile(name)
			}
		}
	}
}

// targetsFile reads one file: a list of targets as under targets, or a list of
// groups as Prometheus' file_sd has it, or both kinds in one list.
func (r *reading) targetsFile(name string) {
	d := newDocument(name, &r.problems)
	text, err := r.seen.read(name)
	if err != nil {
		d.at(0, "", err.Error())
		return
	}
	if strings.TrimSpace(string(text)) == "" {
		return // no targets now
	}
	if root := d.parse(text); root != nil {
		r.targets(d, root, "")
	}
}

// targets decodes a list of targets or groups. A zero node is an empty list.
func (r *reading) targets(d *document, n *yaml.Node, path string) {
	if n.Kind == 0 || isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.problem(path, "must be a list of targets, is %s", kind(n))
		return
	}
	for i, element := range n.Content {
		p := place{doc: d, path: fmt.Sprintf("%s[%d]", path, i), reading: r, base: r.defaults()}
		if path == "" && isGroup(element) {
			r.group(p, element)
			continue
		}
		t := target{schedule: r.file.Defaults.schedule, settings: r.file.Defaults.settings}
		d.decode(element, p.path, reflect.ValueOf(&t).Elem())
		r.add(p, t)
	}
}

// defaults is where settings are given that a target does not give itself.
func (r *reading) defaults() *place {
	return &place{doc: r.doc, path: "defaults", reading: r}
}

// isGroup tells a group of file_sd from a target.
func isGroup(n *yaml.Node) bool {
	return n.Kind == yaml.MappingNode && slices.ContainsFunc(pairs(n), func(pair [2]*yaml.Node) bool { return pair[0].Value == "targets" })
}

// group is an element of Prometheus' file_sd.
type group struct {
	Targets []string          `yaml:"targets"`
	Labels  map[string]string `yaml:"labels"`
}

func (r *reading) group(p place, n *yaml.Node) {
	var g group
	p.doc.decode(n, p.path, reflect.ValueOf(&g).Elem())
	for i, url := range g.Targets {
		t := target{schedule: r.file.Defaults.schedule, settings: r.file.Defaults.settings}
		for label, value := range g.Labels {
			key, ours := strings.CutPrefix(label, labelPrefix)
			if !ours {
				continue // meant for others
			}
			at := p.under("labels").under(label)
			if !slices.Contains(discoverable, key) {
				at.problem("", "is no label of Earshot; hint: there are %s", strings.Join(discoverable, ", "))
				continue
			}
			f, _ := field(reflect.ValueOf(&t).Elem(), key)
			p.doc.decode(&yaml.Node{Kind: yaml.ScalarNode, Value: value}, at.path, f)
		}
		t.URL = url
		at := p.index("targets", i)
		at.base = p.base
		r.add(at, t)
	}
}

// add takes a target into the plan.
func (r *reading) add(p place, t target) {
	before := len(r.problems)
	j := t.job(p, r.file.Site, r.file.judging)
	if first, twice := r.names[j.Name()]; twice && j.Name() != "" {
		p.problem("name", "%q is also the name of the target at %s; hint: give each target a name of its own", j.Name(), first.where())
	}
	r.names[j.Name()] = p
	if len(r.problems) == before {
		r.jobs = append(r.jobs, j)
		r.shown.Targets = append(r.shown.Targets, t)
	}
}
