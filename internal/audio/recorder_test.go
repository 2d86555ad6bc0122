package audio

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/media"
)

func codecOf(t testing.TB, name string) media.Codec {
	t.Helper()
	c, err := media.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The path of the packets must not allocate while what was sent comes back,
// stamped or not; nor while it is altered, once the window has its reel.
func TestTakeDoesNotAllocate(t *testing.T) {
	for _, row := range []struct {
		name    string
		stamped bool
		alter   bool
	}{
		{"the frame that a stamp names", true, false},
		{"a frame that must be found", false, false},
		{"altered audio", false, true},
	} {
		for _, codec := range media.Names() {
			t.Run(row.name+", "+codec, func(t *testing.T) {
				c := newCall(t, codec, 0)
				c.run(50, intactly)
				p := Packet{PayloadType: c.clip.Codec().PayloadType, Position: -1}
				if row.alter {
					c.run(1, func(int64, []byte) []back { return same([]byte{1, 2, 3}) })
				}
				got := testing.AllocsPerRun(400, func() {
					p.Payload = c.clip.Frame(c.sent)
					if row.stamped {
						p.Position = c.sent
					}
					if row.alter {
						p.Payload = p.Payload[1:]
					}
					p.At = epoch + time.Duration(c.sent)*frameTime
					p.Seq++
					c.sent++
					p.Sent = c.sent
					c.rec.Take(&p)
				})
				if got != 0 {
					t.Errorf("got %v allocations", got)
				}
				if tape := c.rec.Cut(c.sent); (tape.reel != nil) != row.alter || tape.checked < 400 {
					t.Errorf("got a reel: %v, %d checked", tape.reel != nil, tape.checked)
				}
			})
		}
	}
}

// However much comes, a window keeps no more than its bounds.
func TestTheTapeIsBounded(t *testing.T) {
	c := newCall(t, "pcmu", 0)
	c.run(20_000, func(_ int64, p []byte) []back {
		return []back{{payload: p[1:], payloadType: -1}, {payload: p[:9], payloadType: -1}}
	})
	tape := c.rec.Cut(c.sent)
	if cap(tape.reel.bytes) != mostBytes || cap(tape.reel.entries) != mostEntries || tape.checked != 40_000 {
		t.Errorf("got room for %d bytes and %d packets of %d", cap(tape.reel.bytes), cap(tape.reel.entries), tape.checked)
	}
	c.run(10, func(_ int64, p []byte) []back { return same(make([]byte, 60_000)) })
	if tape := c.rec.Cut(c.sent); len(tape.reel.entries) != 0 {
		t.Errorf("payloads beyond any packet are on the tape: %d", len(tape.reel.entries))
	}
}

// Windows add up to the call, also where the far end changes its ways.
func TestFindingsAddUp(t *testing.T) {
	c := newCall(t, "pcmu", 60*time.Millisecond)
	var total Findings
	far := then(intactly, 200, then(tandem(), 500, silenced(func(int64) bool { return true })))
	var states []State
	for range 15 {
		c.run(50, far)
		f := c.hear(total.Lag)
		total.Add(&f)
		if states = append(states, f.State()); f.Ours() > 40 && total.Tail > 400*time.Millisecond {
			t.Errorf("nothing was heard in the last %v of the first %d windows", total.Tail, len(states))
		}
	}
	for i, s := range states {
		want := OK
		if i > 10 || i == 10 && s == Silent {
			want = Silent
		}
		if s != want {
			t.Errorf("window %d: got %v want %v", i, s, want)
		}
	}
	if total.Matched < 190 || total.Recognised < 200 || total.Muted < 200 || total.State() != OK {
		t.Errorf("got %s", describe(&total))
	}
	// From the last frame of the second far end on; the clip may pause there.
	if total.Tail < 4500*time.Millisecond || total.Tail > 5600*time.Millisecond {
		t.Errorf("nothing was heard in the last %v, want about 5s", total.Tail)
	}
}

// The end of one window has nothing to do with the end of the next, unless that
// one is silent too.
func TestTailsAreThoseOfTheLastWindow(t *testing.T) {
	c := newCall(t, "pcmu", 0)
	var total Findings
	for range 8 {
		c.run(50, silenced(func(position int64) bool { return position%50 >= 40 }))
		f := c.hear(total.Lag)
		total.Add(&f)
	}
	if total.Tail < 180*time.Millisecond || total.Tail > 300*time.Millisecond {
		t.Errorf("got %v want 200ms", total.Tail)
	}
}

// A delay is measured against the departure of each frame, not its slot.
func TestDelayIsAgainstTheDeparture(t *testing.T) {
	for _, row := range []struct {
		name string
		far  func(int64, []byte) []back
	}{{"bit for bit", intactly}, {"by ear", tandem()}} {
		t.Run(row.name, func(t *testing.T) {
			c := newCall(t, "pcmu", 200*time.Millisecond)
			c.late = map[int64]time.Duration{}
			random := rand.New(rand.NewPCG(3, 4))
			for p := range int64(1300) {
				c.late[p] = 5*time.Millisecond + time.Duration(random.IntN(2000))*time.Microsecond
			}
			c.run(1000, row.far) // the clip has begun anew
			c.rec.Cut(c.sent)
			c.run(250, row.far)
			f := c.hear(Lag{})
			delay, accuracy, ok := f.Delay()
			if !ok || (delay-194*time.Millisecond).Abs() > accuracy+200*time.Microsecond || accuracy > time.Millisecond {
				t.Errorf("got %v ± %v, %v want 194ms", delay, accuracy, ok)
			}
		})
	}
}

// Where this side missed a slot to send in, time goes on and the clip does not:
// nothing of it is missing, and the delay is as ever.
func TestSlotsThatWereMissedAreNoGaps(t *testing.T) {
	for _, row := range []struct {
		name   string
		misses int64
		least  float64 // share of ours
		far    func(int64, []byte) []back
	}{
		{"bit for bit", 33, 1, intactly}, {"by ear", 33, 0.98, tandem()},
		// Ten times more than a call is trusted with.
		{"bit for bit, often", 9, 1, intactly}, {"by ear, often", 9, 0.8, tandem()},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := newCall(t, "pcmu", 123*time.Millisecond)
			c.misses = row.misses
			var f Findings
			for range 4 {
				c.run(125, row.far)
				g := c.hear(f.Lag)
				f.Add(&g)
			}
			delay, accuracy, _ := f.Delay()
			t.Log(describe(&f))
			if f.State() != OK || float64(f.Ours()) < row.least*float64(f.Checked) || f.Lost > 8 || len(f.Gaps) > 0 ||
				(delay-123*time.Millisecond).Abs() > accuracy+time.Millisecond || row.misses > 10 && accuracy > time.Millisecond {
				t.Errorf("got %s, gaps %v", describe(&f), f.Gaps)
			}
		})
	}
}

// A far end that decodes and plays by its own clock fills a slot that this side
// missed with silence. That is no pause of its own.
func TestSilenceForSlotsThatWereMissedIsNotTheFarEnds(t *testing.T) {
	for _, told := range []bool{true, false} {
		c := newCall(t, "pcmu", 120*time.Millisecond)
		c.misses = 40
		far := func(position int64, payload []byte) []back {
			out := tandem()(position, payload)
			if position > 0 && position%c.misses == 0 {
				out = append([]back{{payload: repeat(0xff, 160), payloadType: -1, skip: -1}}, out...)
			}
			return out
		}
		var f Findings
		var gaps []Gap
		for n := range int64(4) {
			for position := n * 250; told && position < (n+1)*250; position++ {
				if position > 0 && position%c.misses == 0 {
					c.rec.Missed(position, 1)
				}
			}
			c.run(250, far)
			g := c.hear(f.Lag)
			gaps = append(gaps, g.Gaps...)
			f.Add(&g)
		}
		t.Log(told, describe(&f), gaps)
		if clean := f.Muted+f.Lost <= 2 && len(gaps) <= 2; clean != told || f.State() != OK {
			t.Errorf("told %v: got %s, gaps %v", told, describe(&f), gaps)
		}
	}
}

// A far end that plays faster and slower, to keep its buffer filled, is followed.
func TestAFarEndThatChangesItsPaceIsFollowed(t *testing.T) {
	c := newCall(t, "pcmu", 0)
	pcm := readClip(t, "pcmu")
	at := 0
	far := func(position int64, _ []byte) []back {
		switch {
		case position%50 == 20:
			at += 57 // a pitch period is left out
		case position%50 == 45:
			at -= 57 // and one is played twice
		}
		out := make([]byte, 160)
		for i := range out {
			out[i] = encodeMu(pcm[wrap(at+i, len(pcm))] * 0.9)
		}
		at += 160
		return same(out)
	}
	c.run(250, far)
	f := c.hear(Lag{})
	if f.State() != OK || f.Ours() < f.Checked*97/100 {
		t.Errorf("got %s", describe(&f))
	}
}

// A recording of the clip is not an echo: it is ahead of what was sent.
func TestWhatWasNotSentYetIsNotOurs(t *testing.T) {
	c := newCall(t, "pcmu", 0)
	c.run(100, func(position int64, _ []byte) []back { return same(clipFrame(t, "pcmu", position+300)) })
	if checked, matched := c.rec.Exact(); checked != 100 || matched != 0 {
		t.Errorf("got %d of %d ours", matched, checked)
	}
}

func TestOtherPayloadTypesAreNotListenedTo(t *testing.T) {
	c := newCall(t, "pcmu", 0)
	c.run(100, func(position int64, p []byte) []back {
		return append(same(p), back{payload: []byte{1, 10, 0, 160}, payloadType: 101})
	})
	if checked, matched := c.rec.Exact(); checked != 100 || matched != 100 {
		t.Errorf("got %d of %d ours", matched, checked)
	}
}
