package web

import (
	"fmt"
	"html/template"
	"math"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/internal/report"
)

// unknown stands where nothing is known: never a zero.
const unknown = template.HTML(`<span class="unknown"><span aria-hidden="true">—</span><span class="sr">unknown</span></span>`)

// functions are what the templates call.
var functions = template.FuncMap{
	"mos": func(x *float64) template.HTML {
		return optional(x, func(v float64) string { return fmt.Sprintf("%.2f", v) })
	},
	"points": func(x *float64) template.HTML {
		return optional(x, func(v float64) string { return fmt.Sprintf("%.1f", v) })
	},
	"percent":  func(x *float64) template.HTML { return optional(x, percent) },
	"seconds":  func(x *float64) template.HTML { return optional(x, seconds) },
	"count":    countText,
	"long":     long,
	"sentence": sentence,
	"inFile":   inFile,
	"ratio2": func(x *float64) template.HTML {
		return optional(x, func(v float64) string { return fmt.Sprintf("%.2f", v) })
	},
	"interval": intervalText,
	"clock":    func(t time.Time) string { return t.UTC().Format("15:04:05") },
	"date":     func(t time.Time) string { return t.UTC().Format("2006-01-02") },
	"stamp":    func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
	"iso":      func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"ago":      ago,
	"path":     url.PathEscape,
	"unknown":  func() template.HTML { return unknown },
	"dict":     dict,
	"layer":    layerName,
	"scale":    scaleName,
	"plural":   plural,
}

func optional(x *float64, format func(float64) string) template.HTML {
	if x == nil || math.IsNaN(*x) {
		return unknown
	}
	return template.HTML(template.HTMLEscapeString(format(*x)))
}

func countText(x *int64) template.HTML {
	if x == nil {
		return unknown
	}
	return template.HTML(fmt.Sprint(*x))
}

func intervalText(s *docScore) template.HTML {
	if s == nil || s.MOSLow == nil || s.MOSHigh == nil {
		return unknown
	}
	return template.HTML(fmt.Sprintf("%.2f to %.2f", *s.MOSLow, *s.MOSHigh))
}

// seconds renders with three significant digits. A no-break space keeps the unit
// with its number.
func seconds(s float64) string { return report.Duration(time.Duration(s * float64(time.Second))) }

func percent(ratio float64) string { return report.Percent(ratio) }

// ago says how long before now a time was, coarser the longer.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	switch d := now.Sub(t); {
	case d < -time.Second:
		return "in " + span(-d)
	case d < time.Second:
		return "just now"
	default:
		return span(d) + " ago"
	}
}

// span renders a time of any length in one or two units.
func span(d time.Duration) string {
	s := int64(d / time.Second)
	switch {
	case s < 120:
		return fmt.Sprintf("%d s", s)
	case s < 2*3600:
		return fmt.Sprintf("%d min", s/60)
	case s < 48*3600:
		return fmt.Sprintf("%d h %d min", s/3600, s/60%60)
	}
	return fmt.Sprintf("%d days", s/86400)
}

// long renders a time that may be hours.
func long(d time.Duration) string {
	if d < 2*time.Minute {
		return sentence(seconds(d.Seconds()))
	}
	return sentence(span(d))
}

var beforeUnit = regexp.MustCompile(`(\d) (%|(?:ms|s|min|h|days|kHz|dBov)\b)`)

// sentence keeps each number and its unit on one line.
func sentence(text string) string { return beforeUnit.ReplaceAllString(text, "$1\u00a0$2") }

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func scaleName(scale string) string {
	switch scale {
	case "nb":
		return "narrowband"
	case "wb":
		return "wideband"
	case "fb":
		return "fullband"
	}
	return "scale unknown"
}

// layerName is a layer as a heading has it.
func layerName(layer any) string {
	switch name := fmt.Sprint(layer); name {
	case "tls", "ice", "dtls":
		return strings.ToUpper(name)
	case "signaling":
		return "signalling"
	default:
		return name
	}
}

// dict makes a map of pairs, for templates that take several arguments.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict: %d arguments", len(pairs))
	}
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return m, nil
}

// withoutSecrets renders a target's URL without what may be secret in it.
func withoutSecrets(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return "(not a URL)"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	if user, host, ok := strings.Cut(u.Opaque, "@"); ok {
		user, _, _ = strings.Cut(user, ":") // a password in a SIP address
		u.Opaque = user + "@" + host
	}
	return u.String()
}

// trimZeros makes "10.0 ms" "10 ms".
func trimZeros(text string) string {
	number, unit, _ := strings.Cut(text, " ")
	if strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	return number + " " + unit
}
