package baseline

import (
	"context"
	"math/rand/v2"
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

// spread is the time within which media begins, as in a burst of Earshot's.
const spread = time.Second

// Burst places n calls that talk at the same time: media begins when all are set
// up, each at a random moment within a second, and nobody hangs up before all
// have talked. onMedia is called when all are set up.
func Burst(ctx context.Context, api *API, t Target, n int, onMedia func()) Outcome {
	room := make(chan struct{}, setUpAtOnce)
	begin := make(chan struct{})
	var ready, talked, over sync.WaitGroup
	ready.Add(n)
	talked.Add(n)
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
			finish := sync.OnceFunc(talked.Done)
			defer finish()
			target := t
			target.OnReady = func() {
				arrive()
				<-begin
				time.Sleep(rand.N(spread))
			}
			target.OnEnd = func() {
				finish()
				talked.Wait()
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
