package sipws

import (
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/earshot-voip/earshot/internal/signaling"
)

// request answers what the far end asks for during a call. It runs on the link's
// reader.
func (s *session) request(r *sip.Request) {
	if !s.dialog.owns(r) {
		s.outside(r)
		return
	}
	if r.Method == sip.ACK {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.unacked = nil
		return
	}
	if cseq := r.CSeq(); cseq != nil && r.Method != sip.CANCEL {
		if cseq.SeqNo < s.dialog.remoteNumber { // RFC 3261, 12.2.2
			s.respond(r, sip.StatusInternalServerError, "Out of order")
			return
		}
		s.dialog.remoteNumber = cseq.SeqNo
	}
	switch r.Method {
	case sip.BYE:
		s.respond(r, sip.StatusOK, "OK")
		s.heed(r)
		s.mu.Lock()
		s.told = true
		s.mu.Unlock()
		s.end(&signaling.EndedError{Reason: words(r)})
	case sip.INVITE, sip.UPDATE:
		s.modify(r)
	case sip.NOTIFY:
		s.heed(r)
		s.respond(r, sip.StatusOK, "OK")
	case sip.CANCEL, sip.PRACK: // nothing here takes time or wants PRACK
		s.respond(r, sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
	default:
		s.outside(r)
	}
}

// outside answers a request that belongs to no call. A notification about voice
// quality still comes when the call is over.
func (s *session) outside(r *sip.Request) {
	if r.Method == sip.NOTIFY && strings.EqualFold(header(r, "Event", "o"), "vq") {
		s.heed(r)
	}
	s.caller.link.outside(r)
}

// outside answers a request that belongs to no call of this side.
func (l *link) outside(r *sip.Request) {
	code, reason := sip.StatusMethodNotAllowed, "Method Not Allowed"
	switch {
	case r.Method == sip.ACK:
		return
	case r.Method == sip.OPTIONS:
		code, reason = sip.StatusOK, "OK"
	case r.Method == sip.NOTIFY && strings.EqualFold(header(r, "Event", "o"), "vq"):
		code, reason = sip.StatusOK, "OK"
	case inDialog(r), r.Method == sip.CANCEL, r.Method == sip.NOTIFY:
		code, reason = sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist"
	case r.Method == sip.INVITE:
		code, reason = sip.StatusBusyHere, "Busy Here"
	}
	answer := sip.NewResponseFromRequest(r, code, reason, nil)
	answer.AppendHeader(sip.NewHeader("Allow", methods))
	answer.AppendHeader(sip.NewHeader("Accept", "application/sdp"))
	answer.AppendHeader(sip.NewHeader("Supported", "timer, outbound"))
	_ = l.send(answer) // a dead socket shows by itself
}

func (s *session) respond(r *sip.Request, code int, reason string) {
	_ = s.caller.link.send(sip.NewResponseFromRequest(r, code, reason, nil)) // likewise
}

// modify answers a later offer of the far end with what stands, and a refresh
// with the interval that it asks for (RFC 3261, 14.2; RFC 3311; RFC 4028, 9).
func (s *session) modify(r *sip.Request) {
	var body string
	switch offer := string(r.Body()); {
	case offer != "":
		var err error
		if body, err = s.local.reply(offer); err != nil {
			refusal := sip.NewResponseFromRequest(r, sip.StatusNotAcceptableHere, "Not Acceptable Here", nil)
			refusal.AppendHeader(sip.NewHeader("Warning", `399 earshot "`+strings.ReplaceAll(err.Error(), `"`, "'")+`"`))
			_ = s.caller.link.send(refusal) // a dead socket shows by itself
			return
		}
	case r.Method == sip.INVITE:
		body = s.local.again() // the ACK brings the answer, which changes nothing
	}
	var content []byte
	if body != "" {
		content = []byte(body)
	}
	ok := sip.NewResponseFromRequest(r, sip.StatusOK, "OK", content)
	ok.AppendHeader(sip.NewHeader("Contact", s.caller.contact()))
	ok.AppendHeader(sip.NewHeader("Allow", methods))
	ok.AppendHeader(sip.NewHeader("Supported", "timer, outbound"))
	if body != "" {
		ok.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	}
	s.refreshed(r, ok)
	if r.Method == sip.INVITE {
		s.mu.Lock()
		s.unacked = ok
		s.mu.Unlock()
		select {
		case s.answered <- struct{}{}:
		default:
		}
	}
	_ = s.caller.link.send(ok) // a dead socket shows by itself
}

// refreshed takes the session interval of a request: whoever asks refreshes,
// unless it names this side.
func (s *session) refreshed(r *sip.Request, ok *sip.Response) {
	value := header(r, "Session-Expires", "x")
	length, given := deltaSeconds(value)
	if !given || length <= 0 {
		return
	}
	refresher := parameter(value, "refresher")
	if refresher != "uas" {
		refresher = "uac"
		ok.AppendHeader(sip.NewHeader("Require", "timer"))
	}
	ok.AppendHeader(sip.NewHeader("Session-Expires", inSeconds(length)+";refresher="+refresher))
	i := interval{length: length, ours: refresher == "uas", update: lists(r, "UPDATE", "Allow"), next: length / 2}
	select {
	case <-s.agreed: // overtaken
	default:
	}
	s.agreed <- i
}

// repeat sends a success to an INVITE of theirs again while no ACK has come:
// behind the server the transport may lose it (RFC 3261, 13.3.1.4). It reports
// whether there was one to send.
func (s *session) repeat() bool {
	s.mu.Lock()
	ok := s.unacked
	s.mu.Unlock()
	if ok != nil {
		_ = s.caller.link.send(ok) // a dead socket shows by itself
	}
	return ok != nil
}
