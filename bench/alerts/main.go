// Command alerts measures how soon people are paged: a real agent watches echoes
// that go bad on purpose (package drill), a real Prometheus evaluates the rules of
// dashboards/, a real Alertmanager sends what fires to a webhook, and the time is
// taken from the onset to the page.
//
// It needs prometheus and prometheus-alertmanager, from Debian's packages.
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/earshot-voip/earshot/bench/internal/rig"
)

func main() {
	rig.Bench{Name: "alerts", Title: "Alerts: from onset to page", Run: run}.Main()
}

// Times of a round.
const (
	warmUp = 40 * time.Second // until every target has windows and series
	bad    = 2*time.Minute + 10*time.Second
	well   = 4 * time.Minute // until pages have ended: longer than keep_firing_for
)

func run(ctx context.Context, o rig.Options, r *rig.Report) error {
	rounds, each := rig.Pick(o, 3, 1), rig.Pick(o, 4, 1)
	folder, err := os.MkdirTemp("", "earshot-alerts-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	scenes := incidents()
	if o.Smoke {
		scenes = scenes[:2]
	}
	rig.Progress("building and starting")
	s, err := start(ctx, folder, scenes, each)
	if s != nil {
		defer s.stop()
	}
	if err != nil {
		return err
	}
	if err := s.untilMeasured(ctx, warmUp); err != nil {
		return err
	}
	for round := range rounds {
		rig.Progress("round %d of %d", round+1, rounds)
		if err := s.round(ctx, round+1 < rounds); err != nil {
			return err
		}
	}
	write(r, s, rounds, each)
	return nil
}

// round makes every incident happen once, each at a moment of its own in the
// scrape's interval, and ends them.
func (s *stack) round(ctx context.Context, again bool) error {
	order := rand.Perm(len(s.scenes))
	for _, i := range order {
		if err := sleep(ctx, time.Duration(rand.Int64N(int64(10*time.Second)/int64(len(order))))); err != nil {
			return err
		}
		if err := s.scenes[i].begin(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.scenes[i].name, err)
		}
		s.scenes[i].onset = time.Now()
		if s.scenes[i].first.IsZero() {
			s.scenes[i].first = s.scenes[i].onset
		}
	}
	if err := sleep(ctx, bad); err != nil {
		return err
	}
	for _, scene := range s.scenes {
		scene.note(s.pages.of(scene.targets, scene.onset))
		if err := scene.end(ctx); err != nil {
			return fmt.Errorf("end of %s: %w", scene.name, err)
		}
	}
	if !again {
		return nil
	}
	return sleep(ctx, well)
}

// write makes the table.
func write(r *rig.Report, s *stack, rounds, each int) {
	r.Text("%d targets for each incident, watched by one call without pause each, in windows of 5 s; scraped every 10 s, rules every 5 s, `group_wait` 5 s "+
		"(dashboards/alertmanager.yml). The time is from the onset to the arrival of the first page (severity critical) that names the target, at a webhook. "+
		"%d rounds, the onsets at random moments of the scrape's interval.", each, rounds)
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
		} else if quantile95(took) > scene.aim {
			r.Complain("%s: p95 %s, the aim is %s", scene.name, seconds(quantile95(took)), seconds(scene.aim))
		}
	}
	r.Table([]string{"incident", "paged", "p50", "p95", "max", "aim (p95)", "by"}, rows)
	if early := s.pages.outside(s.scenes); len(early) > 0 {
		r.Complain("pages without an incident: %v", early)
	}
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
