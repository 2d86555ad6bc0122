package rtpflow

import (
	"encoding/binary"
	"encoding/csv"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

type captured struct {
	at  time.Duration
	raw []byte
}

// readPcap reads UDP payloads from a little-endian microsecond pcap of
// Ethernet and IPv4.
func readPcap(t *testing.T, name string) []captured {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if binary.LittleEndian.Uint32(data) != 0xa1b2c3d4 || binary.LittleEndian.Uint32(data[20:]) != 1 {
		t.Fatalf("%s: not a pcap of Ethernet", name)
	}
	var packets []captured
	for data = data[24:]; len(data) > 0; {
		seconds, micros := binary.LittleEndian.Uint32(data), binary.LittleEndian.Uint32(data[4:])
		size := binary.LittleEndian.Uint32(data[8:])
		frame := data[16 : 16+size]
		data = data[16+size:]
		ip := frame[14:]
		at := time.Duration(seconds)*time.Second + time.Duration(micros)*time.Microsecond
		packets = append(packets, captured{at - 1700000000*time.Second, ip[int(ip[0]&15)*4+8:]})
	}
	return packets
}

// TestCapturesAgreeWithTshark holds the capture view against tshark 4.0.17.
func TestCapturesAgreeWithTshark(t *testing.T) {
	file, err := os.Open("testdata/tshark_streams.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	files := map[string]bool{}
	for _, row := range rows[1:] {
		field := func(name string) string { return row[column[name]] }
		files[field("file")] = true
		t.Run(field("file")+" "+field("ssrc"), func(t *testing.T) {
			ssrc, err := strconv.ParseUint(field("ssrc"), 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			r := NewReceiver(Config{SSRC: uint32(ssrc), Events: PayloadTypes(101)})
			for _, p := range readPcap(t, "testdata/"+field("file")) {
				r.Packet(p.at, p.raw)
			}
			r.Finish(time.Hour)
			got := r.Capture()
			packets, _ := strconv.ParseInt(field("pkts"), 10, 64)
			lost, _ := strconv.ParseInt(field("lost"), 10, 64)
			highest, _ := strconv.ParseFloat(field("max_jitter_ms"), 64)
			if got.Packets != packets || got.Lost != lost {
				t.Errorf("got %d packets, %d lost, want %d, %d", got.Packets, got.Lost, packets, lost)
			}
			if !near(got.JitterMax.Seconds()*1e3, highest, 0.001) {
				t.Errorf("got maximum jitter %v, want %v ms", got.JitterMax, highest)
			}
		})
	}
	if len(files) != 17 {
		t.Errorf("got %d captures, want 17", len(files))
	}
}

// TestCapturesGroundTruth holds our own figures against what the captures
// were made of.
func TestCapturesGroundTruth(t *testing.T) {
	var truth map[string]struct {
		Packets    int64
		Lost       *int64
		LostUnique *int64 `json:"lost_unique"`
		Duplicates int64
		Reordered  int64
		Pattern    string
	}
	readJSON(t, "pcaps/ground_truth.json", &truth)
	special := map[string]func(t *testing.T, f Figures){
		"syn09_ssrc_change.pcap": func(t *testing.T, f Figures) {
			if f.Restarts != 1 || f.Jitter.Max > 10*time.Microsecond {
				t.Errorf("got %d restarts, jitter %v, want 1 and none", f.Restarts, f.Jitter.Max)
			}
		},
		"syn10_ts_jump.pcap": func(t *testing.T, f Figures) {
			if f.Discontinuities != 1 || f.Jitter.Max > 10*time.Microsecond || f.Variation.Max > 10*time.Microsecond {
				t.Errorf("got %d discontinuities, jitter %v, variation %v", f.Discontinuities, f.Jitter.Max, f.Variation.Max)
			}
		},
		"syn11_seq_jump.pcap": func(t *testing.T, f Figures) {
			if f.Restarts != 1 || f.Lost != 0 || f.Expected != 300 {
				t.Errorf("got %d restarts, %d of %d lost, want 1, 0 of 300", f.Restarts, f.Lost, f.Expected)
			}
		},
		"syn12_dtmf.pcap": func(t *testing.T, f Figures) {
			if f.Jitter.Max > 10*time.Microsecond {
				t.Errorf("got jitter %v from an event, want none", f.Jitter.Max)
			}
		},
		"syn13_drift.pcap": func(t *testing.T, f Figures) {
			if f.Variation.Max > 2100*time.Microsecond || f.Discarded != 0 {
				t.Errorf("got variation up to %v, want 10 s at 200 ppm, 2 ms", f.Variation.Max)
			}
		},
		"syn16_outage.pcap": func(t *testing.T, f Figures) {
			if f.Bursts.Count != 1 || f.Bursts.Duration != 600*time.Millisecond || f.Bursts.Density != 1 {
				t.Errorf("got %+v, want one burst of 600 ms", f.Bursts)
			}
		},
		"syn17_very_late.pcap": func(t *testing.T, f Figures) {
			if f.Late != 1 || f.Lost != 1 || f.Reordered != 0 {
				t.Errorf("got %d late, %d lost, %d reordered, want 1, 1, 0", f.Late, f.Lost, f.Reordered)
			}
		},
	}
	for name, want := range truth {
		t.Run(name, func(t *testing.T) {
			r := NewReceiver(Config{})
			for _, p := range readPcap(t, "testdata/pcaps/"+name) {
				r.Packet(p.at, p.raw)
			}
			r.Finish(time.Hour)
			f := r.Total()
			var lost int64
			switch {
			case want.LostUnique != nil:
				lost = *want.LostUnique
			case want.Lost != nil:
				lost = *want.Lost
			}
			if !strings.HasPrefix(name, "syn17") && (f.Lost != lost || f.Reordered != want.Reordered) {
				t.Errorf("got %d lost, %d reordered, want %d, %d", f.Lost, f.Reordered, lost, want.Reordered)
			}
			if f.Duplicated != want.Duplicates {
				t.Errorf("got %d duplicates, want %d", f.Duplicated, want.Duplicates)
			}
			if got := f.Received + f.Duplicated + f.Late; got != want.Packets {
				t.Errorf("got %d packets in all, want %d", got, want.Packets)
			}
			if want.Pattern != "" {
				var m burstMachine
				for i, c := range want.Pattern {
					if c == '0' {
						m.hit(int64(i), 1)
					}
				}
				if got := m.figures(int64(len(want.Pattern)), DefaultFrame); f.Bursts != got {
					t.Errorf("got %+v, want %+v", f.Bursts, got)
				}
			}
			if check := special[name]; check != nil {
				check(t, f)
			}
		})
	}
}
