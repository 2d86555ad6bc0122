package rtpflow

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/interceptor/pkg/stats"
	"github.com/pion/rtp"
)

// benchPackets is small enough for packets to be as hot as those that were
// just read and decrypted.
const benchPackets = 128

// benchStream is a stream of 20 ms packets with their arrival times, which
// goes round with its counters and times moved on.
type benchStream struct {
	raw   [][]byte
	index []uint32
	at    []time.Duration
}

func newBenchStream(loss float64, spread time.Duration) benchStream {
	rng := rand.New(rand.NewPCG(1, 2))
	var s benchStream
	var before time.Duration
	for i := range uint32(benchPackets) {
		if rng.Float64() < loss {
			continue
		}
		at := time.Duration(i) * DefaultFrame
		if spread > 0 {
			at += time.Duration(rng.Int64N(int64(spread)))
		}
		before = max(before, at)
		s.raw = append(s.raw, append(Header{SSRC: 7}.AppendTo(nil), make([]byte, 160)...))
		s.index = append(s.index, i)
		s.at = append(s.at, before)
	}
	return s
}

// each runs f over the stream, round after round.
func (s *benchStream) each(b *testing.B, f func(at time.Duration, raw []byte)) {
	b.ReportAllocs()
	i, round := 0, uint32(0)
	for b.Loop() {
		if i == len(s.raw) {
			i = 0
			round += benchPackets
		}
		raw, n := s.raw[i], round+s.index[i]
		binary.BigEndian.PutUint16(raw[2:], uint16(n))
		binary.BigEndian.PutUint32(raw[4:], n*160)
		f(s.at[i]+time.Duration(round)*DefaultFrame, raw)
		i++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/packet")
}

func BenchmarkHeaderUnmarshal(b *testing.B) {
	s := newBenchStream(0, 0)
	var h rtp.Header
	s.each(b, func(_ time.Duration, raw []byte) { _, _ = h.Unmarshal(raw) })
}

func BenchmarkHeaderParse(b *testing.B) {
	s := newBenchStream(0, 0)
	var h Header
	s.each(b, func(_ time.Duration, raw []byte) { _, _, _ = h.Parse(raw) })
}

func benchReceiver(b *testing.B, s benchStream) {
	r := NewReceiver(Config{Frame: DefaultFrame})
	s.each(b, func(at time.Duration, raw []byte) { r.Packet(at, raw) })
}

func BenchmarkReceiverInOrder(b *testing.B) { benchReceiver(b, newBenchStream(0, 0)) }

func BenchmarkReceiverLossAndJitter(b *testing.B) {
	benchReceiver(b, newBenchStream(0.02, 30*time.Millisecond))
}

// BenchmarkEchoStamps measures Sent and Packet together, with 1 % loss each
// way; the mirror that makes the stamps runs outside the timer, in batches.
func BenchmarkEchoStamps(b *testing.B) {
	b.ReportAllocs()
	rng := rand.New(rand.NewPCG(1, 2))
	m := NewMirror(0)
	e := NewEcho(Config{Frame: DefaultFrame, StampID: 1})
	type returned struct {
		raw  [StampedHeaderSize]byte
		came bool
	}
	batch := make([]returned, 256)
	n := len(batch)
	var sent int
	for b.Loop() {
		if n == len(batch) {
			b.StopTimer()
			for i := range batch {
				batch[i].came = false
				if rng.Float64() < 0.01 {
					continue
				}
				arrival := time.Duration(sent+i)*DefaultFrame + 20*time.Millisecond
				stamp := m.Reflect(uint16(sent+i), arrival, arrival+time.Millisecond)
				h := Header{SequenceNumber: uint16(stamp.Index), SSRC: 7}
				h.AppendStamped(batch[i].raw[:0], 1, &stamp)
				batch[i].came = rng.Float64() >= 0.01
			}
			n = 0
			b.StartTimer()
		}
		slot := time.Duration(sent) * DefaultFrame
		e.Sent(uint16(sent), uint32(sent*160), slot, slot+30*time.Microsecond)
		e.Left(slot, slot+30*time.Microsecond, slot+40*time.Microsecond)
		if batch[n].came {
			e.Packet(slot+41*time.Millisecond, slot+41*time.Millisecond+10*time.Microsecond, batch[n].raw[:])
		}
		n++
		sent++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/packet")
}

// BenchmarkMirror is what the far end spends on a stamp and its bytes.
func BenchmarkMirror(b *testing.B) {
	b.ReportAllocs()
	m := NewMirror(0)
	var buffer [StampedHeaderSize]byte
	var at time.Duration
	var seq uint16
	for b.Loop() {
		s := m.Reflect(seq, at, at+100)
		h := Header{SequenceNumber: uint16(s.Index)}
		h.AppendStamped(buffer[:0], 1, &s)
		seq++
		at += DefaultFrame
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/packet")
}

// benchInterceptor measures one of pion's receivers on the same packets.
func benchInterceptor(b *testing.B, factory interceptor.Factory) {
	s := newBenchStream(0, 0)
	i, err := factory.NewInterceptor("")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = i.Close() }()
	var raw []byte
	info := &interceptor.StreamInfo{SSRC: 7, ClockRate: 8000}
	reader := i.BindRemoteStream(info, interceptor.RTPReaderFunc(
		func(buf []byte, a interceptor.Attributes) (int, interceptor.Attributes, error) {
			return copy(buf, raw), a, nil
		}))
	buffer := make([]byte, 1500)
	s.each(b, func(_ time.Duration, packet []byte) {
		raw = packet
		if _, _, err := reader.Read(buffer, interceptor.Attributes{}); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkPionStats(b *testing.B) {
	f, err := stats.NewInterceptor()
	if err != nil {
		b.Fatal(err)
	}
	benchInterceptor(b, f)
}

func BenchmarkPionReport(b *testing.B) {
	f, err := report.NewReceiverInterceptor()
	if err != nil {
		b.Fatal(err)
	}
	benchInterceptor(b, f)
}
