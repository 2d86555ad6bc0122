// Command truth compares what a call reports with what was done to its packets:
// lost, duplicated and reordered packets, jitter and round trip, per direction.
// It is judged twice: by the ledger of the echo that impairs, and by the books
// of a relay between the two ends, so that the echo does not judge itself.
package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/earshot-voip/earshot/bench/internal/relay"
	"github.com/earshot-voip/earshot/bench/internal/rig"
	"github.com/earshot-voip/earshot/internal/impair"
	"github.com/earshot-voip/earshot/probe"
)

// Tolerances. Counts have none.
const (
	jitterShare = 0.03
	jitterLeast = 50 * time.Microsecond
	rttMost     = 100 * time.Microsecond
	floorMost   = time.Millisecond // of the round trip on loopback; more is a busy host
)

// row is one network.
type row struct{ name, up, down string }

var rows = []row{
	{"clean", "clean", "clean"},
	{"random loss", "loss=3%,seed=1", "loss=2%,seed=2"},
	{"bursts", "loss=4%,burst=4,seed=3", "loss=3%,burst=6,seed=4"},
	{"jitter", "delay=40ms,jitter=10ms,seed=5", "delay=30ms,jitter=5ms,seed=6"},
	{"jitter that overtakes", "delay=20ms,jitter=12ms,overtake,seed=7", "delay=20ms,jitter=8ms,overtake,seed=8"},
	{"reorder", "delay=20ms,reorder=3%,hold=50ms,seed=9", "delay=10ms,reorder=2%,hold=45ms,seed=10"},
	{"duplicate", "delay=10ms,duplicate=3%,seed=11", "delay=10ms,duplicate=2%,jitter=2ms,seed=12"},
	{"uplink only", "delay=60ms,jitter=15ms,loss=5%,burst=3,seed=13", "clean"},
	{"downlink only", "clean", "delay=60ms,jitter=15ms,loss=5%,burst=3,seed=14"},
	{"outage", "outage=2s+600ms/7s", "outage=4s+400ms/9s"},
	{"rate limit", "rate=66kbit,queue=120ms", "rate=84kbit,queue=80ms"},
	{"everything", "delay=30ms,jitter=6ms,loss=2%,burst=2,reorder=1%,duplicate=1%,seed=15", "delay=25ms,jitter=4ms,loss=1%,reorder=1%,duplicate=1%,seed=16"},
}

// judge runs one row and returns what the call reported and what happened.
type judge func(ctx context.Context, n row, length time.Duration) (*probe.Result, truth, error)

func main() {
	rig.Bench{Name: "truth", Title: "Truth: reported against injected", Run: run}.Main()
}

func run(ctx context.Context, o rig.Options, r *rig.Report) error {
	length := rig.Pick(o, 40*time.Second, 6*time.Second)
	r.Text("Calls of %v with PCMU, %d packets each way. Counts must be equal. Jitter (RFC 3550 A.8, mean over the call) is computed a second time from "+
		"the judge's own record of each packet, and must agree within %.0f %% or %v; of the uplink over those packets whose return the caller got, since of the others nothing "+
		"is known to it. The round trip (median) must agree within %v with the injected one plus the floor of the clean row.",
		length, length/(20*time.Millisecond), 100*jitterShare, jitterLeast, rttMost)
	for _, j := range []struct {
		title string
		judge judge
	}{
		{"Judged by the ledger of the echo that impairs", byLedger},
		{"Judged by a relay between the two ends", byRelay},
	} {
		rig.Progress("%s", j.title)
		if err := compareAll(ctx, r, j.title, j.judge, length, o.Smoke); err != nil {
			return err
		}
	}
	return nil
}

// compareAll runs all rows side by side and prints what each figure was.
func compareAll(ctx context.Context, r *rig.Report, title string, j judge, length time.Duration, smoke bool) error {
	results := make([]*probe.Result, len(rows))
	truths := make([]truth, len(rows))
	errs := make([]error, len(rows))
	var running sync.WaitGroup
	for i, n := range rows {
		running.Go(func() {
			time.Sleep(time.Duration(i) * 7 * time.Millisecond) // no two calls in one slot
			results[i], truths[i], errs[i] = j(ctx, n, length)
		})
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	// What the clean row took and nobody injected, it takes everywhere.
	floor := results[0].RoundTrip.RTT.P50 - truths[0].rtt
	var directions, trips [][]string
	untrusted := 0
	for i, n := range rows {
		up := compareDirection(n.name, "up", &results[i].Uplink, truths[i].up)
		down := compareDirection(n.name, "down", &results[i].Downlink, truths[i].down)
		trip := compareTrip(n.name, results[i], truths[i], floor)
		directions = append(directions, up.row(), down.row())
		trips = append(trips, trip.row())
		for _, l := range []line{up, down, trip} {
			wrong := l.wrong
			if !smoke { // which is too short for times on a busy host
				wrong = append(wrong, l.late...)
			}
			if len(wrong) > 0 {
				r.Complain("%s: %s %s: %s", title, l.network, l.direction, strings.Join(wrong, ", "))
			}
		}
		if !results[i].Self.Trusted {
			untrusted++
		}
	}
	r.Section(title)
	r.Table([]string{"network", "direction", "packets", "lost", "duplicated", "reordered", "jitter µs", "injected", "difference", "verdict"}, directions)
	r.Text("Counts are reported / injected.")
	r.Table([]string{"network", "round trip µs", "injected", "difference", "verdict"}, trips)
	r.Text("The floor of the clean row, %s µs, is in all that was injected. %d of the %d calls say that this host was too busy to trust "+
		"their quality; their figures must be true all the same.", rig.Micros(floor), untrusted, len(rows))
	if !smoke && (floor < 0 || floor > floorMost) {
		r.Complain("%s: the floor is %v", title, floor)
	}
	return nil
}

func place(ctx context.Context, url string, length time.Duration) (*probe.Result, error) {
	result, err := probe.Run(ctx, probe.Target{URL: url, Codec: "pcmu", Duration: length})
	if err != nil {
		return nil, err
	}
	if result.Failure != nil {
		return nil, result.Failure
	}
	return result, nil
}

// byLedger lets the echo impair.
func byLedger(ctx context.Context, n row, length time.Duration) (_ *probe.Result, _ truth, err error) {
	up, down, err := n.schedules()
	if err != nil {
		return nil, truth{}, err
	}
	echo, err := rig.StartEcho(rig.EchoConfig{Up: up, Down: down, Recorded: 1 << 20})
	if err != nil {
		return nil, truth{}, err
	}
	defer func() { err = errors.Join(err, echo.Stop()) }()
	result, err := place(ctx, echo.URL, length)
	if err != nil {
		return nil, truth{}, fmt.Errorf("%s: %w", n.name, err)
	}
	call, err := echo.Ledgers()
	if err != nil {
		return nil, truth{}, err
	}
	t, err := newTruth(fromLedger(call.Uplink), fromLedger(call.Downlink))
	return result, t, err
}

// byRelay lets a relay impair, in front of an echo that does nothing.
func byRelay(ctx context.Context, n row, length time.Duration) (_ *probe.Result, _ truth, err error) {
	up, down, err := n.schedules()
	if err != nil {
		return nil, truth{}, err
	}
	between, err := relay.NewUDP(relay.Config{Up: up, Down: down})
	if err != nil {
		return nil, truth{}, err
	}
	defer func() { err = errors.Join(err, between.Close()) }()
	echo, err := rig.StartEcho(rig.EchoConfig{Candidate: between.Addr()})
	if err != nil {
		return nil, truth{}, err
	}
	defer func() { err = errors.Join(err, echo.Stop()) }()
	between.SetTarget(echo.Media)
	result, err := place(ctx, echo.URL, length)
	if err != nil {
		return nil, truth{}, fmt.Errorf("%s: %w", n.name, err)
	}
	t, err := newTruth(fromBook(between.Book(relay.Up)), fromBook(between.Book(relay.Down)))
	return result, t, err
}

func (n row) schedules() (up, down impair.Schedule, err error) {
	if up, err = impair.ParseSchedule(n.up); err == nil {
		down, err = impair.ParseSchedule(n.down)
	}
	return up, down, err
}
