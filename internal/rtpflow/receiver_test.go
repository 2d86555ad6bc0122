package rtpflow

import (
	"testing"
	"time"
)

func plainPacket(i int) []byte {
	return Header{SequenceNumber: uint16(i), Timestamp: uint32(i * 160), SSRC: 1}.AppendTo(nil)
}

func TestGraceEndsOnTheInstant(t *testing.T) {
	for _, row := range []struct {
		name string
		wait time.Duration
		want Class
		lost int64
	}{
		{"a nanosecond before the grace is over a packet is reordered", time.Second - 1, Reordered, 0},
		{"when the grace is over a packet is late", time.Second, Late, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := NewReceiver(Config{})
			r.Packet(0, plainPacket(0))
			noticed := 40 * time.Millisecond
			r.Packet(noticed, plainPacket(2))
			if got := r.Packet(noticed+row.wait, plainPacket(1)).Class; got != row.want {
				t.Errorf("got %v, want %v", got, row.want)
			}
			if got := r.Packet(noticed+row.wait, plainPacket(1)).Class; got != Duplicate {
				t.Errorf("its second copy: got %v, want duplicate", got)
			}
			r.Finish(time.Minute)
			if f := r.Total(); f.Lost != row.lost || f.Expected != 3 || f.Duplicated != 1 {
				t.Errorf("got %+v", f)
			}
		})
	}
}

func TestPayloadTypesOfTheLockedSourceShareOneRow(t *testing.T) {
	r := NewReceiver(Config{Accept: PayloadTypes(0)})
	send := func(i int, payloadType uint8, ssrc uint32) Class {
		h := Header{SequenceNumber: uint16(i), Timestamp: uint32(i * 160), SSRC: ssrc, PayloadType: payloadType}
		return r.Packet(rigTime(i), h.AppendTo(nil)).Class
	}
	if got := send(0, 13, 1); got != Foreign {
		t.Errorf("a type that is not accepted began the stream: %v", got)
	}
	for i, payloadType := range []uint8{0, 0, 13, 0} {
		if got := send(i+1, payloadType, 1); got != InOrder {
			t.Errorf("packet %d: got %v, want in order", i, got)
		}
	}
	r.Finish(time.Second)
	if f := r.Total(); f.Lost != 0 || f.Expected != 4 || f.Foreign != 1 {
		t.Errorf("got %+v", f)
	}
}

func TestSilenceIsNotLoss(t *testing.T) {
	r := NewReceiver(Config{})
	at, stamp := time.Duration(0), uint32(1<<32-8000)
	for i := range 200 {
		r.Packet(at, Header{SequenceNumber: uint16(i), Timestamp: stamp, SSRC: 1}.AppendTo(nil))
		step := 1
		if i%40 == 39 {
			step = 60
		}
		at += time.Duration(step) * DefaultFrame
		stamp += uint32(step) * 160
	}
	r.Finish(at)
	f := r.Total()
	if f.Lost != 0 || f.Expected != 200 || f.Jitter.Max != 0 || f.Discontinuities != 0 || f.Variation.Max != 0 {
		t.Errorf("got %+v", f)
	}
}

// TestSourceThatStepsBackALittle goes back by 500 sequence numbers while its
// media goes on: after three packets that contradict their place the row is
// taken up anew.
func TestSourceThatStepsBackALittle(t *testing.T) {
	r := NewReceiver(Config{})
	for i := range 1000 {
		r.Packet(rigTime(i), plainPacket(i))
	}
	for i := 1000; i < 1200; i++ {
		h := Header{SequenceNumber: uint16(i - 500), Timestamp: uint32(i * 160), SSRC: 1}
		r.Packet(rigTime(i), h.AppendTo(nil))
	}
	r.Finish(rigTime(1200))
	if f := r.Total(); f.Restarts != 1 || f.Duplicated != 3 || f.Expected != 1197 || f.Lost != 0 {
		t.Errorf("got %d restarts, %d duplicates, %d expected, %d lost, want 1, 3, 1197, 0", f.Restarts, f.Duplicated, f.Expected, f.Lost)
	}
}

func TestPacketFromBeforeARestartedRowIsLate(t *testing.T) {
	r := NewReceiver(Config{})
	for i := range 100 {
		r.Packet(rigTime(i), plainPacket(i))
	}
	send := func(i int) Class {
		h := Header{SequenceNumber: uint16(30000 + i), Timestamp: uint32(i * 160), SSRC: 2}
		return r.Packet(rigTime(100+i), h.AppendTo(nil)).Class
	}
	for i, want := range []Class{Foreign, InOrder, InOrder} {
		if got := send(10 + i); got != want {
			t.Errorf("packet %d: got %v, want %v", i, got, want)
		}
	}
	if got := send(9); got != Late {
		t.Errorf("got %v, want late", got)
	}
	r.Finish(time.Minute)
	if f := r.Total(); f.Restarts != 1 || f.Expected != 103 || f.Foreign != 0 || f.Late != 1 || f.Duplicated != 0 {
		t.Errorf("got %+v", f)
	}
}

func TestARowOfDuplicatesIsNoRestart(t *testing.T) {
	r := NewReceiver(Config{})
	for i := range 100 {
		r.Packet(rigTime(i), plainPacket(i))
	}
	for i := 80; i < 100; i++ {
		r.Packet(rigTime(100), plainPacket(i))
	}
	for i := 100; i < 200; i++ {
		r.Packet(rigTime(i), plainPacket(i))
	}
	r.Finish(rigTime(200))
	if f := r.Total(); f.Restarts != 0 || f.Duplicated != 20 || f.Expected != 200 {
		t.Errorf("got %d restarts, %d duplicates, %d expected", f.Restarts, f.Duplicated, f.Expected)
	}
}

// TestALongOutageIsLossAndAJumpIsNot goes ahead by 5000 sequence numbers, once
// after the 100 s that they last and once at once.
func TestALongOutageIsLossAndAJumpIsNot(t *testing.T) {
	for _, outage := range []bool{true, false} {
		r := NewReceiver(Config{})
		for i := range 10 {
			r.Packet(rigTime(i), plainPacket(i))
		}
		for i := 10; i < 20; i++ {
			at := rigTime(i)
			if outage {
				at += rigTime(5000)
			}
			r.Packet(at, plainPacket(i+5000))
		}
		r.Finish(time.Hour)
		f := r.Total()
		if outage && (f.Lost != 5000 || f.Restarts != 0 || f.Bursts.Count != 1 || f.Bursts.Duration != 100*time.Second) {
			t.Errorf("outage: got %d lost, %d restarts, %+v", f.Lost, f.Restarts, f.Bursts)
		}
		if !outage && (f.Lost != 0 || f.Restarts != 1 || f.Expected != 20) {
			t.Errorf("jump: got %d lost, %d restarts, %d expected", f.Lost, f.Restarts, f.Expected)
		}
	}
}

func TestFixedPlayoutDiscardsWhatIsLaterThanItsDepth(t *testing.T) {
	r := NewReceiver(Config{Playout: FixedPlayout(40 * time.Millisecond)})
	late := map[int]time.Duration{50: 40 * time.Millisecond, 60: 40*time.Millisecond + 1, 70: 90 * time.Millisecond}
	var calls []oracleCall
	for i := range 100 {
		calls = append(calls, oracleCall{at: rigTime(i) + late[i], packet: &oraclePacket{place: int64(i)}})
	}
	sortCalls(calls)
	for _, c := range calls {
		r.Packet(c.at, plainPacket(int(c.packet.place)))
	}
	r.Finish(time.Minute)
	if f := r.Total(); f.Discarded != 2 || f.Lost != 0 || f.Playout.Mean != 40*time.Millisecond || f.Bursts.Count != 1 {
		t.Errorf("got %d discarded, depth %v, %+v", f.Discarded, f.Playout.Mean, f.Bursts)
	}
}

func TestFrameIsLearnt(t *testing.T) {
	r := NewReceiver(Config{ClockRate: 48000})
	for i := range 100 {
		if i >= 40 && i < 50 {
			continue
		}
		h := Header{SequenceNumber: uint16(i), Timestamp: uint32(i * 480), SSRC: 1}
		r.Packet(time.Duration(i)*10*time.Millisecond, h.AppendTo(nil))
	}
	r.Finish(time.Minute)
	if got := r.Total().Bursts.Duration; got != 100*time.Millisecond {
		t.Errorf("got a burst of %v, want 100ms", got)
	}
}

func TestSequenceNumbersExtend(t *testing.T) {
	r := NewReceiver(Config{})
	var a Arrival
	for i := range 200000 {
		a = r.Packet(rigTime(i), plainPacket(i))
	}
	if a.Seq != 199999 || a.Timestamp != 199999*160 {
		t.Errorf("got %d, %d, want 199999, %d", a.Seq, a.Timestamp, 199999*160)
	}
}

// TestReportsLeaveTheFirstPacketOut begins at sequence number 0, where a
// source's probation is easily skipped (RFC 3550, A.1: 99 of 100).
func TestReportsLeaveTheFirstPacketOut(t *testing.T) {
	r := NewReceiver(Config{})
	if _, ok := r.ReceptionReport(0); ok {
		t.Error("got a report with no packet")
	}
	for i := range 100 {
		r.Packet(rigTime(i), plainPacket(i))
	}
	r.catchUp()
	if r.source.received != 99 || r.source.base != 1 || r.source.lost() != 0 {
		t.Errorf("got %d from %d, want 99 from 1", r.source.received, r.source.base)
	}
}
