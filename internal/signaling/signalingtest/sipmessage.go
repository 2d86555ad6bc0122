package signalingtest

import (
	"fmt"
	"regexp"
	"strings"
)

// SIPMessage is a SIP message as text came in, taken apart by lines alone: no
// parser of an adapter has seen it.
type SIPMessage struct {
	Conn  int    // on which connection it came, counted from 1
	Text  string // all of it
	First string // the request or status line
	Body  string

	lines []string // of the header
}

// readSIP takes a message apart.
func readSIP(conn int, text string) SIPMessage {
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	return SIPMessage{Conn: conn, Text: text, First: lines[0], Body: body, lines: lines[1:]}
}

// Method returns the method of a request; of a response, that of its CSeq.
func (m SIPMessage) Method() string {
	if !m.Request() {
		_, method, _ := strings.Cut(m.Get("CSeq"), " ")
		return method
	}
	method, _, _ := strings.Cut(m.First, " ")
	return method
}

// Request reports whether the message is a request.
func (m SIPMessage) Request() bool { return !strings.HasPrefix(m.First, "SIP/2.0 ") }

// URI returns the Request-URI.
func (m SIPMessage) URI() string {
	parts := strings.Split(m.First, " ")
	if len(parts) != 3 {
		return ""
	}
	return parts[1]
}

// Status returns the status code of a response as text.
func (m SIPMessage) Status() string {
	parts := strings.SplitN(m.First, " ", 3)
	if len(parts) < 2 || m.Request() {
		return ""
	}
	return parts[1]
}

// All returns the values of all header lines of that name, compared without
// case.
func (m SIPMessage) All(name string) []string {
	var values []string
	for _, line := range m.lines {
		key, value, ok := strings.Cut(line, ":")
		if ok && strings.EqualFold(strings.TrimSpace(key), name) {
			values = append(values, strings.TrimSpace(value))
		}
	}
	return values
}

// Get returns the first value of that name, or nothing.
func (m SIPMessage) Get(name string) string {
	if all := m.All(name); len(all) > 0 {
		return all[0]
	}
	return ""
}

var (
	tagParam    = regexp.MustCompile(`(?i);\s*tag=([^;>\s]+)`)
	branchParam = regexp.MustCompile(`(?i);\s*branch=([^;,\s]+)`)
	angled      = regexp.MustCompile(`<([^>]*)>`)
)

// tag returns the tag of an address header.
func (m SIPMessage) tag(name string) string { return first(tagParam, m.Get(name)) }

// Branch returns the branch of the topmost Via.
func (m SIPMessage) Branch() string { return first(branchParam, m.Get("Via")) }

// Contact returns the URI in the Contact header.
func (m SIPMessage) Contact() string { return first(angled, m.Get("Contact")) }

func first(pattern *regexp.Regexp, text string) string {
	if match := pattern.FindStringSubmatch(text); match != nil {
		return match[1]
	}
	return ""
}

// Reply writes a response to a request. extra are header lines; the body is SDP
// when there is one. Without a tag the To header stays as it came.
func (m SIPMessage) Reply(status, tag string, extra []string, body string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %s\r\n", status)
	for _, via := range m.All("Via") {
		fmt.Fprintf(&b, "Via: %s\r\n", via)
	}
	to := m.Get("To")
	if tag != "" && m.tag("To") == "" {
		to += ";tag=" + tag
	}
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n", m.Get("From"), to, m.Get("Call-ID"), m.Get("CSeq"))
	for _, line := range extra {
		b.WriteString(line + "\r\n")
	}
	if body != "" && !hasLine(extra, "Content-Type") {
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.String()
}

func hasLine(lines []string, name string) bool {
	for _, line := range lines {
		if key, _, _ := strings.Cut(line, ":"); strings.EqualFold(key, name) {
			return true
		}
	}
	return false
}
