package main

import (
	"cmp"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/earshot-voip/earshot/internal/report"
)

// terminal returns the file descriptor of w if it is a terminal on which colour
// and motion are welcome.
func terminal(w io.Writer) (fd int, ok bool) {
	f, isFile := w.(*os.File)
	if !isFile || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return 0, false
	}
	return int(f.Fd()), term.IsTerminal(int(f.Fd()))
}

// displayOptions says how to write text to w.
func displayOptions(w io.Writer) report.Options {
	o := report.Options{ASCII: asciiOnly()}
	_, o.Color = terminal(w)
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			o.Width = width
		}
	}
	return o
}

// asciiOnly reports whether the locale names another character set than UTF-8
// (POSIX, 8.2: the first of the three that is set counts).
func asciiOnly() bool {
	locale := cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG"))
	if locale == "" {
		return false
	}
	locale = strings.ToUpper(locale)
	return !strings.Contains(locale, "UTF-8") && !strings.Contains(locale, "UTF8")
}
