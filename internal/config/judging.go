package config

import (
	"cmp"

	"github.com/earshot-voip/earshot/probe"
)

// check notes what is wrong with values that would otherwise be found out by
// every target, or taken for none.
func (j *judging) check(p place) {
	limits := p.under("limits")
	if mos := j.Limits.BadMOS; limits.given("bad_mos") && !(mos >= 1 && mos <= 4.5) {
		limits.problem("bad_mos", "must be within 1..4.5, is %v", mos)
		j.Limits.BadMOS = 0
	}
}

// over is j with what general says where j says nothing.
func (j judging) over(general judging) judging {
	return judging{
		Limits: limits{
			BadMOS: cmp.Or(j.Limits.BadMOS, general.Limits.BadMOS),
			Loss:   cmp.Or(j.Limits.Loss, general.Limits.Loss),
			Jitter: cmp.Or(j.Limits.Jitter, general.Limits.Jitter),
			RTT:    cmp.Or(j.Limits.RTT, general.Limits.RTT),
		},
		Trust: trust{
			SendLate: cmp.Or(j.Trust.SendLate, general.Trust.SendLate),
			Missed:   cmp.Or(j.Trust.Missed, general.Trust.Missed),
		},
	}
}

// set makes it that of a target.
func (j judging) set(t *probe.Target) {
	t.Limits = probe.Limits{
		BadMOS: j.Limits.BadMOS, Loss: float64(j.Limits.Loss),
		Jitter: j.Limits.Jitter.Duration, RTT: j.Limits.RTT.Duration,
	}
	t.Trust = probe.Trust{SendLate: j.Trust.SendLate.Duration, Missed: float64(j.Trust.Missed)}
}

// judgingOf is what a target is judged by. Trust without a word depends on the
// codec's frame; then there is nothing to show.
func judgingOf(t probe.Target) judging {
	return judging{
		Limits: limits{
			BadMOS: t.Limits.BadMOS, Loss: Share(t.Limits.Loss),
			Jitter: Duration{t.Limits.Jitter}, RTT: Duration{t.Limits.RTT},
		},
		Trust: trust{SendLate: Duration{t.Trust.SendLate}, Missed: Share(t.Trust.Missed)},
	}
}
