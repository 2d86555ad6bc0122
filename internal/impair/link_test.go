package impair

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden file anew")

const ms = time.Millisecond

func mustParse(t testing.TB, text string) Profile {
	t.Helper()
	p, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCleanLinkChangesNothing(t *testing.T) {
	l := NewLink(Profile{})
	for i := range 1000 {
		if got := l.Packet(time.Duration(i)*20*ms, 172); got != (Fate{}) {
			t.Fatalf("packet %d: got %+v", i, got)
		}
	}
}

func TestOutageIsExactAtItsEdges(t *testing.T) {
	tests := []struct {
		name, profile string
		at            time.Duration
		want          Cause
	}{
		{"before it begins", "outage=2s+500ms", 2*time.Second - 1, Delivered},
		{"as it begins", "outage=2s+500ms", 2 * time.Second, InOutage},
		{"just before it ends", "outage=2s+500ms", 2500*ms - 1, InOutage},
		{"as it ends", "outage=2s+500ms", 2500 * ms, Delivered},
		{"one that is given once does not repeat", "outage=2s+500ms", 12 * time.Second, Delivered},
		{"before it begins again", "outage=2s+500ms/10s", 12*time.Second - 1, Delivered},
		{"as it begins again", "outage=2s+500ms/10s", 12 * time.Second, InOutage},
		{"just before the third one ends", "outage=2s+500ms/10s", 22500*ms - 1, InOutage},
		{"as the third one ends", "outage=2s+500ms/10s", 22500 * ms, Delivered},
		{"from the start", "outage=0s+20ms/40ms", 0, InOutage},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := NewLink(mustParse(t, tt.profile)).Packet(tt.at, 172).Cause; got != tt.want {
				t.Errorf("got %v want %v", got, tt.want)
			}
		})
	}
}

func TestOutageCountsBeforeRandomLoss(t *testing.T) {
	l := NewLink(mustParse(t, "loss=100%,outage=0s+20ms"))
	if got := l.Packet(0, 172).Cause; got != InOutage {
		t.Errorf("got %v want outage", got)
	}
	if got := l.Packet(20*ms, 172).Cause; got != Lost {
		t.Errorf("got %v want random", got)
	}
}

// A packet that is lost takes no room in the bottleneck.
func TestLostPacketsDoNotFillTheQueue(t *testing.T) {
	l := NewLink(mustParse(t, "rate=8kbit,outage=0s+1s")) // a byte takes 1 ms
	l.Packet(999*ms, 100)
	if got, want := l.Packet(time.Second, 100), (Fate{Delay: 100 * ms}); got != want {
		t.Errorf("got %+v want %+v", got, want)
	}
}

// The oracle keeps a backlog in bits that drains between packets, in units of
// a billionth bit so that it is exact.
func TestRateLimitIsATokenBucketWithTailDrop(t *testing.T) {
	for _, tt := range []struct {
		profile    string
		rate       int64
		queue      time.Duration
		exactDelay bool
	}{
		{"rate=64kbit", 64000, 200 * ms, true},
		{"rate=80kbit,queue=40ms", 80000, 40 * ms, true},
		{"rate=1.5Mbit,queue=5ms", 1_500_000, 5 * ms, false},
	} {
		t.Run(tt.profile, func(t *testing.T) {
			l := NewLink(mustParse(t, tt.profile))
			rng := rand.New(rand.NewPCG(1, 2))
			var backlog int64 // bit * 1e9
			var at, last time.Duration
			var dropped int
			mean := 172 * 8 * int64(time.Second) / tt.rate // arrivals at about the rate
			for i := range 20_000 {
				at += time.Duration(rng.Int64N(2*mean)) / 125 * 125
				size := 100 + rng.IntN(144)
				backlog = max(0, backlog-int64(at-last)*tt.rate)
				last = at
				want := QueueFull
				var delay time.Duration
				if backlog <= int64(tt.queue)*tt.rate {
					want = Delivered
					backlog += int64(size) * 8 * int64(time.Second)
					delay = time.Duration(backlog / tt.rate)
				} else {
					dropped++
				}
				got := l.Packet(at, size)
				if got.Cause != want {
					t.Fatalf("packet %d: got %v want %v", i, got.Cause, want)
				}
				// Every packet is rounded up to a nanosecond on its own.
				over := got.Delay - delay
				if over < 0 || tt.exactDelay && over > 0 || over > time.Duration(i+2) {
					t.Fatalf("packet %d: got a delay of %v want %v", i, got.Delay, delay)
				}
			}
			if dropped < 100 || dropped > 19_000 {
				t.Errorf("%d of 20000 dropped: the test loads the queue wrongly", dropped)
			}
		})
	}
}

func TestOrderIsKeptUnlessToldOtherwise(t *testing.T) {
	tests := []struct {
		name, profile string
		reorders      bool
	}{
		{"jitter alone keeps the order", "delay=5ms,jitter=60ms,duplicate=5%,seed=1", false},
		{"jitter may overtake if told so", "delay=5ms,jitter=60ms,overtake,seed=1", true},
		{"held packets are overtaken", "reorder=5%,hold=30ms,seed=1", true},
		{"a hold shorter than the spacing reorders nothing", "reorder=5%,hold=19ms,seed=1", false},
		{"a hold of exactly the spacing is a tie, which keeps order", "reorder=5%,hold=20ms,seed=1", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := NewLink(mustParse(t, tt.profile))
			var highest time.Duration
			var behind int64
			for i := range 5000 {
				at := time.Duration(i) * 20 * ms
				f := l.Packet(at, 172)
				if at+f.Delay < highest {
					behind++
				}
				highest = max(highest, at+f.Delay)
			}
			if got := behind > 0; got != tt.reorders {
				t.Errorf("arrivals that go back: %d", behind)
			}
			if got := l.Ledger().Reordered > 0; got != tt.reorders {
				t.Errorf("reordered in the ledger: %d", l.Ledger().Reordered)
			}
		})
	}
}

// A held packet leaves the others where they are.
func TestHeldPacketDelaysNoOther(t *testing.T) {
	l := NewLink(mustParse(t, "delay=10ms,reorder=10%,hold=1s,seed=4"))
	var held int
	for i := range 2000 {
		f := l.Packet(time.Duration(i)*20*ms, 172)
		switch f.Delay {
		case 10 * ms:
		case 1010 * ms:
			held++
		default:
			t.Fatalf("packet %d: got a delay of %v", i, f.Delay)
		}
	}
	if held < 150 {
		t.Errorf("of about 200 held packets there were %d", held)
	}
}

// A copy that came before its held packet would undo the reordering.
func TestCopyOfAHeldPacketDoesNotGiveItAway(t *testing.T) {
	l := NewLink(mustParse(t, "jitter=30ms,overtake,reorder=50%,hold=10s,duplicate=50%,seed=4"))
	var held int
	for i := range 2000 {
		f := l.Packet(time.Duration(i)*20*ms, 172)
		if !f.Duplicated || f.Delay < 10*time.Second {
			continue
		}
		held++
		if f.CopyDelay < f.Delay {
			t.Fatalf("packet %d comes after %v, its copy after %v", i, f.Delay, f.CopyDelay)
		}
	}
	if held < 350 {
		t.Errorf("of about 500 held packets with a copy there were %d", held)
	}
}

func TestCopyHasJitterOfItsOwn(t *testing.T) {
	l := NewLink(mustParse(t, "delay=10ms,jitter=20ms,overtake,duplicate=50%,seed=4"))
	var earlier, later int
	for i := range 2000 {
		switch f := l.Packet(time.Duration(i)*20*ms, 172); {
		case !f.Duplicated:
		case f.CopyDelay < f.Delay:
			earlier++
		case f.CopyDelay > f.Delay:
			later++
		}
	}
	if earlier < 350 || later < 350 {
		t.Errorf("of about 1000 copies %d came before and %d after the packet", earlier, later)
	}
}

// What one packet meets must not change because another kind of impairment was
// turned on, the packets came at other times or had other sizes.
func TestRandomPartsDependOnSeedAndIndexAlone(t *testing.T) {
	fates := func(profile string, spacing time.Duration, size int) []Fate {
		l := NewLink(mustParse(t, profile))
		all := make([]Fate, 2000)
		for i := range all {
			all[i] = l.Packet(time.Duration(i)*spacing, size)
		}
		return all
	}
	full := "loss=20%,burst=3,jitter=30ms,overtake,duplicate=10%,seed=9"
	base, other := fates(full, 20*ms, 172), fates(full, 7*ms, 1200)
	for i := range base {
		if base[i] != other[i] {
			t.Fatalf("packet %d: got %+v at another pace want %+v", i, other[i], base[i])
		}
	}
	for i, f := range fates("loss=20%,burst=3,seed=9", 20*ms, 172) {
		if f.Cause != base[i].Cause {
			t.Fatalf("packet %d: without jitter its cause is %v instead of %v", i, f.Cause, base[i].Cause)
		}
	}
	outage := fates(full+",outage=10s+5s", 20*ms, 172)
	for i, f := range outage {
		if f.Cause != InOutage && f != base[i] {
			t.Fatalf("packet %d: an outage elsewhere made it %+v instead of %+v", i, f, base[i])
		}
	}
}

func TestTimeThatGoesBackDoesNotReorder(t *testing.T) {
	l := NewLink(mustParse(t, "delay=10ms"))
	l.Packet(40*ms, 172)
	if got, want := l.Packet(39*ms, 172).Delay, 11*ms; got != want {
		t.Errorf("got %v want %v", got, want)
	}
	if got := l.Ledger().Reordered; got != 0 {
		t.Errorf("%d reordered", got)
	}
}

func TestSetProfileKeepsSeedChainAndOrder(t *testing.T) {
	l := NewLink(mustParse(t, "delay=1s,seed=5"))
	l.Packet(0, 172)
	l.SetProfile(mustParse(t, "loss=50%,seed=77"))
	want := NewLink(mustParse(t, "loss=50%,seed=5"))
	want.Packet(0, 172)
	for i := 1; i < 500; i++ {
		at := time.Duration(i) * 20 * ms
		got, want := l.Packet(at, 172), want.Packet(at, 172)
		if got.Cause != want.Cause {
			t.Fatalf("packet %d: got %v want %v by the first seed", i, got.Cause, want.Cause)
		}
		if wait := max(0, time.Second-at); got.Cause == Delivered && got.Delay != wait {
			t.Fatalf("packet %d: got a delay of %v want %v behind the first packet", i, got.Delay, wait)
		}
	}
}

// The fates of a few seeds, pinned: a run that is quoted anywhere must be
// repeatable with a later version.
func TestFatesStayWhatTheyAre(t *testing.T) {
	var b strings.Builder
	for _, profile := range []string{
		"loss=20%,seed=1",
		"loss=20%,burst=4,delay=80ms,jitter=20ms,seed=7",
		"jitter=20ms,dist=uniform,overtake,duplicate=10%,seed=2",
		"jitter=20ms,dist=normal,reorder=10%,seed=3",
		"jitter=20ms,dist=pareto,rate=64kbit,queue=20ms,seed=18446744073709551615",
	} {
		fmt.Fprintln(&b, profile)
		l := NewLink(mustParse(t, profile))
		for i := range 64 {
			f := l.Packet(time.Duration(i)*20*ms, 172)
			fmt.Fprintf(&b, "%d %v", i, f.Cause)
			if f.Cause == Delivered {
				fmt.Fprintf(&b, " %v", f.Delay)
			}
			if f.Duplicated {
				fmt.Fprintf(&b, " and %v", f.CopyDelay)
			}
			fmt.Fprintln(&b)
		}
	}
	const file = "testdata/fates.golden"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, lines := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(got), len(lines)) {
		if got[i] != lines[i] {
			t.Fatalf("%s:%d: got %q want %q", file, i+1, got[i], lines[i])
		}
	}
	if len(got) != len(lines) {
		t.Errorf("got %d lines want %d", len(got), len(lines))
	}
}

func TestPacketAllocatesNothing(t *testing.T) {
	for _, profile := range []string{
		"clean",
		"loss=3%,burst=4,delay=80ms,jitter=20ms,dist=normal,overtake,duplicate=1%,outage=2s+500ms/10s,rate=100kbit",
	} {
		l := NewLink(mustParse(t, profile))
		at := time.Duration(0)
		packet := func() { l.Packet(at, 172); at += 20 * ms }
		for range 1000 {
			packet()
		}
		if got := testing.AllocsPerRun(10_000, packet); got != 0 {
			t.Errorf("%s: got %v allocations", profile, got)
		}
	}
}

func BenchmarkPacket(b *testing.B) {
	for _, profile := range []string{"clean", "loss=3%,burst=4", "loss=3%,burst=4,delay=80ms,jitter=20ms,duplicate=1%"} {
		b.Run(profile, func(b *testing.B) {
			l := NewLink(mustParse(b, profile))
			b.ReportAllocs()
			at := time.Duration(0)
			for b.Loop() {
				l.Packet(at, 172)
				at += 20 * ms
			}
		})
	}
}
