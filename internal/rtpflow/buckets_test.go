package rtpflow

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// Every duration is in the bucket of the first bound that is not under it, where
// the bounds are written from the definition: 2^(k/8) s, and the marks.
func TestBucketsAgainstTheDefinition(t *testing.T) {
	var bounds []float64
	for k := -160; k <= 48; k++ {
		bounds = append(bounds, math.Pow(2, float64(k)/8))
	}
	bounds = append(append(bounds, Marks...), math.Inf(1))
	first := func(v float64) float64 {
		least := math.Inf(1)
		for _, b := range bounds {
			if b >= v*(1-1e-15) && b < least {
				least = b
			}
		}
		return least
	}
	random := rand.New(rand.NewPCG(1, 3))
	durations := []time.Duration{0, -time.Second, 1, 953, 954, 64 * time.Second, 64*time.Second + 1, time.Hour}
	for _, m := range Marks {
		d := time.Duration(math.Round(m * 1e9))
		durations = append(durations, d-1, d, d+1)
	}
	for range 5000 {
		durations = append(durations, time.Duration(math.Exp(random.Float64()*math.Log(100e9))))
	}
	for _, d := range durations {
		var b Buckets
		b.Add(d)
		got := b.Filled()
		want := first(max(d, 0).Seconds())
		if len(got) != 1 || got[0].Count != 1 || math.Abs(got[0].Upper-want) > 1e-14*want {
			t.Errorf("%v: got %+v want one up to %v", d, got, want)
		}
	}
}

func TestBucketsKeepCountAndSum(t *testing.T) {
	var b Buckets
	var sum time.Duration
	for i := range 1000 {
		d := time.Duration(i) * time.Millisecond
		b.Add(d)
		sum += d
	}
	var total, upTo100ms int64
	last := 0.0
	for _, f := range b.Filled() {
		if f.Upper <= last || f.Count <= 0 {
			t.Errorf("bucket up to %v with %d after one up to %v", f.Upper, f.Count, last)
		}
		last = f.Upper
		total += f.Count
		if f.Upper <= 0.1 {
			upTo100ms += f.Count
		}
	}
	if total != 1000 || b.Count() != 1000 || b.Sum() != sum || upTo100ms != 101 {
		t.Errorf("got %d in buckets, count %d, sum %v, %d up to 100 ms; want 1000, 1000, %v, 101",
			total, b.Count(), b.Sum(), upTo100ms, sum)
	}
	if n := testing.AllocsPerRun(100, func() { b.Add(time.Millisecond) }); n != 0 {
		t.Errorf("Add allocates %v times", n)
	}
	b.Reset()
	if b.Filled() != nil || b.Count() != 0 || b.Sum() != 0 {
		t.Error("not empty after a reset")
	}
}

// A window's spread holds each journey that the window's quantiles do, also when
// there are more of them than are kept for quantiles.
func TestWindowSpreadCountsEveryJourney(t *testing.T) {
	e := NewEcho(Config{StampID: 3, Frame: DefaultFrame})
	var buffer [StampedHeaderSize]byte
	mirror := NewMirror(0)
	const packets = 3 * windowSamples
	for i := range packets {
		at := time.Duration(i) * DefaultFrame
		e.Sent(uint16(i), uint32(i*160), at, at)
		e.Left(at, at, at)
		stamp := mirror.Reflect(uint16(i), at, at)
		h := Header{SequenceNumber: uint16(i), SSRC: 5}
		back := at + 7*time.Millisecond
		if i%4 == 3 {
			back = at + 13*time.Millisecond
		}
		e.Packet(back, back, h.AppendStamped(buffer[:0], 3, &stamp))
	}
	e.Cut(packets * DefaultFrame)
	e.Finish(packets*DefaultFrame + time.Second)
	w, ok := e.Closed()
	if !ok || len(w.RoundTrip.Spread) != 2 {
		t.Fatalf("got window %v with %+v, want two buckets", ok, w.RoundTrip.Spread)
	}
	short, long := w.RoundTrip.Spread[0], w.RoundTrip.Spread[1]
	if short.Count != packets*3/4 || long.Count != packets/4 || short.Upper < 0.007 || short.Upper > 0.008 || long.Upper < 0.013 || long.Upper > 0.0145 {
		t.Errorf("got %+v and %+v, want %d of 7 ms and %d of 13 ms", short, long, packets*3/4, packets/4)
	}
	if e.Total().RoundTrip.Spread != nil {
		t.Error("the call has a spread; its windows do")
	}
}

func BenchmarkBuckets(b *testing.B) {
	var buckets Buckets
	random := rand.New(rand.NewPCG(1, 3))
	var durations [1024]time.Duration
	for i := range durations {
		durations[i] = 20*time.Millisecond + time.Duration(random.ExpFloat64()*5e6)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		buckets.Add(durations[i&1023])
		i++
	}
}
