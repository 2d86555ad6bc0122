package sipws

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// localSDP answers later offers of the far end with what stands: the same codecs,
// the same ICE and DTLS session. What would need another one is refused.
type localSDP struct {
	offer, answer string // of the first INVITE

	mu      sync.Mutex
	version int    // how often the description changed since
	last    string // what this side said last; "": the offer
}

// standing is what this side said last. Who says the same again asks for no change
// (RFC 3264, 8).
func (l *localSDP) standing() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return cmp.Or(l.last, l.offer)
}

// section is a part of a session description: the part before all media, or one
// medium.
type section []string

// sections takes a description apart.
func sections(text string) []section {
	all := []section{nil}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "m=") {
			all = append(all, nil)
		}
		if line != "" {
			all[len(all)-1] = append(all[len(all)-1], line)
		}
	}
	return all
}

// value returns what follows prefix on the section's first such line.
func (s section) value(prefix string) string {
	for _, line := range s {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			return rest
		}
	}
	return ""
}

// attribute looks in a medium first, then in what holds for all media.
func attribute(all []section, medium int, prefix string) string {
	if v := all[medium].value(prefix); v != "" {
		return v
	}
	return all[0].value(prefix)
}

// audio returns the index of the first audio section that is not rejected; 0
// when there is none.
func audio(all []section) int {
	for i, s := range all[1:] {
		fields := strings.Fields(s[0])
		if fields[0] == "m=audio" && len(fields) > 3 && fields[1] != "0" {
			return i + 1
		}
	}
	return 0
}

// reply answers an offer (RFC 3264, 6 and 8): one section for each of its own.
func (l *localSDP) reply(text string) (string, error) {
	offer, ours, theirs := sections(text), sections(l.offer), sections(l.answer)
	at, mine, known := audio(offer), audio(ours), audio(theirs)
	if at == 0 || mine == 0 || known == 0 {
		return "", errors.New("no audio in the offer")
	}
	for _, prefix := range []string{"a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:"} {
		if !strings.EqualFold(attribute(offer, at, prefix), attribute(theirs, known, prefix)) {
			return "", fmt.Errorf("a new %s would need another media session", strings.Trim(prefix, "a=:"))
		}
	}
	codec := agreed(ours[mine], theirs[known])
	kept := keep(codec, formatsOf(offer[at]), formatsOf(ours[mine]))
	if !slices.ContainsFunc(kept, func(f format) bool { return f.name == codec }) {
		return "", fmt.Errorf("the offer lacks the codec of this call, %s: another one would need another call", codec)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.version++
	var b strings.Builder
	for _, line := range ours[0] {
		switch {
		case strings.HasPrefix(line, "o="):
			line = nextVersion(line, l.version)
		case strings.HasPrefix(line, "a=group:BUNDLE"):
			if offer[0].value("a=group:BUNDLE") == "" {
				continue
			}
			line = "a=group:BUNDLE " + offer[at].value("a=mid:")
		}
		b.WriteString(line + "\r\n")
	}
	for i, s := range offer[1:] {
		if i+1 != at {
			fields := strings.Fields(s[0])
			if len(fields) > 2 {
				fields[1] = "0"
			}
			b.WriteString(strings.Join(fields, " ") + "\r\n")
			continue
		}
		l.audio(&b, ours[mine], offer[at], kept, attribute(theirs, known, "a=setup:"))
	}
	l.last = b.String()
	return l.last, nil
}

// again is an offer of what stands: the first one, without the codecs that were
// not agreed on.
func (l *localSDP) again() string {
	ours, theirs := sections(l.offer), sections(l.answer)
	mine, known := audio(ours), audio(theirs)
	if mine == 0 || known == 0 {
		return l.offer
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.version++
	kept := keep(agreed(ours[mine], theirs[known]), formatsOf(ours[mine]), formatsOf(ours[mine]))
	var b strings.Builder
	for _, line := range ours[0] {
		if strings.HasPrefix(line, "o=") {
			line = nextVersion(line, l.version)
		}
		b.WriteString(line + "\r\n")
	}
	b.WriteString(mediaLine(ours[mine], kept) + "\r\n")
	for _, line := range ours[mine][1:] {
		if line = renumbered(line, formatsOf(ours[mine]), kept); line != "" {
			b.WriteString(line + "\r\n")
		}
	}
	l.last = b.String()
	return l.last
}

// audio writes our audio section as an answer.
func (l *localSDP) audio(b *strings.Builder, ours, offer section, kept []format, theirRole string) {
	b.WriteString(mediaLine(ours, kept) + "\r\n")
	for _, line := range ours[1:] {
		key, _, _ := strings.Cut(line, ":")
		switch key {
		case "a=setup":
			role := "passive"
			if theirRole == "passive" {
				role = "active"
			}
			line = "a=setup:" + role
		case "a=mid":
			mid := offer.value("a=mid:")
			if mid == "" {
				continue
			}
			line = "a=mid:" + mid
		case "a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive":
			line = "a=" + answerTo(offer)
		}
		if line = renumbered(line, formatsOf(ours), kept); line != "" {
			b.WriteString(line + "\r\n")
		}
	}
}

// mediaLine is the m= line of our audio section with the formats that are kept.
func mediaLine(ours section, kept []format) string {
	fields := strings.Fields(ours[0])[:3]
	for _, f := range kept {
		fields = append(fields, f.number)
	}
	return strings.Join(fields, " ")
}

// answerTo is the direction that answers an offered one (RFC 3264, 6.1).
func answerTo(offer section) string {
	switch {
	case slices.Contains(offer, "a=sendonly"):
		return "recvonly"
	case slices.Contains(offer, "a=recvonly"):
		return "sendonly"
	case slices.Contains(offer, "a=inactive"):
		return "inactive"
	}
	return "sendrecv"
}

// nextVersion counts the version of an o= line up (RFC 8866, 5.2).
func nextVersion(line string, by int) string {
	fields := strings.Fields(line)
	if len(fields) < 3 {
		return line
	}
	version, err := strconv.ParseUint(fields[2], 10, 63)
	if err != nil {
		return line
	}
	fields[2] = strconv.FormatUint(version+uint64(by), 10)
	return strings.Join(fields, " ")
}
