package rtpflow

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// Whatever steady takes must leave the receiver as take would have: two receivers
// get the same streams, one of them without steady, and are compared whole.
func TestSteadyDoesWhatTakeDoes(t *testing.T) {
	streams := 200
	if testing.Short() {
		streams = 40
	}
	taken, refused := 0, 0
	for i := range streams {
		rng := rand.New(rand.NewPCG(uint64(i), 8))
		calls := randomStream(rng)
		if i%2 == 0 {
			calls = longStream(rng)
		}
		c := Config{Frame: DefaultFrame, Events: PayloadTypes(101)}
		short, long := NewReceiver(c), NewReceiver(c)
		for k, c := range calls {
			switch {
			case c.cut:
				short.Cut(c.at)
				long.Cut(c.at)
			case c.packet == nil:
				short.Tick(c.at)
				long.Tick(c.at)
			default:
				p := c.packet
				h := Header{SequenceNumber: p.seq, Timestamp: p.stamp, SSRC: p.ssrc, Marker: rng.IntN(8) == 0}
				if rng.IntN(60) == 0 {
					h.PayloadType = 101
				}
				raw := append(h.AppendTo(nil), 1)
				if rng.IntN(300) == 0 {
					raw[0] = []byte{0xa0, 0x40}[rng.IntN(2)] // a byte of padding; another version
				}
				long.even = false
				before := short.run.n
				got, want := short.Packet(c.at, raw), long.Packet(c.at, raw)
				if short.run.n > before {
					taken++
				} else {
					refused++
				}
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("stream %d, packet %d: got  %+v\nwant %+v", i, k, got, want)
				}
			}
			if rng.IntN(40) == 0 || k == len(calls)-1 {
				checkAlike(t, i, k, short, long)
			}
		}
	}
	if taken < refused/2 {
		t.Errorf("steady took %d packets and refused %d: the streams say little of it", taken, refused)
	}
}

// checkAlike compares two receivers whole, but for what only says how they work.
func checkAlike(t *testing.T, stream, call int, short, long *Receiver) {
	t.Helper()
	short.catchUp()
	got, want := *short, *long
	got.even, want.even, got.run, want.run = false, false, run{}, run{}
	if reflect.DeepEqual(got, want) {
		return
	}
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for f := range g.NumField() {
		if a, b := g.Field(f), w.Field(f); !a.Equal(b) {
			t.Errorf("stream %d, call %d: %s differs", stream, call, g.Type().Field(f).Name)
		}
	}
	t.FailNow()
}

// longStream is a minute of a stream that is nearly even: a floor that rises and
// falls from one stretch of the playout model to the next, some jitter, few losses,
// strays of another source that come in pairs with packets of the stream between
// them, and repeated packets of long ago.
func longStream(rng *rand.Rand) []oracleCall {
	var calls []oracleCall
	seq, stamp := uint16(rng.Uint32()), rng.Uint32()
	stray := uint16(0)
	floor := 30 * time.Millisecond
	for i := range 3000 {
		sent := time.Duration(i) * DefaultFrame
		if i%400 == 0 {
			floor = time.Duration(20+rng.IntN(40)) * time.Millisecond
		}
		at := time.Minute + sent + floor + time.Duration(rng.Int64N(int64(8*time.Millisecond)))
		put := func(seq uint16, stamp, ssrc uint32) {
			calls = append(calls, oracleCall{at: at, packet: &oraclePacket{seq: seq, stamp: stamp, ssrc: ssrc}})
		}
		switch rng.IntN(200) {
		case 0:
			continue
		case 1:
			put(stray, stamp, 99)
			stray++
		case 2:
			// A little way back, with timestamps of its own.
			put(seq+uint16(i)-50+stray, stamp+uint32(i)*160+800, 7)
			stray++
		case 3:
			calls = append(calls, oracleCall{at: at, cut: true})
		case 4:
			calls = append(calls, oracleCall{at: at})
		}
		put(seq+uint16(i), stamp+uint32(i)*160, 7)
	}
	return calls
}
