package janus

import "strings"

// preferred is the codec that an offer names first, as the plugin writes it:
// "opus", "pcmu". It is "" when the offer does not name it in an rtpmap.
func preferred(offer string) string {
	var number string
	for line := range strings.Lines(offer) {
		line = strings.TrimSpace(line)
		if fields := strings.Fields(line); number == "" && len(fields) > 3 && fields[0] == "m=audio" {
			number = fields[3]
		}
		if number == "" {
			continue
		}
		if encoding, ok := strings.CutPrefix(line, "a=rtpmap:"+number+" "); ok {
			name, _, _ := strings.Cut(encoding, "/")
			return strings.ToLower(name)
		}
	}
	return ""
}
