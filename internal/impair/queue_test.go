package impair

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
)

// running starts run on a goroutine of its own and returns what stops it and
// waits for its end.
func running(run func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(ctx)
	}()
	return func() { cancel(); <-done }
}

func TestQueueDeliversWhatIsDueWhenItIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(0)
		start := mono.Now()
		var got []string
		stop := running(func(ctx context.Context) {
			q.Run(ctx, func(due time.Duration, data []byte, tag uint64) {
				if late := mono.Now() - due; late != 0 {
					t.Errorf("%s comes %v late", data, late)
				}
				got = append(got, fmt.Sprintf("%v %s %d", due-start, data, tag))
			})
		})
		buffer := []byte("second")
		q.Push(start+20*ms, buffer, 2)
		copy(buffer, "xxxxxx") // the queue has its own copy
		time.Sleep(5 * ms)
		q.Push(start+10*ms, []byte("first"), 1) // earlier than what the timer waits for
		q.Push(start+20*ms, []byte("third"), 3) // tie: in the order pushed
		time.Sleep(50 * ms)
		q.Push(start+60*ms, []byte("after a rest"), 4)
		time.Sleep(10 * ms)
		q.Push(mono.Now(), nil, 5)
		synctest.Wait()
		stop()
		want := []string{"10ms first 1", "20ms second 2", "20ms third 3", "60ms after a rest 4", "65ms  5"}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

func TestQueueSortsRandomTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 2000
		q := NewQueue(n)
		rng := rand.New(rand.NewPCG(1, 2))
		start := mono.Now()
		type entry struct {
			due time.Duration
			tag uint64
		}
		var want []entry
		for i := range uint64(n) {
			e := entry{start + time.Duration(rng.IntN(300))*ms, i}
			want = append(want, e)
			q.Push(e.due, []byte{byte(i)}, i)
		}
		slices.SortStableFunc(want, func(a, b entry) int { return int(a.due - b.due) })
		var got []entry
		stop := running(func(ctx context.Context) {
			q.Run(ctx, func(due time.Duration, data []byte, tag uint64) {
				if len(data) != 1 || data[0] != byte(tag) {
					t.Errorf("datagram %d carries % x", tag, data)
				}
				got = append(got, entry{due, tag})
			})
		})
		time.Sleep(time.Second)
		stop()
		if !slices.Equal(got, want) {
			t.Errorf("%d datagrams came in another order than %d were due", len(got), len(want))
		}
	})
}

func TestQueueRefusesMoreThanItsLimit(t *testing.T) {
	q := NewQueue(2)
	for i, want := range []bool{true, true, false} {
		if got := q.Push(mono.Now()+time.Hour, nil, 0); got != want {
			t.Errorf("push %d: got %v want %v", i, got, want)
		}
	}
	if q.Len() != 2 {
		t.Errorf("got %d waiting want 2", q.Len())
	}
}

func TestQueueKeepsWhatIsNotDueWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(0)
		start := mono.Now()
		delivered := 0
		count := func(time.Duration, []byte, uint64) { delivered++ }
		stop := running(func(ctx context.Context) { q.Run(ctx, count) })
		q.Push(start+10*ms, nil, 0)
		q.Push(start+30*ms, nil, 0)
		time.Sleep(20 * ms)
		stop()
		if delivered != 1 || q.Len() != 1 {
			t.Fatalf("got %d delivered, %d waiting want 1, 1", delivered, q.Len())
		}
		time.Sleep(20 * ms) // the second one is due by now
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		q.Run(ctx, count)
		if delivered != 1 || q.Len() != 1 {
			t.Errorf("an ended context: got %d delivered, %d waiting want 1, 1", delivered, q.Len())
		}
	})
}

// A context that ends while a datagram is delivered takes no other with it.
func TestQueueLosesNothingWhenItsContextEndsDuringDelivery(t *testing.T) {
	q := NewQueue(0)
	for range 5 {
		q.Push(0, nil, 0)
	}
	ctx, cancel := context.WithCancel(context.Background())
	delivered := 0
	q.Run(ctx, func(time.Duration, []byte, uint64) {
		if delivered++; delivered == 2 {
			cancel()
		}
	})
	if delivered != 2 || q.Len() != 3 {
		t.Errorf("got %d delivered, %d waiting want 2, 3", delivered, q.Len())
	}
}

func TestQueueAllocatesNothingOnceItHasItsBuffers(t *testing.T) {
	q := NewQueue(0)
	data := make([]byte, 172)
	cycle := func() {
		for range 10 {
			q.Push(0, data, 0)
		}
		for range 10 {
			d, _ := q.pop()
			q.recycle(d)
		}
	}
	cycle()
	if got := testing.AllocsPerRun(1000, cycle); got != 0 {
		t.Errorf("got %v allocations", got)
	}
}

func BenchmarkQueue(b *testing.B) {
	q := NewQueue(0)
	data := make([]byte, 172)
	for i := range time.Duration(10) {
		q.Push(i, data, 0)
	}
	b.ReportAllocs()
	due := time.Duration(10)
	for b.Loop() {
		q.Push(due, data, 0)
		d, _ := q.pop()
		q.recycle(d)
		due++
	}
}
