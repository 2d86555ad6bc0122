//go:build peers

package dashgen

import (
	"fmt"
	"math"
	"strconv"
	"testing"
	"time"
)

// said is a value in the unit of a panel, with three significant digits unless
// decimals says otherwise: how Grafana writes it.
func said(v float64, unit string, decimals *int, now time.Time) string {
	switch unit {
	case unitYes:
		return map[bool]string{true: "Yes", false: "No"}[v != 0]
	case unitDate:
		at := time.UnixMilli(int64(v))
		if at.After(now) {
			return "in " + at.Sub(now).Round(time.Second).String()
		}
		return now.Sub(at).Round(time.Second).String() + " ago"
	}
	factor, name := scaleOf(v, unit)
	return digits(v/factor, decimals) + name
}

// scaleOf is what a value is divided by to be read well, and the name of that.
func scaleOf(v float64, unit string) (float64, string) {
	type scale struct {
		factor float64
		name   string
	}
	var list []scale
	switch unit {
	case unitSeconds:
		list = []scale{{1e-9, " ns"}, {1e-6, " µs"}, {1e-3, " ms"}, {1, " s"}, {60, " min"}, {3600, " h"}, {86400, " d"}}
	case unitBytes:
		list = []scale{{1, " B"}, {1 << 10, " KiB"}, {1 << 20, " MiB"}, {1 << 30, " GiB"}}
	case unitShort:
		list = []scale{{1, ""}, {1e3, " K"}, {1e6, " Mil"}, {1e9, " Bil"}}
	case unitPackets:
		list = []scale{{1, " p/s"}, {1e3, " kp/s"}}
	case unitCounts:
		list = []scale{{1, " c/s"}, {1e3, " kc/s"}}
	case unitShare:
		return 0.01, "%"
	case unitDB:
		return 1, " dB"
	default:
		return 1, ""
	}
	best := list[0]
	for _, s := range list {
		if math.Abs(v) >= s.factor {
			best = s
		}
	}
	if v == 0 {
		best = scale{1, ""}
		if unit == unitSeconds {
			best.name = " s"
		}
	}
	return best.factor, best.name
}

func digits(v float64, decimals *int) string {
	switch {
	case decimals != nil:
		return strconv.FormatFloat(v, 'f', *decimals, 64)
	case v == math.Trunc(v):
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', max(0, 2-int(math.Floor(math.Log10(math.Abs(v))))), 64)
}

// ticks are round values from low to high, about as many as wanted, and how to
// write them: all in one scale.
func ticks(low, high float64, wanted int, unit string) (values []float64, write func(float64) string) {
	factor, name := scaleOf(max(math.Abs(low), math.Abs(high)), unit)
	rough := (high - low) / factor / float64(wanted)
	step := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if m*step >= rough {
			step *= m
			break
		}
	}
	for v := math.Ceil(low/factor/step-1e-9) * step; v <= high/factor*(1+1e-9)+1e-12; v += step {
		values = append(values, v*factor+0) // no -0
	}
	places := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	if m := step * math.Pow(10, float64(places)); m != math.Trunc(m) {
		places++
	}
	return values, func(v float64) string { return fmt.Sprintf("%.*f%s", places, v/factor+0, name) }
}

func TestPicturesSayValuesAsGrafana(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, row := range []struct {
		value    float64
		unit     string
		decimals *int
		want     string
	}{
		{4.3184, unitNone, nil, "4.32"},
		{0.12345, unitShare, nil, "12.3%"},
		{0.99, unitShare, new(2), "99.00%"},
		{0.000052, unitSeconds, nil, "52 µs"},
		{0.0523, unitSeconds, nil, "52.3 ms"},
		{90, unitSeconds, nil, "1.50 min"},
		{41.5 * (1 << 20), unitBytes, nil, "41.5 MiB"},
		{1500, unitShort, nil, "1.50 K"},
		{1_007_000, unitDate, nil, "in 7s"},
		{940_000, unitDate, nil, "1m0s ago"},
		{1, unitYes, nil, "Yes"},
	} {
		if got := said(row.value, row.unit, row.decimals, now); got != row.want {
			t.Errorf("%g in %s: got %q, want %q", row.value, row.unit, got, row.want)
		}
	}
}
