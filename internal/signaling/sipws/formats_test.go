package sipws

import (
	"slices"
	"strings"
	"testing"
)

// several is an offer of ours with all codecs; theirs answers it as baresip does,
// with Opus under a number of its own.
const (
	several = "v=0\r\no=- 7 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8 110 101\r\nc=IN IP4 192.0.2.1\r\na=mid:0\r\na=sendrecv\r\n" +
		"a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n" +
		"a=rtpmap:110 telephone-event/48000\r\na=fmtp:110 0-15\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
	theirs = "v=0\r\no=- 9 4 IN IP4 192.0.2.2\r\ns=-\r\nt=0 0\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 107 0 97\r\nc=IN IP4 192.0.2.2\r\na=sendrecv\r\n" +
		"a=rtpmap:107 opus/48000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:97 telephone-event/8000\r\n"
)

// formatLines are the lines of a description that have to do with formats.
func formatLines(text string) string {
	var kept []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		for _, prefix := range []string{"m=", "a=rtpmap:", "a=fmtp:"} {
			if strings.HasPrefix(line, prefix) {
				kept = append(kept, line)
			}
		}
	}
	return strings.Join(kept, "\n")
}

// A later offer does not change the codec of a call: the answer holds what the
// call uses, under the numbers of the offer (RFC 3264, 6.1 and 8.3.2).
func TestALaterOfferKeepsTheCodec(t *testing.T) {
	const opusAndEvents = "m=audio 9 UDP/TLS/RTP/SAVPF 107 97\n" +
		"a=rtpmap:107 opus/48000/2\na=fmtp:107 minptime=10;useinbandfec=1\na=rtpmap:97 telephone-event/8000\na=fmtp:97 0-15"
	for name, row := range map[string]struct {
		edit func(string) string
		want string // "": refused
	}{
		"the same as their answer": {func(s string) string { return s }, opusAndEvents},
		"another codec first":      {strings.NewReplacer("107 0 97", "0 107 97").Replace, opusAndEvents},
		"the codec alone": {strings.NewReplacer("107 0 97", "107").Replace,
			"m=audio 9 UDP/TLS/RTP/SAVPF 107\na=rtpmap:107 opus/48000/2\na=fmtp:107 minptime=10;useinbandfec=1"},
		"our number for another codec": {strings.NewReplacer("107 0 97", "111 107", "rtpmap:0 PCMU", "rtpmap:111 iLBC").Replace,
			"m=audio 9 UDP/TLS/RTP/SAVPF 107\na=rtpmap:107 opus/48000/2\na=fmtp:107 minptime=10;useinbandfec=1"},
		"the codec is missing": {strings.NewReplacer("107 0 97", "0 97").Replace, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := &localSDP{offer: several, answer: theirs}
			got, err := l.reply(row.edit(theirs))
			if row.want == "" {
				if err == nil || !strings.Contains(err.Error(), "opus/48000") {
					t.Errorf("got %v and\n%s\nwant the codec named", err, got)
				}
				return
			}
			if err != nil || formatLines(got) != row.want {
				t.Errorf("got %v and\n%s\nwant\n%s", err, formatLines(got), row.want)
			}
		})
	}
}

// Whoever asks for an offer during the call gets what stands, and no other codec
// that it could choose; the version counts up, since the description changed (RFC
// 3264, 8).
func TestAnOfferDuringTheCallHoldsItsCodecAlone(t *testing.T) {
	l := &localSDP{offer: several, answer: theirs}
	if l.standing() != several {
		t.Error("a refresh asks for a change before there was one")
	}
	const want = "m=audio 9 UDP/TLS/RTP/SAVPF 111 110 101\n" +
		"a=rtpmap:111 opus/48000/2\na=fmtp:111 minptime=10;useinbandfec=1\n" +
		"a=rtpmap:110 telephone-event/48000\na=fmtp:110 0-15\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15"
	first, second := l.again(), l.again()
	if formatLines(first) != want {
		t.Errorf("got\n%s\nwant\n%s", formatLines(first), want)
	}
	if l.standing() != second {
		t.Errorf("a refresh says\n%s\nand not what was said last", l.standing())
	}
	for version, text := range map[string]string{"2": first, "3": second} {
		if !slices.Contains(strings.Split(text, "\r\n"), "o=- 7 "+version+" IN IP4 192.0.2.1") {
			t.Errorf("want version %s in\n%s", version, text)
		}
	}
}
