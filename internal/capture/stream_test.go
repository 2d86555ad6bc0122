package capture

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
)

// medium describes a stream that a test makes.
type medium struct {
	payloadType uint8
	rate        uint32        // of the clock, Hz
	frame       time.Duration // between packets; ticks follow from it unless given
	ticks       uint32
	size        int
	count       int
	jitter      time.Duration
	seed        uint64
	lost        func(i int) bool
}

func (m medium) frames(t testing.TB) []frame {
	t.Helper()
	rng := random(m.seed)
	ticks := m.ticks
	if ticks == 0 {
		ticks = uint32(m.frame.Seconds()*float64(m.rate) + 0.5)
	}
	var frames []frame
	for i := range m.count {
		at := time.Duration(i) * m.frame
		if m.jitter > 0 {
			at += time.Duration(rng.Int64N(int64(m.jitter)))
		}
		if m.lost != nil && m.lost(i) {
			continue
		}
		b := rtpPacket(m.payloadType, uint16(100+i), 0xfffff000+ticks*uint32(i), 7, m.size)
		frames = append(frames, frame{at, onEthernet(t, ipUDP(t, here4, there4, b))})
	}
	return frames
}

func (m medium) analyze(t testing.TB, o Options) Stream {
	t.Helper()
	r := analyze(t, pcapOf(t, layers.LinkTypeEthernet, m.frames(t)), o)
	if len(r.Streams) != 1 {
		t.Fatalf("got %d streams, want 1", len(r.Streams))
	}
	return r.Streams[0]
}

func TestClockRateIsLearned(t *testing.T) {
	ms := time.Millisecond
	tests := []struct {
		name string
		medium
		want string
	}{
		{"Opus", medium{rate: 48000, frame: 20 * ms}, "48000 guessed"},
		{"Opus of 10 ms under jitter", medium{rate: 48000, frame: 10 * ms, jitter: 40 * ms}, "48000 guessed"},
		{"Opus of 60 ms", medium{rate: 48000, frame: 60 * ms}, "48000 guessed"},
		{"half a second of Opus under jitter", medium{rate: 48000, frame: 20 * ms, count: 25, jitter: 30 * ms}, "48000 guessed"},
		{"AMR", medium{rate: 8000, frame: 20 * ms}, "8000 guessed"},
		{"AMR-WB under jitter", medium{rate: 16000, frame: 20 * ms, jitter: 15 * ms}, "16000 guessed"},
		{"Speex", medium{rate: 32000, frame: 20 * ms}, "32000 guessed"},
		{"G.722.1C of 22050 Hz", medium{rate: 22050, frame: 20 * ms}, "22050 guessed"},
		{"24 kHz", medium{rate: 24000, frame: 20 * ms, jitter: 10 * ms}, "24000 guessed"},
		{"L16 at 44.1 kHz", medium{rate: 44100, frame: 10 * ms, jitter: 5 * ms}, "44100 guessed"},
		{"AAC at 44.1 kHz", medium{rate: 44100, frame: 1024 * time.Second / 44100, ticks: 1024}, "44100 guessed"},
		{"AAC at 48 kHz", medium{rate: 48000, frame: 1024 * time.Second / 48000, ticks: 1024}, "48000 guessed"},
		{"video of 30 frames a second", medium{rate: 90000, frame: time.Second / 30, ticks: 3000, jitter: 20 * ms}, "90000 guessed"},
		{"losses and silence do not disturb", medium{rate: 48000, frame: 20 * ms, lost: func(i int) bool { return i%7 == 3 || i > 40 && i < 120 }}, "48000 guessed"},
		{"too few packets", medium{rate: 48000, frame: 20 * ms, count: 10}, "unknown"},
		{"a clock that hardly moves", medium{rate: 8000, frame: 20 * ms, ticks: 1}, "unknown"},
		{"a clock that no codec has", medium{rate: 2000, frame: 20 * ms}, "unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.payloadType, tt.size = 96, 80
			if tt.count == 0 {
				tt.count = 300
			}
			for seed := range uint64(20) {
				tt.seed = seed
				s := tt.analyze(t, Options{})
				got := "unknown"
				if s.ClockRate != nil {
					got = fmt.Sprint(*s.ClockRate, " ", *s.ClockSource)
				}
				if got != tt.want {
					t.Fatalf("seed %d: got %s want %s", seed, got, tt.want)
				}
				if (s.JitterMax == nil) != (tt.want == "unknown") {
					t.Fatalf("got jitter %v with clock rate %s", s.JitterMax, got)
				}
				if tt.jitter == 0 {
					break
				}
			}
		})
	}
}

func TestClockRateIsTold(t *testing.T) {
	tests := []struct {
		name        string
		payloadType uint8
		options     Options
		want        string
	}{
		{"a static type has its own", 0, Options{}, "8000 static PCMU"},
		{"G.722 keeps the clock of its first text", 9, Options{}, "8000 static G722"},
		{"video has 90 kHz", 34, Options{}, "90000 static H263"},
		{"a given clock is for dynamic types", 0, Options{ClockRate: 16000}, "8000 static PCMU"},
		{"a given clock needs no learning", 96, Options{ClockRate: 16000}, "16000 given ?"},
		{"a mapping goes before the clock", 96, Options{ClockRate: 16000, PayloadTypes: map[uint8]Codec{96: {"opus", 48000}}}, "48000 given opus"},
		{"a mapping goes before the static meaning", 0, Options{PayloadTypes: map[uint8]Codec{0: {"L16", 16000}}}, "16000 given L16"},
		{"a mapping makes odd types plausible", 77, Options{PayloadTypes: map[uint8]Codec{77: {"AMR", 8000}}}, "8000 given AMR"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := medium{payloadType: tt.payloadType, rate: 8000, frame: 20 * time.Millisecond, size: 20, count: 60}.analyze(t, tt.options)
			codec := "?"
			if s.Codec != nil {
				codec = *s.Codec
			}
			if got := fmt.Sprint(*s.ClockRate, " ", *s.ClockSource, " ", codec); got != tt.want {
				t.Errorf("got %s want %s", got, tt.want)
			}
		})
	}
}

// TestTheClockScalesTheJitter: one packet of a perfect stream comes 10 ms late;
// RFC 3550, A.8 gives (10/16)(1 + 15/16) ms at its peak, whatever the clock.
func TestTheClockScalesTheJitter(t *testing.T) {
	const peak = 10.0 / 16 * (1 + 15.0/16) / 1000
	for _, rate := range []uint32{8000, 16000, 48000, 90000} {
		m := medium{payloadType: 96, rate: rate, frame: 20 * time.Millisecond, size: 80, count: 400}
		frames := m.frames(t)
		frames[300].at += 10 * time.Millisecond
		r := analyze(t, pcapOf(t, layers.LinkTypeEthernet, frames), Options{})
		s := r.Streams[0]
		if got := *s.JitterMax; math.Abs(got-peak) > 1e-6 {
			t.Errorf("%d Hz: got %v s want %v s", rate, got, peak)
		}
		if got := *s.Variation.Max; math.Abs(got-0.01) > 1e-6 {
			t.Errorf("%d Hz: got delay variation %v s want 0.01 s", rate, got)
		}
	}
}

func TestFiguresOfAStream(t *testing.T) {
	m := medium{payloadType: 0, rate: 8000, frame: 20 * time.Millisecond, size: 160, count: 501,
		lost: func(i int) bool { return i >= 100 && i < 104 }}
	s := m.analyze(t, Options{})
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"duration", *s.Duration, 10},
		{"packets a second", *s.Rate, 49.6},                 // 496 steps in 10 s
		{"payload rate", *s.BitRate, 49.6 * 160 * 8},        // of 160 bytes each
		{"frame", *s.Frame, 0.02},                           //
		{"loss ratio", *s.LossRatio, 4.0 / 501},             //
		{"bursts", float64(s.Burst.Count), 1},               // RFC 3611: four lost in a row
		{"burst duration", *s.Burst.Duration, 0.08},         //
		{"burst density", *s.Burst.Density, 1},              //
		{"BurstR", *s.Burst.R, 4 * (1 - 4.0/501)},           // mean run times (1 - loss)
		{"playout depth", *s.PlayoutDepth, 0.02},            // the least
		{"discarded", float64(*s.Discarded), 0},             //
		{"restarts", float64(s.Restarts), 0},                //
		{"discontinuities", float64(*s.Discontinuities), 0}, //
	} {
		if math.Abs(c.got-c.want) > 1e-6 {
			t.Errorf("%s: got %v want %v", c.name, c.got, c.want)
		}
	}
}

// TestEventsAreLeftOut puts an RFC 4733 event of 8 packets with frozen timestamps
// into a perfect stream, as in syn12_dtmf.pcap: tshark has a maximum jitter of
// 10.000 ms for events it knows, and A.8 by the letter has 15.566 ms.
func TestEventsAreLeftOut(t *testing.T) {
	start := uint32(0xfffff000)
	build := func(event uint8, size int) []byte {
		frames := medium{payloadType: 0, rate: 8000, frame: 20 * time.Millisecond, size: 160, count: 300}.frames(t)
		for i := 200; i < 208; i++ {
			b := rtpPacket(event, uint16(100+i), start+160*200, 7, size)
			frames[i].data = onEthernet(t, ipUDP(t, here4, there4, b))
		}
		return pcapOf(t, layers.LinkTypeEthernet, frames)
	}
	mapped := Options{PayloadTypes: map[uint8]Codec{110: {telephoneEvent, 8000}}}
	tests := []struct {
		name    string
		capture []byte
		options Options
		codec   string
		jitter  float64
	}{
		{"type 101 is taken for events", build(101, 4), Options{}, telephoneEvent, 0.010},
		{"another type is not", build(110, 4), Options{}, "", 0.015566},
		{"unless it is said", build(110, 4), mapped, telephoneEvent, 0.010},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := analyze(t, tt.capture, tt.options).Streams[0]
			got := ""
			if c := s.PayloadTypes[1].Codec; c != nil {
				got = *c
			}
			if math.Abs(*s.JitterMax-tt.jitter) > 1e-6 || *s.NetworkJitter.Max > 1e-6 || got != tt.codec {
				t.Errorf("got jitter %v, without steps %v, codec %q", *s.JitterMax, *s.NetworkJitter.Max, got)
			}
		})
	}
	video := medium{payloadType: 101, rate: 90000, frame: 20 * time.Millisecond, size: 1000, count: 100}.analyze(t, Options{})
	if video.Codec != nil || *video.ClockRate != 90000 || video.Variation == nil || video.Variation.P50 == nil {
		t.Errorf("got %+v, want video that happens to have type 101", video)
	}
}

// TestScores holds points of G.107: the default path (R 93.206, MOS 4.409406),
// and R 93.043 at 150 ms less Ie,eff = 95 Ppl / (Ppl + Bpl) for G.711 with
// concealment (Bpl 25.1) at 2 % of random loss; MOS by Annex B.
func TestScores(t *testing.T) {
	every50 := func(i int) bool { return i%50 == 25 }
	near := func(got *float64, want, tolerance float64) bool {
		return got != nil && math.Abs(*got-want) <= tolerance
	}
	voice := medium{payloadType: 0, rate: 8000, frame: 20 * time.Millisecond, size: 160, count: 500}
	clean := voice.analyze(t, Options{DelayKnown: true})
	if s := clean.Score; s == nil || s.Scale != "nb" || s.Model != "g711" || !near(s.MOSListening, 4.409406, 1e-6) || !near(s.R, 93.2, 0.1) ||
		!near(s.OneWayDelay, 0.04, 1e-9) || s.Provisional {
		t.Errorf("clean: got %+v", s)
	}
	voice.lost = every50
	lossy := voice.analyze(t, Options{DelayKnown: true, Delay: 110 * time.Millisecond})
	const r = 93.043 - 95*2/(2+25.1)
	annexB := 1 + 0.035*r + r*(r-60)*(100-r)*7e-6
	if s := lossy.Score; s == nil || !near(s.R, r, 0.001) || !near(s.MOS, annexB, 0.0001) || !near(s.OneWayDelay, 0.15, 1e-9) {
		t.Errorf("150 ms and 2 %%: got R %v, MOS %v, one way %v", *s.R, *s.MOS, *s.OneWayDelay)
	}
	if s := lossy.Score; !(*s.MOSLow < *s.MOS && *s.MOS < *s.MOSHigh && *s.MOS < *s.MOSListening && *s.MOSListeningLow < *s.MOSListening) {
		t.Errorf("the interval does not hold the score: %+v", s)
	}
	unknownDelay := voice.analyze(t, Options{}).Score
	if unknownDelay == nil || unknownDelay.MOS != nil || unknownDelay.R != nil || unknownDelay.OneWayDelay != nil || unknownDelay.DelayCost != nil ||
		*unknownDelay.MOSListening != *lossy.Score.MOSListening {
		t.Errorf("without a delay: got %+v", unknownDelay)
	}
}

// TestDiscardsCountAsLoss delays 4 of 200 packets by 150 ms: they come in time to
// be received and too late to be played.
func TestDiscardsCountAsLoss(t *testing.T) {
	frames := medium{payloadType: 0, rate: 8000, frame: 20 * time.Millisecond, size: 160, count: 200}.frames(t)
	for i := 20; i < 200; i += 50 {
		frames[i].at += 150 * time.Millisecond
	}
	slices.SortStableFunc(frames, func(a, b frame) int { return int(a.at - b.at) })
	s := analyze(t, pcapOf(t, layers.LinkTypeEthernet, frames), Options{}).Streams[0]
	if s.Missing != 0 || *s.Discarded != 4 || *s.DiscardRatio != 0.02 || s.worst != 0.02 {
		t.Errorf("got %d missing, %d discarded (%v), worst %v, want 0, 4 (0.02)", s.Missing, *s.Discarded, *s.DiscardRatio, s.worst)
	}
	if got, want := *s.Score.LossCost, 95*2/(2+25.1); math.Abs(got-want) > 1e-5 {
		t.Errorf("got a cost of %v, want that of 2 %% loss, %v", got, want)
	}
}

func TestScoresByCodec(t *testing.T) {
	ms20 := 20 * time.Millisecond
	opus := Options{PayloadTypes: map[uint8]Codec{111: {"opus", 48000}}}
	lost := func(i int) bool { return i == 100 }
	tests := []struct {
		name string
		medium
		options Options
		want    string // scale and model, or the reason
	}{
		{"PCMA", medium{payloadType: 8, size: 160}, Options{}, "nb g711"},
		{"encrypted PCMA with 10 bytes of tag", medium{payloadType: 8, size: 170}, Options{}, "nb g711"},
		{"GSM", medium{payloadType: 3, size: 33}, Options{}, "nb gsm-fr"},
		{"G.723.1 at 6.3 kbit/s", medium{payloadType: 4, size: 24, frame: 30 * time.Millisecond}, Options{}, "nb g7231-6.3"},
		{"G.723.1 at 5.3 kbit/s", medium{payloadType: 4, size: 20, frame: 30 * time.Millisecond}, Options{}, "nb g7231-5.3"},
		{"G.722", medium{payloadType: 9, size: 160}, Options{}, "wb g722-64"},
		{"G.728", medium{payloadType: 15, size: 40}, Options{}, "nb g728-16"},
		{"G.729", medium{payloadType: 18, size: 20}, Options{}, "nb g729"},
		{"G.729 with loss", medium{payloadType: 18, size: 20, lost: lost}, Options{}, "codec g729: no Bpl is published"},
		{"G.729A with VAD by name", medium{payloadType: 18, size: 20, lost: lost}, Options{PayloadTypes: map[uint8]Codec{18: {"g729a-vad", 8000}}}, "nb g729a-vad"},
		{"Opus at 28 kbit/s", medium{payloadType: 111, rate: 48000, size: 70}, opus, "fb opus-swb-vbr-28"},
		{"Opus beyond the published rates", medium{payloadType: 111, rate: 48000, size: 300}, opus, "outside of 14..40 kbit/s"},
		{"a codec without values", medium{payloadType: 96, size: 38}, Options{PayloadTypes: map[uint8]Codec{96: {"iLBC", 8000}}}, "no value is published"},
		{"a codec nobody named", medium{payloadType: 96, size: 38}, Options{}, "the codec of payload type 96 is not known: name it with --payload-type 96="},
		{"too few packets", medium{payloadType: 0, size: 160, count: 19}, Options{}, "19 packets are too few"},
		{"just enough packets", medium{payloadType: 0, size: 160, count: 20}, Options{}, "nb g711"},
		{"video", medium{payloadType: 34, rate: 90000, size: 900}, Options{}, "codec H263: not in the table"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.rate == 0 {
				tt.rate = 8000
			}
			if tt.frame == 0 {
				tt.frame = ms20
			}
			if tt.count == 0 {
				tt.count = 200
			}
			s := tt.analyze(t, tt.options)
			var got string
			if s.Score != nil {
				got = s.Score.Scale + " " + s.Score.Model
			} else {
				got = *s.ScoreReason
			}
			if (s.Score == nil) == (s.ScoreReason == nil) || !strings.Contains(got, tt.want) {
				t.Errorf("got %q want %q", got, tt.want)
			}
		})
	}
}

func TestTextShowsTheWorstFirst(t *testing.T) {
	var frames []frame
	for i, lose := range []int{0, 5, 2} {
		m := medium{payloadType: 0, rate: 8000, frame: 20 * time.Millisecond, size: 160, count: 200, lost: func(n int) bool { return n >= 50 && n < 50+lose }}
		for _, f := range m.frames(t) {
			f.data[14+20+8+11] = byte('A' + i) // last byte of the SSRC
			frames = append(frames, f)
		}
	}
	r := analyze(t, pcapOf(t, layers.LinkTypeEthernet, frames), Options{})
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	second, third, first := strings.Index(b.String(), "SSRC 0x00000042"), strings.Index(b.String(), "SSRC 0x00000043"), strings.Index(b.String(), "SSRC 0x00000041")
	if !(0 < second && second < third && third < first) {
		t.Errorf("got %d, %d, %d in\n%s", first, second, third, b.String())
	}
	if len(r.Streams) != 3 || r.Streams[0].SSRCHex != "0x00000041" {
		t.Errorf("the report itself is not in order of appearance")
	}
}

// TestJSONNames holds the names that programs rely on.
func TestJSONNames(t *testing.T) {
	r := analyze(t, readCapture(t, "pcaps/syn02_loss.pcap"), Options{})
	r.Name = "x"
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Schema  string
		Streams []map[string]any
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	s := got.Streams[0]
	for name, want := range map[string]any{
		"ssrc": 2684354561.0, "ssrc_hex": "0xA0000001", "payload_type": 18.0, "codec": "G729", "clock_rate": 8000.0, "clock_rate_source": "static",
		"packets": 290.0, "packets_lost": 10.0, "packets_missing": 10.0, "packets_expected": 300.0, "packets_duplicated": 0.0,
		"jitter_max_seconds": 0.0, "source": "192.0.2.1:20000", "destination": "192.0.2.2:20000", "frame_seconds": 0.02, "score": nil,
	} {
		value, ok := s[name]
		if x, isNumber := value.(float64); isNumber {
			value = math.Round(x*1e6) / 1e6
		}
		if !ok || value != want {
			t.Errorf("%s: got %v want %v", name, value, want)
		}
	}
	if got.Schema != "earshot.analyze/v1" {
		t.Errorf("got schema %s", got.Schema)
	}
}

func TestParseCodec(t *testing.T) {
	good := map[string]Codec{
		"opus/48000": {"opus", 48000}, "opus/48000/2": {"opus", 48000}, "telephone-event/8000": {telephoneEvent, 8000}, "AMR-WB/16000": {"AMR-WB", 16000},
	}
	for text, want := range good {
		if got, err := ParseCodec(text); got != want || err != nil {
			t.Errorf("%s: got %+v, %v want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "opus", "/8000", "opus/", "opus/0", "opus/999", "opus/2000000", "opus/48k", "opus/48000/", "opus/48000/x", "op us/48000", "opus/-1", "\x1b[31m/8000"} {
		if got, err := ParseCodec(text); err == nil {
			t.Errorf("%q: got %+v, want an error", text, got)
		}
	}
}

// TestPacketsAllocateNothing holds for a stream that is settled.
func TestPacketsAllocateNothing(t *testing.T) {
	a := analysis{options: &Options{MaxStreams: 10}, table: newTable(10, false)}
	frames := medium{payloadType: 0, rate: 8000, frame: 20 * time.Millisecond, size: 160, count: 3000}.frames(t)
	i := 0
	next := func() {
		ci := captureInfo(frames[i])
		a.packet(frames[i].data, &ci, layers.LinkTypeEthernet)
		i++
	}
	for range 100 {
		next()
	}
	if got := testing.AllocsPerRun(2000, next); got != 0 {
		t.Errorf("got %v allocations a packet", got)
	}
	if a.table.order[0].packets != int64(i) {
		t.Errorf("got %d packets, want %d", a.table.order[0].packets, i)
	}
}

// TestTextNeedsNoFigure writes reports in which as much as possible is unknown.
func TestTextNeedsNoFigure(t *testing.T) {
	r := &Report{Streams: []Stream{{ScoreReason: text("no reason")}}}
	if err := r.WriteText(io.Discard); err != nil {
		t.Fatal(err)
	}
}
