package capture

import (
	"bytes"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

func captureInfo(f frame) gopacket.CaptureInfo {
	return gopacket.CaptureInfo{Timestamp: testEpoch.Add(f.at), CaptureLength: len(f.data), Length: len(f.data)}
}

// BenchmarkAnalyze reads a capture of one stream from memory, or of many.
func BenchmarkAnalyze(b *testing.B) {
	const packets = 20000
	for _, streams := range []int{1, 200} {
		b.Run(map[int]string{1: "OneStream", 200: "ManyStreams"}[streams], func(b *testing.B) {
			var frames []frame
			for i := range packets {
				raw := rtpPacket(0, uint16(i/streams), uint32(160*(i/streams)), uint32(100+i%streams), 160)
				at := time.Duration(i/streams)*20*time.Millisecond + time.Duration(i%streams)*time.Microsecond
				frames = append(frames, frame{at, onEthernet(b, ipUDP(b, here4, there4, raw))})
			}
			data := pcapOf(b, layers.LinkTypeEthernet, frames)
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				r, err := Analyze(bytes.NewReader(data), Options{})
				if err != nil || len(r.Streams) != streams || r.File.RTP != packets {
					b.Fatal(err, len(r.Streams))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/packets, "ns/packet")
		})
	}
}

// benchFrames are the frames that the walk and gopacket are compared on.
func benchFrames(b *testing.B) map[string][]byte {
	raw := rtpPacket(0, 1, 2, 3, 160)
	return map[string][]byte{
		"IPv4": onEthernet(b, ipUDP(b, here4, there4, raw)),
		"IPv6": onEthernet(b, ipUDP(b, here6, there6, raw)),
		"QinQ": tagged(onEthernet(b, ipUDP(b, here4, there4, raw)), 2),
	}
}

func BenchmarkWalk(b *testing.B) {
	for name, frame := range benchFrames(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var d datagram
			for b.Loop() {
				if walk(layers.LinkTypeEthernet, frame, &d) != foundUDP {
					b.Fatal("no UDP")
				}
			}
		})
	}
}

// BenchmarkDecodingLayerParser is gopacket's fast way to the same fields.
func BenchmarkDecodingLayerParser(b *testing.B) {
	for name, frame := range benchFrames(b) {
		b.Run(name, func(b *testing.B) {
			var (
				ethernet layers.Ethernet
				vlan     layers.Dot1Q
				ip4      layers.IPv4
				ip6      layers.IPv6
				udp      layers.UDP
				payload  gopacket.Payload
			)
			p := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &ethernet, &vlan, &ip4, &ip6, &udp, &payload)
			p.IgnoreUnsupported = true
			var found []gopacket.LayerType
			b.ReportAllocs()
			for b.Loop() {
				if err := p.DecodeLayers(frame, &found); err != nil || len(udp.Payload) != 172 {
					b.Fatal(err)
				}
			}
		})
	}
}
