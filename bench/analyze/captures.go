package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// capture describes a capture to be made: streams alike in kind, each with its
// own losses, jitter, duplicates and reordering.
type capture struct {
	name        string
	link        layers.LinkType
	head        []byte // before the IP header
	ng, nanos   bool
	ipv6        bool
	extension   bool // IPv4 options, or an IPv6 hop-by-hop header
	payloadType uint8
	clock       uint32
	frame       time.Duration
	size        int
	streams     int
	packets     int // of each stream
	snap        int // bytes captured, 0: all
	rtpHead     []byte
	sdp         string // told to tshark in a SIP call
	clean       bool
	first       uint16 // sequence number
}

var ethernet4 = []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0}
var ethernet6 = []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd}

// voice is G.711 of 20 ms.
func voice(name string, link layers.LinkType, head []byte) capture {
	return capture{
		name: name, link: link, head: head, clock: 8000, frame: 20 * time.Millisecond, size: 160, streams: 3, packets: 2000,
	}
}

func with(c capture, change func(*capture)) capture {
	change(&c)
	return c
}

var captures = []capture{
	voice("Ethernet, IPv4", layers.LinkTypeEthernet, ethernet4),
	with(voice("Ethernet, IPv4, nanoseconds", layers.LinkTypeEthernet, ethernet4), func(c *capture) { c.nanos = true }),
	with(voice("Ethernet, IPv4 with options, pcapng", layers.LinkTypeEthernet, ethernet4), func(c *capture) { c.ng, c.extension = true, true }),
	with(voice("Ethernet, IPv6", layers.LinkTypeEthernet, ethernet6), func(c *capture) { c.ipv6 = true }),
	with(voice("Ethernet, IPv6 with hop-by-hop options", layers.LinkTypeEthernet, ethernet6), func(c *capture) { c.ipv6, c.extension = true, true }),
	voice("VLAN", layers.LinkTypeEthernet, slices.Insert(slices.Clone(ethernet4), 12, 0x81, 0, 0, 7)),
	with(voice("QinQ, pcapng", layers.LinkTypeEthernet, slices.Insert(slices.Clone(ethernet4), 12, 0x88, 0xa8, 0, 9, 0x81, 0, 0, 7)), func(c *capture) { c.ng = true }),
	voice("Linux cooked", layers.LinkTypeLinuxSLL, []byte{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0}),
	voice("Linux cooked v2", layers.LinkTypeLinuxSLL2, []byte{8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0}),
	voice("raw IP", layers.LinkTypeRaw, nil),
	with(voice("raw IPv6", layers.LinkTypeIPv6, nil), func(c *capture) { c.ipv6 = true }),
	voice("loopback", layers.LinkTypeNull, []byte{2, 0, 0, 0}),
	voice("loopback of OpenBSD", layers.LinkTypeLoop, []byte{0, 0, 0, 2}),
	with(voice("cut after 96 bytes", layers.LinkTypeEthernet, ethernet4), func(c *capture) { c.snap = 96 }),
	with(voice("RTP with an extension and two sources", layers.LinkTypeEthernet, ethernet4), func(c *capture) {
		c.rtpHead = []byte{0, 0, 0, 1, 0, 0, 0, 2, 0xbe, 0xde, 0, 1, 0x10, 0x7f, 0, 0}
	}),
	with(voice("G.729 of 10 ms", layers.LinkTypeEthernet, ethernet4), func(c *capture) { c.payloadType, c.frame, c.size = 18, 10*time.Millisecond, 10 }),
	with(voice("G.722", layers.LinkTypeEthernet, ethernet4), func(c *capture) { c.payloadType = 9 }),
	with(voice("wrap of the sequence, 70000 packets", layers.LinkTypeEthernet, ethernet4), func(c *capture) { c.streams, c.packets, c.first = 1, 70000, 60000 }),
	with(voice("Opus, named to tshark by SDP and learned by earshot", layers.LinkTypeEthernet, ethernet4), func(c *capture) {
		c.payloadType, c.clock, c.size, c.streams, c.sdp = 111, 48000, 80, 1, "opus/48000/2"
	}),
	with(voice("AMR-WB, named to tshark by SDP and learned by earshot", layers.LinkTypeEthernet, ethernet4), func(c *capture) {
		c.payloadType, c.clock, c.size, c.streams, c.sdp = 98, 16000, 60, 1, "AMR-WB/16000"
	}),
}

// timed are the captures on which the programs are timed.
func timed(packets int) []capture {
	large := func(name string, streams int, change func(*capture)) capture {
		c := voice(fmt.Sprintf("%d packets, %s", packets, name), layers.LinkTypeEthernet, ethernet4)
		c.streams, c.packets, c.clean = streams, packets/streams, true
		change(&c)
		return c
	}
	return []capture{
		large("100 streams of G.711, pcap", 100, func(*capture) {}),
		large("100 streams of G.729, pcapng, VLAN, IPv6", 100, func(c *capture) {
			c.ng, c.ipv6, c.payloadType, c.size = true, true, 18, 20
			c.head = slices.Insert(slices.Clone(ethernet6), 12, 0x81, 0, 0, 7)
		}),
		large("1000 streams of G.711, pcap", 1000, func(*capture) {}),
	}
}

// arrival is one packet of the capture.
type arrival struct {
	at       time.Duration
	stream   int
	sequence int
}

// arrivals decides what becomes of the packets: up to 30 ms of jitter that
// keeps most of the order, 2 % lost, one in 200 twice. In a clean capture all
// of them come, with jitter. The first packets come in order: tshark leaves
// packets that are older than the first one out of its jitter. Few captures let
// the sequence wrap: tshark takes reordering at the wrap for 65536 lost packets.
func (c *capture) arrivals() []arrival {
	rng := rand.New(rand.NewPCG(uint64(c.payloadType)+1, uint64(c.packets)))
	list := make([]arrival, 0, c.streams*c.packets)
	for i := range c.packets {
		for s := range c.streams {
			a := arrival{stream: s, sequence: i}
			a.at = time.Duration(i)*c.frame + time.Duration(s)*c.frame/time.Duration(c.streams)
			if i > 3 {
				a.at += time.Duration(rng.Int64N(int64(c.frame) * 3 / 2))
			}
			if i > 10 && !c.clean && rng.IntN(50) == 0 {
				continue
			}
			list = append(list, a)
			if i > 10 && !c.clean && rng.IntN(200) == 0 {
				a.at += time.Duration(rng.Int64N(int64(5 * time.Millisecond)))
				list = append(list, a)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b arrival) int { return int(min(max(a.at-b.at, -1), 1)) })
	return list
}

// write makes the capture.
func (c *capture) write(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	buffer := bufio.NewWriterSize(f, 1<<20)
	put, flush, err := c.writer(buffer)
	if err != nil {
		return err
	}
	epoch := time.Unix(1_700_000_000, 0)
	frame := make([]byte, 0, 2048)
	for i, p := range c.signalling() {
		if err := put(epoch.Add(time.Duration(i)*time.Millisecond), p); err != nil {
			return err
		}
	}
	for _, a := range c.arrivals() {
		frame = c.packet(frame[:0], a)
		if err := put(epoch.Add(time.Second+a.at), frame); err != nil {
			return err
		}
	}
	if err := flush(); err != nil {
		return err
	}
	return buffer.Flush()
}

// writer opens the capture in its format.
func (c *capture) writer(buffer *bufio.Writer) (put func(time.Time, []byte) error, flush func() error, err error) {
	info := func(at time.Time, frame []byte) (gopacket.CaptureInfo, []byte) {
		ci := gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(frame), Length: len(frame)}
		if c.snap > 0 {
			ci.CaptureLength = min(c.snap, len(frame))
		}
		return ci, frame[:ci.CaptureLength]
	}
	if c.ng {
		iface := pcapgo.DefaultNgInterface
		iface.LinkType = c.link
		w, err := pcapgo.NewNgWriterInterface(buffer, iface, pcapgo.DefaultNgWriterOptions)
		if err != nil {
			return nil, nil, err
		}
		return func(at time.Time, frame []byte) error { return w.WritePacket(info(at, frame)) }, w.Flush, nil
	}
	w := pcapgo.NewWriter(buffer)
	if c.nanos {
		w = pcapgo.NewWriterNanos(buffer)
	}
	put = func(at time.Time, frame []byte) error { return w.WritePacket(info(at, frame)) }
	return put, func() error { return nil }, w.WriteFileHeader(65535, c.link)
}

// ends are the addresses and ports of a stream.
func (c *capture) ends(stream int) (from, to netip.AddrPort) {
	a, b := netip.AddrFrom4([4]byte{192, 0, 2, 1}), netip.AddrFrom4([4]byte{198, 51, 100, 2})
	if c.ipv6 {
		a, b = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	}
	return netip.AddrPortFrom(a, uint16(20000+2*stream)), netip.AddrPortFrom(b, uint16(30000+2*stream))
}

// packet appends the frame of one arrival.
func (c *capture) packet(b []byte, a arrival) []byte {
	ticks := uint32(c.frame.Seconds()*float64(c.clock) + 0.5)
	rtp := make([]byte, 12, 64)
	rtp[0], rtp[1] = 0x80, c.payloadType
	if c.rtpHead != nil {
		rtp[0] |= 0x12 // two contributing sources, one extension
	}
	binary.BigEndian.PutUint16(rtp[2:], c.first+uint16(a.sequence))
	binary.BigEndian.PutUint32(rtp[4:], uint32(a.stream)<<20+0xffff0000+uint32(a.sequence)*ticks)
	binary.BigEndian.PutUint32(rtp[8:], 0xea400000+uint32(a.stream))
	rtp = append(rtp, c.rtpHead...)
	from, to := c.ends(a.stream)
	return c.datagram(b, from, to, rtp, c.size)
}

// datagram appends a frame with a UDP packet of body and pad zeros.
func (c *capture) datagram(b []byte, from, to netip.AddrPort, body []byte, pad int) []byte {
	udp := 8 + len(body) + pad
	b = append(b, c.head...)
	if c.ipv6 {
		extra := 0
		if c.extension {
			extra = 8
		}
		next := byte(17)
		if c.extension {
			next = 0
		}
		b = append(b, 0x60, 0, 0, 0, byte((udp+extra)>>8), byte(udp+extra), next, 64)
		b = append(append(b, from.Addr().AsSlice()...), to.Addr().AsSlice()...)
		if c.extension {
			b = append(b, 17, 0, 5, 2, 0, 0, 1, 0) // router alert, padding
		}
	} else {
		header := 20
		if c.extension {
			header = 24
		}
		b = append(b, 0x40|byte(header/4), 0, byte((udp+header)>>8), byte(udp+header), 0, 1, 0x40, 0, 64, 17, 0, 0)
		b = append(append(b, from.Addr().AsSlice()...), to.Addr().AsSlice()...)
		if c.extension {
			b = append(b, 1, 1, 1, 0) // no operation, end of options
		}
	}
	b = binary.BigEndian.AppendUint16(b, from.Port())
	b = binary.BigEndian.AppendUint16(b, to.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(udp))
	b = append(append(b, 0, 0), body...)
	return append(b, make([]byte, pad)...)
}

// signalling is the SIP call that tells tshark what the payload type is.
func (c *capture) signalling() [][]byte {
	if c.sdp == "" {
		return nil
	}
	from, to := c.ends(0)
	sdp := func(at netip.AddrPort) string {
		return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %v\r\ns=-\r\nc=IN IP4 %v\r\nt=0 0\r\nm=audio %d RTP/AVP %d\r\na=rtpmap:%d %s\r\n",
			at.Addr(), at.Addr(), at.Port(), c.payloadType, c.payloadType, c.sdp)
	}
	message := func(first string, at netip.AddrPort) []byte {
		body := sdp(at)
		return fmt.Appendf(nil, "%s\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\nFrom: <sip:a@192.0.2.1>;tag=1\r\nTo: <sip:b@198.51.100.2>;tag=2\r\n"+
			"Call-ID: 1@192.0.2.1\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", first, len(body), body)
	}
	a, b := netip.AddrPortFrom(from.Addr(), 5060), netip.AddrPortFrom(to.Addr(), 5060)
	return [][]byte{
		c.datagram(nil, a, b, message("INVITE sip:b@198.51.100.2 SIP/2.0", from), 0),
		c.datagram(nil, b, a, message("SIP/2.0 200 OK", to), 0),
	}
}
