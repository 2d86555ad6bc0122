package signalingtest

import "strings"

// failure is an error of the API.
func failure(request map[string]any, code int, reason string) map[string]any {
	return map[string]any{"janus": "error", "transaction": request["transaction"], "error": map[string]any{"code": code, "reason": reason}}
}

// handle does what a request asks for. say is called once or more.
func (j *Janus) handle(request map[string]any, say func(map[string]any)) {
	j.mu.Lock()
	j.heard = append(j.heard, request)
	j.mu.Unlock()
	text := func(key string) string { s, _ := request[key].(string); return s }
	success := func(id int64) map[string]any {
		return map[string]any{"janus": "success", "transaction": request["transaction"], "data": map[string]any{"id": id}}
	}
	refuse := j.config.Refuse
	if text("apisecret") != j.config.Secret || text("token") != j.config.Token {
		say(failure(request, 403, "Unauthorized request (wrong or missing secret/token)"))
		return
	}
	if text("janus") == "create" {
		if refuse == 403 || refuse == 457 || refuse == 490 {
			say(failure(request, refuse, "refused by the test"))
			return
		}
		say(success(j.create()))
		return
	}
	j.mu.Lock()
	s := j.sessions[number(request, "session_id")]
	j.mu.Unlock()
	if s == nil && text("janus") != "destroy" {
		say(failure(request, 458, "No such session"))
		return
	}
	switch text("janus") {
	case "attach":
		if refuse == 460 || text("plugin") != "janus.plugin.echotest" {
			say(failure(request, 460, "No such plugin"))
			return
		}
		say(success(s.handle))
	case "message":
		j.message(request, s, say)
	case "keepalive":
		say(map[string]any{"janus": "ack", "session_id": s.id, "transaction": request["transaction"]})
	case "destroy":
		j.destroy(request, say)
	default:
		say(failure(request, 453, "Unknown request"))
	}
}

func (j *Janus) create() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.created++
	n := int64(j.created)
	id := 1<<52 + n // ids have up to 53 bits
	j.sessions[id] = &janusSession{id: id, handle: 1<<51 + n, events: make(chan map[string]any, 64), over: make(chan struct{})}
	return id
}

func (j *Janus) destroy(request map[string]any, say func(map[string]any)) {
	id := number(request, "session_id")
	j.mu.Lock()
	j.ends++
	known := j.sessions[id] != nil
	j.forget(id)
	j.mu.Unlock()
	if !known {
		say(failure(request, 458, "No such session"))
		return
	}
	say(map[string]any{"janus": "success", "session_id": id, "transaction": request["transaction"]})
}

// message takes an offer and answers it by an event.
func (j *Janus) message(request map[string]any, s *janusSession, say func(map[string]any)) {
	description, _ := request["jsep"].(map[string]any)
	offer, _ := description["sdp"].(string)
	if description["type"] != "offer" || number(request, "handle_id") != s.handle {
		say(failure(request, 454, "Invalid request"))
		return
	}
	j.offers <- offer
	body, _ := request["body"].(map[string]any)
	codec, _ := body["audiocodec"].(string)
	j.codecs <- codec
	ack := map[string]any{"janus": "ack", "session_id": s.id, "transaction": request["transaction"]}
	event := map[string]any{"janus": "event", "session_id": s.id, "sender": s.handle, "transaction": request["transaction"],
		"plugindata": map[string]any{"plugin": "janus.plugin.echotest", "data": map[string]any{"echotest": "event", "result": "ok"}},
		"jsep":       map[string]any{"type": "answer", "sdp": Answer}}
	if j.config.Answer != nil && j.config.Refuse == 0 {
		sdp, end, err := j.config.Answer(offer)
		if err != nil {
			say(failure(request, 465, err.Error()))
			return
		}
		j.mu.Lock()
		s.end = end
		j.mu.Unlock()
		event["jsep"] = map[string]any{"type": "answer", "sdp": sdp}
	}
	if j.config.Refuse != 0 {
		event["plugindata"] = map[string]any{"plugin": "janus.plugin.echotest", "data": map[string]any{
			"echotest": "event", "error_code": j.config.Refuse, "error": "refused by the test"}}
		delete(event, "jsep")
	}
	janusGarbage(event, j.config.Garbage)
	if j.config.AnswerFirst {
		say(event)
		say(ack)
		return
	}
	say(ack)
	if j.config.Hold {
		select {
		case <-j.released:
		case <-s.over:
			return
		case <-j.stopped:
			return
		}
	}
	if j.config.Drip {
		return
	}
	say(event)
}

// janusGarbage turns an event with an answer into what is named.
func janusGarbage(event map[string]any, name string) {
	answer := func(kind, sdp string) { event["jsep"] = map[string]any{"type": kind, "sdp": sdp} }
	switch name {
	case "":
	case "no JSON":
		event["raw"] = "<html>It works!</html>"
	case "another JSON":
		event["raw"] = `{"status":"ok"}`
	case "an empty text":
		answer("answer", "")
	case "no description":
		answer("answer", "hello")
	case "no audio":
		answer("answer", strings.Replace(Answer, "m=audio", "m=video", 1))
	case "another offer":
		answer("offer", Answer)
	case "huge":
		answer("answer", Answer+strings.Repeat("a=x-padding:0123456789012345678901234567890123456789\r\n", 20000))
	default:
		panic("no such garbage: " + name)
	}
}
