package baseline

import (
	"context"
	"sync"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
)

// setUpAtOnce is how many calls of a burst are set up side by side.
const setUpAtOnce = 8

// Outcome is what came of a burst.
type Outcome struct {
	Results []*Result
	Failed  int
	Err     error // of one of the failed calls
	SetUp   time.Duration
}

// Burst places n calls whose media begins when all are set up. onMedia is
// called just before.
func Burst(ctx context.Context, api *API, t Target, n int, onMedia func()) Outcome {
	room := make(chan struct{}, setUpAtOnce)
	begin := make(chan struct{})
	var ready, over sync.WaitGroup
	ready.Add(n)
	results := make([]*Result, n)
	errs := make([]error, n)
	began := mono.Now()
	for i := range n {
		over.Go(func() {
			room <- struct{}{}
			arrive := sync.OnceFunc(func() {
				<-room
				ready.Done()
			})
			defer arrive()
			target := t
			target.OnReady = func() {
				arrive()
				<-begin
			}
			results[i], errs[i] = Place(ctx, api, target)
		})
	}
	ready.Wait()
	o := Outcome{SetUp: mono.Now() - began}
	onMedia()
	close(begin)
	over.Wait()
	for i, r := range results {
		if errs[i] != nil {
			o.Failed++
			o.Err = errs[i]
			continue
		}
		o.Results = append(o.Results, r)
	}
	return o
}
