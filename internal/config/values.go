package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Duration is a time in a configuration: "90s", "1h30m", "7d". Zero is not
// given; a file cannot give it.
type Duration struct{ time.Duration }

var days = regexp.MustCompile(`^(\d+)d(.*)$`)

// UnmarshalText reads what time.ParseDuration does, and days.
func (d *Duration) UnmarshalText(text []byte) error {
	rest, whole := string(text), time.Duration(0)
	if m := days.FindStringSubmatch(rest); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil || n > 36500 {
			return fmt.Errorf("%q is too long", text)
		}
		if whole, rest = time.Duration(n)*24*time.Hour, m[2]; rest == "" {
			rest = "0s"
		}
	}
	part, err := time.ParseDuration(rest)
	switch {
	case err != nil:
		return fmt.Errorf("must be a time with its unit, like 500ms, 10s or 5m, is %q", text)
	case part < 0 || whole+part <= 0:
		return fmt.Errorf("must be more than 0, is %s", text)
	}
	d.Duration = whole + part
	return nil
}

// MarshalText writes the shortest form: "1h", not "1h0m0s".
func (d Duration) MarshalText() ([]byte, error) { return []byte(short(d.Duration)), nil }

// IsZero reports whether nothing is given.
func (d Duration) IsZero() bool { return d.Duration == 0 }

func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// Size is a number of bytes in a configuration: "500MB", "2GiB", "1000". Zero
// is not given; a file cannot give it.
type Size int64

var units = map[string]float64{
	"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
	"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40,
}

// UnmarshalText reads a number and a unit.
func (s *Size) UnmarshalText(text []byte) error {
	digits := strings.TrimRight(string(text), "KMGTIBkmgtib ")
	unit, known := units[strings.ToUpper(strings.TrimSpace(string(text)[len(digits):]))]
	n, err := strconv.ParseFloat(digits, 64)
	switch {
	case err != nil || !known:
		return fmt.Errorf("must be a number of bytes, like 500MB or 2GiB, is %q", text)
	case !(n*unit >= 1 && n*unit < math.MaxInt64):
		return fmt.Errorf("must be more than 0 and less than 8 EB, is %s", text)
	}
	*s = Size(n * unit)
	return nil
}

// MarshalText writes the largest decimal unit that needs no fraction, else
// bytes.
func (s Size) MarshalText() ([]byte, error) {
	for _, u := range []string{"TB", "GB", "MB", "KB"} {
		if unit := Size(units[u]); s != 0 && s%unit == 0 {
			return fmt.Appendf(nil, "%d%s", s/unit, u), nil
		}
	}
	return fmt.Appendf(nil, "%d", s), nil
}

// Share is a ratio in a configuration: "3%" or 0.03. Zero is not given; a file
// cannot give it.
type Share float64

// UnmarshalText reads a percentage or a ratio.
func (s *Share) UnmarshalText(text []byte) error {
	digits, isPercent := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	x, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if err != nil {
		return fmt.Errorf("must be a share like 3%% or 0.03, is %q", text)
	}
	if isPercent {
		x /= 100
	}
	if !(x > 0 && x <= 1) {
		return fmt.Errorf("must be within 0%%..100%%, 0 excluded, is %s (a number without %% is a ratio)", text)
	}
	*s = Share(x)
	return nil
}
