package janus

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/earshot-voip/earshot/internal/signaling"
)

// echoTest is the plugin that sends back what it gets.
const echoTest = "janus.plugin.echotest"

// What a message is about.
const (
	kindAck       = "ack"
	kindSuccess   = "success"
	kindError     = "error"
	kindEvent     = "event"
	kindHangup    = "hangup"   // the PeerConnection is over
	kindDetached  = "detached" // the plugin's handle is gone
	kindTimeout   = "timeout"  // the session is gone
	kindCreate    = "create"
	kindAttach    = "attach"
	kindMessage   = "message"
	kindKeepAlive = "keepalive"
	kindDestroy   = "destroy"
)

// codeNoSession is Janus' error for a session that it does not know
// (JANUS_ERROR_SESSION_NOT_FOUND in its apierror.h).
const codeNoSession = 458

// request is what this side says. Ids are integers of up to 53 bits.
type request struct {
	Kind        string `json:"janus"`
	Transaction string `json:"transaction"`
	Session     uint64 `json:"session_id,omitempty"`
	Handle      uint64 `json:"handle_id,omitempty"`
	Secret      string `json:"apisecret,omitempty"`
	Token       string `json:"token,omitempty"`
	Plugin      string `json:"plugin,omitempty"`
	Body        *body  `json:"body,omitempty"`
	JSEP        *jsep  `json:"jsep,omitempty"`
}

// body is what the EchoTest plugin wants to know.
type body struct {
	Audio bool `json:"audio"`
	Video bool `json:"video"`
	// AudioCodec is the codec of the answer. Without it the plugin takes Opus
	// wherever it is offered.
	AudioCodec string `json:"audiocodec,omitempty"`
}

// jsep carries a session description.
type jsep struct {
	Type string `json:"type"` // offer or answer
	SDP  string `json:"sdp"`
}

// reply is what the gateway says: to a request, or by itself.
type reply struct {
	Kind        string `json:"janus"`
	Transaction string `json:"transaction"`
	Session     uint64 `json:"session_id"`
	Sender      uint64 `json:"sender"` // the handle it is about
	Reason      string `json:"reason"` // of a hang-up
	Data        struct {
		ID uint64 `json:"id"`
	} `json:"data"`
	Error *struct {
		Code   int    `json:"code"`
		Reason string `json:"reason"`
	} `json:"error"`
	Plugin struct {
		Data struct {
			ErrorCode int    `json:"error_code"`
			Error     string `json:"error"`
		} `json:"data"`
	} `json:"plugindata"`
	JSEP *jsep `json:"jsep"`
}

// parse reads one message of the gateway.
func parse(text []byte) (reply, error) {
	var r reply
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("not a message of Janus: %s", signaling.Clip(signaling.OneLine(err.Error()), 120))
	}
	if r.Kind == "" {
		return r, errors.New("not a message of Janus: it does not say what it is about")
	}
	return r, nil
}

// refusal returns the error that a reply stands for, nil if it stands for none:
// the gateway's own, or the plugin's.
func (r reply) refusal(request string) error {
	code, reason := 0, ""
	switch {
	case r.Error != nil:
		code, reason = r.Error.Code, r.Error.Reason
	case r.Kind == kindError:
		reason = "the gateway does not say why"
	case r.Plugin.Data.ErrorCode != 0 || r.Plugin.Data.Error != "":
		code, reason = r.Plugin.Data.ErrorCode, r.Plugin.Data.Error
	default:
		return nil
	}
	return &signaling.StatusError{Request: request, Code: code, Reason: signaling.Clip(signaling.OneLine(reason), 200)}
}

// newTransaction returns a name for a request that no other one has.
func newTransaction() string {
	var b [9]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
