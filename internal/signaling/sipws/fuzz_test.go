package sipws

import (
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"

	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
)

// FuzzMessage gives what a server could send to all that reads messages. Nothing
// of it may panic, and what leaves for a person is one printable line.
func FuzzMessage(f *testing.F) {
	for _, text := range []string{
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n" +
			"Contact: <sip:b@192.0.2.1:5060;transport=udp>;expires=60\r\nRecord-Route: <sip:p;lr>, <sip:q;lr>\r\nSession-Expires: 90;refresher=uac\r\n" +
			"Require: 100rel\r\nRSeq: 7\r\nX-VoiceQuality: 42 green\r\nContent-Type: application/sdp\r\nContent-Length: 4\r\n\r\nv=0\n",
		"SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"a\", nonce=\"b\", algorithm=SHA-256, qop=\"auth,auth-int\", Digest realm=\"c\", nonce=\"d\"\r\n" +
			"Retry-After: 17 (soon);duration=5\r\nWarning: 399 x \"y\"\r\nCSeq: 1 INVITE\r\n\r\n",
		"SIP/2.0 302 Moved\r\nContact: *\r\n\r\n",
		"SIP/2.0 302 Moved\r\nContact: <sip:a\x1b[2J@b>\r\n\r\n",
		"BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/WS a\r\nFrom: \"x\" <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCSeq: 1 BYE\r\nReason: Q.850;cause=16\r\n\r\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parser.ParseSIP([]byte(text))
		if err != nil {
			return
		}
		s := &session{}
		s.heed(m)
		for _, o := range s.opinions {
			if strings.ContainsAny(o.Text, "\r\n\x1b") {
				t.Errorf("opinion %q is not one printable line", o.Text)
			}
		}
		d := &dialog{id: "x", remoteTag: "2", localTag: "1"}
		switch m := m.(type) {
		case *sip.Request:
			d.owns(m)
			inDialog(m)
			words(m)
		case *sip.Response:
			if text := refusal("INVITE sip:a@b", m).Error(); strings.ContainsAny(text, "\r\n\x1b") {
				t.Errorf("refusal %q is not one printable line", text)
			}
			d.established(m)
			agreedInterval(m)
			reliable(m)
			isSDP(m)
			w := &wallet{username: "u", password: "p"}
			request := sip.NewRequest(sip.INVITE, sip.Uri{Scheme: "sip", Host: "b"})
			if w.learn(request, m) {
				w.apply(request)
				if request.GetHeader("Authorization") == nil && request.GetHeader("Proxy-Authorization") == nil {
					t.Errorf("nothing answers the challenge in %q", text)
				}
			}
		}
	})
}

// FuzzLaterOffer gives what a far end could offer during a call. What is answered
// has a section for each of the offer's.
func FuzzLaterOffer(f *testing.F) {
	f.Add(signalingtest.Answer)
	f.Add(signalingtest.Answer + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n")
	f.Add("v=0\nm=audio 9 RTP/AVP 0\nm=\nm=audio\n")
	f.Add(theirs)
	f.Fuzz(func(t *testing.T, offer string) {
		l := &localSDP{offer: signalingtest.Offer, answer: signalingtest.Answer}
		if len(offer)%2 == 0 {
			l = &localSDP{offer: several, answer: theirs}
		}
		answer, err := l.reply(offer)
		if err != nil {
			return
		}
		if got, want := len(sections(answer)), len(sections(offer)); got != want {
			t.Errorf("the answer has %d sections, the offer %d:\n%q\nto\n%q", got, want, answer, offer)
		}
		if !strings.HasPrefix(answer, "v=0\r\n") || strings.Contains(answer, "a=setup:actpass") {
			t.Errorf("got answer %q", answer)
		}
	})
}
