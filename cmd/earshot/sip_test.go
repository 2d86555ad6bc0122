package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
)

// sipServer is the script command that puts a SIP server in front of an echo. Its
// account is probe with the password s3cret.
func sipServer(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 2 {
			ts.Fatalf("usage: sip NAME ECHO")
		}
		s := signalingtest.NewSIP(t, signalingtest.SIPConfig{
			Auth:     &signalingtest.SIPAuth{Username: "probe", Password: "s3cret", Realm: "earshot.test"},
			Farewell: []string{"X-VoiceQuality: 42 green"},
			Answer:   func(offer string) (string, func(), error) { return postOffer(args[1], offer) },
		})
		ts.Setenv(args[0], s.URL)
	}
}

// postOffer asks an echo for an answer, and says how the call ends.
func postOffer(echo, offer string) (answer string, end func(), err error) {
	response, err := http.Post(echo, "application/sdp", strings.NewReader(offer))
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = response.Body.Close() }() // it was read
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusCreated {
		return "", nil, fmt.Errorf("%s, %w", response.Status, err)
	}
	base, err := url.Parse(echo)
	if err != nil {
		return "", nil, err
	}
	session, err := base.Parse(response.Header.Get("Location"))
	if err != nil {
		return "", nil, err
	}
	return string(body), func() {
		request, err := http.NewRequest(http.MethodDelete, session.String(), http.NoBody)
		if err != nil {
			return
		}
		if answer, err := http.DefaultClient.Do(request); err == nil {
			_ = answer.Body.Close() // what it says does not matter
		}
	}, nil
}
