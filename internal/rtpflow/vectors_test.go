package rtpflow

import (
	"encoding/json"
	"math"
	"os"
	"testing"
	"time"
)

func readJSON(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func near(a, b, by float64) bool { return math.Abs(a-b) <= by }

func TestBurstVectors(t *testing.T) {
	var vectors []struct {
		ID, Desc, Pattern string
		PtimeMS           int `json:"ptime_ms"`
		Gmin              int
		Want              struct {
			Expected, Lost, Discarded int64
			Count                     int64   `json:"burst_count"`
			Density                   float64 `json:"burst_density"`
			GapDensity                float64 `json:"gap_density"`
			BurstMS                   float64 `json:"burst_duration_ms"`
			GapMS                     float64 `json:"gap_duration_ms"`
		} `json:"rfc3611_definition"`
		BurstRatio struct {
			Runs *float64 `json:"BurstR_runs"`
		} `json:"burst_ratio"`
	}
	readJSON(t, "burst_vectors.json", &vectors)
	if len(vectors) != 26 {
		t.Fatalf("got %d vectors, want 26", len(vectors))
	}
	for _, v := range vectors {
		t.Run(v.ID+" "+v.Desc, func(t *testing.T) {
			if v.Gmin != Gmin {
				t.Fatalf("got Gmin %d, want %d", v.Gmin, Gmin)
			}
			frame := time.Duration(v.PtimeMS) * time.Millisecond
			var f flow
			f.open(Config{Frame: frame, Playout: FixedPlayout(40 * time.Millisecond)})
			for i, c := range v.Pattern {
				at := int64(i) * int64(frame)
				switch c {
				case '0':
					f.lose(1)
				case 'x':
					f.receive(at, int64(time.Second))
				default:
					f.receive(at, 0)
				}
			}
			// A discard needs a packet on time before it to be late against.
			got := f.total()
			if got.Expected != v.Want.Expected || got.Lost != v.Want.Lost || got.Discarded != v.Want.Discarded {
				t.Errorf("got expected %d lost %d discarded %d, want %d %d %d", got.Expected, got.Lost,
					got.Discarded, v.Want.Expected, v.Want.Lost, v.Want.Discarded)
			}
			b := got.Bursts
			if b.Count != v.Want.Count || !near(b.Density, v.Want.Density, 1e-9) || !near(b.GapDensity, v.Want.GapDensity, 1e-9) {
				t.Errorf("got %d bursts, density %v, gap density %v, want %d %v %v",
					b.Count, b.Density, b.GapDensity, v.Want.Count, v.Want.Density, v.Want.GapDensity)
			}
			if !near(b.Duration.Seconds()*1e3, v.Want.BurstMS, 1e-3) || !near(b.GapDuration.Seconds()*1e3, v.Want.GapMS, 1e-3) {
				t.Errorf("got burst %v, gap %v, want %v ms, %v ms", b.Duration, b.GapDuration, v.Want.BurstMS, v.Want.GapMS)
			}
			want := 1.0
			if v.BurstRatio.Runs != nil {
				want = *v.BurstRatio.Runs
			}
			if !near(b.BurstR, want, 1e-9) {
				t.Errorf("got BurstR %v, want %v", b.BurstR, want)
			}
		})
	}
}

type sequenceVector struct {
	ID, Desc string
	Seqs     json.RawMessage
	Text     sequenceView `json:"text_mod16"`
	Ours     sequenceView `json:"no_probation"`
}

type sequenceView struct {
	Accepted    int64
	Received    uint32
	BaseSeq     uint16 `json:"base_seq"`
	ExtMax      int64  `json:"ext_max"`
	Expected    int64
	Lost        int64
	Fraction    uint8  `json:"fraction_lost_q8"`
	Cumulative  int32  `json:"cumulative_lost"`
	Hex         string `json:"cumulative_lost_24bit_hex"`
	OnProbation bool   `json:"on_probation"`
	Resyncs     int
}

func (v *sequenceVector) sequences(t *testing.T) []uint16 {
	t.Helper()
	var list []uint16
	if json.Unmarshal(v.Seqs, &list) == nil {
		return list
	}
	var row struct{ From, Count int }
	if err := json.Unmarshal(v.Seqs, &row); err != nil {
		t.Fatal(err)
	}
	for i := range row.Count {
		list = append(list, uint16(row.From+i))
	}
	return list
}

func sequenceVectors(t *testing.T) []sequenceVector {
	t.Helper()
	var vectors []sequenceVector
	readJSON(t, "seq_vectors.json", &vectors)
	if len(vectors) != 18 {
		t.Fatalf("got %d vectors, want 18", len(vectors))
	}
	return vectors
}

// TestSequenceVectorsRTCP holds the RTCP view against RFC 3550, A.1 and A.3.
func TestSequenceVectorsRTCP(t *testing.T) {
	for _, v := range sequenceVectors(t) {
		t.Run(v.ID+" "+v.Desc, func(t *testing.T) {
			r := NewReceiver(Config{})
			for i, seq := range v.sequences(t) {
				r.Packet(time.Duration(i)*DefaultFrame, Header{SequenceNumber: seq, Timestamp: uint32(i) * 160, SSRC: 9}.AppendTo(nil))
			}
			r.catchUp()
			s := &r.source
			got := sequenceView{
				Accepted: v.Text.Accepted, Received: s.received, BaseSeq: s.base, ExtMax: int64(s.extendedMax()),
				Expected: int64(s.expected()), Lost: int64(s.expected()) - int64(s.received), Cumulative: s.lost(),
				OnProbation: s.probation > 0, Resyncs: s.resyncs,
			}
			report, ok := r.ReceptionReport(time.Hour)
			if !ok {
				t.Fatal("got no report")
			}
			got.Fraction = report.FractionLost
			got.Hex = hex24(report.TotalLost)
			if got != v.Text {
				t.Errorf("got  %+v\nwant %+v", got, v.Text)
			}
			if report.TotalLost > 0xffffff {
				t.Errorf("got cumulative lost %x, want 24 bits", report.TotalLost)
			}
			if int64(report.LastSequenceNumber) != v.Text.ExtMax {
				t.Errorf("got highest %d, want %d", report.LastSequenceNumber, v.Text.ExtMax)
			}
		})
	}
}

func hex24(x uint32) string {
	const digits = "0123456789abcdef"
	var s [6]byte
	for i := range s {
		s[i] = digits[x>>(20-4*i)&15]
	}
	return string(s[:])
}

// TestSequenceVectorsOwn holds our own count against the vectors that do not
// restart: it begins with the first packet, and duplicates neither raise what
// was received nor hide a loss.
func TestSequenceVectorsOwn(t *testing.T) {
	type figures struct{ expected, lost, duplicated, late, restarts int64 }
	special := map[string]figures{
		"S06": {100, 0, 1, 0, 0}, "S07": {100, 0, 3, 0, 0}, "S08": {100, 1, 1, 0, 0},
		"S10": {150, 0, 0, 0, 1}, "S11": {250, 0, 1, 0, 0}, "S12": {250, 0, 1, 0, 0},
		"S13": {100, 0, 0, 0, 1}, "S14": {50, 0, 0, 1, 0},
	}
	for _, v := range sequenceVectors(t) {
		t.Run(v.ID+" "+v.Desc, func(t *testing.T) {
			r := NewReceiver(Config{})
			sequences := v.sequences(t)
			var last Arrival
			for i, seq := range sequences {
				a := r.Packet(time.Duration(i)*DefaultFrame, Header{SequenceNumber: seq, Timestamp: uint32(i) * 160, SSRC: 9}.AppendTo(nil))
				if a.Class == InOrder {
					last = a
				}
			}
			r.Finish(time.Hour)
			f := r.Total()
			want, ok := special[v.ID]
			if !ok {
				want = figures{expected: v.Ours.Expected, lost: v.Ours.Lost}
			}
			got := figures{f.Expected, f.Lost, f.Duplicated, f.Late, int64(f.Restarts)}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if uint16(last.Seq) != uint16(v.Ours.ExtMax) || !ok && last.Seq != v.Ours.ExtMax {
				t.Errorf("got extended sequence %d, want %d", last.Seq, v.Ours.ExtMax)
			}
		})
	}
}

func TestJitterVectors(t *testing.T) {
	var vectors []struct {
		ID, Desc string
		Clock    uint32
		Arrivals []float64 `json:"arrivals_s"`
		RTP      []uint32  `json:"rtp_ts"`
		JitterMS []float64 `json:"jitter_ms"`
		Units    []uint32  `json:"jitter_rtp_units_int"`
	}
	readJSON(t, "jitter_vectors.json", &vectors)
	if len(vectors) != 14 {
		t.Fatalf("got %d vectors, want 14", len(vectors))
	}
	for _, v := range vectors {
		t.Run(v.ID+" "+v.Desc, func(t *testing.T) {
			r := NewReceiver(Config{ClockRate: v.Clock})
			for i, s := range v.Arrivals {
				at := time.Duration(math.Round(s * 1e9))
				r.Packet(at, Header{SequenceNumber: uint16(i), Timestamp: v.RTP[i], SSRC: 9}.AppendTo(nil))
				if i == 0 {
					continue
				}
				r.catchUp()
				if got, want := float64(r.plain.j)/16e6, v.JitterMS[i-1]; !near(got, want, 2e-6) {
					t.Errorf("packet %d: got jitter %v ms, want %v", i, got, want)
				}
				report, _ := r.ReceptionReport(at)
				if report.Jitter != v.Units[i-1] {
					t.Errorf("packet %d: got %d units, want %d", i, report.Jitter, v.Units[i-1])
				}
			}
			r.Finish(time.Hour)
			highest := 0.0
			for _, j := range v.JitterMS {
				highest = max(highest, j)
			}
			switch got := r.Total(); v.ID {
			case "J09":
				if got.Jitter.Max != 0 || got.Discontinuities != 1 {
					t.Errorf("timestamp jump: got jitter %v, %d discontinuities, want 0 and 1", got.Jitter.Max, got.Discontinuities)
				}
			case "J14":
				if got.Jitter.Max != 0 {
					t.Errorf("event: got jitter %v, want 0", got.Jitter.Max)
				}
			default:
				if !near(got.Jitter.Max.Seconds()*1e3, highest, 2e-6) {
					t.Errorf("got own jitter %v, want %v ms", got.Jitter.Max, highest)
				}
			}
		})
	}
}
