package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/bench/internal/rig"
	"github.com/earshot-voip/earshot/internal/drill"
	"github.com/earshot-voip/earshot/internal/echo"
)

// lead is how long before the MOS crosses its limit people are to be warned.
const lead = 2 * time.Minute

// ramp is a scenario of package drill in which an echo of its own goes bad slowly.
type ramp struct {
	far
	name, scenario string
	// buffered says that a de-jitter buffer decides what is heard, and which one
	// is the truth nobody can say. Then what the probe's windows say counts too.
	buffered bool
	codecs   []string // of the targets, in order

	onset, end time.Time
	injected   []injection
}

// injection is what the echo did to its calls from a moment on.
type injection struct {
	at         time.Time
	conditions echo.Conditions
}

func ramps() []*ramp {
	return []*ramp{
		{name: "loss 0 → 10 %, uplink", scenario: "ramp-loss"},
		{name: "jitter 0 → 80 ms, downlink", scenario: "ramp-jitter", buffered: true},
		{name: "round trip 50 → 600 ms", scenario: "ramp-delay"},
	}
}

// play plays the scenario up to the end of its ramp. Times that are not 0 take
// the place of the scenario's own.
func (r *ramp) play(ctx context.Context, before, lasts time.Duration) error {
	script, err := drill.Builtin(r.scenario)
	if err != nil {
		return err
	}
	if len(script.Steps) != 3 || script.Steps[1].UpTo == nil && script.Steps[1].DownTo == nil {
		return fmt.Errorf("the second of three steps of %s is no ramp", r.scenario)
	}
	if before == 0 {
		before, lasts = script.Steps[1].At, script.Steps[2].At-script.Steps[1].At
	}
	script.Steps, script.Expect = script.Steps[:2], nil
	script.Steps[1].At, script.Lasts = before, before+lasts
	began := time.Now()
	r.onset, r.end = began.Add(before), began.Add(before+lasts)
	_, err = drill.Drill{Scenario: script, Set: func(ctx context.Context, c echo.Conditions) error {
		r.injected = append(r.injected, injection{time.Now(), c})
		return r.endpoint.Set(ctx, c)
	}}.Run(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	return nil
}

// crossing is when a MOS went under the limit, and the least that it was.
type crossing struct {
	at    time.Time // zero: it did not
	least float64
}

// earliest is the crossing that came first, the lower one if there is none.
func earliest(a, b crossing) crossing {
	switch {
	case a.at.IsZero() && b.at.IsZero():
		if b.least < a.least {
			return b
		}
		return a
	case a.at.IsZero() || !b.at.IsZero() && b.at.Before(a.at):
		return b
	}
	return a
}

// truth is when the score of the worse direction crosses the limit, from what was
// injected.
func (r *ramp) truth(codec string) crossing {
	c := crossing{least: 5}
	for _, i := range r.injected {
		if i.at.Before(r.onset) {
			continue
		}
		mos := min(codecs[codec].heardThrough(i.conditions.Up), codecs[codec].heardThrough(i.conditions.Down))
		c.least = min(c.least, mos)
		if mos < limit && c.at.IsZero() {
			c.at = i.at
		}
	}
	return c
}

// outcome is what became of the targets of a ramp that have the same codec.
type outcome struct {
	warned, of   int
	by           []string
	latest       time.Duration // warning, after the onset
	truth, heard crossing      // of those targets the earliest
	lead         time.Duration // the least
	reached      bool          // the limit was; else lead is to the end of the ramp
}

func (r *ramp) outcome(codec string, p *pager, l *listener) outcome {
	o := outcome{truth: r.truth(codec), heard: crossing{least: 5}, lead: time.Hour}
	for i, target := range r.targets {
		if r.codecs[i] != codec {
			continue
		}
		o.of++
		heard := l.crossing(target, r.onset, r.end)
		o.heard = earliest(o.heard, heard)
		first, warned := p.first([]string{target}, r.onset, isWarning)[target]
		if !warned {
			continue
		}
		o.warned++
		if !slices.Contains(o.by, first.alert) {
			o.by = append(o.by, first.alert)
		}
		o.latest = max(o.latest, first.at.Sub(r.onset))
		bad := o.truth
		if r.buffered {
			bad = earliest(bad, heard)
		}
		until := r.end
		if !bad.at.IsZero() {
			until, o.reached = bad.at, true
		}
		o.lead = min(o.lead, until.Sub(first.at))
	}
	return o
}

// writeRamps makes the table of the ramps. Without an aim nothing is complained of
// but a warning that did not come.
func writeRamps(r *rig.Report, s *stack, aim time.Duration) {
	r.Section("How long before it is bad people are warned")
	r.Text("Each ramp is the drill of `earshot drill`, for ten minutes after five good ones, on an echo of its own, at the same time as the others and the incidents. "+
		"*Warned* is when the first notification of severity warning arrived that names the target. *By G.107* is when the score of what was injected falls under %.1f, by "+
		"arithmetic that shares nothing with the probe and takes the best de-jitter buffer of fixed depth that there could be; *in windows* is when the mean of the "+
		"probe's own windows over 30 s does. The lead is counted to the former, and with jitter, where no buffer is the best one, to the earlier of both; to the end of the "+
		"ramp where there is none. Times are from the onset; of several targets the worst.", limit)
	var rows [][]string
	for _, one := range s.ramps {
		for _, codec := range rampCodecs {
			o := one.outcome(codec, s.pages, s.listener)
			name := one.name + ", " + codec
			row := []string{name, fmt.Sprintf("%d of %d", o.warned, o.of), "–", "–", o.truth.after(one.onset), o.heard.after(one.onset), "–"}
			switch {
			case o.warned < o.of:
				r.Complain("%s: %d of %d targets were warned of", name, o.warned, o.of)
			default:
				row[2], row[3], row[6] = strings.Join(o.by, ", "), seconds(o.latest), seconds(o.lead)
				if !o.reached {
					row[6] = "≥ " + row[6]
				}
				if o.lead < aim {
					r.Complain("%s: the warning came %s before the MOS crossed %.1f, the aim is %s", name, seconds(o.lead), limit, seconds(aim))
				}
			}
			rows = append(rows, row)
		}
		for _, early := range s.pages.before(one.targets, one.onset, isTold) {
			r.Complain("before the ramp began: %s (%s)", early, one.name)
		}
	}
	r.Table([]string{"ramp", "targets", "by", "warned", "by G.107", "in windows", "lead"}, rows)
}

// after says when the crossing was.
func (c crossing) after(onset time.Time) string {
	if c.at.IsZero() {
		return fmt.Sprintf("never (%.2f)", c.least)
	}
	return seconds(c.at.Sub(onset))
}
