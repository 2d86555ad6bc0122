package probe

import (
	"maps"
	"slices"
	"strings"
)

// Codes lists all codes, sorted.
func Codes() []Code { return slices.Sorted(maps.Keys(explanations)) }

// Layer is the layer that breaks with this code; empty for the codes that can
// end a call on any layer. A code of a TURN server is also that of ICE, when
// other candidates were there and none of them led to the far end.
func (c Code) Layer() Layer {
	if c == CodeCanceled || c == CodeTimeout || c == CodeInternal {
		return ""
	}
	if c == CodeTURNPeerRefused || c == CodeTURNLost || c == CodeSTUNNoResponse {
		return LayerICE
	}
	prefix, _, _ := strings.Cut(string(c), "_")
	if l, ok := codePrefixes[prefix]; ok {
		return l
	}
	return Layer(prefix)
}

// codePrefixes are the first words of codes that are not the name of their layer.
var codePrefixes = map[string]Layer{"name": LayerResolve, "turn": LayerGather}

// OfServer reports whether the code names what a STUN or TURN server did not do:
// without such servers it does not occur.
func (c Code) OfServer() bool {
	return strings.HasPrefix(string(c), "turn_") || strings.HasPrefix(string(c), "stun_")
}
