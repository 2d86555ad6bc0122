package impair

import (
	"cmp"
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

// account computes a ledger from its records alone, by the definitions: the
// packets sorted by arrival, the delays summed twice.
func account(records []Record) Ledger {
	var l Ledger
	type arrival struct {
		at    time.Duration
		index int
	}
	var arrivals []arrival
	var delays []float64
	var run int64
	for i, r := range records {
		l.Offered++
		if r.Cause != Delivered {
			if run == 0 {
				l.LossRuns++
			}
			run++
			l.LongestLossRun = max(l.LongestLossRun, run)
			l.Lost++
			switch r.Cause {
			case Lost:
				l.ByCause.Random++
			case InOutage:
				l.ByCause.Outage++
			case QueueFull:
				l.ByCause.Queue++
			case Overflow:
				l.ByCause.Overflow++
			}
			continue
		}
		run = 0
		l.Delivered++
		first := r.Delay
		if r.Duplicated {
			l.Duplicated++
			first = min(first, r.CopyDelay)
		}
		delays = append(delays, first.Seconds())
		arrivals = append(arrivals, arrival{r.At + first, i})
	}
	slices.SortFunc(arrivals, func(a, b arrival) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.index, b.index))
	})
	highest := -1
	for _, a := range arrivals {
		if a.index < highest {
			l.Reordered++
		}
		highest = max(highest, a.index)
	}
	if len(delays) > 0 {
		for _, d := range delays {
			l.DelayMean += d / float64(len(delays))
		}
		for _, d := range delays {
			l.DelayStd += (d - l.DelayMean) * (d - l.DelayMean) / float64(len(delays))
		}
		l.DelayStd = math.Sqrt(l.DelayStd)
		l.DelayMin, l.DelayMax = slices.Min(delays), slices.Max(delays)
	}
	return l
}

func checkAccount(t *testing.T, got Ledger) {
	t.Helper()
	want := account(got.Packets)
	if math.Abs(got.DelayMean-want.DelayMean) > 1e-9 || math.Abs(got.DelayStd-want.DelayStd) > 1e-9 {
		t.Errorf("delay: got %.9f ± %.9f want %.9f ± %.9f", got.DelayMean, got.DelayStd, want.DelayMean, want.DelayStd)
	}
	var flagged int64
	for _, r := range got.Packets {
		if r.Reordered {
			flagged++
		}
	}
	if flagged != want.Reordered {
		t.Errorf("packets flagged as reordered: got %d want %d", flagged, want.Reordered)
	}
	got.Profile, got.Packets, got.InFlight = "", nil, 0
	got.DelayMean, got.DelayStd = want.DelayMean, want.DelayStd
	if !reflect.DeepEqual(got, want) {
		t.Errorf("totals:\ngot  %+v\nwant %+v", got, want)
	}
}

func TestLedgerIsTheSumOfTheFates(t *testing.T) {
	for _, text := range []string{
		"clean",
		"loss=100%",
		"loss=3%,burst=4,delay=80ms,jitter=20ms,seed=7",
		"jitter=40ms,overtake,duplicate=10%,seed=1",
		"loss=5%,jitter=40ms,dist=pareto,reorder=5%,duplicate=10%,seed=2",
		"jitter=5ms,dist=uniform,overtake,reorder=30%,hold=100ms,duplicate=30%,seed=3",
		"loss=1%,jitter=10ms,outage=3s+200ms/7s,rate=60kbit,queue=100ms,seed=4",
		"delay=1s;at=5s:clean;at=10s:loss=20%,jitter=30ms,overtake;at=15s:rate=64kbit",
	} {
		t.Run(text, func(t *testing.T) {
			s, err := ParseSchedule(text)
			if err != nil {
				t.Fatal(err)
			}
			const n = 3000
			l := s.Link()
			l.Record(n)
			rng := rand.New(rand.NewPCG(5, 6))
			var fates []Record
			at := time.Duration(0)
			for i := range n {
				at += time.Duration(rng.Int64N(int64(20 * ms)))
				size := 60 + rng.IntN(200)
				fates = append(fates, Record{Tag: uint64(i) * 3, At: at, Size: size, Fate: l.Tagged(at, size, uint64(i)*3)})
			}
			got := l.Ledger()
			checkAccount(t, got)
			if got.Profile != text {
				t.Errorf("profile: got %q want %q", got.Profile, text)
			}
			for i := range fates {
				fates[i].Reordered = got.Packets[i].Reordered
				if got.Packets[i] != fates[i] {
					t.Fatalf("packet %d: got %+v want %+v", i, got.Packets[i], fates[i])
				}
			}
		})
	}
}

// 0 arrives at 90, 1 at 30, 2 at 80, 3 at 70, 4 at 90: 1 has passed 0, 3 has passed 2,
// and 4 ties with 0, which was overtaken before and counts once.
func TestReorderedByHand(t *testing.T) {
	var b books
	for i, delay := range []time.Duration{90, 20, 60, 40, 50} {
		at := time.Duration(10 * i)
		b.enter(uint64(i), at, Record{At: at, Fate: Fate{Delay: delay}})
	}
	if b.totals.Reordered != 2 {
		t.Errorf("got %d want 2", b.totals.Reordered)
	}
}

func TestRecordingIsBoundedAndOptional(t *testing.T) {
	for _, limit := range []int{0, 10} {
		l := NewLink(mustParse(t, "jitter=40ms,overtake,seed=1"))
		l.Record(limit)
		for i := range 100 {
			l.Packet(time.Duration(i)*20*ms, 172)
		}
		got := l.Ledger()
		if len(got.Packets) != limit || got.Unrecorded != int64(100-limit) || got.Offered != 100 {
			t.Errorf("limit %d: got %d packets, %d unrecorded, %d offered", limit, len(got.Packets), got.Unrecorded, got.Offered)
		}
		if got.Reordered < 10 {
			t.Errorf("limit %d: got %d reordered: totals must not depend on recording", limit, got.Reordered)
		}
	}
}

// What is in the air is bounded by the delay, not by the call's length.
func TestLedgerDoesNotGrowWithoutRecording(t *testing.T) {
	l := NewLink(mustParse(t, "delay=200ms,jitter=20ms,overtake"))
	for i := range 100_000 {
		l.Packet(time.Duration(i)*20*ms, 172)
	}
	if got := cap(l.books.air); got > 200 {
		t.Errorf("room for %d packets in the air, about 15 are", got)
	}
}

func TestLedgerAsJSON(t *testing.T) {
	l := NewLink(mustParse(t, "outage=40ms+20ms,delay=80ms"))
	l.Record(10)
	l.Tagged(0, 172, 65535)
	l.Tagged(40*ms, 172, 0)
	l.books.records[0].Duplicated, l.books.records[0].CopyDelay = true, 91200*time.Microsecond
	l.books.records[0].Reordered = true
	text, err := json.Marshal(l.Ledger())
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"profile":"delay=80ms,outage=40ms+20ms","packets_offered":2,"packets_delivered":1,"packets_lost":1,` +
		`"lost_by_cause":{"random":0,"outage":1,"queue":0,"overflow":0},"packets_duplicated":0,"packets_reordered":0,` +
		`"loss_runs":1,"loss_run_longest":1,"delay_mean_seconds":0.08,"delay_std_seconds":0,"delay_min_seconds":0.08,` +
		`"delay_max_seconds":0.08,"datagrams_in_flight":0,"packets_unrecorded":0,"packets":[` +
		`{"tag":65535,"at_seconds":0,"size":172,"cause":"delivered","delay_seconds":0.08,"copy_delay_seconds":0.0912,"reordered":true},` +
		`{"tag":0,"at_seconds":0.04,"size":172,"cause":"outage"}]}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	if err := json.Unmarshal([]byte(`{"cause":"magic"}`), new(Record)); err == nil {
		t.Error("an unknown cause was read")
	}
}

func TestLedgerComesBackFromJSON(t *testing.T) {
	l := NewLink(mustParse(t, "loss=10%,delay=80ms,jitter=20ms,dist=normal,overtake,duplicate=10%,rate=90kbit,outage=1s+40ms,seed=8"))
	l.Record(1000)
	for i := range 1000 {
		l.Tagged(time.Duration(i)*20000123+3*time.Hour, 172, uint64(uint16(65000+i)))
	}
	want := l.Ledger()
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Ledger
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for i := range want.Packets {
		if want.Packets[i].Cause != Delivered {
			want.Packets[i].Delay = 0
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Error("the ledger that was read is another one")
	}
}
