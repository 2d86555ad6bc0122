package main

import (
	"encoding/binary"
	"runtime"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/interceptor/pkg/stats"
	"github.com/pion/rtp"

	"github.com/earshot-voip/earshot/internal/rtpflow"
)

// stream is how many packets go round: few enough to be as hot as those that
// were just read.
const stream = 512

const frame = 20 * time.Millisecond

// packets is an RTP stream.
type packets struct {
	raw [stream][]byte
	n   uint32
}

func newStream() *packets {
	s := new(packets)
	for i := range s.raw {
		s.raw[i] = append(rtpflow.Header{SSRC: 7}.AppendTo(nil), make([]byte, 160)...)
	}
	return s
}

// each gives the next n packets, which arrive to the moment.
func (s *packets) each(n int, take func(at time.Duration, raw []byte)) {
	for range n {
		raw := s.raw[s.n%stream]
		binary.BigEndian.PutUint16(raw[2:], uint16(s.n))
		binary.BigEndian.PutUint32(raw[4:], s.n*160)
		take(time.Duration(s.n)*frame, raw)
		s.n++
	}
}

// receiver is what the others are compared with.
const receiver = "Earshot, receiver"

func all() []contestant {
	return []contestant{
		{name: "bare parse, pion rtp.Header", does: "parse into a reused header", start: func() func(time.Duration, []byte) {
			var h rtp.Header
			return func(_ time.Duration, raw []byte) { _, _ = h.Unmarshal(raw) }
		}},
		{name: "bare parse, Earshot", does: "the same", start: func() func(time.Duration, []byte) {
			var h rtpflow.Header
			return func(_ time.Duration, raw []byte) { _, _, _ = h.Parse(raw) }
		}},
		{name: receiver, does: "parse, classes, loss, bursts, jitter, delay variation, playout, drift", start: func() func(time.Duration, []byte) {
			r := rtpflow.NewReceiver(rtpflow.Config{Frame: frame})
			return func(at time.Duration, raw []byte) { r.Packet(at, raw) }
		}},
		{name: "Earshot, both directions of an echo", does: "the same from stamps for up and down, round trip; sending accounted for", run: stamped},
		{name: "pion interceptor, stats", does: "parse, loss, jitter", start: func() func(time.Duration, []byte) {
			factory, err := stats.NewInterceptor()
			if err != nil {
				panic(err) // its options are none
			}
			return intercept(factory)
		}},
		{name: "pion interceptor, receiver report", does: "parse, loss, jitter", start: func() func(time.Duration, []byte) {
			factory, err := report.NewReceiverInterceptor()
			if err != nil {
				panic(err) // its options are none
			}
			return intercept(factory)
		}},
	}
}

// stamped accounts for packets that are sent and come back stamped by a lossless
// echo. What makes the stamps is the echo's work and not timed.
func stamped(packets int) (sample, error) {
	mirror := rtpflow.NewMirror(0)
	e := rtpflow.NewEcho(rtpflow.Config{Frame: frame, StampID: 1})
	var made [stream][rtpflow.StampedHeaderSize]byte
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var took time.Duration
	n := 0
	for n < packets {
		for i := range made {
			arrival := time.Duration(n+i)*frame + 20*time.Millisecond
			s := mirror.Reflect(uint16(n+i), arrival, arrival+time.Millisecond)
			rtpflow.Header{SequenceNumber: uint16(s.Index), SSRC: 7}.AppendStamped(made[i][:0], 1, &s)
		}
		began := time.Now()
		for i := range made {
			at := time.Duration(n) * frame
			e.Sent(uint16(n), uint32(n)*160, at, at+30*time.Microsecond)
			e.Left(at, at+30*time.Microsecond, at+40*time.Microsecond)
			e.Packet(at+41*time.Millisecond, at+41*time.Millisecond+10*time.Microsecond, made[i][:])
			n++
		}
		took += time.Since(began)
	}
	runtime.ReadMemStats(&after)
	return sample{float64(took.Nanoseconds()) / float64(n), float64(after.Mallocs-before.Mallocs) / float64(n)}, nil
}

// intercept feeds one of pion's receivers.
func intercept(factory interceptor.Factory) func(time.Duration, []byte) {
	i, err := factory.NewInterceptor("")
	if err != nil {
		panic(err) // it has no way to fail
	}
	var raw []byte
	info := &interceptor.StreamInfo{SSRC: 7, ClockRate: 8000}
	reader := i.BindRemoteStream(info, interceptor.RTPReaderFunc(
		func(buffer []byte, a interceptor.Attributes) (int, interceptor.Attributes, error) {
			return copy(buffer, raw), a, nil
		}))
	buffer := make([]byte, 1500)
	attributes := interceptor.Attributes{}
	return func(_ time.Duration, packet []byte) {
		raw = packet
		clear(attributes) // each packet has its own
		_, _, _ = reader.Read(buffer, attributes)
	}
}
