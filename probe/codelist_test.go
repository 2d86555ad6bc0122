package probe

import (
	"slices"
	"testing"
)

func TestEveryCodeHasItsLayer(t *testing.T) {
	anywhere := []Code{CodeCanceled, CodeTimeout, CodeInternal}
	for _, c := range Codes() {
		if slices.Contains(anywhere, c) {
			if c.Layer() != "" {
				t.Errorf("%s can end any step, got layer %q", c, c.Layer())
			}
			continue
		}
		if !slices.Contains(Layers, c.Layer()) {
			t.Errorf("%s: %q is no layer: begin the code with its layer's name, or name it in Code.Layer", c, c.Layer())
		}
	}
	for code, want := range map[Code]Layer{
		CodeNameNotFound: LayerResolve, CodeTLSExpired: LayerTLS, CodeUnauthorized: LayerSignaling, CodeNoRelay: LayerGather,
		CodeConsentLost: LayerICE, CodeDTLSSilent: LayerDTLS, CodeOneWay: LayerMedia, CodeWrongContent: LayerAudio,
	} {
		if got := code.Layer(); got != want {
			t.Errorf("%s: got %s, want %s", code, got, want)
		}
	}
}
