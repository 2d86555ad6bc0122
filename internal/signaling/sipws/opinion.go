package sipws

import (
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/earshot-voip/earshot/internal/signaling"
)

// opinionHeaders are where far ends say what they think of a call's media.
//
// X-VoiceQuality is AudioCodes': the MOS times ten and a colour, "42 green", or
// "N/A gray". X-RTP-Stat (AudioCodes, Fritz!Box) and P-RTP-Stat (Cisco,
// Grandstream) count packets: "PS=207;OS=49680;PR=314;OR=50240;PL=0;JI=600;LA=40".
var opinionHeaders = []string{"X-VoiceQuality", "X-RTP-Stat", "P-RTP-Stat"}

// heed keeps what a message says of the call's quality.
func (s *session) heed(m sip.Message) {
	for _, name := range opinionHeaders {
		for _, h := range m.GetHeaders(name) {
			o := signaling.Opinion{Source: name, Text: signaling.Clip(signaling.OneLine(h.Value()), 200)}
			if name == "X-VoiceQuality" {
				o.MOS = voiceQuality(o.Text)
			}
			s.mu.Lock()
			if o.Text != "" && len(s.opinions) < 16 {
				s.opinions = append(s.opinions, o)
			}
			s.mu.Unlock()
		}
	}
}

// voiceQuality reads the MOS of X-VoiceQuality; nil when it says none.
func voiceQuality(text string) *float64 {
	first, _, _ := strings.Cut(text, " ")
	tenths, err := strconv.Atoi(first)
	if err != nil || tenths < 10 || tenths > 50 {
		return nil
	}
	mos := float64(tenths) / 10
	return &mos
}
