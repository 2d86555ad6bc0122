package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// TestTruncatedAtEveryByte cuts captures anywhere. What comes before the cut is
// reported, and the error names the record that is not whole.
func TestTruncatedAtEveryByte(t *testing.T) {
	frames := voice(t, here4, there4, 7, 12)
	record := 16 + len(frames[0].data)
	whole := pcapOf(t, layers.LinkTypeEthernet, frames)
	for n := range len(whole) {
		r, err := Analyze(bytes.NewReader(whole[:n]), Options{Ports: []uint16{20000}})
		if n < 24 {
			if r != nil || !errors.Is(err, ErrFormat) && !errors.Is(err, ErrEmpty) {
				t.Fatalf("%d bytes: got %v, %v, want no report and an error of format", n, r, err)
			}
			continue
		}
		packets, rest := int64(n-24)/int64(record), (n-24)%record
		if r == nil || r.File.Packets != packets || r.File.RTP != packets {
			t.Fatalf("%d bytes: got %+v, want %d packets", n, r, packets)
		}
		var want error
		if rest != 0 {
			want = &DamageError{Packet: packets + 1, Offset: int64(24 + int(packets)*record), Truncated: true}
		}
		var got *DamageError
		if errors.As(err, &got) {
			got.Err = nil
			err = got
		}
		if !reflect.DeepEqual(err, want) {
			t.Fatalf("%d bytes: got %v want %v", n, err, want)
		}
	}
}

// TestTruncatedPcapng does so for pcapng, whose blocks have no fixed places.
func TestTruncatedPcapng(t *testing.T) {
	whole := ngCapture(t, nil)
	ends := ngBlocks(whole)
	for n := 4; n < len(whole); n++ {
		r, err := Analyze(bytes.NewReader(whole[:n]), Options{Ports: []uint16{20000}})
		var packets, start, inside int64
		for _, e := range ends {
			if e.end <= n {
				start = int64(e.end)
				if e.kind == 6 {
					packets++
				}
			}
		}
		inside = int64(n) - start
		if r == nil {
			if n >= ends[0].end || !errors.Is(err, ErrFormat) {
				t.Fatalf("%d bytes: got no report, %v", n, err)
			}
			continue
		}
		if r.File.Packets != packets || (err != nil) != (inside > 0) {
			t.Fatalf("%d bytes: got %d packets, %v; want %d, %d bytes of the next block", n, r.File.Packets, err, packets, inside)
		}
		var damage *DamageError
		if inside > 0 && (!errors.As(err, &damage) || !damage.Truncated || damage.Packet != packets+1) {
			t.Fatalf("%d bytes: got %v", n, err)
		}
	}
}

type block struct {
	kind uint32
	end  int
}

// ngBlocks lists the blocks of a little-endian pcapng.
func ngBlocks(data []byte) (blocks []block) {
	for at := 0; at < len(data); {
		kind := binary.LittleEndian.Uint32(data[at:])
		at += int(binary.LittleEndian.Uint32(data[at+4:]))
		blocks = append(blocks, block{kind, at})
	}
	return blocks
}

// ngCapture is a pcapng of twelve packets on two interfaces of different link
// types; statistics, if any, go to the end.
func ngCapture(t *testing.T, dropped []uint64) []byte {
	t.Helper()
	var b bytes.Buffer
	ethernet, raw := pcapgo.DefaultNgInterface, pcapgo.DefaultNgInterface
	ethernet.LinkType, raw.LinkType = layers.LinkTypeEthernet, layers.LinkTypeRaw
	w, err := pcapgo.NewNgWriterInterface(&b, ethernet, pcapgo.DefaultNgWriterOptions)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.AddInterface(raw); err != nil {
		t.Fatal(err)
	}
	for i, f := range voice(t, here4, there4, 7, 12) {
		data := f.data
		if i%2 == 1 {
			data = data[14:]
		}
		ci := gopacket.CaptureInfo{Timestamp: testEpoch.Add(f.at), CaptureLength: len(data), Length: len(data), InterfaceIndex: i % 2}
		if err := w.WritePacket(ci, data); err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range dropped {
		s := pcapgo.NgInterfaceStatistics{LastUpdate: testEpoch, PacketsReceived: 12, PacketsDropped: n}
		if err := w.WriteInterfaceStats(i, s); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestInterfacesOfPcapng(t *testing.T) {
	one := ngCapture(t, []uint64{3, 4})
	two := ngCapture(t, []uint64{10})
	r := analyze(t, append(bytes.Clone(one), two...), Options{})
	if got := strings.Join(r.File.LinkTypes, "+"); got != "Ethernet+raw IP" {
		t.Errorf("got link types %s", got)
	}
	if r.File.Dropped == nil || *r.File.Dropped != 17 || !strings.Contains(strings.Join(r.Notes, ""), "dropped 17 packets") {
		t.Errorf("got dropped %v, notes %q, want 3 + 4 + 10", r.File.Dropped, r.Notes)
	}
	if r.File.Packets != 24 || len(r.Streams) != 1 || r.Streams[0].Duplicated != 12 {
		t.Errorf("got %d packets, streams %+v, want both sections as one stream", r.File.Packets, r.Streams)
	}
	if r := analyze(t, ngCapture(t, nil), Options{}); r.File.Dropped != nil {
		t.Errorf("got %d dropped where nothing says so, want unknown", *r.File.Dropped)
	}
}

func TestDamagedCaptures(t *testing.T) {
	frames := voice(t, here4, there4, 7, 12)
	record := 16 + len(frames[0].data)
	whole := pcapOf(t, layers.LinkTypeEthernet, frames)
	at := 24 + 8*record
	damage := func(offset int, value uint32) []byte {
		b := bytes.Clone(whole)
		binary.LittleEndian.PutUint32(b[offset:], value)
		return b
	}
	ng := ngCapture(t, nil)
	third := ngBlocks(ng)[4].end // section, two interfaces, two packets
	ngBad := bytes.Clone(ng)
	binary.LittleEndian.PutUint32(ngBad[third+8:], 9) // interface
	tests := []struct {
		name    string
		data    []byte
		packets int64
		want    string
	}{
		{"a record longer than any can be", damage(at+8, 1<<30), 8, "damaged: packet 9 at byte 1864: "},
		{"a record longer than its packet was", damage(at+12, 10), 8, "damaged: packet 9 at byte 1864: "},
		{"a record that reaches beyond the file", damage(24+11*record+8, 0xe0), 11, "damaged: packet 12 at byte 2554: "},
		{"both lengths beyond the file", twice(damage(24+11*record+8, 0x1000), 24+11*record+12, 0x1000), 11,
			"truncated: the capture ends inside packet 12, which begins at byte 2554"},
		{"a pcapng packet of an interface that does not exist", ngBad, 2, "damaged: packet 3 at byte "},
		{"gzip that breaks off", zip(t, whole)[:len(zip(t, whole))-60], -1, "of the uncompressed data"},
		{"gzip with a wrong check sum", twice(zip(t, whole), len(zip(t, whole))-8, 0), 12, "damaged: packet 13 at byte 2784 of the uncompressed data: gzip: invalid checksum"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Analyze(bytes.NewReader(tt.data), Options{Ports: []uint16{20000}})
			var damage *DamageError
			if !errors.As(err, &damage) || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v want %s", err, tt.want)
			}
			if r == nil || tt.packets >= 0 && r.File.Packets != tt.packets || r.File.Damage != err.Error() || r.File.Packets+1 != damage.Packet {
				t.Errorf("got %+v, want %d packets", r, tt.packets)
			}
		})
	}
}

func twice(b []byte, at int, value uint32) []byte {
	b = bytes.Clone(b)
	binary.LittleEndian.PutUint32(b[at:], value)
	return b
}

func TestWhatIsNoCapture(t *testing.T) {
	reading := errors.New("disk on fire")
	tests := []struct {
		name string
		in   io.Reader
		is   error
		want string
	}{
		{"nothing", strings.NewReader(""), ErrEmpty, "empty"},
		{"three bytes", strings.NewReader("abc"), ErrFormat, "it has 3 bytes"},
		{"text", strings.NewReader("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n"), ErrFormat, "begins with 76 3d 30 0d"},
		{"text in gzip", bytes.NewReader(zip(t, []byte("hello world"))), ErrFormat, "begins with 68 65 6c 6c"},
		{"nothing in gzip", bytes.NewReader(zip(t, nil)), ErrEmpty, "empty"},
		{"a broken gzip header", strings.NewReader("\x1f\x8b\x08"), ErrFormat, "gzip"},
		{"another version of pcap", bytes.NewReader(append([]byte{0xd4, 0xc3, 0xb2, 0xa1, 9, 0, 4, 0}, make([]byte, 16)...)), ErrFormat, "pcap header"},
		{"a file header that breaks off", bytes.NewReader([]byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0}), ErrFormat, "after 8 bytes"},
		{"a reader that fails", iotest.ErrReader(reading), reading, "disk on fire"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Analyze(tt.in, Options{})
			if r != nil || !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v want %s", r, err, tt.want)
			}
		})
	}
}

// TestSimplePacketsHaveNoTime holds that loss is counted and nothing is said of
// time in a pcapng whose packets carry none.
func TestSimplePacketsHaveNoTime(t *testing.T) {
	whole := ngCapture(t, nil)
	head := whole[:ngBlocks(whole)[1].end] // section and the Ethernet interface
	data := bytes.Clone(head)
	for i, f := range voice(t, here4, there4, 7, 40) {
		if i == 20 {
			continue
		}
		padded := (len(f.data) + 3) &^ 3
		data = binary.LittleEndian.AppendUint32(data, 3)
		data = binary.LittleEndian.AppendUint32(data, uint32(16+padded))
		data = binary.LittleEndian.AppendUint32(data, uint32(len(f.data)))
		data = append(append(data, f.data...), make([]byte, padded-len(f.data))...)
		data = binary.LittleEndian.AppendUint32(data, uint32(16+padded))
	}
	r := analyze(t, data, Options{})
	if len(r.Streams) != 1 || r.File.Untimed != 39 || r.File.Started != nil || r.File.Duration != nil {
		t.Fatalf("got %d streams, %+v", len(r.Streams), r.File)
	}
	s := r.Streams[0]
	if s.Missing != 1 || s.Expected != 40 || s.Lost != 1 {
		t.Errorf("got %d of %d missing, %d lost, want 1 of 40, 1", s.Missing, s.Expected, s.Lost)
	}
	if s.JitterMax != nil || s.JitterMean != nil || s.Jitter != nil || s.Variation != nil || s.Discarded != nil || s.Duration != nil ||
		s.Rate != nil || s.Score != nil || s.ScoreReason == nil {
		t.Errorf("got %+v, want nothing that needs time", s)
	}
}

// TestTimeThatGoesBack is counted, and does no harm.
func TestTimeThatGoesBack(t *testing.T) {
	frames := voice(t, here4, there4, 7, 100)
	for i := 50; i < 100; i++ {
		frames[i].at -= time.Hour
	}
	r := analyze(t, pcapOf(t, layers.LinkTypeEthernet, frames), Options{})
	if r.File.Backwards != 1 || r.Streams[0].Missing != 0 || r.Streams[0].Packets != 100 {
		t.Errorf("got %d back in time, %+v", r.File.Backwards, r.Streams[0])
	}
	if want := "2023-11-14T21:13:21.000000Z"; *r.File.Started != want {
		t.Errorf("got start %s want %s", *r.File.Started, want)
	}
}

// FuzzAnalyze holds that no input makes the reader panic, take memory that it
// does not fill, or lose count of packets.
func FuzzAnalyze(f *testing.F) {
	frames := voice(f, here4, there4, 7, 6)
	f.Add(pcapOf(f, layers.LinkTypeEthernet, frames))
	f.Add(pcapOf(f, layers.LinkTypeNull, frames))
	f.Add([]byte("\x0a\x0d\x0d\x0a\x1c\x00\x00\x00\x4d\x3c\x2b\x1a\x01\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x1c\x00\x00\x00"))
	f.Add([]byte("\x1f\x8b\x08"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Analyze(bytes.NewReader(data), Options{MaxStreams: 4})
		var damage *DamageError
		if (r == nil) != (err != nil && !errors.As(err, &damage)) {
			t.Fatalf("got report %v with error %v", r != nil, err)
		}
		if r == nil {
			return
		}
		sums(t, &r.File)
		if err := errors.Join(r.WriteText(io.Discard), r.WriteJSON(io.Discard)); err != nil {
			t.Fatal(err)
		}
	})
}
