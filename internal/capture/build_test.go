package capture

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// frame is a packet of a capture that a test makes.
type frame struct {
	at   time.Duration
	data []byte
}

// testEpoch is where the captures of the tests begin.
var testEpoch = time.Unix(1_700_000_000, 0)

var (
	here4  = netip.MustParseAddrPort("192.0.2.1:20000")
	there4 = netip.MustParseAddrPort("198.51.100.2:30000")
	here6  = netip.MustParseAddrPort("[2001:db8::1]:20000")
	there6 = netip.MustParseAddrPort("[2001:db8::2]:30000")
)

// rtpPacket is an RTP packet with a payload of n bytes.
func rtpPacket(payloadType uint8, sequence uint16, timestamp, ssrc uint32, n int) []byte {
	b := make([]byte, 12+n)
	b[0], b[1] = 0x80, payloadType
	binary.BigEndian.PutUint16(b[2:], sequence)
	binary.BigEndian.PutUint32(b[4:], timestamp)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	return b
}

// serialize lets gopacket write the layers one after the other.
func serialize(t testing.TB, parts ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, parts...)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// ipUDP is a UDP packet with its IP header, of the version of the addresses.
func ipUDP(t testing.TB, from, to netip.AddrPort, payload []byte) []byte {
	t.Helper()
	udp := &layers.UDP{SrcPort: layers.UDPPort(from.Port()), DstPort: layers.UDPPort(to.Port())}
	ip := ipHeader(from, to)
	if err := udp.SetNetworkLayerForChecksum(ip.(gopacket.NetworkLayer)); err != nil {
		t.Fatal(err)
	}
	return serialize(t, ip, udp, gopacket.Payload(payload))
}

func ipHeader(from, to netip.AddrPort) gopacket.SerializableLayer {
	if from.Addr().Is4() {
		return &layers.IPv4{
			Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP,
			SrcIP: net.IP(from.Addr().AsSlice()), DstIP: net.IP(to.Addr().AsSlice()),
		}
	}
	return &layers.IPv6{
		Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP,
		SrcIP: net.IP(from.Addr().AsSlice()), DstIP: net.IP(to.Addr().AsSlice()),
	}
}

// etherHeader is an Ethernet header for the IP version of b.
func etherHeader(b []byte) *layers.Ethernet {
	kind := layers.EthernetTypeIPv4
	if b[0]>>4 == 6 {
		kind = layers.EthernetTypeIPv6
	}
	return &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, EthernetType: kind}
}

// onEthernet puts an Ethernet header before an IP packet.
func onEthernet(t testing.TB, ip []byte) []byte {
	t.Helper()
	return serialize(t, etherHeader(ip), gopacket.Payload(ip))
}

// stream of count packets of G.711, one every 20 ms.
func voice(t testing.TB, from, to netip.AddrPort, ssrc uint32, count int) []frame {
	t.Helper()
	var frames []frame
	for i := range count {
		b := rtpPacket(0, uint16(1000+i), uint32(5000+160*i), ssrc, 160)
		frames = append(frames, frame{time.Duration(i) * 20 * time.Millisecond, onEthernet(t, ipUDP(t, from, to, b))})
	}
	return frames
}

// pcapOf writes a capture with gopacket's writer (nanoseconds).
func pcapOf(t testing.TB, link layers.LinkType, frames []frame) []byte {
	t.Helper()
	var b bytes.Buffer
	w := pcapgo.NewWriterNanos(&b)
	if err := w.WriteFileHeader(65535, link); err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		ci := gopacket.CaptureInfo{Timestamp: testEpoch.Add(f.at), CaptureLength: len(f.data), Length: len(f.data)}
		if err := w.WritePacket(ci, f.data); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// analyze reads a capture that must be whole.
func analyze(t testing.TB, capture []byte, o Options) *Report {
	t.Helper()
	r, err := Analyze(bytes.NewReader(capture), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sums checks that every packet of the capture is accounted for once.
func sums(t *testing.T, f *File) {
	t.Helper()
	sum := f.RTP + f.Stray + f.RTCP + f.OtherUDP + f.OtherIP + f.NotIP + f.Fragments + f.TooShort + f.Undecodable
	if sum != f.Packets {
		t.Errorf("the parts of %+v add up to %d packets", *f, sum)
	}
}
