package probe_test

import (
	"testing"

	"github.com/earshot-voip/earshot/internal/farend"
	"github.com/earshot-voip/earshot/probe"
)

// A target that says nothing of deadlines has those of the documentation: a step
// that hangs is named, before the whole call is over.
func TestStepsHaveDeadlinesByDefault(t *testing.T) {
	byDefault := func(_ *testing.T, s *scene) { s.target.Deadlines = probe.Deadlines{} }
	for name, row := range map[string]struct {
		set  func(*testing.T, *scene)
		code probe.Code
	}{
		"ICE":  {deadEnd(byDefault), probe.CodeNoPair},
		"DTLS": {relayed(farend.DropKind(farend.DTLS), func(t *testing.T, s *scene, _ *farend.Relay) { byDefault(t, s) }), probe.CodeDTLSSilent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := scene{ctx: t.Context()}
			row.set(t, &s)
			r := place(t, s.ctx, s.target)
			if r.Failure == nil || r.Failure.Code != row.code {
				t.Errorf("got failure %v after %v, want %s", r.Failure, r.Elapsed, row.code)
			}
		})
	}
}
