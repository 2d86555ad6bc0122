package signalingtest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// handle does what a server does with a message.
func (s *SIP) handle(c *SIPConn, m SIPMessage) {
	if !m.Request() {
		return // it answers a request of ours, and is kept
	}
	switch m.Method() {
	case "ACK":
		s.mu.Lock()
		s.acks++
		s.mu.Unlock()
	case "CANCEL": // cannot be challenged (RFC 3261, 22.1)
		s.cancel(c, m)
	default:
		if status, lines := s.admit(m); status != "" {
			c.Write(m.Reply(status, "far-auth", lines, ""))
			return
		}
		s.admitted(c, m)
	}
}

// admit asks for a password where one is wanted.
func (s *SIP) admit(m SIPMessage) (status string, lines []string) {
	if s.config.Auth == nil {
		return "", nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	right, fresh := s.config.Auth.check(m, s.nonces)
	if right && fresh {
		return "", nil
	}
	n := &nonce{value: fmt.Sprintf("nonce-%d", len(s.nonces))}
	s.nonces[n.value] = n
	return s.config.Auth.challenge(n, !fresh && right)
}

func (s *SIP) admitted(c *SIPConn, m SIPMessage) {
	switch m.Method() {
	case "REGISTER":
		s.register(c, m)
	case "INVITE":
		if m.tag("To") != "" {
			c.Write(m.Reply("200 OK", "", []string{"Contact: <sip:echo@far.invalid;transport=ws>", "Session-Expires: 1800;refresher=uac"}, Answer))
			return
		}
		s.invite(c, m)
	case "BYE":
		s.bye(c, m)
	case "PRACK":
		if call := s.find(m); call != nil {
			c.Write(m.Reply("200 OK", "", nil, ""))
			call.prack.Do(func() { close(call.pracked) })
			return
		}
		c.Write(m.Reply("481 Call/Transaction Does Not Exist", "", nil, ""))
	default:
		c.Write(m.Reply("200 OK", "far", nil, ""))
	}
}

func (s *SIP) find(m SIPMessage) *SIPCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	call := s.calls[m.Get("Call-ID")]
	if call == nil || m.tag("To") != "" && m.tag("To") != call.tag {
		return nil
	}
	return call
}

// finish forgets a call, once. It reports whether the call was alive.
func (s *SIP) finish(call *SIPCall) bool {
	s.mu.Lock()
	id := call.invite.Get("Call-ID")
	alive := s.calls[id] == call
	if alive {
		delete(s.calls, id)
		close(call.over)
	}
	end := call.end
	s.mu.Unlock()
	if alive && end != nil {
		end()
	}
	return alive
}

func (s *SIP) register(c *SIPConn, m SIPMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.Get("Expires") == "0" {
		delete(s.registered, m.Get("To"))
		c.Write(m.Reply("200 OK", "far-reg", nil, ""))
		return
	}
	s.registered[m.Get("To")] = true
	c.Write(m.Reply("200 OK", "far-reg", []string{"Contact: " + m.Get("Contact") + ";expires=600"}, ""))
}

func (s *SIP) cancel(c *SIPConn, m SIPMessage) {
	call := s.find(m)
	if call == nil || call.invite.Branch() != m.Branch() || call.invite.URI() != m.URI() {
		c.Write(m.Reply("481 Call/Transaction Does Not Exist", "", nil, ""))
		return
	}
	c.Write(m.Reply("200 OK", call.tag, nil, ""))
	s.mu.Lock()
	answered := call.answered
	if !answered {
		s.ends++
	}
	s.mu.Unlock()
	if !answered && s.finish(call) {
		c.Write(call.invite.Reply("487 Request Terminated", call.tag, nil, ""))
	}
}

func (s *SIP) bye(c *SIPConn, m SIPMessage) {
	call := s.find(m)
	if call == nil {
		c.Write(m.Reply("481 Call/Transaction Does Not Exist", "", nil, ""))
		return
	}
	s.mu.Lock()
	s.ends++
	s.mu.Unlock()
	s.finish(call)
	c.Write(m.Reply("200 OK", "", s.config.Farewell, ""))
}

func (s *SIP) invite(c *SIPConn, m SIPMessage) {
	s.mu.Lock()
	known := s.registered[strings.Split(m.Get("From"), ";tag=")[0]]
	s.mu.Unlock()
	if s.config.Registered && !known {
		c.Write(m.Reply("403 Forbidden", "far", []string{`Warning: 399 far "register first"`}, ""))
		return
	}
	if asked := m.Get("Session-Expires"); s.config.MinSE > 0 {
		if n, _ := strconv.Atoi(strings.Split(asked, ";")[0]); n < s.config.MinSE {
			c.Write(m.Reply("422 Session Interval Too Small", "far", []string{fmt.Sprintf("Min-SE: %d", s.config.MinSE)}, ""))
			return
		}
	}
	b := s.config.Behaviour
	if b.Refuse != 0 {
		s.offers <- m.Body
		c.Write(m.Reply(fmt.Sprintf("%d Refused by the test", b.Refuse), "far", refusalLines(b), ""))
		return
	}
	s.mu.Lock()
	s.created++
	call := &SIPCall{conn: c, invite: m, tag: newTag(s.created), over: make(chan struct{}), pracked: make(chan struct{})}
	s.calls[m.Get("Call-ID")] = call
	s.mu.Unlock()
	c.Write(m.Reply("100 Trying", "", nil, ""))
	c.Write(m.Reply("180 Ringing", call.tag, []string{"Contact: <sip:echo@far.invalid;transport=ws>"}, ""))
	s.offers <- m.Body
	s.work.Go(func() { s.answer(call) })
}

func refusalLines(b Behaviour) []string {
	var lines []string
	if b.RetryAfter > 0 {
		lines = append(lines, fmt.Sprintf("Retry-After: %d (the test says so);duration=60", int(b.RetryAfter.Seconds())))
	}
	switch b.Refuse {
	case 401:
		lines = append(lines, `WWW-Authenticate: Digest realm="elsewhere", nonce="n", algorithm=MD5`)
	case 407:
		lines = append(lines, `Proxy-Authenticate: Digest realm="elsewhere", nonce="n", algorithm=MD5`)
	}
	return lines
}

// answer brings a call from ringing to its answer.
func (s *SIP) answer(call *SIPCall) {
	c, m := call.conn, call.invite
	if s.config.Early != "" {
		lines := []string{"Contact: <sip:echo@far.invalid;transport=ws>"}
		if s.config.Reliable {
			lines = append(lines, "Require: 100rel", "RSeq: 4711")
		}
		c.Write(m.Reply("183 Session Progress", call.tag, lines, s.config.Early))
		if s.config.Reliable && !s.wait(call, call.pracked) {
			return
		}
	}
	if s.config.Hold && !s.wait(call, s.released) {
		return
	}
	for s.config.Drip {
		c.Write(m.Reply("183 Session Progress", call.tag, nil, ""))
		pause := make(chan struct{})
		timer := time.AfterFunc(5*time.Millisecond, func() { close(pause) })
		if !s.wait(call, pause) {
			timer.Stop()
			return
		}
	}
	body := Answer
	if s.config.Answer != nil {
		sdp, end, err := s.config.Answer(m.Body)
		if err != nil {
			s.finish(call)
			c.Write(m.Reply("488 Not Acceptable Here", call.tag, []string{"Warning: 304 far \"" + err.Error() + "\""}, ""))
			return
		}
		s.mu.Lock()
		body, call.end = sdp, end
		s.mu.Unlock()
	}
	s.mu.Lock()
	call.answered = true
	alive := s.calls[m.Get("Call-ID")] == call
	s.mu.Unlock()
	if !alive {
		if call.end != nil {
			call.end()
		}
		return
	}
	if s.config.Garbage != "" {
		s.garbage(call, s.config.Garbage)
		return
	}
	if s.config.Bare {
		body = ""
	}
	c.Write(m.Reply("200 OK", call.tag, s.lines(), body))
}

func (s *SIP) lines() []string {
	if s.config.Lines != nil {
		return s.config.Lines
	}
	return []string{"Contact: <sip:echo@far.invalid;transport=ws>"}
}

// wait waits for what; false when the call or the server ended before.
func (s *SIP) wait(call *SIPCall, what <-chan struct{}) bool {
	select {
	case <-what:
		return true
	case <-call.over:
	case <-s.stopped:
	}
	return false
}

// garbage answers with what is named.
func (s *SIP) garbage(call *SIPCall, name string) {
	c, m := call.conn, call.invite
	ok := func(body string, lines ...string) {
		c.Write(m.Reply("200 OK", call.tag, append(lines, s.lines()...), body))
	}
	unanswered := func() {
		s.mu.Lock()
		call.answered = false
		s.mu.Unlock()
	}
	switch name {
	case "a web page":
		unanswered()
		c.Write("<html><body>It works!</body></html>")
	case "broken header":
		unanswered()
		c.Write(strings.Replace(m.Reply("200 OK", call.tag, s.lines(), Answer), "CSeq: ", "CSeq: many ", 1))
	case "a web page as body":
		ok("<html><body>It works!</body></html>", "Content-Type: text/html; charset=utf-8")
	case "no content type":
		text := m.Reply("200 OK", call.tag, s.lines(), Answer)
		c.Write(strings.Replace(text, "Content-Type: application/sdp\r\n", "", 1))
	case "empty body":
		ok("")
	case "binary":
		text := m.Reply("200 OK", call.tag, s.lines(), "v=0\r\n\x00\xff\xfem=audio 9 RTP/AVP 0\r\nm=audio 9\r\n")
		c.write(websocket.MessageBinary, []byte(text))
	case "huge body":
		ok(Answer + strings.Repeat("a=x-padding:0123456789012345678901234567890123456789\r\n", 8000))
	case "no audio":
		ok(strings.Replace(Answer, "m=audio", "m=video", 1))
	default:
		panic("no such garbage: " + name)
	}
}
