package impair

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
)

// received is what a receiver at the end of a line counts by itself.
type received struct {
	first      map[uint64]time.Duration // tag -> due time of the first arrival
	duplicates int64
	reordered  int64
	highest    int64
	last       time.Duration
	some       bool
}

func newReceived() *received { return &received{first: make(map[uint64]time.Duration), highest: -1} }

func (r *received) deliver(t *testing.T) Deliver {
	return func(due time.Duration, data []byte, tag uint64) {
		if r.some && due < r.last {
			t.Errorf("datagram %d is due %v before the one that came before it", tag, r.last-due)
		}
		r.some, r.last = true, due
		if len(data) != 172 || binary.BigEndian.Uint64(data) != tag {
			t.Errorf("datagram %d came with the data of another", tag)
		}
		if _, seen := r.first[tag]; seen {
			r.duplicates++
			return
		}
		r.first[tag] = due
		if int64(tag) < r.highest {
			r.reordered++
		}
		r.highest = max(r.highest, int64(tag))
	}
}

// The receiver's own count must be the ledger's, packet by packet: also when
// packets are handed in some milliseconds after they came, which is when one that was due
// earlier can find a later one gone.
func TestWhatComesOutOfALineIsItsLedger(t *testing.T) {
	for _, text := range []string{
		"loss=2%,burst=2,seed=1",
		"loss=10%,delay=80ms,jitter=20ms,duplicate=5%,seed=2",
		"jitter=40ms,overtake,duplicate=10%,loss=3%,seed=3",
		"jitter=15ms,dist=uniform,overtake,seed=4",
		"reorder=10%,hold=41ms,jitter=2ms,seed=5",
		"rate=60kbit,queue=80ms,outage=1s+300ms/3s,seed=6",
	} {
		t.Run(text, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 1500
				link := NewLink(mustParse(t, text))
				link.Record(n)
				line := NewLine(link, FromFirstPacket)
				got := newReceived()
				stop := running(func(ctx context.Context) { line.Run(ctx, got.deliver(t)) })
				rng := rand.New(rand.NewPCG(7, 8))
				start := mono.Now()
				data := make([]byte, 172)
				var lifted int
				for i := range uint64(n) {
					slot := start + time.Duration(i)*20*ms
					late := time.Duration(rng.Int64N(int64(9 * ms)))
					time.Sleep(slot + late - mono.Now())
					synctest.Wait()
					binary.BigEndian.PutUint64(data, i)
					fate := line.Send(slot, data, i)
					if fate.Cause == Delivered && slot-start+fate.Delay == link.floor {
						lifted++
					}
				}
				time.Sleep(2 * time.Second)
				stop()
				want := line.Ledger()
				checkAccount(t, want)
				if want.InFlight != 0 {
					t.Errorf("%d still in flight", want.InFlight)
				}
				if int64(len(got.first)) != want.Delivered || got.duplicates != want.Duplicated || got.reordered != want.Reordered {
					t.Errorf("got %d delivered, %d duplicates, %d reordered want %d, %d, %d",
						len(got.first), got.duplicates, got.reordered, want.Delivered, want.Duplicated, want.Reordered)
				}
				for i, r := range want.Packets {
					arrival, ok := r.Arrival()
					due, came := got.first[uint64(i)]
					if ok != came || ok && due != start+arrival {
						t.Fatalf("packet %d: got %v, %v want %v, %v", i, due-start, came, arrival, ok)
					}
				}
				if text == "jitter=40ms,overtake,duplicate=10%,loss=3%,seed=3" && (lifted < 5 || want.Reordered < 100) {
					t.Errorf("%d packets came too late to go first, %d reordered: too few for the test to say anything", lifted, want.Reordered)
				}
			})
		})
	}
}

func TestLineClockStartsWhereItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Minute)
		p := mustParse(t, "outage=2s+500ms")
		first := NewLine(NewLink(p), FromFirstPacket)
		now := mono.Now()
		if got := first.Send(now, nil, 0).Cause; got != Delivered {
			t.Errorf("first packet: got %v", got)
		}
		if got := first.Send(now+2*time.Second, nil, 0).Cause; got != InOutage {
			t.Errorf("two seconds after the first packet: got %v want outage", got)
		}
		shared := NewLine(NewLink(p), now-2*time.Second)
		if got := shared.Send(now, nil, 0).Cause; got != InOutage {
			t.Errorf("two seconds after the epoch: got %v want outage", got)
		}
		early := NewLine(NewLink(mustParse(t, "delay=10ms")), now+time.Second)
		if got, want := early.Send(now, nil, 0).Delay, 1010*ms; got != want {
			t.Errorf("a packet from before the epoch: got %v want %v", got, want)
		}
	})
}

func TestLineLosesWhatItCannotHold(t *testing.T) {
	line := NewLine(NewLink(mustParse(t, "delay=1m,duplicate=100%")), FromFirstPacket)
	line.queue.Push(mono.Now()+time.Hour, nil, 0) // an odd place, where a pair does not fit
	for i := range DefaultLimit {
		want := Delivered
		if i >= (DefaultLimit-1)/2 {
			want = Overflow
		}
		if got := line.Send(mono.Now(), []byte{1}, uint64(i)).Cause; got != want {
			t.Fatalf("packet %d: got %v want %v", i, got, want)
		}
	}
	got := line.Ledger()
	if got.InFlight != DefaultLimit-1 || got.ByCause.Overflow != DefaultLimit/2+1 {
		t.Errorf("got %d in flight, %d overflowed want %d, %d", got.InFlight, got.ByCause.Overflow, DefaultLimit-1, DefaultLimit/2+1)
	}
}

func TestLineThatHasEndedLosesEverything(t *testing.T) {
	line := NewLine(NewLink(Profile{}), FromFirstPacket)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	line.Run(ctx, func(time.Duration, []byte, uint64) { t.Error("delivered after the end") })
	if got := line.Send(mono.Now(), []byte{1}, 0).Cause; got != Overflow {
		t.Errorf("got %v want overflow", got)
	}
}

func TestLineFollowsANewProfile(t *testing.T) {
	line := NewLine(NewLink(Profile{}), FromFirstPacket)
	line.SetProfile(mustParse(t, "loss=100%"))
	if got := line.Send(mono.Now(), []byte{1}, 0).Cause; got != Lost {
		t.Errorf("got %v want random", got)
	}
}

// Many goroutines at once, on the real clock, for the race detector.
func TestLineIsSafeForManySenders(t *testing.T) {
	const senders, each = 8, 200
	line := NewLine(NewLink(mustParse(t, "loss=10%,jitter=1ms,overtake,duplicate=10%")), FromFirstPacket)
	arrived := make(chan struct{}, 2*senders*each)
	stop := running(func(ctx context.Context) {
		line.Run(ctx, func(time.Duration, []byte, uint64) { arrived <- struct{}{} })
	})
	sent := make(chan struct{})
	for range senders {
		go func() {
			for i := range uint64(each) {
				line.Send(mono.Now(), []byte("payload"), i)
				line.Ledger()
			}
			sent <- struct{}{}
		}()
	}
	for range senders {
		<-sent
	}
	total := line.Ledger()
	for range total.Delivered + total.Duplicated {
		<-arrived
	}
	stop()
	if got := line.Ledger(); got.Offered != senders*each || got.InFlight != 0 {
		t.Errorf("got %d offered, %d in flight want %d, 0", got.Offered, got.InFlight, senders*each)
	}
}
