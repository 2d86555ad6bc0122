package sipws

import (
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// maxSeconds bounds what a far end may ask for, so that no arithmetic on it
// overflows: a year.
const maxSeconds = 365 * 24 * 3600

// deltaSeconds reads the number at the beginning of a header field, before
// parameters and comments (RFC 3261, 25.1).
func deltaSeconds(value string) (time.Duration, bool) {
	digits := strings.TrimSpace(value)
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = digits[:end]
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0, false
	}
	return time.Duration(min(n, maxSeconds)) * time.Second, true
}

// retryAfter reads Retry-After (RFC 3261, 20.33); zero when it is not there.
func retryAfter(r *sip.Response) time.Duration {
	wait, _ := deltaSeconds(header(r, "Retry-After"))
	return wait
}

// inSeconds writes a duration for a header field.
func inSeconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

// parameter returns a parameter of a header field that has no parser.
func parameter(value, name string) string {
	for part := range strings.SplitSeq(value, ";") {
		key, v, _ := strings.Cut(part, "=")
		if strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
