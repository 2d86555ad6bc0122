package capture

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
)

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 7)) }

// randomBytes fills n bytes.
func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// strangers are protocols that are not RTP. Each makes the i-th packet of a
// conversation on fixed ports; the first byte is forced to look like RTP where
// the protocol leaves it to chance.
var strangers = map[string]func(rng *rand.Rand, i int) []byte{
	"DNS queries with ids that look like RTP": func(rng *rand.Rand, i int) []byte {
		b := append([]byte{0x80 | byte(rng.Uint32()&0x3f), byte(rng.Uint32()), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}, "\x07example\x03com\x00\x00\x01\x00\x01"...)
		return b
	},
	"DNS queries with consecutive ids": func(_ *rand.Rand, i int) []byte {
		b := binary.BigEndian.AppendUint16(nil, uint16(0x8000+i))
		return append(b, "\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x07example\x03com\x00\x00\x01\x00\x01"...)
	},
	"DNS answers": func(rng *rand.Rand, i int) []byte {
		b := binary.BigEndian.AppendUint16(nil, uint16(0x8000+i))
		return append(b, "\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01"...)
	},
	"QUIC with a long header": func(rng *rand.Rand, _ int) []byte {
		return append([]byte{0xc0 | byte(rng.Uint32()&0x3f), 0, 0, 0, 1, 8}, randomBytes(rng, 1200)...)
	},
	"QUIC with a short header and a greased bit": func(rng *rand.Rand, _ int) []byte {
		b := append([]byte{0x80 | byte(rng.Uint32()&0x3f)}, "connection-id-of-20b"...)
		return append(b, randomBytes(rng, 1000)...)
	},
	"QUIC with a greased bit and no connection id": func(rng *rand.Rand, _ int) []byte {
		return append([]byte{0x80 | byte(rng.Uint32()&0x3f)}, randomBytes(rng, 1000)...)
	},
	"STUN": func(rng *rand.Rand, _ int) []byte {
		return append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, randomBytes(rng, 12)...)
	},
	"DTLS": func(rng *rand.Rand, i int) []byte {
		b := binary.BigEndian.AppendUint64([]byte{23, 254, 253}, uint64(1)<<48|uint64(i))
		return append(append(b, 0, 40), randomBytes(rng, 40)...)
	},
	"TURN channels": func(rng *rand.Rand, i int) []byte {
		return append([]byte{0x40, 1, 0, 172}, rtpPacket(0, uint16(i), uint32(160*i), 7, 160)...)
	},
	"RTCP": func(rng *rand.Rand, i int) []byte {
		return append([]byte{0x80, 200, 0, 6, 1, 2, 3, 4}, binary.BigEndian.AppendUint64(nil, uint64(i))...)
	},
	"RTCP feedback": func(rng *rand.Rand, i int) []byte {
		return append([]byte{0x8f, 205, byte(i >> 8), byte(i), 1, 2, 3, 4, 5, 6, 7, 8}, randomBytes(rng, 12)...)
	},
	"IPsec in UDP": func(rng *rand.Rand, i int) []byte {
		return append(binary.BigEndian.AppendUint32([]byte{0x91, 0x60, 3, 4}, uint32(i)), randomBytes(rng, 100)...)
	},
	"NTP before a leap second": func(rng *rand.Rand, i int) []byte {
		return append([]byte{0xa3, 2, 6, 0xe9, 0, 0, 1, 0, 0, 0, 2, 0}, randomBytes(rng, 36)...)
	},
	"random bytes": func(rng *rand.Rand, _ int) []byte { return append([]byte{0x80}, randomBytes(rng, 171)...) },
	"random bytes with one fixed source": func(rng *rand.Rand, _ int) []byte {
		b := append([]byte{0x80}, randomBytes(rng, 171)...)
		copy(b[8:], "same")
		return b
	},
	"a version of RTP that does not exist": func(_ *rand.Rand, i int) []byte {
		b := rtpPacket(0, uint16(i), uint32(160*i), 7, 160)
		b[0] = 0x40
		return b
	},
	"RTP of payload types that collide with RTCP": func(_ *rand.Rand, i int) []byte {
		return rtpPacket(72, uint16(i), uint32(160*i), 7, 160)
	},
	"a counter, a random timestamp and a fixed source": func(rng *rand.Rand, i int) []byte {
		return rtpPacket(0, uint16(i), rng.Uint32(), 7, 160)
	},
	"more contributing sources than the packet holds": func(_ *rand.Rand, i int) []byte {
		b := rtpPacket(0, uint16(i), uint32(160*i), 7, 20)
		b[0] |= 15
		return b
	},
	"a header extension longer than the packet": func(_ *rand.Rand, i int) []byte {
		b := rtpPacket(0, uint16(i), uint32(160*i), 7, 20)
		b[0] |= 0x10
		b[15] = 200
		return b
	},
	"packets shorter than an RTP header": func(_ *rand.Rand, i int) []byte {
		return rtpPacket(0, uint16(i), uint32(160*i), 7, 0)[:11]
	},
}

func TestStrangersAreNotRTP(t *testing.T) {
	for name, packet := range strangers {
		t.Run(name, func(t *testing.T) {
			rng := random(3)
			var frames []frame
			for i := range 5000 {
				f := frame{time.Duration(i) * 5 * time.Millisecond, onEthernet(t, ipUDP(t, here4, there4, packet(rng, i)))}
				frames = append(frames, f)
			}
			r := analyze(t, pcapOf(t, layers.LinkTypeEthernet, frames), Options{})
			sums(t, &r.File)
			if len(r.Streams) != 0 {
				t.Errorf("got %d streams, the first is %+v", len(r.Streams), r.Streams[0])
			}
		})
	}
}

// TestStreamsAmongStrangers puts everything on one pair of ports: the streams
// are found, whole, and nothing else.
func TestStreamsAmongStrangers(t *testing.T) {
	rng := random(5)
	var frames []frame
	put := func(at time.Duration, b []byte) {
		frames = append(frames, frame{at, onEthernet(t, ipUDP(t, here4, there4, b))})
	}
	for i := range 300 {
		at := time.Duration(i) * 20 * time.Millisecond
		put(at, rtpPacket(0, uint16(65400+i), uint32(160*i), 0xcafe, 160))
		put(at+time.Millisecond, rtpPacket(0x80|96, uint16(i), uint32(1800*i), 0xbeef, 900))
		for name, packet := range strangers {
			if !strings.Contains(name, "fixed source") {
				put(at+2*time.Millisecond, packet(rng, i))
			}
		}
	}
	slices.SortStableFunc(frames, func(a, b frame) int { return int(a.at - b.at) })
	r := analyze(t, pcapOf(t, layers.LinkTypeEthernet, frames), Options{})
	sums(t, &r.File)
	got := []string{}
	for _, s := range r.Streams {
		got = append(got, fmt.Sprintf("%s %d %d %d", s.SSRCHex, s.PayloadType, s.Packets, s.Lost))
	}
	want := []string{"0x0000CAFE 0 300 0", "0x0000BEEF 96 300 0"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q want %q", got, want)
	}
	// Random bytes look like RTCP at times.
	if r.File.RTCP < 600 || r.File.RTCP > 1000 || r.File.STUN != 300 || r.File.DTLS != 300 || r.File.RTP != 600 {
		t.Errorf("got %d RTCP, %d STUN, %d DTLS, %d RTP, want 600 to 1000, 300, 300, 600", r.File.RTCP, r.File.STUN, r.File.DTLS, r.File.RTP)
	}
}

// sequences makes a stream of the given sequence numbers, 20 ms apart.
func sequences(t *testing.T, numbers ...int) []frame {
	var frames []frame
	for i, n := range numbers {
		b := rtpPacket(0, uint16(n), uint32(160*n), 7, 160)
		frames = append(frames, frame{time.Duration(i) * 20 * time.Millisecond, onEthernet(t, ipUDP(t, here4, there4, b))})
	}
	return frames
}

func TestHowMuchProofAStreamTakes(t *testing.T) {
	tests := []struct {
		name  string
		seqs  []int
		ports []uint16
		want  string // packets, lost, in streams; packets in none
	}{
		{"three packets are no proof", []int{1, 2, 3}, nil, "none, 3"},
		{"four packets are", []int{1, 2, 3, 4}, nil, "4 0, 0"},
		{"a repeated packet proves nothing", []int{1, 1, 1, 1, 2, 2, 3}, nil, "none, 7"},
		{"losses and a late packet do not hide it", []int{1, 3, 2, 5, 9}, nil, "5 4, 0"},
		{"what came before a jump is not part of it", []int{9000, 9001, 1, 2, 3, 4}, nil, "4 0, 2"},
		{"the span begins with the first packet that came, as in tshark", []int{2, 1, 3, 4, 5}, nil, "5 -1, 0"},
		{"and ends with the last that came, be it the highest or not", []int{1, 2, 3, 4, 6, 5}, nil, "6 -1, 0"},
		{"the wrap of the sequence is no jump", []int{65534, 65535, 65536, 65537}, nil, "4 0, 0"},
		{"a given port needs no proof", []int{1}, []uint16{30000}, "1 0, 0"},
		{"the given port may be the source", []int{1, 2}, []uint16{20000}, "2 0, 0"},
		{"other ports are not looked at", []int{1, 2, 3, 4}, []uint16{30001}, "none, 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := analyze(t, pcapOf(t, layers.LinkTypeEthernet, sequences(t, tt.seqs...)), Options{Ports: tt.ports})
			sums(t, &r.File)
			got := "none"
			if len(r.Streams) > 0 {
				got = fmt.Sprint(r.Streams[0].Packets, " ", r.Streams[0].Lost)
			}
			if got = fmt.Sprintf("%s, %d", got, r.File.Stray); got != tt.want {
				t.Errorf("got %s want %s", got, tt.want)
			}
		})
	}
}

// TestANewSourceOnKnownPorts needs two packets only.
func TestANewSourceOnKnownPorts(t *testing.T) {
	frames := voice(t, here4, there4, 1, 50)
	frames = append(frames, voice(t, here4, there4, 2, 2)...)
	frames = append(frames, voice(t, there4, here4, 3, 2)...) // the other direction has none yet
	r := analyze(t, pcapOf(t, layers.LinkTypeEthernet, frames), Options{})
	if len(r.Streams) != 2 || r.Streams[1].SSRC != 2 || r.Streams[1].Packets != 2 || r.File.Stray != 2 {
		t.Errorf("got %d streams, %d stray", len(r.Streams), r.File.Stray)
	}
}

// TestWhatMakesAStream holds that addresses, ports and SSRC all tell streams
// apart.
func TestWhatMakesAStream(t *testing.T) {
	ends := [][2]netip.AddrPort{
		{here4, there4}, {there4, here4}, {here6, there6}, {there6, here6},
		{here4, netip.AddrPortFrom(there4.Addr(), 30002)}, {netip.AddrPortFrom(here4.Addr(), 20002), there4},
	}
	var frames []frame
	for i, e := range ends {
		frames = append(frames, voice(t, e[0], e[1], 9, 30+i)...)
		frames = append(frames, voice(t, e[0], e[1], 0, 40+i)...)
	}
	r := analyze(t, pcapOf(t, layers.LinkTypeEthernet, frames), Options{})
	var got, want []string
	for i, e := range ends {
		want = append(want, fmt.Sprint(e[0], e[1], 9, 30+i), fmt.Sprint(e[0], e[1], 0, 40+i))
	}
	for _, s := range r.Streams {
		got = append(got, fmt.Sprint(s.Source, s.Destination, s.SSRC, s.Packets))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestHeaderFormsOfRTP(t *testing.T) {
	tests := []struct {
		name string
		form func(b []byte) []byte
		size int64 // bits of payload in a packet
	}{
		{"plain", func(b []byte) []byte { return b }, 160},
		{"two contributing sources", func(b []byte) []byte {
			b[0] |= 2
			return slices.Insert(b, 12, 1, 2, 3, 4, 5, 6, 7, 8)
		}, 160},
		{"a header extension", func(b []byte) []byte {
			b[0] |= 0x10
			return slices.Insert(b, 12, 0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0)
		}, 160},
		{"padding, whatever its last byte says", func(b []byte) []byte {
			b[0] |= 0x20
			b[len(b)-1] = 0
			return b
		}, 160},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var frames []frame
			for i := range 50 {
				b := tt.form(rtpPacket(0, uint16(i), uint32(160*i), 7, 160))
				frames = append(frames, frame{time.Duration(i) * 20 * time.Millisecond, onEthernet(t, ipUDP(t, here4, there4, b))})
			}
			r := analyze(t, pcapOf(t, layers.LinkTypeEthernet, frames), Options{})
			if len(r.Streams) != 1 || r.Streams[0].Packets != 50 || *r.Streams[0].BitRate != float64(tt.size*8*50) {
				t.Errorf("got %+v", r.Streams)
			}
		})
	}
}

func TestLimitOfStreams(t *testing.T) {
	var frames []frame
	for i := range 20 {
		frames = append(frames, voice(t, here4, there4, uint32(100+i), 10)...)
	}
	r := analyze(t, pcapOf(t, layers.LinkTypeEthernet, frames), Options{MaxStreams: 12})
	sums(t, &r.File)
	if len(r.Streams) != 12 || r.File.Refused != 8 || len(r.Notes) == 0 || !strings.Contains(strings.Join(r.Notes, "\n"), "8 streams beyond the limit of 12") {
		t.Errorf("got %d streams, %d refused, notes %q", len(r.Streams), r.File.Refused, r.Notes)
	}
}

// TestManySourcesTakeNoMemory runs more sources past the table than it watches.
func TestManySourcesTakeNoMemory(t *testing.T) {
	table, o := newTable(10, false), &Options{}
	var id identity
	for i := range 4 * mostCandidates {
		id.ssrc = uint32(i)
		table.add(&id, &record{}, o)
	}
	if len(table.watched) != mostCandidates || len(table.candidates) != mostCandidates || len(table.order) != 0 {
		t.Errorf("got %d watched in %d slots, %d streams", len(table.watched), len(table.candidates), len(table.order))
	}
	table.finish()
	if table.stray != 4*mostCandidates {
		t.Errorf("got %d stray packets, want %d", table.stray, 4*mostCandidates)
	}
}
