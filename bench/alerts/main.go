// Command alerts measures how soon people are paged: a real agent watches echoes
// that go bad on purpose (package drill), a real Prometheus evaluates the rules of
// dashboards/, a real Alertmanager sends what fires to a webhook, and the time is
// taken from the onset to the page. Beside that, calls to other echoes get worse
// slowly, and the time is taken from the first warning to the moment at which the
// score crosses its limit.
//
// It needs prometheus and prometheus-alertmanager, from Debian's packages.
package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/earshot-voip/earshot/bench/internal/rig"
)

var only = flag.String("only", "", "run only the incidents and ramps whose name contains this")

func main() {
	rig.Bench{Name: "alerts", Title: "Alerts: from onset to page", Run: run}.Main()
}

// Times of a round.
const (
	warmUp = 40 * time.Second // until every target has windows and series
	bad    = 2*time.Minute + 10*time.Second
	well   = 210 * time.Second // until pages have ended: calls are back, and keep_firing_for is over
)

// Times of a ramp in a smoke run: so fast that how early a warning is says nothing,
// and slow enough that it comes before the page, which inhibits it.
const (
	smokeBefore = 10 * time.Second // after the rules know what is normal
	smokeRamp   = 5 * time.Minute
)

func run(ctx context.Context, o rig.Options, r *rig.Report) error {
	rounds, each := rig.Pick(o, 3, 1), rig.Pick(o, 4, 1)
	folder, err := os.MkdirTemp("", "earshot-alerts-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	scenes, slopes := chosen(incidents(), func(i *incident) string { return i.name }), chosen(ramps(), func(r *ramp) string { return r.name })
	if o.Smoke && *only == "" {
		scenes, slopes = scenes[:2], slopes[:1]
	}
	if len(scenes)+len(slopes) == 0 {
		return fmt.Errorf("no incident and no ramp has %q in its name", *only)
	}
	rig.Progress("building and starting")
	s := newStack(scenes, slopes, each)
	defer s.stop()
	if err := s.start(ctx, folder); err != nil {
		return err
	}
	if err := s.untilMeasured(ctx, warmUp); err != nil {
		return err
	}
	if o.Smoke && len(slopes) > 0 { // the whole run's ramps have five good minutes first
		if err := s.untilNormal(ctx); err != nil {
			return err
		}
	}
	if err := s.play(ctx, o, rounds); err != nil {
		return err
	}
	if len(s.scenes) > 0 {
		write(r, s, rounds, each, o.Smoke)
	}
	if len(s.ramps) > 0 {
		writeRamps(r, s, rig.Pick(o, lead, math.MinInt64))
	}
	for _, told := range s.pages.before(s.well.targets, time.Now(), isTold) {
		r.Complain("nothing happened to it: %s", told)
	}
	// It inhibits all other alerts: what is missing above is then this host's doing.
	busy := func(n notice) bool { return n.alert == "EarshotProbeUntrusted" }
	if len(s.pages.before([]string{""}, time.Now(), busy)) > 0 {
		r.Complain("this host was too busy to be trusted: EarshotProbeUntrusted fired")
	}
	return nil
}

// chosen are those whose name the command line asks for.
func chosen[T any](all []T, name func(T) string) []T {
	return slices.DeleteFunc(all, func(one T) bool { return !strings.Contains(name(one), *only) })
}

// play lets everything happen: the rounds of incidents one after the other, and
// all ramps beside them.
func (s *stack) play(ctx context.Context, o rig.Options, rounds int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	listening, done := context.WithCancel(ctx)
	var parts, listens sync.WaitGroup
	listens.Go(func() { s.listener.run(listening) })
	part := func(play func() error) {
		parts.Go(func() {
			if err := play(); err != nil {
				cancel(err)
			}
		})
	}
	for _, one := range s.ramps {
		part(func() error {
			return one.play(ctx, rig.Pick(o, 0, smokeBefore), rig.Pick(o, 0, smokeRamp))
		})
	}
	if len(s.scenes) > 0 {
		part(func() error {
			for round := range rounds {
				rig.Progress("round %d of %d", round+1, rounds)
				if err := s.round(ctx, round+1 < rounds); err != nil {
					return err
				}
			}
			return nil
		})
	}
	parts.Wait()
	done()
	listens.Wait()
	return context.Cause(ctx)
}

// round makes every incident happen once, each at a moment of its own in the
// scrape's interval, and ends them.
func (s *stack) round(ctx context.Context, again bool) error {
	order := rand.Perm(len(s.scenes))
	for _, i := range order {
		if err := sleep(ctx, time.Duration(rand.Int64N(int64(10*time.Second)/int64(len(order))))); err != nil {
			return err
		}
		scene := s.scenes[i]
		scene.onset = time.Now()
		if scene.first.IsZero() {
			scene.first = scene.onset
		}
		if err := scene.begin(ctx); err != nil {
			return fmt.Errorf("%s: %w", scene.name, err)
		}
	}
	if err := sleep(ctx, bad); err != nil {
		return err
	}
	for _, scene := range s.scenes {
		scene.note(s.pages)
		if err := scene.end(ctx); err != nil {
			return fmt.Errorf("end of %s: %w", scene.name, err)
		}
	}
	if !again {
		return nil
	}
	return sleep(ctx, well)
}

// write makes the table of the incidents.
func write(r *rig.Report, s *stack, rounds, each int, smoke bool) {
	r.Section("How soon people are paged")
	r.Text("%d targets for each incident, watched by one call without pause each, in windows of 5 s; scraped every 10 s, rules every 5 s, `group_wait` 2 s "+
		"(dashboards/alertmanager.yml). The time is from the onset to the arrival of the first page (severity critical) that names the target, at a webhook. "+
		"%d rounds, the onsets at random moments of the scrape's interval. Nothing happens to %d more targets, and nobody may be told of them.", each, rounds, len(s.well.targets))
	r.Text("*DTLS blocked after a fail-over*: the echo dies and is there again at once, HTTP and ICE work, and the packets of DTLS are dropped. " +
		"*DTLS blocked, calls stand*: the same in an echo whose calls go on, for they need no DTLS; it shows when the next call is due, here after a minute at most " +
		"(`renew: 1m`), and that minute is in the aim. Of both, somebody must also be told the layer `dtls`. " +
		"Calls are with PCMU; those that lose a tenth with Opus, Earshot's default, unless it says PCMU.")
	var rows [][]string
	for _, scene := range s.scenes {
		took := slices.Clone(scene.took)
		slices.Sort(took)
		row := []string{scene.name, fmt.Sprintf("%d of %d", len(took), scene.expected), "–", "–", "–", seconds(scene.aim), scene.names()}
		if len(took) > 0 {
			row[2], row[3], row[4] = seconds(took[len(took)/2]), seconds(quantile95(took)), seconds(took[len(took)-1])
		}
		rows = append(rows, row)
		if len(took) < scene.expected {
			r.Complain("%s: %d of %d incidents were paged", scene.name, len(took), scene.expected)
		} else if !smoke && quantile95(took) > scene.aim {
			r.Complain("%s: p95 %s, the aim is %s", scene.name, seconds(quantile95(took)), seconds(scene.aim))
		}
		if scene.unnamed > 0 {
			r.Complain("%s: of %d of %d incidents nobody was told that it is %s", scene.name, scene.unnamed, scene.expected, scene.layer)
		}
		for _, early := range s.pages.before(scene.targets, scene.first, isTold) {
			r.Complain("before the incident: %s (%s)", early, scene.name)
		}
	}
	r.Table([]string{"incident", "paged", "p50", "p95", "max", "aim (p95)", "by"}, rows)
}

// quantile95 is the value of rank ceil(0.95 n) of a sorted list.
func quantile95(sorted []time.Duration) time.Duration {
	return sorted[(len(sorted)*95+99)/100-1]
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.0f s", d.Seconds()) }

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
