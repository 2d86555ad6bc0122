package probe

import (
	"errors"
	"testing"
)

// An error that no adapter and no step is known to return means that something
// is wrong here, whatever the layer.
func TestAnErrorOfNoKnownKindIsADefect(t *testing.T) {
	cause := errors.New("unheard of")
	for _, rung := range Layers {
		f := classify(rung, cause)
		if f.Layer != rung || f.Code != CodeInternal || f.Hint != CodeInternal.Hint() || !errors.Is(f, cause) {
			t.Errorf("got %+v for an unknown error at %s, want %s", f, rung, CodeInternal)
		}
	}
}

func TestEveryExplanationIsOfACode(t *testing.T) {
	for code, e := range explanations {
		if e.meaning == "" || e.hint == "" {
			t.Errorf("%s has half an explanation: %+v", code, e)
		}
	}
}
