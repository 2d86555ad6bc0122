package peer

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/ice/v4"
	"github.com/pion/sdp/v3"

	"github.com/earshot-voip/earshot/internal/media"
	"github.com/earshot-voip/earshot/internal/rtpflow"
)

// SDPError is a session description that cannot be used. Part names what is
// wrong with it: "syntax", "audio", "ice", "fingerprint", "setup" or "codec".
type SDPError struct {
	Part   string
	Detail string
}

func (e *SDPError) Error() string { return "session description: " + e.Detail }

// setup is the DTLS role in SDP (RFC 4145, RFC 8842).
type setup string

const (
	setupActpass setup = "actpass"
	setupActive  setup = "active"
	setupPassive setup = "passive"
)

// description is what this package needs of one side's SDP: a single audio
// section.
type description struct {
	mid          string
	ufrag, pwd   string
	lite         bool
	fingerprints []string // "sha-256 AB:…", lower-case algorithm, upper-case value
	setup        setup
	candidates   []ice.Candidate
	formats      []format
	direction    string // sendrecv, sendonly, recvonly, inactive
	ssrc         uint32
	stampID      uint8
	mux          bool
	deviations   []string
}

type format struct {
	payloadType uint8
	name        string
	clockRate   uint32
	channels    int
}

// matches reports whether the format is the codec, by name and clock rate
// (RFC 8866, 6.6; encoding names are not case-sensitive).
func (f format) matches(c media.Codec) bool {
	return strings.EqualFold(f.name, c.Name) && f.clockRate == c.ClockRate
}

// telephoneEvent is the encoding name of RFC 4733, 7.1.1. No media is sent by it.
const telephoneEvent = "telephone-event"

func (f format) isEvent() bool { return strings.EqualFold(f.name, telephoneEvent) }

// eventsFor returns the formats of telephone events that belong beside codecs:
// one for each clock rate, since events share the timestamps of the audio (RFC
// 4733, 2.1). Each WebRTC endpoint has them (RFC 7874, 3), and some servers
// refuse callers that have not.
func eventsFor(codecs []media.Codec) []format {
	types := map[uint32]uint8{8000: 101, 48000: 110}
	var list []format
	for _, c := range codecs {
		if number, ok := types[c.ClockRate]; ok {
			delete(types, c.ClockRate)
			list = append(list, format{number, telephoneEvent, c.ClockRate, 1})
		}
	}
	return list
}

// staticFormats are the payload types that need no rtpmap (RFC 3551, 6).
var staticFormats = map[uint8]format{
	0: {0, "PCMU", 8000, 1},
	8: {8, "PCMA", 8000, 1},
	9: {9, "G722", 8000, 1},
}

// parseDescription reads the first accepted audio section of a session
// description. What is missing but can be assumed is noted as a deviation
// (RFC 8829 wants all of it; real endpoints leave it out).
func parseDescription(text string) (description, error) {
	var s sdp.SessionDescription
	if err := s.UnmarshalString(text); err != nil {
		return description{}, &SDPError{"syntax", fmt.Sprintf("not SDP: %v", err)}
	}
	audio, err := audioSection(&s)
	if err != nil {
		return description{}, err
	}
	attribute := func(key string) (string, bool) {
		if v, ok := audio.Attribute(key); ok {
			return v, true
		}
		return s.Attribute(key)
	}

	d := description{direction: "sendrecv"}
	d.ufrag, _ = attribute("ice-ufrag")
	d.pwd, _ = attribute("ice-pwd")
	if d.ufrag == "" || d.pwd == "" {
		return d, &SDPError{"ice", "no ice-ufrag and ice-pwd: the far end does not speak ICE"}
	}
	_, d.lite = attribute("ice-lite")
	if d.fingerprints = fingerprints(&s, audio); len(d.fingerprints) == 0 {
		return d, &SDPError{"fingerprint", "no a=fingerprint: the far end does not speak DTLS-SRTP"}
	}
	d.setup = setupActpass
	if v, ok := attribute("setup"); ok {
		d.setup = setup(strings.ToLower(v))
	} else {
		d.deviate("no a=setup")
	}
	if v, ok := audio.Attribute("mid"); ok {
		d.mid = v
	} else {
		d.deviate("no a=mid")
	}
	if _, d.mux = audio.Attribute("rtcp-mux"); !d.mux {
		d.deviate("no a=rtcp-mux")
	}
	if proto := strings.Join(audio.MediaName.Protos, "/"); proto != "UDP/TLS/RTP/SAVPF" {
		d.deviate("profile " + proto)
	}
	for _, dir := range []string{"sendrecv", "sendonly", "recvonly", "inactive"} {
		if _, ok := attribute(dir); ok {
			d.direction = dir
		}
	}
	d.readAttributes(audio)
	d.formats = formats(audio)
	return d, nil
}

func (d *description) deviate(what string) { d.deviations = append(d.deviations, what) }

func audioSection(s *sdp.SessionDescription) (*sdp.MediaDescription, error) {
	rejected := false
	for _, m := range s.MediaDescriptions {
		if m.MediaName.Media != "audio" {
			continue
		}
		_, bundleOnly := m.Attribute("bundle-only")
		if m.MediaName.Port.Value == 0 && !bundleOnly {
			rejected = true
			continue
		}
		return m, nil
	}
	if rejected {
		return nil, &SDPError{"audio", "the far end rejected the audio section (port 0)"}
	}
	return nil, &SDPError{"audio", "no audio section"}
}

func (d *description) readAttributes(m *sdp.MediaDescription) {
	for _, a := range m.Attributes {
		switch a.Key {
		case "candidate":
			// Candidates that cannot be used (other transports, names) are no error.
			if c, err := ice.UnmarshalCandidate(a.Value); err == nil && c.Component() == ice.ComponentRTP {
				d.candidates = append(d.candidates, c)
			}
		case "ssrc":
			id, _, _ := strings.Cut(a.Value, " ")
			if v, err := strconv.ParseUint(id, 10, 32); err == nil && d.ssrc == 0 {
				d.ssrc = uint32(v)
			}
		case "extmap":
			id, uri, _ := strings.Cut(a.Value, " ")
			id, _, _ = strings.Cut(id, "/")
			uri, _, _ = strings.Cut(strings.TrimSpace(uri), " ")
			v, err := strconv.ParseUint(id, 10, 8)
			if err == nil && v > 0 && uri == rtpflow.StampURN {
				d.stampID = uint8(v)
			}
		}
	}
}

// fingerprints collects a=fingerprint of the section, or else of the session.
func fingerprints(s *sdp.SessionDescription, m *sdp.MediaDescription) []string {
	collect := func(attributes []sdp.Attribute) []string {
		var found []string
		for _, a := range attributes {
			if a.Key != "fingerprint" {
				continue
			}
			if algorithm, value, ok := strings.Cut(strings.TrimSpace(a.Value), " "); ok {
				found = append(found, strings.ToLower(algorithm)+" "+strings.ToUpper(strings.TrimSpace(value)))
			}
		}
		return found
	}
	if found := collect(m.Attributes); len(found) > 0 {
		return found
	}
	return collect(s.Attributes)
}

func formats(m *sdp.MediaDescription) []format {
	maps := map[uint8]format{}
	for _, a := range m.Attributes {
		if a.Key != "rtpmap" {
			continue
		}
		id, rest, _ := strings.Cut(a.Value, " ")
		pt, err := strconv.ParseUint(id, 10, 7)
		if err != nil {
			continue
		}
		parts := strings.Split(strings.TrimSpace(rest), "/")
		if len(parts) < 2 {
			continue
		}
		rate, err := strconv.ParseUint(parts[1], 10, 32)
		if err != nil {
			continue
		}
		f := format{uint8(pt), parts[0], uint32(rate), 1}
		if len(parts) > 2 {
			f.channels, _ = strconv.Atoi(parts[2])
		}
		maps[f.payloadType] = f
	}
	var list []format
	for _, text := range m.MediaName.Formats {
		pt, err := strconv.ParseUint(text, 10, 7)
		if err != nil {
			continue
		}
		if f, ok := maps[uint8(pt)]; ok {
			list = append(list, f)
		} else if f, ok := staticFormats[uint8(pt)]; ok {
			list = append(list, f)
		}
	}
	return list
}

// choose returns the codec that both sides know, with the payload type of the
// description: the first of its formats that is in known.
func (d *description) choose(known []media.Codec) (media.Codec, error) {
	var names []string
	for _, f := range d.formats {
		names = append(names, fmt.Sprintf("%s/%d", f.name, f.clockRate))
		for _, c := range known {
			if f.matches(c) {
				c.PayloadType = f.payloadType
				return c, nil
			}
		}
	}
	var ours []string
	for _, c := range known {
		ours = append(ours, fmt.Sprintf("%s/%d", c.Name, c.ClockRate))
	}
	return media.Codec{}, &SDPError{"codec", fmt.Sprintf("no common codec: the far end has %s, this side %s",
		orNone(names), orNone(ours))}
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// sections is what an offer or answer is written from.
type sections struct {
	description
	fingerprint string
	codecs      []media.Codec
	events      []format
	cname       string
	bundle      bool
}

// write renders an SDP with one audio section (RFC 8866, RFC 8829). The default
// destination in c= and m= is a real candidate: some endpoints read 0.0.0.0 as
// hold (RFC 8839, 4.2.1.2; RFC 3264, 8.4).
func (s sections) write() string {
	var id [8]byte
	_, _ = rand.Read(id[:])
	address, port := s.defaultDestination()
	family := "IP4"
	if address.Is6() {
		family = "IP6"
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("v=0")
	line("o=- %d 1 IN %s %s", binary.BigEndian.Uint64(id[:])>>1, family, address)
	line("s=-")
	line("t=0 0")
	if s.bundle {
		line("a=group:BUNDLE %s", s.mid)
	}
	line("a=extmap-allow-mixed")
	line("a=msid-semantic: WMS *")
	var types []string
	for _, c := range s.codecs {
		types = append(types, strconv.Itoa(int(c.PayloadType)))
	}
	for _, e := range s.events {
		types = append(types, strconv.Itoa(int(e.payloadType)))
	}
	line("m=audio %d UDP/TLS/RTP/SAVPF %s", port, strings.Join(types, " "))
	line("c=IN %s %s", family, address)
	line("a=ice-ufrag:%s", s.ufrag)
	line("a=ice-pwd:%s", s.pwd)
	line("a=fingerprint:%s", s.fingerprint)
	line("a=setup:%s", s.setup)
	if s.mid != "" {
		line("a=mid:%s", s.mid)
	}
	if s.stampID != 0 {
		line("a=extmap:%d %s", s.stampID, rtpflow.StampURN)
	}
	line("a=%s", s.direction)
	line("a=rtcp-mux")
	for _, c := range s.codecs {
		writeCodec(line, c)
	}
	for _, e := range s.events {
		line("a=rtpmap:%d %s/%d", e.payloadType, e.name, e.clockRate)
		line("a=fmtp:%d 0-15", e.payloadType)
	}
	line("a=ptime:%d", s.codecs[0].Frame.Milliseconds())
	line("a=msid:earshot audio")
	line("a=ssrc:%d cname:%s", s.ssrc, s.cname)
	line("a=ssrc:%d msid:earshot audio", s.ssrc)
	for _, c := range s.candidates {
		line("a=candidate:%s", c.Marshal())
	}
	line("a=end-of-candidates")
	return b.String()
}

func writeCodec(line func(string, ...any), c media.Codec) {
	line("a=rtpmap:%d %s", c.PayloadType, c.RTPMap())
	if c.Fmtp != "" {
		line("a=fmtp:%d %s", c.PayloadType, c.Fmtp)
	}
}

// defaultDestination is the candidate most likely to be reachable by a far end
// that does no ICE: relayed before server reflexive before host (RFC 8839,
// 4.2.1.2), and of one type IPv4 before IPv6, which fewer endpoints have.
func (s sections) defaultDestination() (netip.Addr, int) {
	order := []ice.CandidateType{ice.CandidateTypeRelay, ice.CandidateTypeServerReflexive, ice.CandidateTypeHost}
	for _, wanted := range order {
		for _, family := range []ice.NetworkType{ice.NetworkTypeUDP4, ice.NetworkTypeUDP6} {
			i := slices.IndexFunc(s.candidates, func(c ice.Candidate) bool {
				return c.Type() == wanted && c.NetworkType() == family
			})
			if i < 0 {
				continue
			}
			if address, err := netip.ParseAddr(s.candidates[i].Address()); err == nil {
				return address.WithZone(""), s.candidates[i].Port()
			}
		}
	}
	return netip.IPv4Unspecified(), 9
}

// byPriority orders candidates as they are written: the highest priority first,
// of equal ones IPv4 first. The agent keeps them in a map by family, so that
// without it two offers of one host would differ.
func byPriority(a, b ice.Candidate) int {
	return cmp.Or(cmp.Compare(b.Priority(), a.Priority()), cmp.Compare(a.NetworkType(), b.NetworkType()))
}
