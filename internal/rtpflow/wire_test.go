package rtpflow

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pion/rtp"
)

// againstPion holds Parse and FindExtension against pion/rtp on one datagram.
func againstPion(t *testing.T, raw []byte) {
	t.Helper()
	var h Header
	payload, extension, ok := h.Parse(raw)
	var p rtp.Packet
	err := p.Unmarshal(raw)
	if err == nil && p.Version != 2 {
		if ok {
			t.Fatalf("version %d was taken", p.Version)
		}
		return
	}
	if err != nil {
		// pion also refuses a packet for the inside of its extension, which
		// is no reason to lose the packet.
		if ok && extension == nil {
			t.Fatalf("% x: got a packet, pion says %v", raw, err)
		}
		return
	}
	if !ok {
		t.Fatalf("% x: got none, pion took it", raw)
	}
	want := Header{SSRC: p.SSRC, Timestamp: p.Timestamp, SequenceNumber: p.SequenceNumber, PayloadType: p.PayloadType, Marker: p.Marker}
	if h != want || !bytes.Equal(payload, p.Payload) {
		t.Fatalf("% x: got %+v with %d bytes, want %+v with %d", raw, h, len(payload), want, len(p.Payload))
	}
	if p.ExtensionProfile != profileOneByte && p.ExtensionProfile != profileTwoByte {
		return
	}
	for id := 1; id < 256; id++ {
		if got, want := FindExtension(extension, uint8(id)), p.GetExtension(uint8(id)); !bytes.Equal(got, want) {
			t.Fatalf("% x: extension %d: got % x, want % x", raw, id, got, want)
		}
	}
}

func randomPacket(rng *rand.Rand) []byte {
	p := rtp.Packet{Header: rtp.Header{
		Version: 2, Marker: rng.IntN(2) == 0, PayloadType: uint8(rng.IntN(128)),
		SequenceNumber: uint16(rng.Uint32()), Timestamp: rng.Uint32(), SSRC: rng.Uint32(),
	}, Payload: make([]byte, rng.IntN(40))}
	for range rng.IntN(4) {
		p.CSRC = append(p.CSRC, rng.Uint32())
	}
	for range rng.IntN(4) {
		_ = p.SetExtension(uint8(1+rng.IntN(14)), make([]byte, 1+rng.IntN(30)))
	}
	if rng.IntN(3) == 0 {
		p.Header.Padding = true
		p.Header.PaddingSize = byte(1 + rng.IntN(20))
	}
	raw, err := p.Marshal()
	if err != nil {
		return []byte{0x80}
	}
	return raw
}

func TestHeaderAgainstPion(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20000 {
		raw := randomPacket(rng)
		againstPion(t, raw)
		raw = raw[:rng.IntN(len(raw)+1)]
		if len(raw) > 0 && rng.IntN(2) == 0 {
			raw[rng.IntN(len(raw))] = byte(rng.Uint32())
		}
		againstPion(t, raw)
	}
}

func TestStampedHeaderReadsBackThroughPion(t *testing.T) {
	s := Stamp{Index: 0x01020304, Sequence: 5, Highest: 6, Arrival: 1<<48 - 2, Hold: time.Millisecond,
		Duplicates: 7, Recent: 1<<63 | 1, Block: 8, Reordered: 9, History: 0xf0f0f0f0f0f0f0f0}
	h := Header{SSRC: 1, Timestamp: 2, SequenceNumber: 3, PayloadType: 111, Marker: true}
	raw := append(h.AppendStamped(nil, 5, &s), "payload"...)
	if len(raw) != StampedHeaderSize+7 {
		t.Errorf("got %d bytes, want %d", len(raw), StampedHeaderSize+7)
	}
	var p rtp.Packet
	if err := p.Unmarshal(raw); err != nil {
		t.Fatal(err)
	}
	data := p.GetExtension(5)
	want := []byte{
		1, 2, 3, 4, 0, 5, 0, 6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0, 7, 0, 0x0f, 0x42, 0x40,
		0x80, 0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 9, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0,
	}
	if !bytes.Equal(data, want) || string(p.Payload) != "payload" || !p.Marker || p.PayloadType != 111 {
		t.Errorf("got % x, %+v\nwant % x", data, p.Header, want)
	}
	var got Stamp
	if !got.Unmarshal(data) || got != s {
		t.Errorf("got %+v, want %+v", got, s)
	}
	if got.Unmarshal(data[:39]) {
		t.Error("39 bytes were taken for a stamp")
	}
}

func FuzzReceiver(f *testing.F) {
	rng := rand.New(rand.NewPCG(3, 3))
	for range 20 {
		f.Add(append(randomPacket(rng), randomPacket(rng)...), uint8(rng.IntN(60)))
	}
	s := NewMirror(0).Reflect(1, 2, 3)
	f.Add(Header{SequenceNumber: 9}.AppendStamped(nil, 1, &s), uint8(60))
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		againstPion(t, data)
		e := NewEcho(Config{StampID: 1})
		r := NewReceiver(Config{Events: PayloadTypes(101)})
		var at time.Duration
		chunk := int(size) + 1
		for i := range 40 {
			e.Sent(uint16(i), uint32(i*160), at, at)
			e.Left(at, at, at)
		}
		for n := 0; len(data) > 0; n++ {
			part := data[:min(chunk, len(data))]
			data = data[len(part):]
			at += time.Duration(part[0]) * time.Millisecond
			e.Packet(at, at, part)
			a := r.Packet(at, part)
			if a.Class == Malformed && len(a.Payload) > 0 {
				t.Fatal("malformed with a payload")
			}
			if n%7 == 0 {
				e.Cut(at)
				r.Cut(at)
			}
		}
		e.Finish(at)
		r.Finish(at)
		up, down, own := e.Total().Up, e.Total().Down, r.Total()
		for _, f := range []Figures{up, down, own} {
			if f.Expected != f.Received+f.Lost || f.Lost < 0 || f.Received < 0 || f.Discarded > f.Received {
				t.Fatalf("contradictory figures %+v", f)
			}
		}
		if up.Expected+up.Unknown != 40 {
			t.Fatalf("got %d+%d packets of 40", up.Expected, up.Unknown)
		}
		_ = r.VoIPMetrics()
		_, _ = r.ReceptionReport(at)
	})
}

func FuzzStamp(f *testing.F) {
	s := NewMirror(0).Reflect(1, 2, 3)
	f.Add(AppendStampExtension(nil, 3, &s), uint8(3))
	f.Add([]byte{0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0}, uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, id uint8) {
		var s, again Stamp
		if !s.Unmarshal(FindExtension(data, id)) {
			return
		}
		if !again.Unmarshal(s.AppendTo(nil)) || again != s {
			t.Fatalf("got %+v, want %+v", again, s)
		}
	})
}
