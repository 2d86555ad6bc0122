package peer

import (
	"errors"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pion/ice/v4"

	"github.com/earshot-voip/earshot/internal/media"
)

// answer is a complete answer in the form of RFC 8829, written by hand.
const answer = `v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
a=ice-lite
m=audio 40000 UDP/TLS/RTP/SAVPF 111 0 9
c=IN IP4 192.0.2.1
a=ice-ufrag:abcd
a=ice-pwd:0123456789012345678901
a=fingerprint:SHA-256 ab:cd:ef
a=setup:active
a=mid:0
a=extmap:3/sendrecv urn:earshot:params:rtp-hdrext:echo-stamp
a=recvonly
a=rtcp-mux
a=rtpmap:111 OPUS/48000/2
a=ssrc:305419896 cname:far
a=candidate:1 1 udp 2130706431 192.0.2.1 40000 typ host
a=candidate:1 2 udp 2130706430 192.0.2.1 40001 typ host
a=candidate:nonsense
`

func edited(pattern, with string) string {
	return regexp.MustCompile("(?m)"+pattern).ReplaceAllString(answer, with)
}

func TestParseDescription(t *testing.T) {
	d, err := parseDescription(answer)
	if err != nil {
		t.Fatal(err)
	}
	if d.ufrag != "abcd" || d.pwd != "0123456789012345678901" || !d.lite || d.setup != setupActive || d.mid != "0" ||
		d.direction != "recvonly" || d.ssrc != 0x12345678 || d.stampID != 3 || !d.mux || len(d.deviations) != 0 {
		t.Errorf("got %+v", d)
	}
	if want := []string{"sha-256 AB:CD:EF"}; !slices.Equal(d.fingerprints, want) {
		t.Errorf("got fingerprints %q, want %q", d.fingerprints, want)
	}
	if len(d.candidates) != 1 || d.candidates[0].Port() != 40000 {
		t.Errorf("got candidates %v, want the RTP one", d.candidates)
	}
	want := []format{{111, "OPUS", 48000, 2}, {0, "PCMU", 8000, 1}, {9, "G722", 8000, 1}}
	if !slices.Equal(d.formats, want) {
		t.Errorf("got formats %v, want %v", d.formats, want)
	}
	codec, err := d.choose([]media.Codec{pcmu, opus})
	if err != nil || codec.Name != "opus" || codec.PayloadType != 111 {
		t.Errorf("got codec %+v, %v, want the far end's first choice under its payload type", codec, err)
	}
}

func TestParseDescriptionNotesWhatIsMissing(t *testing.T) {
	for name, row := range map[string]struct{ text, deviation string }{
		"no mid":              {edited(`^a=mid.*\n`, ""), "no a=mid"},
		"no rtcp-mux":         {edited(`^a=rtcp-mux\n`, ""), "no a=rtcp-mux"},
		"no setup":            {edited(`^a=setup.*\n`, ""), "no a=setup"},
		"profile without TLS": {edited(`UDP/TLS/RTP/SAVPF`, "RTP/SAVPF"), "profile RTP/SAVPF"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := parseDescription(row.text)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(d.deviations, row.deviation) {
				t.Errorf("got deviations %q, want %q", d.deviations, row.deviation)
			}
		})
	}
}

func TestParseDescriptionRefuses(t *testing.T) {
	for name, row := range map[string]struct{ text, part string }{
		"no SDP":           {"<html>", "syntax"},
		"nothing":          {"", "audio"},
		"no audio section": {edited(`^m=audio`, "m=video"), "audio"},
		"rejected audio":   {edited(`^m=audio 40000`, "m=audio 0"), "audio"},
		"no ICE":           {edited(`^a=ice-ufrag.*\n`, ""), "ice"},
		"no DTLS":          {edited(`^a=fingerprint.*\n`, ""), "fingerprint"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseDescription(row.text)
			var bad *SDPError
			if !errors.As(err, &bad) || bad.Part != row.part {
				t.Errorf("got %v, want an SDPError about %q", err, row.part)
			}
		})
	}
	d, err := parseDescription(edited(`^a=rtpmap:111.*\n`, ""))
	if err != nil {
		t.Fatal(err)
	}
	var bad *SDPError
	if _, err := d.choose([]media.Codec{opus}); !errors.As(err, &bad) || bad.Part != "codec" {
		t.Errorf("got %v, want an SDPError about the codec", err)
	}
}

// The default destination must be a real candidate: some endpoints take 0.0.0.0
// for hold and answer recvonly.
func TestOfferNamesARealDestination(t *testing.T) {
	p := newPeer(t, Config{Codecs: []media.Codec{opus, pcmu}, Stamps: true})
	offer, err := p.Offer(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	port := regexp.MustCompile(`a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+) typ host`).FindStringSubmatch(offer)
	if port == nil {
		t.Fatalf("no host candidate on loopback in\n%s", offer)
	}
	for _, line := range []string{
		"m=audio " + port[1] + " UDP/TLS/RTP/SAVPF 111 0 110 101", "c=IN IP4 127.0.0.1", "a=setup:actpass", "a=mid:0",
		"a=rtcp-mux", "a=group:BUNDLE 0", "a=sendrecv", "a=end-of-candidates", "a=extmap-allow-mixed",
	} {
		if !strings.Contains(offer, line+"\r\n") {
			t.Errorf("offer lacks %q:\n%s", line, offer)
		}
	}
	if six := strings.Index(offer, " ::1 "); six >= 0 && six < strings.Index(offer, port[0]) {
		t.Errorf("IPv6 is offered before IPv4 of the same priority:\n%s", offer)
	}
	if strings.Contains(offer, ".local") {
		t.Errorf("offer has an mDNS name:\n%s", offer)
	}
}

// The order in which a host's interfaces and servers answered must not decide
// what an endpoint without ICE sends to.
func TestDefaultDestinationIsTheMostReachable(t *testing.T) {
	const (
		host4  = "1 1 udp 2130706431 192.0.2.1 4000 typ host"
		host6  = "2 1 udp 2130706431 2001:db8::1 4001 typ host"
		srflx4 = "3 1 udp 1694498815 198.51.100.1 4002 typ srflx raddr 192.0.2.1 rport 4000"
		srflx6 = "4 1 udp 1694498815 2001:db8::2 4003 typ srflx raddr 2001:db8::1 rport 4001"
		relay6 = "5 1 udp 16777215 2001:db8::3 4004 typ relay raddr 2001:db8::1 rport 4001"
		tcp4   = "6 1 tcp 1671430143 192.0.2.1 4005 typ host tcptype passive"
	)
	for name, row := range map[string]struct {
		candidates []string
		want       string
	}{
		"IPv4 before IPv6":                    {[]string{host6, host4}, "192.0.2.1:4000"},
		"IPv4 before IPv6 in any order":       {[]string{host4, host6}, "192.0.2.1:4000"},
		"IPv6 where there is nothing else":    {[]string{host6}, "[2001:db8::1]:4001"},
		"server reflexive before host":        {[]string{host4, srflx6, srflx4}, "198.51.100.1:4002"},
		"a type before a family":              {[]string{host4, srflx6}, "[2001:db8::2]:4003"},
		"relayed before everything":           {[]string{host4, srflx4, relay6}, "[2001:db8::3]:4004"},
		"never TCP, which plain RTP is not":   {[]string{tcp4, host6}, "[2001:db8::1]:4001"},
		"the discard port without candidates": {nil, "0.0.0.0:9"},
	} {
		t.Run(name, func(t *testing.T) {
			var s sections
			for _, text := range row.candidates {
				c, err := ice.UnmarshalCandidate(text)
				if err != nil {
					t.Fatal(err)
				}
				s.candidates = append(s.candidates, c)
			}
			address, port := s.defaultDestination()
			if got := netip.AddrPortFrom(address, uint16(port)).String(); got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}

func FuzzParseDescription(f *testing.F) {
	f.Add(answer)
	f.Add("v=0\r\nm=audio 9 RTP/AVP 0\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDescription(text)
		if err != nil {
			return
		}
		if d.ufrag == "" || d.pwd == "" || len(d.fingerprints) == 0 {
			t.Errorf("accepted without credentials or fingerprint: %+v", d)
		}
	})
}
