package sipws

import (
	"slices"
	"strings"
)

// format is one payload type of a medium. Each side has numbers of its own for
// the dynamic ones (RFC 3264, 5.1), so that formats are compared by name.
type format struct {
	number string // as the m= line has it
	name   string // "opus/48000", in lower case; without a known name the number
}

// staticNames are those that need no rtpmap (RFC 3551, 6).
var staticNames = map[string]string{"0": "pcmu/8000", "8": "pcma/8000", "9": "g722/8000"}

func (f format) isEvent() bool { return strings.HasPrefix(f.name, "telephone-event/") }

// formatsOf returns the formats of a medium, in its order.
func formatsOf(s section) []format {
	var list []format
	for _, number := range strings.Fields(s[0])[3:] {
		f := format{number, number}
		if name, ok := staticNames[number]; ok {
			f.name = name
		}
		if encoding := strings.TrimSpace(s.value("a=rtpmap:" + number + " ")); encoding != "" {
			parts := strings.Split(strings.ToLower(encoding), "/")
			f.name = strings.Join(parts[:min(len(parts), 2)], "/") // channels are left out as often as not
		}
		list = append(list, f)
	}
	return list
}

// agreed is the codec of a call by name: the first of the answer's that was
// offered (RFC 3264, 7).
func agreed(offer, answer section) string {
	offered := formatsOf(offer)
	for _, f := range formatsOf(answer) {
		if !f.isEvent() && slices.ContainsFunc(offered, func(o format) bool { return o.name == f.name }) {
			return f.name
		}
	}
	return ""
}

// keep returns those of a list that belong to the call, of which a description of
// ours has the formats: the codec, and telephone events.
func keep(codec string, list, ours []format) []format {
	return slices.DeleteFunc(list, func(f format) bool {
		known := slices.ContainsFunc(ours, func(o format) bool { return o.name == f.name })
		return !known || f.name != codec && !f.isEvent()
	})
}

// renumbered gives an attribute of our description the number that kept has for
// its format; "" when the format is not kept. Other lines stay as they are.
func renumbered(line string, ours, kept []format) string {
	key, rest, _ := strings.Cut(line, ":")
	if key != "a=rtpmap" && key != "a=fmtp" {
		return line
	}
	number, value, _ := strings.Cut(rest, " ")
	i := slices.IndexFunc(ours, func(f format) bool { return f.number == number })
	if i < 0 {
		return ""
	}
	k := slices.IndexFunc(kept, func(f format) bool { return f.name == ours[i].name })
	if k < 0 {
		return ""
	}
	return key + ":" + kept[k].number + " " + value
}
