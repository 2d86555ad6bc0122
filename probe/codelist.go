package probe

import (
	"maps"
	"slices"
	"strings"
)

// Codes lists all codes, sorted.
func Codes() []Code { return slices.Sorted(maps.Keys(explanations)) }

// Layer is the layer that breaks with this code; empty for the codes that can
// end a call on any layer.
func (c Code) Layer() Layer {
	if c == CodeCanceled || c == CodeTimeout || c == CodeInternal {
		return ""
	}
	prefix, _, _ := strings.Cut(string(c), "_")
	if l, ok := codePrefixes[prefix]; ok {
		return l
	}
	return Layer(prefix)
}

// codePrefixes are the first words of codes that are not the name of their layer.
var codePrefixes = map[string]Layer{"name": LayerResolve, "turn": LayerGather}
