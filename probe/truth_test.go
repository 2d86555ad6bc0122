package probe_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/farend"
	"github.com/earshot-voip/earshot/internal/impair"
	"github.com/earshot-voip/earshot/probe"
)

// counts are the figures that must be exact, packet by packet.
type counts struct {
	Expected, Received, Lost, Duplicated, Reordered int64
}

func measured(d probe.Direction) counts {
	return counts{d.Expected, d.Received, d.Lost, d.Duplicated, d.Reordered}
}

// ledgered is what an impaired leg of the echo knows to be true.
func ledgered(l impair.Ledger) counts {
	return counts{l.Offered, l.Delivered, l.Lost, l.Duplicated, l.Reordered}
}

func (c counts) touched() bool { return c.Lost+c.Duplicated+c.Reordered > 0 }

// networks are impaired networks. At 50 packets/s and 3 s each of them does
// what it is about to a call of its seed; the test checks that too.
var networks = []struct{ name, up, down string }{
	{"nothing", "", ""},
	{"loss down", "", "loss=5%,seed=1"},
	{"loss up", "loss=5%,seed=2", ""},
	{"loss on both ways", "loss=10%,seed=3", "loss=10%,seed=4"},
	{"bursts down", "", "loss=8%,burst=3,seed=5"},
	{"bursts up", "loss=8%,burst=3,seed=6", ""},
	{"long bursts on both ways", "loss=20%,burst=6,seed=7", "loss=20%,burst=6,seed=8"},
	{"half of all is lost on both ways", "loss=50%,seed=9", "loss=50%,seed=10"},
	{"duplicates down", "", "duplicate=10%,seed=11"},
	{"duplicates up", "duplicate=10%,seed=12", ""},
	{"duplicates hide no loss", "loss=10%,duplicate=20%,seed=13", "loss=10%,duplicate=20%,seed=14"},
	{"reordering down", "", "delay=20ms,reorder=10%,hold=50ms,seed=15"},
	{"reordering up", "delay=20ms,reorder=10%,hold=50ms,seed=16", ""},
	{"jitter that overtakes, on both ways", "delay=30ms,jitter=25ms,overtake,seed=17", "delay=30ms,jitter=25ms,overtake,seed=18"},
	{"an outage down", "", "outage=1s+500ms,seed=19"},
	{"an outage up", "outage=1s+500ms,seed=20", ""},
	{"an outage on both ways at different times", "outage=600ms+300ms,seed=21", "outage=1500ms+400ms,seed=22"},
	{"an outage from the first packet on, up", "outage=0s+400ms,seed=23", ""},
	{"an outage from the first packet on, down", "", "outage=0s+400ms,seed=24"},
	{"an outage until after the last packet, up", "outage=2s+60s,seed=25", ""},
	{"an outage until after the last packet, down", "", "outage=2s+60s,seed=26"},
	{"everything down", "", "loss=5%,burst=2,delay=40ms,jitter=15ms,overtake,duplicate=5%,reorder=3%,seed=27"},
	{"everything up", "loss=5%,burst=2,delay=40ms,jitter=15ms,overtake,duplicate=5%,reorder=3%,seed=28", ""},
	{"everything on both ways", "loss=5%,burst=2,delay=40ms,jitter=15ms,overtake,duplicate=5%,reorder=3%,seed=29",
		"loss=5%,burst=2,delay=40ms,jitter=15ms,overtake,duplicate=5%,reorder=3%,seed=30"},
	{"a network that changes", "seed=31;at=700ms:loss=20%;at=1400ms:duplicate=20%",
		"seed=32;at=700ms:duplicate=20%;at=1400ms:loss=20%"},
}

func TestCountsEqualTheEchosLedger(t *testing.T) {
	t.Parallel()
	for i, n := range networks {
		codec := []string{"pcmu", "opus", "pcma"}[i%3]
		t.Run(n.name+", "+codec, func(t *testing.T) {
			t.Parallel()
			_, f, ended := startEcho(t, echo.Config{Up: schedule(t, n.up), Down: schedule(t, n.down)})
			call := target(farend.Serve(t, f) + "/echo")
			call.Codec, call.Duration, call.Window = codec, 3*time.Second, 800*time.Millisecond
			r := place(t, t.Context(), call)
			truth := ledgerOf(t, ended)
			checkMeasured(t, r)
			up, down := ledgered(truth.Uplink), ledgered(truth.Downlink)
			checkCounts(t, "uplink", r.Uplink, up)
			checkCounts(t, "downlink", r.Downlink, down)
			if up.touched() != (n.up != "") || down.touched() != (n.down != "") {
				t.Errorf("the network did %+v up and %+v down, which is not what the row is about", up, down)
			}
			checkWindows(t, r)
		})
	}
}

// checkMeasured checks that a call was measured by stamps in both directions, to
// the end.
func checkMeasured(t *testing.T, r *probe.Result) {
	t.Helper()
	if r.Failure != nil && r.Failure.Code != probe.CodeMediaStopped {
		t.Fatalf("the call failed: %v", r.Failure)
	}
	if r.Echo != probe.EchoStamping || r.Uplink.Evidence != probe.EvidenceStamps || !r.Downlink.Evidence.PerPacket() {
		t.Errorf("got a %s echo, uplink by %s, downlink by %s", r.Echo, r.Uplink.Evidence, r.Downlink.Evidence)
	}
	if r.Self.SocketDrops != 0 {
		t.Errorf("this host dropped %d packets at the probe's own socket: no count can be exact", r.Self.SocketDrops)
	}
}

// checkCounts compares a direction with the truth.
func checkCounts(t *testing.T, name string, d probe.Direction, want counts) {
	t.Helper()
	if got := measured(d); got != want || d.Unknown != 0 {
		t.Errorf("%s: got %+v and %d unknown, want %+v", name, got, d.Unknown, want)
	}
}

// checkWithin compares a direction with the truth where the fate of some packets
// at the end cannot be known: what is said of the others must be so.
func checkWithin(t *testing.T, name string, got, want counts, unknown int64) {
	t.Helper()
	within := func(got, want int64) bool { return got <= want && want <= got+unknown }
	if !within(got.Expected, want.Expected) || !within(got.Received, want.Received) || !within(got.Lost, want.Lost) ||
		got.Duplicated != want.Duplicated || got.Reordered != want.Reordered || unknown > want.Expected/4 {
		t.Errorf("%s: got %+v and %d unknown, which is not within %+v", name, got, unknown, want)
	}
}

// checkWindows checks that every packet of the call is in one window.
func checkWindows(t *testing.T, r *probe.Result) {
	t.Helper()
	var up, down counts
	for _, w := range r.Windows {
		up, down = up.plus(measured(w.Uplink)), down.plus(measured(w.Downlink))
	}
	if up != measured(r.Uplink) || down != measured(r.Downlink) {
		t.Errorf("the %d windows sum up to %+v up and %+v down, the call has %+v and %+v",
			len(r.Windows), up, down, measured(r.Uplink), measured(r.Downlink))
	}
}

func (c counts) plus(d counts) counts {
	return counts{c.Expected + d.Expected, c.Received + d.Received, c.Lost + d.Lost, c.Duplicated + d.Duplicated, c.Reordered + d.Reordered}
}

// mishaps are what a relay does to the RTP packets of one direction: one draw
// for each packet, in a fixed order, so that a seed stands for one network.
type mishaps struct {
	drop, repeat, hold float64
	behind             int // at most so many pass a packet that is held
	seed               uint64
}

func (m mishaps) fates() func() farend.Fate {
	random := rand.New(rand.NewPCG(m.seed, 0))
	return func() farend.Fate {
		var f farend.Fate
		f.Drop = random.Float64() < m.drop
		if random.Float64() < m.repeat {
			f.Copies = 1 + random.IntN(2)
		}
		if random.Float64() < m.hold {
			f.Behind = 1 + random.IntN(m.behind)
		}
		return f
	}
}

// mishap makes a filter of the mishaps of each direction. Only RTP is touched.
func mishap(up, down mishaps) farend.Filter {
	fates := [2]func() farend.Fate{farend.Up: up.fates(), farend.Down: down.fates()}
	return func(p farend.Packet) farend.Fate {
		if p.Kind != farend.RTP {
			return farend.Fate{}
		}
		return fates[p.Direction]()
	}
}

func booked(b farend.Books) counts {
	return counts{int64(b.Offered), int64(b.Offered - b.Lost), int64(b.Lost), int64(b.Duplicated), int64(b.Reordered)}
}

// The same against a judge that is neither the probe nor the echo: a relay
// between the two that sees nothing but protected packets.
func TestCountsEqualTheBooksOfAJudgeOutside(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		up, down mishaps
	}{
		{"a clean path", mishaps{}, mishaps{}},
		{"loss down", mishaps{}, mishaps{drop: 0.05, seed: 1}},
		{"loss up", mishaps{drop: 0.05, seed: 2}, mishaps{}},
		{"loss on both ways", mishaps{drop: 0.15, seed: 3}, mishaps{drop: 0.15, seed: 4}},
		{"copies on both ways", mishaps{repeat: 0.1, seed: 5}, mishaps{repeat: 0.1, seed: 6}},
		{"packets held back on both ways", mishaps{hold: 0.1, behind: 4, seed: 7}, mishaps{hold: 0.1, behind: 4, seed: 8}},
		{"all of it up", mishaps{0.1, 0.1, 0.1, 5, 9}, mishaps{}},
		{"all of it down", mishaps{}, mishaps{0.1, 0.1, 0.1, 5, 10}},
		{"all of it on both ways", mishaps{0.1, 0.1, 0.1, 5, 11}, mishaps{0.1, 0.1, 0.1, 5, 12}},
		{"all of it on both ways, another seed", mishaps{0.2, 0.2, 0.2, 8, 13}, mishaps{0.2, 0.2, 0.2, 8, 14}},
		{"all of it on both ways, heavily", mishaps{0.4, 0.3, 0.3, 20, 15}, mishaps{0.4, 0.3, 0.3, 20, 16}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, f, _ := startEcho(t, echo.Config{})
			relay := farend.NewRelay(t)
			relay.SetFilter(mishap(row.up, row.down))
			call := target(farend.Serve(t, relay.Between(t, f)) + "/echo")
			call.Duration = 3 * time.Second
			r := place(t, t.Context(), call)
			checkFarEndTold(t, f)
			checkMeasured(t, r)
			up, down := booked(relay.Books(farend.Up)), booked(relay.Books(farend.Down))
			checkCounts(t, "uplink", r.Uplink, up)
			checkCounts(t, "downlink", r.Downlink, down)
			if up.touched() != (row.up != mishaps{}) || down.touched() != (row.down != mishaps{}) {
				t.Errorf("the relay did %+v up and %+v down, which is not what the row is about", up, down)
			}
			checkWindows(t, r)
			for name, d := range map[string]farend.Direction{"up": farend.Up, "down": farend.Down} {
				if err := relay.Continuous(d); err != nil {
					t.Errorf("the relay did not get all packets %s: %v", name, err)
				}
			}
		})
	}
}

// Where the far end's reports are lost too, nothing tells of the last packets
// whose stamps were lost on the way back. They are unknown; nothing is made up.
func TestWithoutReportsWhatIsNotKnownIsNotMadeUp(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{1, 2, 3, 4} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			_, f, _ := startEcho(t, echo.Config{})
			relay := farend.NewRelay(t)
			lossy := mishap(mishaps{drop: 0.3, seed: seed}, mishaps{drop: 0.3, seed: 100 + seed})
			relay.SetFilter(func(p farend.Packet) farend.Fate {
				if p.Kind == farend.RTCP && p.Direction == farend.Down {
					return farend.Fate{Drop: true}
				}
				return lossy(p)
			})
			call := target(farend.Serve(t, relay.Between(t, f)) + "/echo")
			call.Duration = 3 * time.Second
			r := place(t, t.Context(), call)
			checkFarEndTold(t, f)
			checkMeasured(t, r)
			up, down := measured(r.Uplink), measured(r.Downlink)
			checkWithin(t, "uplink", up, booked(relay.Books(farend.Up)), r.Uplink.Unknown)
			if sent := up.Expected + r.Uplink.Unknown; sent != r.RoundTrip.Sent {
				t.Errorf("the uplink knows of %d packets, %d were sent", sent, r.RoundTrip.Sent)
			}
			// Nobody tells how many the far end sent after the last that came; no
			// more than the uplink does not know of.
			checkWithin(t, "downlink", down, booked(relay.Books(farend.Down)), r.Uplink.Unknown)
			if down.Received != int64(relay.Books(farend.Down).Offered-relay.Books(farend.Down).Lost) {
				t.Errorf("downlink: got %d received", down.Received)
			}
		})
	}
}

// Against a far end that does not stamp, the two directions are told apart by
// its reports: those that come after the last mishap cover all of them.
func TestWithoutStampsLossIsAttributedByReports(t *testing.T) {
	t.Parallel()
	const every = 10 // of the first hundred packets
	loses := func(d farend.Direction) farend.Filter {
		return func(p farend.Packet) farend.Fate {
			return farend.Fate{Drop: p.Kind == farend.RTP && p.Direction == d && p.N < 100 && p.N%every == every/2}
		}
	}
	for _, row := range []struct {
		name   string
		filter farend.Filter
	}{
		{"loss up", loses(farend.Up)},
		{"loss down", loses(farend.Down)},
	} {
		for _, mode := range []farend.Mode{farend.Reflect, farend.Rebuild} {
			kind := map[farend.Mode]string{farend.Reflect: "reflector", farend.Rebuild: "rebuilder"}[mode]
			t.Run(fmt.Sprintf("%s, %s", row.name, kind), func(t *testing.T) {
				t.Parallel()
				f := startPion(t, farend.PionConfig{Mode: mode, Reports: 100 * time.Millisecond})
				relay := farend.NewRelay(t)
				relay.SetFilter(row.filter)
				call := target(farend.Serve(t, relay.Between(t, f)) + "/echo")
				call.Duration = 3500 * time.Millisecond
				r := place(t, t.Context(), call)
				checkFarEndTold(t, f)
				if r.Failure != nil || string(r.Echo) != kind {
					t.Fatalf("got a %s echo, failure %v", r.Echo, r.Failure)
				}
				up, down := relay.Books(farend.Up), relay.Books(farend.Down)
				// A busy host misses slots in which it would have sent.
				if lost := up.Lost + down.Lost; lost < 50/every || lost > 100/every {
					t.Fatalf("the relay lost %d up and %d down, want %d in all", up.Lost, down.Lost, 100/every)
				}
				if r.Uplink.Evidence != probe.EvidenceRTCP || r.Uplink.Lost != int64(up.Lost) {
					t.Errorf("uplink: %d lost by %s, want %d", r.Uplink.Lost, r.Uplink.Evidence, up.Lost)
				}
				if !r.Downlink.Evidence.Known() || r.Downlink.Lost != int64(down.Lost) {
					t.Errorf("downlink: %d lost by %s, want %d", r.Downlink.Lost, r.Downlink.Evidence, down.Lost)
				}
				if missing := r.RoundTrip.Sent - r.RoundTrip.Returned; missing != int64(up.Lost+down.Lost) {
					t.Errorf("%d packets did not return, want %d", missing, up.Lost+down.Lost)
				}
			})
		}
	}
}
