package peer

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pion/sdp/v3"

	"github.com/earshot-voip/earshot/internal/media"
	"github.com/earshot-voip/earshot/internal/rtpflow"
)

// lookup finds a codec of the table.
func lookup(t *testing.T, name string) media.Codec {
	t.Helper()
	c, err := media.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The offer holds every codec and telephone events, first what is asked for, as
// another implementation reads it.
func TestOfferHoldsTheCodecsInTheOrderOfPreference(t *testing.T) {
	for first, want := range map[string]string{
		"pcmu": "PCMU/8000 PCMA/8000 opus/48000 telephone-event/8000 telephone-event/48000",
		"pcma": "PCMA/8000 PCMU/8000 opus/48000 telephone-event/8000 telephone-event/48000",
		"opus": "opus/48000 PCMU/8000 PCMA/8000 telephone-event/48000 telephone-event/8000",
	} {
		t.Run(first, func(t *testing.T) {
			p := newPeer(t, Config{Codecs: media.Preferring(lookup(t, first))})
			text, err := p.Offer(testContext(t))
			if err != nil {
				t.Fatal(err)
			}
			var offer sdp.SessionDescription
			if err := offer.UnmarshalString(text); err != nil || len(offer.MediaDescriptions) != 1 {
				t.Fatalf("%d media, %v:\n%s", len(offer.MediaDescriptions), err, text)
			}
			var got []string
			for _, number := range offer.MediaDescriptions[0].MediaName.Formats {
				pt, err := strconv.ParseUint(number, 10, 7)
				if err != nil {
					t.Fatal(err)
				}
				codec, err := offer.GetCodecForPayloadType(uint8(pt))
				if err != nil {
					t.Fatal(err)
				}
				if codec.Name == telephoneEvent && codec.Fmtp != "0-15" {
					t.Errorf("events %q, want those that each endpoint has (RFC 4733, 2.5.1.1)", codec.Fmtp)
				}
				got = append(got, fmt.Sprintf("%s/%d", codec.Name, codec.ClockRate))
			}
			if strings.Join(got, " ") != want {
				t.Errorf("got %s\nwant %s", strings.Join(got, " "), want)
			}
		})
	}
	p := newPeer(t, Config{Codecs: []media.Codec{lookup(t, "pcma")}})
	if text, err := p.Offer(testContext(t)); err != nil || !strings.Contains(text, "SAVPF 8 101\r\n") {
		t.Errorf("%v: one codec alone is not offered alone:\n%s", err, text)
	}
}

// What servers of other makers answered to such offers (Janus 1.1.2, baresip
// 1.0.0, baresip behind rtpengine 10.5.3), and what RFC 3264 makes of it: the
// first codec of the answer's that was offered, sent under the answer's number and
// received under either side's.
func TestTheAnswerDecidesTheCodec(t *testing.T) {
	renumbered := strings.NewReplacer("SAVPF 111 0 101", "SAVPF 96 0 97", "rtpmap:111", "rtpmap:96", "fmtp:111", "fmtp:96",
		"rtpmap:101", "rtpmap:97", "fmtp:101", "fmtp:97").Replace
	for name, row := range map[string]struct {
		file    string
		edit    func(string) string
		offered []string // default: all, Opus first
		codec   string
		number  uint8
		comes   []uint8
		events  []uint8
	}{
		"Janus takes PCMU":                   {"janus_pcmu", nil, nil, "PCMU", 0, []uint8{0}, []uint8{101, 110}},
		"Janus takes Opus":                   {"janus_opus", nil, nil, "opus", 111, []uint8{111}, []uint8{101, 110}},
		"baresip has several, PCMU first":    {"baresip", nil, nil, "PCMU", 0, []uint8{0}, []uint8{101, 110}},
		"rtpengine has several, Opus first":  {"rtpengine", nil, nil, "opus", 111, []uint8{111}, []uint8{101, 110}},
		"numbers of the far end's own":       {"rtpengine", renumbered, nil, "opus", 96, []uint8{96, 111}, []uint8{97, 101, 110}},
		"a number that was offered as event": {"rtpengine", strings.NewReplacer("SAVPF 111 0 101", "SAVPF 101", "rtpmap:101 telephone-event/8000", "rtpmap:101 PCMA/8000").Replace, nil, "PCMA", 101, []uint8{8, 101}, []uint8{110}},
		"events before the codec":            {"rtpengine", strings.NewReplacer("SAVPF 111 0 101", "SAVPF 101 0").Replace, nil, "PCMU", 0, []uint8{0}, []uint8{101, 110}},
		"first a codec that was not offered": {"rtpengine", strings.NewReplacer("SAVPF 111 0 101", "SAVPF 9 0 101").Replace, nil, "PCMU", 0, []uint8{0}, []uint8{101, 110}},
		"the only one asked for":             {"baresip", nil, []string{"opus"}, "opus", 111, []uint8{111}, []uint8{101, 110}},
		"none of those asked for":            {"baresip", nil, []string{"pcma"}, "", 0, nil, nil},
		"G.722 alone":                        {"rtpengine", strings.NewReplacer("SAVPF 111 0 101", "SAVPF 9 101").Replace, nil, "", 0, nil, nil},
		"telephone events alone":             {"rtpengine", strings.NewReplacer("SAVPF 111 0 101", "SAVPF 101").Replace, nil, "", 0, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile("testdata/answers/" + row.file + ".sdp")
			if err != nil {
				t.Fatal(err)
			}
			answer := string(text)
			if row.edit != nil {
				if answer = row.edit(answer); answer == string(text) {
					t.Fatal("the edit changes nothing")
				}
			}
			p := newPeer(t, Config{Codecs: media.Preferring(lookup(t, "opus"))})
			if row.offered != nil {
				p.cfg.Codecs = nil
				for _, name := range row.offered {
					p.cfg.Codecs = append(p.cfg.Codecs, lookup(t, name))
				}
			}
			if _, err := p.Offer(testContext(t)); err != nil {
				t.Fatal(err)
			}
			err = p.Accept(answer)
			var bad *SDPError
			if row.codec == "" {
				if !errors.As(err, &bad) || bad.Part != "codec" {
					t.Errorf("got %v, want an SDPError about the codec", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := lookup(t, row.codec)
			want.PayloadType = row.number
			if got := p.Codec(); got != want {
				t.Errorf("got %+v\nwant %+v", got, want)
			}
			codec, events := p.Incoming()
			if codec != rtpflow.PayloadTypes(row.comes...) {
				t.Errorf("got %v, want %v as the codec", list(codec), row.comes)
			}
			if want := slices.Sorted(slices.Values(row.events)); row.offered == nil && events != rtpflow.PayloadTypes(want...) {
				t.Errorf("got %v, want %v as events", list(events), want)
			}
		})
	}
}

func list(s rtpflow.PayloadSet) (types []uint8) {
	for n := range uint8(128) {
		if s.Has(n) {
			types = append(types, n)
		}
	}
	return types
}
