package rtpflow

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
)

// echoRig is a call of 20 ms packets with a fixed 30 ms each way.
type echoRig struct {
	e      *Echo
	mirror *Mirror
	buffer [StampedHeaderSize]byte
	sent   int
}

const rigTrip = 60 * time.Millisecond

func newEchoRig(c Config) *echoRig {
	c.Frame = DefaultFrame
	return &echoRig{e: NewEcho(c), mirror: NewMirror(0)}
}

func rigTime(q int) time.Duration { return time.Duration(q) * DefaultFrame }

// send sends the next packet. lostUp and lostDown say where it is lost; the
// return comes at once, since nothing overtakes.
func (r *echoRig) send(lostUp, lostDown bool) {
	at := rigTime(r.sent)
	r.e.Sent(uint16(r.sent), uint32(r.sent*160), at, at)
	r.e.Left(at, at, at)
	if !lostUp {
		s := r.mirror.Reflect(uint16(r.sent), at+30*time.Millisecond, at+31*time.Millisecond)
		if !lostDown {
			h := Header{SSRC: 9, SequenceNumber: 500 + uint16(s.Index), Timestamp: uint32(r.sent * 160)}
			r.e.Packet(at+rigTrip+time.Millisecond, at+rigTrip+2*time.Millisecond, h.AppendStamped(r.buffer[:0], 1, &s))
		}
	}
	r.sent++
}

// reflect sends the next packet and returns it as a reflector would.
func (r *echoRig) reflect(lost bool, timestamp uint32) {
	at := rigTime(r.sent)
	r.e.Sent(uint16(r.sent), uint32(r.sent*160), at, at)
	r.e.Left(at, at, at)
	if !lost {
		h := Header{SSRC: 9, SequenceNumber: uint16(r.sent), Timestamp: timestamp}
		r.e.Packet(at+rigTrip, at+rigTrip, h.AppendTo(r.buffer[:0]))
	}
	r.sent++
}

func (r *echoRig) row(n int) {
	for range n {
		r.send(false, false)
	}
}

func (r *echoRig) senderReport(at time.Duration, blocks ...rtcp.ReceptionReport) {
	r.e.RTCP(at, []rtcp.Packet{&rtcp.SenderReport{SSRC: 9, PacketCount: r.mirror.Sent(), Reports: blocks}})
}

func TestTrailingDownlinkLossIsKnownFromTheSenderReport(t *testing.T) {
	r := newEchoRig(Config{StampID: 1})
	r.row(100)
	for range 5 {
		r.send(false, true)
	}
	r.senderReport(rigTime(r.sent) + rigTrip)
	if r.e.Settled() {
		t.Error("settled while five packets are outstanding")
	}
	r.e.Tick(rigTime(r.sent) + 2*time.Second)
	if got := r.e.Total().Down.Lost; got != 5 {
		t.Errorf("downlink after the grace: got %d lost, want 5", got)
	}
	r.e.Finish(rigTime(r.sent) + 2*time.Second)
	f := r.e.Total()
	if f.Down.Expected != 105 || f.Down.Lost != 5 {
		t.Errorf("downlink: got %d of %d lost, want 5 of 105", f.Down.Lost, f.Down.Expected)
	}
	if f.Up.Expected != 100 || f.Up.Lost != 0 || f.Up.Unknown != 5 {
		t.Errorf("uplink: got %d expected, %d lost, %d unknown, want 100, 0, 5", f.Up.Expected, f.Up.Lost, f.Up.Unknown)
	}
}

func TestTotalDownlinkLossIsNotAllReceived(t *testing.T) {
	r := newEchoRig(Config{StampID: 1})
	for range 100 {
		r.send(false, true)
	}
	r.senderReport(rigTime(100))
	r.e.Tick(rigTime(200))
	r.e.Finish(rigTime(200))
	f := r.e.Total()
	if f.Down.Expected != 100 || f.Down.Lost != 100 || f.Down.Evidence != EvidenceStamps {
		t.Errorf("downlink: got %d of %d lost by %v, want 100 of 100", f.Down.Lost, f.Down.Expected, f.Down.Evidence)
	}
	if f.Up.Evidence != EvidenceNone || f.Up.Unknown != 100 || f.RoundTrip.Returned != 0 || f.RoundTrip.Sent != 100 {
		t.Errorf("uplink: got %+v, round trip %+v", f.Up, f.RoundTrip)
	}
}

func TestTrailingUplinkLoss(t *testing.T) {
	block := func(highest uint32) rtcp.ReceptionReport {
		return rtcp.ReceptionReport{SSRC: 77, LastSequenceNumber: highest}
	}
	rows := []struct {
		name          string
		report        func(r *echoRig)
		lost, unknown int64
	}{
		{"without any report it is unknown", func(*echoRig) {}, 0, 10},
		{"a report before the grace proves nothing", func(r *echoRig) {
			r.senderReport(rigTime(110)+500*time.Millisecond, block(99))
		}, 0, 10},
		{"a report after the grace may be a round trip old", func(r *echoRig) {
			r.senderReport(rigTime(100)+time.Second+rigTrip/2, block(99))
		}, 0, 10},
		{"a report after grace and round trip proves it", func(r *echoRig) {
			r.senderReport(rigTime(110)+time.Second+rigTrip, block(99))
		}, 10, 0},
		{"a report about another source proves nothing", func(r *echoRig) {
			b := block(99)
			b.SSRC = 78
			r.senderReport(rigTime(110)+2*time.Second, b)
		}, 0, 10},
		{"a report that saw half of them proves the rest", func(r *echoRig) {
			r.senderReport(rigTime(110)+2*time.Second, block(104))
		}, 5, 5},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := newEchoRig(Config{StampID: 1, OwnSSRC: 77})
			r.row(100)
			for range 10 {
				r.send(true, false)
			}
			row.report(r)
			r.e.Finish(rigTime(300))
			f := r.e.Total().Up
			if f.Lost != row.lost || f.Unknown != row.unknown || f.Expected+f.Unknown != 110 {
				t.Errorf("got %d lost, %d unknown of %d, want %d, %d of 110", f.Lost, f.Unknown, f.Expected+f.Unknown, row.lost, row.unknown)
			}
		})
	}
}

func TestTotalUplinkLossShowsInASenderReportThatCountsNothing(t *testing.T) {
	r := newEchoRig(Config{StampID: 1})
	for range 100 {
		r.send(true, false)
	}
	r.senderReport(rigTime(100) + 3*time.Second)
	r.e.Finish(rigTime(300))
	f := r.e.Total()
	if f.Up.Lost != 100 || f.Up.Expected != 100 {
		t.Errorf("got %d of %d lost, want 100 of 100", f.Up.Lost, f.Up.Expected)
	}
	if f.Down.Evidence != EvidenceNone || f.Down.Expected != 0 {
		t.Errorf("downlink: got %+v, want nothing known", f.Down)
	}
}

// TestDownlinkOutageLeavesTheUplinkExact loses everything on the way back for
// 19 s; what comes then still says which uplink packets had arrived.
func TestDownlinkOutageLeavesTheUplinkExact(t *testing.T) {
	r := newEchoRig(Config{StampID: 1})
	r.row(100)
	lost := int64(0)
	for i := range 950 {
		up := i%7 == 3
		if up {
			lost++
		}
		r.send(up, true)
	}
	r.row(100)
	r.e.Finish(rigTime(r.sent))
	f := r.e.Total()
	if f.Up.Lost != lost || f.Up.Expected != int64(r.sent) || f.Up.Unknown != 0 {
		t.Errorf("uplink: got %d of %d lost, %d unknown, want %d of %d", f.Up.Lost, f.Up.Expected, f.Up.Unknown, lost, r.sent)
	}
	if want := 950 - lost; f.Down.Lost != want {
		t.Errorf("downlink: got %d lost, want %d", f.Down.Lost, want)
	}
}

func TestDownlinkOutageBeyondMemoryIsUnknown(t *testing.T) {
	r := newEchoRig(Config{StampID: 1})
	r.row(100)
	for range 3000 {
		r.send(false, true)
	}
	r.row(100)
	r.e.Finish(rigTime(r.sent))
	f := r.e.Total()
	if f.Up.Lost != 0 || f.Up.Unknown < 3000-1024 || f.Up.Unknown > 3000-900 || f.Down.Lost != 3000 {
		t.Errorf("got %d lost, %d unknown, downlink %d lost", f.Up.Lost, f.Up.Unknown, f.Down.Lost)
	}
}

// TestUplinkPacketBeyondItsGraceIsLate delays one packet by 1.5 s on its way up.
func TestUplinkPacketBeyondItsGraceIsLate(t *testing.T) {
	for _, ownStamp := range []bool{true, false} {
		r := newEchoRig(Config{StampID: 1})
		r.row(100)
		r.send(true, false)
		r.row(75)
		at := rigTime(r.sent) + 25*time.Millisecond
		s := r.mirror.Reflect(100, at, at)
		if ownStamp {
			h := Header{SSRC: 9, SequenceNumber: 500 + uint16(s.Index)}
			r.e.Packet(at+30*time.Millisecond, at+30*time.Millisecond, h.AppendStamped(r.buffer[:0], 1, &s))
		}
		r.row(200)
		r.e.Finish(rigTime(r.sent))
		f := r.e.Total().Up
		if f.Lost != 1 || f.Late != 1 || f.Expected != int64(r.sent) {
			t.Errorf("own stamp %v: got %d of %d lost, %d late, want 1 of %d, 1", ownStamp, f.Lost, f.Expected, f.Late, r.sent)
		}
	}
}

// TestStaleStampIsNoProofOfLoss shows a stamp that came back far too late: a
// packet had not arrived when it was made, but has since.
func TestStaleStampIsNoProofOfLoss(t *testing.T) {
	for _, row := range []struct {
		name         string
		from, arrive int // the stale stamp is the first from here; when packet 100 arrives
		block        bool
	}{
		{"in its recent packets", 105, 126, false},
		{"in its history", 180, 200, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			u := newUplink(Config{StampID: 1, Grace: time.Second, Playout: Playout{}.withDefaults()})
			m := NewMirror(0)
			for q := range 300 {
				u.send(uint16(q), 0, int64(rigTime(q)))
			}
			var stale *Stamp
			var early, blind, telling []Stamp
			for q := range 300 {
				at := rigTime(q) + 30*time.Millisecond
				if q == row.arrive {
					m.Reflect(100, at-time.Millisecond, at)
				}
				if q == 100 {
					continue
				}
				s := m.Reflect(uint16(q), at, at)
				tells := s.Block%1024 == 1
				switch {
				case q < 105:
					early = append(early, s)
				case stale == nil && q >= row.from && tells == row.block:
					stale = &s
				case q >= 290 && tells:
					telling = append(telling, s)
				case q >= 290:
					blind = append(blind, s)
				}
			}
			take := func(stamps ...Stamp) {
				for i := range stamps {
					u.returned(int64(rigTime(400)), 0, 0, &stamps[i])
				}
			}
			take(early...)
			take(blind[0])
			u.evidence(stale, false)
			take(telling[0])
			u.finish()
			if f := u.total(); f.Late != 0 || f.Lost != 0 {
				t.Errorf("got %d lost, %d late, want none", f.Lost, f.Late)
			}
		})
	}
}

// TestLossAcrossACutIsCountedOnce loses ten packets, five on each side of the
// cut, in each direction in turn.
func TestLossAcrossACutIsCountedOnce(t *testing.T) {
	for _, up := range []bool{true, false} {
		r := newEchoRig(Config{StampID: 1})
		r.row(200)
		for i := range 10 {
			if i == 5 {
				r.e.Cut(rigTime(r.sent))
			}
			r.send(up, !up)
		}
		r.row(100)
		if _, ok := r.e.Closed(); !ok {
			t.Fatal("the window is not closed two seconds after its cut")
		}
		r.e.Finish(rigTime(r.sent))
		if up {
			second, _ := r.e.Closed()
			if second.Up.Lost != 5 || second.Up.Expected != 105 || second.Start != rigTime(205) {
				t.Errorf("second window: got %+v", second.Up)
			}
		}
		if total := r.e.Total(); total.Up.Lost+total.Down.Lost != 10 {
			t.Errorf("got %d and %d lost, want 10 in all", total.Up.Lost, total.Down.Lost)
		}
	}
}

func TestKinds(t *testing.T) {
	rows := []struct {
		name string
		play func(r *echoRig)
		want Kind
	}{
		{"nothing came back", func(*echoRig) {}, KindUnknown},
		{"sequence and timestamp are ours", func(r *echoRig) {
			for range 20 {
				r.reflect(false, uint32(r.sent*160))
			}
		}, KindReflector},
		{"our sequence with another timestamp is not told yet", func(r *echoRig) {
			for range 20 {
				r.reflect(false, 99)
			}
		}, KindUnknown},
		{"our payload under other headers", func(r *echoRig) {
			for range 20 {
				r.reflect(false, 99+uint32(r.sent*160))
			}
			r.e.Content(Content{Checked: 20, Intact: 19})
		}, KindRebuilder},
		{"our audio in another payload", func(r *echoRig) {
			for range 20 {
				r.reflect(false, 99+uint32(r.sent*160))
			}
			r.e.Content(Content{Checked: 20, Intact: 2, Reshaped: 9})
		}, KindTranscoder},
		{"audio that is not ours", func(r *echoRig) {
			for range 20 {
				r.reflect(false, 99+uint32(r.sent*160))
			}
			r.e.Content(Content{Checked: 20, Reshaped: 3})
		}, KindUnknown},
		{"our headers around audio that is not ours", func(r *echoRig) {
			for range 20 {
				r.reflect(false, uint32(r.sent*160))
			}
			r.e.Content(Content{Checked: 20})
		}, KindReflector},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := newEchoRig(Config{})
			row.play(r)
			if got := r.e.Kind(); got != row.want {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}

func TestDeparturesOfTheLast1024PacketsAreKnown(t *testing.T) {
	r := newEchoRig(Config{})
	if _, ok := r.e.Departed(0); ok {
		t.Error("a packet is known before any was sent")
	}
	var left []time.Duration
	for range 1500 {
		left = append(left, rigTime(r.sent))
		r.reflect(false, 0)
	}
	for _, before := range []int64{0, 1, 500, 1023} {
		if got, ok := r.e.Departed(before); !ok || got != left[len(left)-1-int(before)] {
			t.Errorf("%d before the last: got %v, %v want %v", before, got, ok, left[len(left)-1-int(before)])
		}
	}
	for _, before := range []int64{-1, 1024, 2000} {
		if got, ok := r.e.Departed(before); ok {
			t.Errorf("%d before the last: got %v, want it unknown", before, got)
		}
	}
}

// TestReflectorTellsDirectionsByReports loses 6 packets up and 4 down, which
// come back as 10 gaps (I31).
func TestReflectorTellsDirectionsByReports(t *testing.T) {
	play := func(reports bool) (Summary, Window) {
		r := newEchoRig(Config{OwnSSRC: 77})
		for range 200 {
			r.reflect(r.sent >= 50 && r.sent < 60, uint32(r.sent*160))
		}
		if reports {
			r.e.RTCP(rigTime(200), []rtcp.Packet{&rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{
				{SSRC: 77, LastSequenceNumber: 199, TotalLost: 6, Jitter: 16},
			}}})
		}
		r.e.Finish(rigTime(300))
		w, ok := r.e.Closed()
		if !ok {
			t.Fatal("no window after the end")
		}
		return r.e.Total(), *w
	}
	s, w := play(true)
	for name, f := range map[string][2]Figures{"call": {s.Up, s.Down}, "window": {w.Up, w.Down}} {
		up, down := f[0], f[1]
		if up.Evidence != EvidenceRTCP || up.Lost != 6 || up.Expected != 200 || up.Jitter.Last != 2*time.Millisecond {
			t.Errorf("%s uplink: got %+v", name, up)
		}
		if down.Evidence != EvidenceRTCP || down.Lost != 4 || down.Received != 190 {
			t.Errorf("%s downlink: got %+v", name, down)
		}
	}
	if q := s.RoundTrip.RTT; q.Count != 190 || q.P50 != rigTrip || s.RoundTrip.Returned != 190 || s.RoundTrip.Sent != 200 {
		t.Errorf("got round trip %+v", s.RoundTrip)
	}
	s, _ = play(false)
	if s.Up.Evidence != EvidenceNone || s.Down.Evidence != EvidenceNone {
		t.Errorf("without reports: got %v and %v, want none", s.Up.Evidence, s.Down.Evidence)
	}
}

// TestReportsByWindow gives cumulative losses of 3, 5 and -1 (signed, 24
// bits); a window's loss is the difference, not the sum.
func TestReportsByWindow(t *testing.T) {
	r := newEchoRig(Config{OwnSSRC: 77})
	for i, lost := range []uint32{3, 5, 0xffffff} {
		for range 100 {
			r.reflect(false, 99+uint32(r.sent*160))
		}
		at := rigTime(r.sent)
		r.e.RTCP(at, []rtcp.Packet{&rtcp.SenderReport{SSRC: 9, Reports: []rtcp.ReceptionReport{
			{SSRC: 77, LastSequenceNumber: uint32(i*100 + 99), TotalLost: lost, Jitter: uint32(8 * (i + 1))},
		}}})
		r.e.Cut(at)
	}
	r.e.Finish(rigTime(r.sent + 100))
	for i, want := range []int64{3, 2, 0} {
		w, ok := r.e.Closed()
		if !ok || w.Up.Evidence != EvidenceRTCP || w.Up.Lost != want || w.Up.Expected != 100 {
			t.Errorf("window %d: got %+v, want %d of 100 lost", i, w.Up, want)
		}
		if j := time.Duration(i+1) * time.Millisecond; w.Up.Jitter.Last != j {
			t.Errorf("window %d: got jitter %v, want %v", i, w.Up.Jitter.Last, j)
		}
	}
	if w, ok := r.e.Closed(); !ok || w.Up.Evidence != EvidenceNone {
		t.Errorf("a window without a report: got %+v", w.Up)
	}
}

func TestRoundTripByReports(t *testing.T) {
	r := newEchoRig(Config{OwnSSRC: 77})
	r.reflect(false, 0)
	const ntp = 0xaabbccdd_11223344
	r.e.SentReport(5*time.Second, ntp)
	r.e.RTCP(5*time.Second+350*time.Millisecond, []rtcp.Packet{&rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{
		{SSRC: 77, LastSenderReport: 0xccdd1122, Delay: 65536 / 4},
	}}})
	if got := r.e.Total().ReportRTT; got != 100*time.Millisecond {
		t.Errorf("got %v, want 100ms", got)
	}
	r.e.RTCP(6*time.Second, []rtcp.Packet{&rtcp.SenderReport{SSRC: 9, NTPTime: ntp}})
	report, ok := r.e.ReceptionReport(6*time.Second + 500*time.Millisecond)
	if !ok || report.LastSenderReport != 0xccdd1122 || report.Delay != 32768 {
		t.Errorf("got %+v, want LSR ccdd1122 and half a second", report)
	}
}

func TestVoIPMetrics(t *testing.T) {
	r := newEchoRig(Config{StampID: 1, Playout: FixedPlayout(60 * time.Millisecond)})
	for q := range 400 {
		r.send(false, q >= 100 && q < 110 || q == 300)
	}
	r.e.Finish(rigTime(500))
	want := rtcp.VoIPMetricsReportBlock{
		SSRC: 9, LossRate: 7, BurstDensity: 255, GapDensity: 0, BurstDuration: 200, GapDuration: 3900,
		RoundTripDelay: 60, SignalLevel: 127, NoiseLevel: 127, RERL: 127, Gmin: 16, RFactor: 127, ExtRFactor: 127,
		MOSLQ: 127, MOSCQ: 127, RXConfig: 0x20, JBNominal: 60, JBMaximum: 60, JBAbsMax: 60,
	}
	if got := r.e.VoIPMetrics(); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestSelf(t *testing.T) {
	e := NewEcho(Config{})
	for i := range 100 {
		slot := rigTime(i)
		left := slot + time.Duration(i+1)*time.Millisecond
		e.Sent(uint16(i), 0, slot, left-SendStall)
		e.Left(slot, left-SendStall, left)
		e.Packet(slot, slot+500*time.Microsecond, nil)
	}
	e.Missed(3)
	got := e.Total()
	if got.Self.Sent != 100 || got.Self.SlotsMissed != 3 || got.Self.SendStalls != 0 || got.Down.Malformed != 100 {
		t.Errorf("got %+v", got.Self)
	}
	if q := got.Self.SendLate; q.Max != 100*time.Millisecond || !near(float64(q.P99), 99e6, 99e6/64) {
		t.Errorf("got lateness %+v", q)
	}
	if q := got.Self.ReceiveWake; q.Count != 100 || q.P50 != 500*time.Microsecond {
		t.Errorf("got wake-up %+v", q)
	}
}

// shifted plays an echo that returns packets under numbers of its own. gaps says
// whether it leaves a gap where the uplink lost something, as Janus does. The
// uplink loses packets 250 to 259 as far as up says, the downlink the others.
func shifted(gaps bool, up int) *echoRig {
	r := newEchoRig(Config{OwnSSRC: 77})
	number := uint16(0)
	for ; r.sent < 400; r.sent++ {
		at := rigTime(r.sent)
		r.e.Sent(uint16(r.sent+6000), uint32(r.sent*160), at, at)
		r.e.Left(at, at, at)
		lost := r.sent - 250
		lostUp, lostDown := lost >= 0 && lost < up, lost >= up && lost < 10
		if !lostUp || gaps {
			number++
		}
		if lostUp || lostDown {
			continue
		}
		h := Header{SSRC: 9, SequenceNumber: number, Timestamp: uint32(number) * 160}
		a := r.e.Packet(at+rigTrip, at+rigTrip, h.AppendTo(r.buffer[:0]))
		r.e.Answered(int64(r.sent), &a)
	}
	r.e.Content(Content{Checked: 390, Intact: 390})
	return r
}

func TestAnEchoMayHaveABaseOfItsOwn(t *testing.T) {
	for _, row := range []struct {
		name             string
		gaps             bool
		up               int // packets that the uplink lost, of the ten that are missing
		reports          bool
		upLost, downLost int64
		down             Evidence
	}{
		{"gaps of both directions as gaps, with reports", true, 6, true, 6, 4, EvidenceRTCP},
		{"gaps of both directions as gaps, without reports", true, 6, false, 0, 10, EvidenceNone},
		{"only the downlink loses, with reports", true, 0, true, 0, 10, EvidenceSequence},
		{"an echo that closes the gaps of the uplink", false, 6, true, 6, 4, EvidenceSequence},
		{"an echo that closes them, without reports", false, 6, false, 0, 4, EvidenceSequence},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := shifted(row.gaps, row.up)
			if row.reports {
				r.e.RTCP(rigTime(400), []rtcp.Packet{&rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{
					{SSRC: 77, LastSequenceNumber: 6399, TotalLost: uint32(row.up)},
				}}})
			}
			r.e.Finish(rigTime(500))
			s := r.e.Total()
			if s.Kind != KindRebuilder || s.Up.Lost != row.upLost || s.Down.Lost != row.downLost || s.Down.Evidence != row.down {
				t.Errorf("got %v, %d lost up, %d down by %v; want a rebuilder, %d and %d by %v",
					s.Kind, s.Up.Lost, s.Down.Lost, s.Down.Evidence, row.upLost, row.downLost, row.down)
			}
			// Journeys are timed while the shift is known: but for eight packets each time.
			if q := s.RoundTrip.RTT; q.Count < 390-3*kindEvidence || q.Min != rigTrip || q.Max != rigTrip {
				t.Errorf("got round trips %+v, want nearly 390 of %v", q, rigTrip)
			}
		})
	}
}

func TestAnsweredDoesNotAllocate(t *testing.T) {
	r := newEchoRig(Config{})
	r.reflect(false, 7)
	a := Arrival{Seq: 3, Timestamp: 4}
	if n := testing.AllocsPerRun(100, func() { r.e.Answered(0, &a) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
