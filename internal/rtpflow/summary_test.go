package rtpflow

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
)

// report sends what the echo of the rig would: a sender report and a summary.
func (r *echoRig) report(at time.Duration) {
	packets := []rtcp.Packet{&rtcp.SenderReport{SSRC: 9, PacketCount: r.mirror.Sent()}}
	if s := r.mirror.Summary(9); s != nil {
		packets = append(packets, s)
	}
	r.e.RTCP(at, packets)
	r.e.Tick(at)
}

func TestSummaryTellsTheUplinkWhenTheDownlinkIsDead(t *testing.T) {
	for name, row := range map[string]struct {
		first, lost int // packet at which the downlink dies; every how many the uplink loses one
	}{
		"from the first packet on":         {0, 7},
		"in mid-call":                      {130, 7},
		"in mid-call, beyond 64 packets":   {130, 3},
		"for the last packets of the call": {395, 5},
	} {
		t.Run(name, func(t *testing.T) {
			r := newEchoRig(Config{StampID: 1})
			wantLost := int64(0)
			for q := range 400 {
				lost := q%row.lost == 1
				if lost {
					wantLost++
				}
				r.send(lost, q >= row.first)
			}
			end := rigTime(r.sent)
			r.report(end + rigTrip)
			if r.e.Settled() {
				t.Error("settled while packets may still come")
			}
			for at := end + rigTrip; at <= end+3*time.Second; at += 200 * time.Millisecond {
				r.report(at)
			}
			if !r.e.Settled() {
				t.Error("not settled, though everything is told")
			}
			r.e.Finish(end + 3*time.Second)
			f := r.e.Total()
			if f.Up.Expected != 400 || f.Up.Lost != wantLost || f.Up.Unknown != 0 {
				t.Errorf("uplink: got %d expected, %d lost, %d unknown; want 400, %d, 0", f.Up.Expected, f.Up.Lost, f.Up.Unknown, wantLost)
			}
			if want := int64(r.mirror.Sent()); f.Down.Expected != want {
				t.Errorf("downlink: got %d expected, want %d", f.Down.Expected, want)
			}
			if want := int64(row.first) - lostBefore(row.first, row.lost); f.Down.Received != want {
				t.Errorf("downlink: got %d received, want %d", f.Down.Received, want)
			}
		})
	}
}

func lostBefore(n, every int) (lost int64) {
	for q := range n {
		if q%every == 1 {
			lost++
		}
	}
	return lost
}

// A stamp tells when its packet arrived, a summary only that it did.
func TestSummaryDoesNotOvertakeStamps(t *testing.T) {
	r := newEchoRig(Config{StampID: 1})
	r.row(50)
	r.send(false, true) // a gap on the way back: the stamps behind it wait
	r.row(20)
	r.report(rigTime(r.sent) + rigTrip)
	r.e.Tick(rigTime(r.sent) + 2*time.Second)
	r.e.Finish(rigTime(r.sent) + 2*time.Second)
	f := r.e.Total()
	if f.Up.Received != 71 || f.Up.Variation.Count != 70 {
		t.Errorf("got %d received with %d delay samples, want 71 with 70: all but the one whose stamp was lost", f.Up.Received, f.Up.Variation.Count)
	}
}

func TestSummaryThatIsNone(t *testing.T) {
	if s := NewMirror(0).Summary(9); s != nil {
		t.Errorf("got a summary of nothing: %+v", s)
	}
	r := newEchoRig(Config{StampID: 1})
	r.row(10)
	good := r.mirror.Summary(9)
	for name, bad := range map[string]*rtcp.ApplicationDefined{
		"another name": {Name: "NONE", Data: good.Data},
		"too short":    {Name: SummaryName, Data: good.Data[:len(good.Data)-8]},
		"empty":        {Name: SummaryName},
		"too long":     {Name: SummaryName, Data: append(good.Data[:len(good.Data):len(good.Data)], 0, 0, 0, 0)},
	} {
		if r.e.RTCP(0, []rtcp.Packet{bad}); r.e.summary.at != 0 {
			t.Errorf("%s: taken for a summary", name)
		}
	}
	raw, err := rtcp.Marshal([]rtcp.Packet{good})
	if err != nil {
		t.Fatal(err)
	}
	if back, err := rtcp.Unmarshal(raw); err != nil || len(back) != 1 {
		t.Errorf("does not survive the wire: %v", err)
	}
}

// A copy of the last packet that comes when everything seems to be over, and whose
// return is lost, is known from the echo's answer to the question.
func TestTheLastWordTellsOfALateCopy(t *testing.T) {
	r := newEchoRig(Config{StampID: 1, OwnSSRC: 7})
	r.row(98)
	r.send(false, true) // lost on the way back, so the summaries have to wait
	r.send(false, false)
	report := func(at time.Duration, answered uint64) {
		r.e.RTCP(at, []rtcp.Packet{
			&rtcp.SenderReport{SSRC: 9, PacketCount: r.mirror.Sent(), Reports: []rtcp.ReceptionReport{{
				SSRC: 7, LastSequenceNumber: uint32(r.sent - 1), LastSenderReport: uint32(answered >> 16),
			}}},
			r.mirror.Summary(9),
		})
	}
	end := rigTime(r.sent)
	report(end, 0) // from before the copy
	r.mirror.Reflect(uint16(r.sent-1), end+50*time.Millisecond, end+50*time.Millisecond)
	asked := end + 200*time.Millisecond
	if r.e.LastWord(asked) {
		t.Error("the last word, before the question")
	}
	r.e.SentReport(asked, 5<<16)
	report(asked+rigTrip, 5<<16)
	if r.e.LastWord(asked) || r.e.Settled() {
		t.Error("the last word, while what it says waits for what may still come back")
	}
	r.e.Tick(end + 3*time.Second)
	if !r.e.LastWord(asked) || r.e.LastWord(asked+1) || !r.e.Settled() {
		t.Error("not the last word, though the question is answered and the grace over")
	}
	got := r.e.Total()
	if got.Up.Duplicated != 1 || got.Up.Received != 100 || got.Down.Expected != 101 || got.Down.Lost != 2 {
		t.Errorf("got %d copies of %d up, %d of %d lost down, want 1 of 100, 2 of 101",
			got.Up.Duplicated, got.Up.Received, got.Down.Lost, got.Down.Expected)
	}
}
