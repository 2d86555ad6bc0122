package whip

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/earshot-voip/earshot/internal/signaling"
)

// checkAnswer reports why a success is no answer to an offer.
func checkAnswer(x *exchange) error {
	kind, err := judge(x)
	if err != nil {
		return &signaling.AnswerError{Request: x.name, Kind: kind, Err: err}
	}
	return nil
}

func judge(x *exchange) (signaling.Kind, error) {
	if code := x.response.StatusCode; code != http.StatusCreated {
		return signaling.KindWrongStatus, fmt.Errorf("status %d %s in place of 201 Created", code, reason(x.response))
	}
	given := x.response.Header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(given)
	switch {
	case given == "":
		return signaling.KindWrongType, errors.New("no content type in place of application/sdp")
	case err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter):
		return signaling.KindWrongType, fmt.Errorf("content type %q in place of application/sdp: %w", given, err)
	case media != "application/sdp":
		return signaling.KindWrongType, fmt.Errorf("content type %s in place of application/sdp", media)
	case x.over:
		return signaling.KindTooLarge, fmt.Errorf("longer than %d bytes", len(x.body))
	}
	return signaling.JudgeSDP(x.body)
}

// refusal makes a typed error of an answer that is no success.
func (x *exchange) refusal() error {
	return &signaling.StatusError{
		Request:    x.name,
		Code:       x.response.StatusCode,
		Reason:     reason(x.response),
		Body:       cleanBody(x.body, x.response.Header.Get("Content-Type")),
		RetryAfter: signaling.RetryAfter(x.response.Header.Get("Retry-After"), time.Now()),
	}
}

// reason returns the reason phrase: the server's own in HTTP/1, which may say
// more than the standard's.
func reason(r *http.Response) string { return signaling.Reason(r.StatusCode, r.Status) }

// maxWords is how much of a refusal's body an error carries, in characters.
const maxWords = 200

var (
	unseen = regexp.MustCompile(`(?is)<(script|style|head)\b.*?(</(script|style|head)\s*>|$)|<!--.*?(-->|$)`)
	markup = regexp.MustCompile(`(?s)</?[a-zA-Z!?][^>]*(>|$)`)
)

// cleanBody makes one line of a refusal's body for an error: no markup, nothing
// unprintable; empty when it is not text.
func cleanBody(body []byte, contentType string) string {
	// The limit on the body may have cut a character in two.
	for range utf8.UTFMax - 1 {
		if r, size := utf8.DecodeLastRune(body); r != utf8.RuneError || size != 1 {
			break
		}
		body = body[:len(body)-1]
	}
	if !utf8.Valid(body) || bytes.IndexByte(body, 0) >= 0 {
		return ""
	}
	text := string(body)
	if media, _, _ := mime.ParseMediaType(contentType); strings.Contains(media, "html") || looksLikeHTML(text) {
		text = unseen.ReplaceAllString(text, " ")
		text = markup.ReplaceAllString(text, " ")
		text = html.UnescapeString(text)
	}
	return signaling.Clip(signaling.OneLine(text), maxWords)
}

func looksLikeHTML(text string) bool {
	head := strings.ToLower(strings.TrimSpace(signaling.Clip(text, 64)))
	return strings.HasPrefix(head, "<!doctype html") || strings.HasPrefix(head, "<html")
}
