package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

var payload = []byte("sixteen bytes...")

// describe writes what a walk found.
func describe(found outcome, d *datagram) string {
	if found != foundUDP {
		return fmt.Sprint("outcome ", found)
	}
	return fmt.Sprintf("%v -> %v, %q of %d", addrPort(d.source, d.sourcePort), addrPort(d.destination, d.destinationPort), d.payload, d.size)
}

func TestWalkFindsTheDatagram(t *testing.T) {
	v4, v6 := ipUDP(t, here4, there4, payload), ipUDP(t, here6, there6, payload)
	found4 := fmt.Sprintf("%v -> %v, %q of %d", here4, there4, payload, len(payload))
	found6 := fmt.Sprintf("%v -> %v, %q of %d", here6, there6, payload, len(payload))
	udp := v4[20:]
	ip6 := func(next layers.IPProtocol, rest ...[]byte) []byte {
		h := ipHeader(here6, there6).(*layers.IPv6)
		h.NextHeader = next
		return serialize(t, h, gopacket.Payload(bytes.Join(rest, nil)))
	}
	options := append(append([]byte{}, v4[:20]...), 1, 1, 1, 0)
	options[0] = 0x46
	binary.BigEndian.PutUint16(options[2:], uint16(len(v4)+4))
	options = append(options, udp...)
	flags := func(b []byte, place uint16) []byte {
		b = bytes.Clone(b)
		binary.BigEndian.PutUint16(b[6:], place)
		return b
	}
	change := func(b []byte, at int, to ...byte) []byte {
		b = bytes.Clone(b)
		copy(b[at:], to)
		return b
	}
	hopByHop := []byte{17, 0, 5, 2, 0, 0, 1, 0}
	routing := []byte{44, 2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	tests := []struct {
		name string
		link layers.LinkType
		data []byte
		want string
	}{
		{"Ethernet and IPv4", layers.LinkTypeEthernet, onEthernet(t, v4), found4},
		{"Ethernet and IPv6", layers.LinkTypeEthernet, onEthernet(t, v6), found6},
		{"padding of a short Ethernet frame is not payload", layers.LinkTypeEthernet, append(onEthernet(t, v4), 0, 0, 0, 0, 0, 0), found4},
		{"four VLAN tags", layers.LinkTypeEthernet, tagged(onEthernet(t, v4), 4), found4},
		{"five VLAN tags", layers.LinkTypeEthernet, tagged(onEthernet(t, v4), 5), "outcome 2"},
		{"PPPoE", layers.LinkTypeEthernet, pppoe(onEthernet(t, v6), 0x57), found6},
		{"PPPoE with something else in it", layers.LinkTypeEthernet, pppoe(onEthernet(t, v6), 0xc021), "outcome 2"},
		{"IPv4 options", layers.LinkTypeRaw, options, found4},
		{"IPv4 total length left to the network card", layers.LinkTypeRaw, change(v4, 2, 0, 0), found4},
		{"IPv6 payload length left to the network card", layers.LinkTypeRaw, change(v6, 4, 0, 0), found6},
		{"IPv6 hop-by-hop options", layers.LinkTypeRaw, ip6(0, hopByHop, udpOf(v6)), found6},
		{"IPv6 hop-by-hop, routing and first fragment", layers.LinkTypeRaw,
			ip6(0, change(hopByHop, 0, 43), routing, []byte{17, 0, 0, 1, 0, 0, 0, 9}, udpOf(v6)), found6},
		{"IPv6 authentication header", layers.LinkTypeRaw, ip6(51, append([]byte{17, 4}, make([]byte, 22)...), udpOf(v6)), found6},
		{"IPv6 in the loopback of FreeBSD", layers.LinkTypeNull, append([]byte{28, 0, 0, 0}, v6...), found6},
		{"IPv6 in the loopback of macOS", layers.LinkTypeNull, append([]byte{30, 0, 0, 0}, v6...), found6},
		{"another family on the loopback", layers.LinkTypeNull, append([]byte{7, 0, 0, 0}, v6...), "outcome 2"},
		{"a first fragment of IPv4", layers.LinkTypeRaw, flags(v4, 0x2000), found4},
		{"a later fragment of IPv4", layers.LinkTypeRaw, flags(v4, 0x2001), "outcome 4"},
		{"the last fragment of IPv4", layers.LinkTypeRaw, flags(v4, 0x0010), "outcome 4"},
		{"an IPv4 packet that must not be fragmented", layers.LinkTypeRaw, flags(v4, 0x4000), found4},
		{"a later fragment of IPv6", layers.LinkTypeRaw, ip6(44, []byte{17, 0, 0, 9, 0, 0, 0, 9}, udpOf(v6)), "outcome 4"},
		{"TCP", layers.LinkTypeRaw, change(v4, 9, 6), "outcome 3"},
		{"ICMPv6", layers.LinkTypeRaw, change(v6, 6, 58), "outcome 3"},
		{"ARP", layers.LinkTypeEthernet, change(onEthernet(t, v4), 12, 8, 6), "outcome 2"},
		{"IP version 5", layers.LinkTypeRaw, change(v4, 0, 0x55), "outcome 2"},
		{"an IPv4 header of 16 bytes", layers.LinkTypeRaw, change(v4, 0, 0x44), "outcome 6"},
		{"an IPv4 packet shorter than its header", layers.LinkTypeRaw, change(v4, 2, 0, 19), "outcome 6"},
		{"a UDP length that the packet does not hold", layers.LinkTypeRaw, change(v4, 24, 0, 200), "outcome 6"},
		{"a UDP length below its header", layers.LinkTypeRaw, change(v4, 24, 0, 7), "outcome 6"},
		{"an IPv6 extension longer than the packet", layers.LinkTypeRaw, ip6(0, change(hopByHop, 1, 200), udpOf(v6)), "outcome 6"},
		{"what lies behind the UDP length", layers.LinkTypeRaw, change(v4, 24, 0, 8+9),
			fmt.Sprintf("%v -> %v, %q of 9", here4, there4, payload[:9])},
		{"wireless frames", layers.LinkTypeIEEE802_11, v4, "outcome 1"},
		{"nothing", layers.LinkTypeRaw, nil, "outcome 5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var d datagram
			if got := describe(walk(tt.link, tt.data, &d), &d); got != tt.want {
				t.Errorf("got %s want %s", got, tt.want)
			}
		})
	}
}

func udpOf(ip6 []byte) []byte { return ip6[40:] }

func tagged(frame []byte, n int) []byte {
	out := bytes.Clone(frame[:12])
	for range n {
		out = append(out, 0x81, 0x00, 0, 7)
	}
	return append(out, frame[12:]...)
}

func pppoe(frame []byte, protocol uint16) []byte {
	out := append(bytes.Clone(frame[:12]), 0x88, 0x64, 0x11, 0, 0, 1, 0, 0)
	return append(binary.BigEndian.AppendUint16(out, protocol), frame[14:]...)
}

// TestWalkTakesWhatWasCaptured cuts frames at every length: what is missing is
// said to be missing, and no header is made up.
func TestWalkTakesWhatWasCaptured(t *testing.T) {
	for _, ip := range [][]byte{ipUDP(t, here4, there4, payload), ipUDP(t, here6, there6, payload)} {
		whole := onEthernet(t, ip)[:14+len(ip)] // without padding
		headers := len(whole) - len(payload)
		for n := range len(whole) + 1 {
			var d datagram
			found := walk(layers.LinkTypeEthernet, whole[:n], &d)
			switch {
			case n < headers && found != cutShort:
				t.Errorf("%d of %d bytes: got outcome %d want cut short", n, headers, found)
			case n >= headers && (found != foundUDP || len(d.payload) != n-headers || d.size != len(payload)):
				t.Errorf("%d bytes: got %s", n, describe(found, &d))
			}
		}
	}
}

// gopacketWalk does what walk does with gopacket's layers.
func gopacketWalk(link layers.LinkType, data []byte) (source, destination netip.AddrPort, payload []byte, ok bool) {
	p := gopacket.NewPacket(data, link, gopacket.NoCopy)
	udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
	if !ok || p.ErrorLayer() != nil {
		return source, destination, nil, false
	}
	ends := p.NetworkLayer().NetworkFlow()
	from, _ := netip.AddrFromSlice(ends.Src().Raw())
	to, _ := netip.AddrFromSlice(ends.Dst().Raw())
	return netip.AddrPortFrom(from.Unmap(), uint16(udp.SrcPort)), netip.AddrPortFrom(to.Unmap(), uint16(udp.DstPort)), udp.Payload, true
}

// FuzzWalk holds that the walk stays inside the frame, and that what gopacket
// decodes without a complaint is found with the same addresses and payload.
func FuzzWalk(f *testing.F) {
	for _, link := range []uint16{0, 1, 12, 14, 101, 108, 113, 228, 229, 276, 9999} {
		f.Add(link, ipUDP(f, here4, there4, payload))
		f.Add(link, onEthernet(f, ipUDP(f, here6, there6, payload)))
		f.Add(link, tagged(onEthernet(f, ipUDP(f, here4, there4, payload)), 2))
		f.Add(link, append([]byte{30, 0, 0, 0}, ipUDP(f, here6, there6, payload)...))
	}
	f.Fuzz(func(t *testing.T, number uint16, data []byte) {
		link := layers.LinkType(number)
		var d datagram
		found := walk(link, data, &d)
		if found == foundUDP {
			if len(d.payload) > d.size || len(d.payload) > len(data) || d.size > 0xffff-8 && link != layers.LinkTypeRaw && len(data) < 0xffff {
				t.Fatalf("%d bytes of %d in a frame of %d", len(d.payload), d.size, len(data))
			}
			var r record
			classify(&d, &r)
		}
		if link != layers.LinkTypeEthernet && link != layers.LinkTypeRaw {
			return
		}
		from, to, body, ok := gopacketWalk(link, data)
		if !ok || found != foundUDP || d.partial {
			return
		}
		if addrPort(d.source, d.sourcePort) != from || addrPort(d.destination, d.destinationPort) != to {
			t.Fatalf("got %s, gopacket has %v -> %v", describe(found, &d), from, to)
		}
		if !bytes.HasPrefix(d.payload, body) && !bytes.HasPrefix(body, d.payload) {
			t.Fatalf("got %s, gopacket has %q", describe(found, &d), body)
		}
	})
}

// TestWalkAgreesWithGopacket sends random datagrams through both.
func TestWalkAgreesWithGopacket(t *testing.T) {
	rng := random(1)
	for range 2000 {
		from, to := here4, there4
		if rng.IntN(2) == 0 {
			from, to = here6, there6
		}
		from = netip.AddrPortFrom(from.Addr(), uint16(1+rng.IntN(65535)))
		body := make([]byte, rng.IntN(60))
		for i := range body {
			body[i] = byte(rng.Uint32())
		}
		frame := onEthernet(t, ipUDP(t, from, to, body))
		if rng.IntN(3) == 0 {
			frame = tagged(frame, 1+rng.IntN(2))
		}
		var d datagram
		found := walk(layers.LinkTypeEthernet, frame, &d)
		source, destination, inside, ok := gopacketWalk(layers.LinkTypeEthernet, frame)
		if !ok {
			// gopacket reads what lies in well-known ports and may dislike it.
			source, destination, inside = from, to, body
		}
		want := fmt.Sprintf("%v -> %v, %q of %d", source, destination, inside, len(inside))
		if got := describe(found, &d); got != want {
			t.Fatalf("got %s want %s", got, want)
		}
	}
}
