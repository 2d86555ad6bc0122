package signaling

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// JudgeSDP looks for the least that makes a text the answer to an audio call
// (RFC 8866): the version line first, and an audio section. Whether its content
// can be used is for the media layers to say. The kind is one of AnswerError's;
// it is empty when err is nil.
func JudgeSDP(body []byte) (Kind, error) {
	if len(body) == 0 {
		return KindEmpty, errors.New("empty body")
	}
	first, rest, _ := bytes.Cut(body, []byte("\n"))
	if string(bytes.TrimSuffix(first, []byte("\r"))) != "v=0" || !utf8.Valid(body) || bytes.IndexByte(body, 0) >= 0 {
		return KindNotSDP, fmt.Errorf("not a session description: begins with %q", Clip(string(body), 40))
	}
	for line := range bytes.Lines(rest) {
		if bytes.HasPrefix(line, []byte("m=audio ")) {
			return "", nil
		}
	}
	return KindNoAudio, errors.New("session description without audio")
}

// Reason returns the reason phrase of a status line such as "404 Not Found": the
// server's own, which may say more than the standard's.
func Reason(code int, status string) string {
	_, phrase, _ := strings.Cut(status, " ")
	if phrase = Clip(OneLine(phrase), 80); phrase != "" {
		return phrase
	}
	return http.StatusText(code)
}

// OneLine joins the words of s by single spaces and drops what is not
// printable: control characters could rewrite a terminal.
func OneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// Clip shortens s to n characters.
func Clip(s string, n int) string {
	count := 0
	for i := range s {
		if count == n {
			return s[:i] + "…"
		}
		count++
	}
	return s
}

// retryAfterMax bounds what a server may ask for, so that no arithmetic on it
// overflows.
const retryAfterMax = 365 * 24 * time.Hour

// RetryAfter reads both forms of the header (RFC 9110, 10.2.3); zero when it
// says nothing or a time gone by.
func RetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	var wait time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil {
		wait = time.Duration(min(seconds, uint64(retryAfterMax/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), retryAfterMax)
}
