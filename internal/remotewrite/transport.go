package remotewrite

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// observer stands between the library and the network: it adds headers, keeps
// what the receiver said, which the library tells as text only, and guards
// against answers that are too long, too patient, or from somebody else.
type observer struct {
	next    http.RoundTripper
	to      *url.URL // as it was configured: the library makes its own of it, without a slash at the end
	headers map[string]string
	longest time.Duration // for which a receiver may ask us to wait

	status  int // of the last answer
	message string
}

// longestAnswer is how much of an answer is read. Only errors have one.
const longestAnswer = 1 << 10

// RoundTrip implements http.RoundTripper.
func (o *observer) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.URL = o.to
	for name, value := range o.headers {
		request.Header.Set(name, value)
	}
	o.status, o.message = 0, ""
	response, err := o.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	// What has been said by now counts: an answer that breaks off later must not
	// turn a success into a failure.
	body, _ := io.ReadAll(io.LimitReader(response.Body, longestAnswer))
	response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(body))
	o.status, o.message = response.StatusCode, oneLine(body)

	if response.StatusCode/100 == 3 {
		// A portal that wants a login, or a URL that has moved: samples wait.
		return nil, fmt.Errorf("the receiver redirects to %s\nhint: name the final URL", withoutSecrets(response.Header.Get("Location")))
	}
	if wait := response.Header.Get("Retry-After"); wait != "" {
		response.Header.Set("Retry-After", o.patience(wait))
	}
	return response, nil
}

// patience bounds a Retry-After (RFC 9110, 10.2.3), in seconds or as a date.
func (o *observer) patience(header string) string {
	var wait time.Duration
	if seconds, err := strconv.ParseFloat(header, 64); err == nil && seconds > 0 {
		wait = time.Duration(min(seconds, o.longest.Seconds()) * float64(time.Second))
	} else if at, err := http.ParseTime(header); err == nil {
		wait = time.Until(at)
	}
	wait = max(0, min(wait, o.longest))
	return strconv.Itoa(int(math.Ceil(wait.Seconds())))
}

// said is what the receiver said, or else the library's error.
func (o *observer) said(err error) string {
	if o.message != "" {
		return o.message
	}
	return oneLine([]byte(err.Error()))
}

// oneLine makes text from outside fit for a log.
func oneLine(text []byte) string {
	clean := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(text), "?"))
	return strings.TrimSpace(clean)
}
