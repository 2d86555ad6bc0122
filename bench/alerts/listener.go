package main

import (
	"context"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/earshot-voip/earshot/bench/internal/rig"
)

// listenEvery is how often scores are read: once in a window.
const listenEvery = 5 * time.Second

// smoothed is the time over which the mean of windows is taken.
const smoothed = 30 * time.Second

// listener reads the scores of the agent's last windows by itself, beside
// Prometheus, from the pages that Prometheus reads.
type listener struct {
	metrics string // URL

	mu     sync.Mutex
	scores map[string][]score // by target
}

// score is a target's last window, its worse direction.
type score struct {
	at  time.Time
	mos float64
}

var scoreLine = regexp.MustCompile(`(?m)^earshot_(?:up|down)link_mos\{(?:.*,)?target="([^"]*)".*\} ([0-9.e+-]+)$`)

// run reads until ctx ends.
func (l *listener) run(ctx context.Context) {
	for sleep(ctx, listenEvery) == nil {
		text, err := rig.Get(ctx, l.metrics, listenEvery)
		if err != nil {
			continue // the next one comes soon
		}
		l.take(time.Now(), text)
	}
}

func (l *listener) take(at time.Time, text []byte) {
	worst := map[string]float64{}
	for _, line := range scoreLine.FindAllSubmatch(text, -1) {
		mos, err := strconv.ParseFloat(string(line[2]), 64)
		if err != nil {
			continue
		}
		target := string(line[1])
		if other, known := worst[target]; !known || mos < other {
			worst[target] = mos
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for target, mos := range worst {
		l.scores[target] = append(l.scores[target], score{at, mos})
	}
}

// crossing is when the mean of a target's windows went under the limit.
func (l *listener) crossing(target string, from, until time.Time) crossing {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := crossing{least: 5}
	for i, s := range l.scores[target] {
		if s.at.Before(from) || s.at.After(until) {
			continue
		}
		mean, ok := meanUpTo(l.scores[target][:i+1])
		if !ok {
			continue
		}
		c.least = min(c.least, mean)
		if mean < limit && c.at.IsZero() {
			c.at = s.at
		}
	}
	return c
}

// meanUpTo is the mean of the scores of the last 30 s, if most windows have one.
func meanUpTo(scores []score) (mean float64, ok bool) {
	last, n := scores[len(scores)-1].at, 0
	for i := len(scores) - 1; i >= 0 && last.Sub(scores[i].at) < smoothed; i-- {
		mean += scores[i].mos
		n++
	}
	return mean / float64(n), n > int(smoothed/listenEvery)/2
}
