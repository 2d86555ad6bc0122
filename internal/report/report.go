// Package report shows the result of a call: as text for a terminal, as the
// JSON object that programs rely on, as an exit code, and, while the call is
// running, as a live view.
//
// What is not known is said to be unknown (text) or null (JSON), never zero.
package report

import (
	"strings"
	"unicode"

	"github.com/earshot-voip/earshot/probe"
)

// Options say what the terminal can show. The zero value is plain text of 80
// columns.
type Options struct {
	Color bool // use SGR escape sequences
	ASCII bool // use no other characters than those of US-ASCII
	Width int  // columns; 0: 80
}

// ExitCode is the exit code of a command that placed the call: 0 good,
// 1 degraded, 2 failed, 3 untrusted.
func ExitCode(r *probe.Result) int { return exitCode(r.Verdict) }

// PathsExitCode is that of a command that compared paths: of the best path's
// call; 2 when none carries a call, 3 when none could be judged.
func PathsExitCode(c *probe.Comparison) int { return exitCode(c.Verdict) }

func exitCode(v probe.Verdict) int {
	switch v {
	case probe.Good:
		return 0
	case probe.Degraded:
		return 1
	case probe.Untrusted:
		return 3
	}
	return 2
}

// measured reports whether the call got so far that the instrument's own error
// is known.
func measured(s *probe.Self) bool {
	return s.Trusted || len(s.Reasons) > 0 || s.SendLate.Count > 0
}

// printable makes one line of text that came from elsewhere harmless: servers
// choose the words of their refusals, and a terminal obeys control characters.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	return strings.Join(strings.Fields(text), " ")
}
