package whip

import "strings"

// link is one link-value of a Link header (RFC 8288, 3).
type link struct {
	target string // as it stands between < and >
	params []param
}

type param struct{ name, value string } // the name in lower case

// param returns the first parameter of that name; later ones do not count for
// those parameters that RFC 8288, 3.4 defines, and here for none.
func (l link) param(name string) string {
	for _, p := range l.params {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

// related reports whether relation is among the link's relation types, which
// are separated by spaces and compared without case (RFC 8288, 2.1 and 3.3).
func (l link) related(relation string) bool {
	for _, r := range strings.Fields(l.param("rel")) {
		if strings.EqualFold(r, relation) {
			return true
		}
	}
	return false
}

// parseLinks reads the value of a Link header field by the algorithm of RFC
// 8288, B.2. What is malformed ends the reading; the links before it count.
func parseLinks(value string) []link {
	var links []link
	s := scanner{rest: value}
	for {
		s.skip(" \t,")
		if !s.take('<') {
			return links
		}
		target, ok := s.until('>')
		if !ok {
			return links
		}
		l := link{target: target}
		for s.skip(" \t"); s.take(';'); s.skip(" \t") {
			if p, ok := s.param(); ok {
				l.params = append(l.params, p)
			}
		}
		links = append(links, l)
		if s.rest != "" && s.rest[0] != ',' {
			return links
		}
	}
}

// scanner reads a header value from its beginning.
type scanner struct{ rest string }

func (s *scanner) skip(set string) { s.rest = strings.TrimLeft(s.rest, set) }

func (s *scanner) take(c byte) bool {
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// until returns what stands before c and passes both.
func (s *scanner) until(c byte) (string, bool) {
	i := strings.IndexByte(s.rest, c)
	if i < 0 {
		return "", false
	}
	found := s.rest[:i]
	s.rest = s.rest[i+1:]
	return found, true
}

// word returns what stands before any of stop.
func (s *scanner) word(stop string) string {
	i := strings.IndexAny(s.rest, stop)
	if i < 0 {
		i = len(s.rest)
	}
	found := s.rest[:i]
	s.rest = s.rest[i:]
	return found
}

// param reads a parameter up to the next semicolon or comma outside quotes; ok
// is false for an empty one.
func (s *scanner) param() (p param, ok bool) {
	s.skip(" \t")
	p.name = strings.ToLower(s.word(" \t=;,"))
	s.skip(" \t")
	if s.take('=') {
		s.skip(" \t")
		if s.take('"') {
			p.value = s.quoted()
		} else {
			p.value = strings.TrimRight(s.word(";,"), " \t")
		}
	}
	return p, p.name != ""
}

// quoted reads a quoted string after its first quote, taking what follows a
// backslash as it is (RFC 9110, 5.6.4). One that never ends takes all.
func (s *scanner) quoted() string {
	var text strings.Builder
	for i := 0; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			s.rest = s.rest[i+1:]
			return text.String()
		case c == '\\' && i+1 < len(s.rest):
			i++
			text.WriteByte(s.rest[i])
		default:
			text.WriteByte(c)
		}
	}
	s.rest = ""
	return text.String()
}
