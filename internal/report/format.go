package report

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

const unknown = "unknown"

// quantity splits a duration into its number, with three significant digits,
// and its unit, so that both can be aligned.
func quantity(d time.Duration) (number, unit string) {
	ms := float64(d) / float64(time.Millisecond)
	switch abs := math.Abs(ms); {
	case abs < 0.9995:
		return fmt.Sprintf("%.3f", ms), "ms"
	case abs < 9.995:
		return fmt.Sprintf("%.2f", ms), "ms"
	case abs < 99.95:
		return fmt.Sprintf("%.1f", ms), "ms"
	case abs < 999.5:
		return fmt.Sprintf("%.0f", ms), "ms"
	case abs < 9995:
		return fmt.Sprintf("%.2f", ms/1000), "s"
	case abs < 99950:
		return fmt.Sprintf("%.1f", ms/1000), "s"
	}
	return fmt.Sprintf("%.0f", ms/1000), "s"
}

// Duration renders a time with three significant digits and its unit.
func Duration(d time.Duration) string { return duration(d) }

// Percent renders a ratio; it never shows zero for what is not zero.
func Percent(ratio float64) string { return percent(ratio) }

func duration(d time.Duration) string {
	number, unit := quantity(d)
	return number + " " + unit
}

// percent never shows zero for what is not zero.
func percent(ratio float64) string {
	switch p := 100 * ratio; {
	case p == 0:
		return "0 %"
	case p < 0.01:
		return "<0.01 %"
	case p < 9.995:
		return fmt.Sprintf("%.2f %%", p)
	default:
		return fmt.Sprintf("%.1f %%", p)
	}
}

// share renders a count and its ratio; zero stands alone.
func share(n int64, ratio float64) string {
	if n == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%s)", n, percent(ratio))
}

// wrap breaks a line at spaces so that no line is longer than width; a word
// that is longer is cut, and a unit stays with its number. There is always a
// first line.
func wrap(text string, width int) []string {
	width = max(width, 8)
	var lines []string
	line := ""
	for _, word := range words(text) {
		if line != "" && length(line)+1+length(word) <= width {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		for length(word) > width {
			head := string([]rune(word)[:width])
			lines = append(lines, head)
			word = word[len(head):]
		}
		line = word
	}
	return append(lines, line)
}

// words splits text at its spaces, but not between a number and its unit.
func words(text string) []string {
	var list []string
	for _, word := range strings.Fields(text) {
		switch strings.TrimRight(word, ".,:;)") {
		case "%", "s", "ms", "kHz", "dBov":
			if n := len(list); n > 0 && strings.ContainsAny(list[n-1][len(list[n-1])-1:], "0123456789") {
				list[n-1] += " " + word
				continue
			}
		}
		list = append(list, word)
	}
	return list
}

// length counts characters, which are taken to be one column wide.
func length(s string) int { return utf8.RuneCountInString(s) }

// cut shortens a line to width characters.
func cut(s string, width int) string {
	if length(s) <= width {
		return s
	}
	return string([]rune(s)[:max(width, 0)])
}

func pad(s string, width int) string { return s + strings.Repeat(" ", max(width-length(s), 0)) }

func padLeft(s string, width int) string { return strings.Repeat(" ", max(width-length(s), 0)) + s }
