package capture

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

func readCapture(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestStreamsAgreeWithTshark holds every row of what tshark 4.0.17 says of the
// captures.
func TestStreamsAgreeWithTshark(t *testing.T) {
	rows, err := csv.NewReader(bytes.NewReader(readCapture(t, "tshark_streams.csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	expected := map[string]int{}
	for _, row := range rows[1:] {
		expected[row[column["file"]]]++
	}
	if len(expected) != 17 {
		t.Fatalf("got %d captures, want 17", len(expected))
	}
	for _, row := range rows[1:] {
		field := func(name string) string { return row[column[name]] }
		number := func(name string) float64 {
			x, err := strconv.ParseFloat(field(name), 64)
			if err != nil {
				t.Fatal(err)
			}
			return x
		}
		t.Run(field("file")+" "+field("ssrc"), func(t *testing.T) {
			r := analyze(t, readCapture(t, field("file")), Options{})
			sums(t, &r.File)
			if len(r.Streams) != expected[field("file")] {
				t.Errorf("got %d streams, want %d", len(r.Streams), expected[field("file")])
			}
			for _, s := range r.Streams {
				if s.SSRCHex != "0x"+field("ssrc") {
					continue
				}
				got := fmt.Sprint(s.Source, " ", s.Destination, " ", s.Packets, " ", s.Lost)
				want := fmt.Sprint(field("src"), " ", field("dst"), " ", field("pkts"), " ", field("lost"))
				if got != want {
					t.Errorf("got %s want %s", got, want)
				}
				if got, want := *s.JitterMax*1000, number("max_jitter_ms"); math.Abs(got-want) > 0.001 {
					t.Errorf("maximum jitter: got %.4f ms want %.4f ms", got, want)
				}
				// What is left out of tshark's mean is not in the mean of the
				// reference program, nor in ours; see the reference's README.
				if mean := number("mean_jitter_ms"); mean == number("ref_mean_jitter_ms") {
					if got := *s.JitterMean * 1000; math.Abs(got-mean) > 0.02*mean+0.001 {
						t.Errorf("mean jitter: got %.4f ms want %.4f ms", got, mean)
					}
				}
				return
			}
			t.Errorf("stream %s not found", field("ssrc"))
		})
	}
}

// TestStreamsAgreeWithTheTruth holds what the captures were made of.
func TestStreamsAgreeWithTheTruth(t *testing.T) {
	var truth map[string]struct {
		Packets    int64
		Lost       int64
		LostUnique int64 `json:"lost_unique"`
		Duplicates int64
		Reordered  int64
	}
	if err := json.Unmarshal(readCapture(t, "pcaps/ground_truth.json"), &truth); err != nil {
		t.Fatal(err)
	}
	if len(truth) != 17 {
		t.Fatalf("got %d captures, want 17", len(truth))
	}
	for name, want := range truth {
		t.Run(name, func(t *testing.T) {
			want.Lost += want.LostUnique
			if name == "syn17_very_late.pcap" {
				want.Lost = 1 // it came after 3.7 s: nobody heard it
			}
			r := analyze(t, readCapture(t, "pcaps/"+name), Options{})
			got := want
			got.Packets, got.Lost, got.LostUnique, got.Duplicates, got.Reordered = 0, 0, want.LostUnique, 0, 0
			for _, s := range r.Streams {
				got.Packets += s.Packets
				got.Lost += s.Missing
				got.Duplicates += s.Duplicated
				got.Reordered += s.Reordered
			}
			if got != want {
				t.Errorf("got %+v want %+v", got, want)
			}
		})
	}
}

// TestFormatsSayTheSame writes each capture in other formats: the streams must
// not differ.
func TestFormatsSayTheSame(t *testing.T) {
	names, err := filepath.Glob("testdata/pcaps/*.pcap")
	if err != nil || len(names) != 17 {
		t.Fatalf("got %d captures, %v", len(names), err)
	}
	for _, name := range names {
		original := readCapture(t, "pcaps/"+filepath.Base(name))
		want := analyze(t, original, Options{})
		formats := map[string][]byte{
			"pcap, big endian": swapPcap(original, 1),
			"pcap, big endian, nanoseconds, half a microsecond later": swapPcap(original, 1000),
			"pcap in gzip":              zip(t, original),
			"pcapng":                    rewriteNg(t, original, 9),
			"pcapng in gzip":            zip(t, rewriteNg(t, original, 9)),
			"pcapng in microseconds":    rewriteNg(t, original, 6),
			"Ethernet with VLAN":        reframe(t, original, layers.LinkTypeEthernet, 12, 12, []byte{0x81, 0x00, 0x20, 0x05}),
			"Ethernet with QinQ":        reframe(t, original, layers.LinkTypeEthernet, 12, 12, []byte{0x88, 0xa8, 0, 9, 0x81, 0, 0, 5}),
			"Linux cooked":              reframe(t, original, layers.LinkTypeLinuxSLL, 0, 14, []byte{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0}),
			"Linux cooked v2":           reframe(t, original, layers.LinkTypeLinuxSLL2, 0, 14, []byte{8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0}),
			"raw IP":                    reframe(t, original, layers.LinkTypeRaw, 0, 14, nil),
			"raw IP as BSD numbers it":  reframe(t, original, linkRawBSD, 0, 14, nil),
			"raw IP as OpenBSD has it":  reframe(t, original, linkRawOpenBSD, 0, 14, nil),
			"raw IPv4":                  reframe(t, original, layers.LinkTypeIPv4, 0, 14, nil),
			"loopback, little endian":   reframe(t, original, layers.LinkTypeNull, 0, 14, []byte{2, 0, 0, 0}),
			"loopback, big endian":      reframe(t, original, layers.LinkTypeNull, 0, 14, []byte{0, 0, 0, 2}),
			"loopback of OpenBSD":       reframe(t, original, layers.LinkTypeLoop, 0, 14, []byte{0, 0, 0, 2}),
			"packets cut after 60 byte": snap(t, original, 60),
		}
		for format, data := range formats {
			t.Run(filepath.Base(name)+" as "+format, func(t *testing.T) {
				got := analyze(t, data, Options{})
				if !reflect.DeepEqual(got.Streams, want.Streams) {
					t.Errorf("got %+v\nwant %+v", got.Streams, want.Streams)
				}
			})
		}
	}
}

// swapPcap makes a big-endian capture of a little-endian one in microseconds,
// with times multiplied, and a magic number to match.
func swapPcap(original []byte, factor uint32) []byte {
	out := append([]byte{}, original...)
	little, big := binary.LittleEndian, binary.BigEndian
	swap := func(at int) { big.PutUint32(out[at:], little.Uint32(original[at:])) }
	magic := uint32(0xa1b2c3d4)
	if factor == 1000 {
		magic = 0xa1b23c4d
	}
	big.PutUint32(out, magic)
	big.PutUint16(out[4:], 2)
	big.PutUint16(out[6:], 4)
	for at := 8; at < 24; at += 4 {
		swap(at)
	}
	for at := 24; at < len(out); {
		size := int(little.Uint32(original[at+8:]))
		for i := range 4 {
			swap(at + 4*i)
		}
		sub := little.Uint32(original[at+4:]) * factor
		if factor == 1000 {
			sub += 500
		}
		big.PutUint32(out[at+4:], sub)
		at += 16 + size
	}
	return out
}

func zip(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// framesOf reads a capture with gopacket.
func framesOf(t *testing.T, data []byte) (frames []gopacket.CaptureInfo, bytesOf [][]byte) {
	t.Helper()
	r, err := pcapgo.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for {
		b, ci, err := r.ReadPacketData()
		if err != nil {
			return frames, bytesOf
		}
		frames, bytesOf = append(frames, ci), append(bytesOf, b)
	}
}

func rewriteNg(t *testing.T, original []byte, resolution uint8) []byte {
	t.Helper()
	var b bytes.Buffer
	iface := pcapgo.DefaultNgInterface
	iface.LinkType, iface.TimestampResolution = layers.LinkTypeEthernet, pcapgo.NgResolution(resolution)
	w, err := pcapgo.NewNgWriterInterface(&b, iface, pcapgo.DefaultNgWriterOptions)
	if err != nil {
		t.Fatal(err)
	}
	infos, data := framesOf(t, original)
	for i := range infos {
		infos[i].InterfaceIndex = 0
		if err := w.WritePacket(infos[i], data[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// reframe puts head in the place of the bytes from..to of each packet.
func reframe(t *testing.T, original []byte, link layers.LinkType, from, to int, head []byte) []byte {
	t.Helper()
	var frames []frame
	infos, data := framesOf(t, original)
	for i, b := range data {
		b = append(append(append([]byte{}, b[:from]...), head...), b[to:]...)
		frames = append(frames, frame{infos[i].Timestamp.Sub(testEpoch), b})
	}
	return pcapOf(t, link, frames)
}

func snap(t *testing.T, original []byte, size int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	if err := w.WriteFileHeader(uint32(size), layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	infos, data := framesOf(t, original)
	for i := range infos {
		infos[i].CaptureLength = min(size, infos[i].Length)
		if err := w.WritePacket(infos[i], data[i][:infos[i].CaptureLength]); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// TestSnapLength holds what is said of packets that were not captured whole.
func TestSnapLength(t *testing.T) {
	original := readCapture(t, "pcaps/syn01_clean.pcap")
	f := analyze(t, snap(t, original, 60), Options{}).File
	if f.Snapped != 300 || f.BytesCaptured != 300*60 || f.BytesOnWire != 300*74 || f.RTP != 300 {
		t.Errorf("got %+v", f)
	}
	f = analyze(t, snap(t, original, 50), Options{}).File
	if sums(t, &f); f.TooShort != 300 || f.RTP != 0 {
		t.Errorf("got %d packets too short, want 300: the RTP header ends at byte 54", f.TooShort)
	}
}

// TestFileFacts holds what is said of the capture itself.
func TestFileFacts(t *testing.T) {
	r := analyze(t, readCapture(t, "pcaps/syn01_clean.pcap"), Options{})
	started, took := "2023-11-14T22:13:20.000000Z", 299*20*time.Millisecond
	want := File{
		Format: "pcap", LinkTypes: []string{"Ethernet"}, Packets: 300, RTP: 300,
		BytesCaptured: 300 * 74, BytesOnWire: 300 * 74, Started: &started, Duration: seconds(took),
	}
	if !reflect.DeepEqual(r.File, want) {
		t.Errorf("got %+v want %+v", r.File, want)
	}
}
