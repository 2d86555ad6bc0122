package impair

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// clean is the text of the zero profile.
const clean = "clean"

// keys are the words of the text form, in the order in which String writes
// them. needs names the key without which a key means nothing.
var keys = []struct {
	name, needs string
	set         func(p *Profile, value string) error
	get         func(p Profile) string // empty: as if not given
}{
	{"loss", "", setRatio("loss", func(p *Profile) *float64 { return &p.Loss }),
		func(p Profile) string { return unless(p.Loss == 0 && p.Burst == 0, percent(p.Loss)) }},
	{"burst", "loss", setBurst,
		func(p Profile) string { return unless(p.Burst == 0, number(p.Burst)) }},
	{"delay", "", setDuration("delay", func(p *Profile) *time.Duration { return &p.Delay }),
		func(p Profile) string { return unless(p.Delay == 0, p.Delay.String()) }},
	{"jitter", "", setDuration("jitter", func(p *Profile) *time.Duration { return &p.Jitter }),
		func(p Profile) string { return unless(p.Jitter == 0 && p.Dist == 0 && !p.Overtake, p.Jitter.String()) }},
	{"dist", "jitter", setDist,
		func(p Profile) string { return unless(p.Dist == 0, p.Dist.String()) }},
	{"overtake", "jitter", nil,
		func(p Profile) string { return unless(!p.Overtake, "yes") }},
	{"reorder", "", setRatio("reorder", func(p *Profile) *float64 { return &p.Reorder }),
		func(p Profile) string { return unless(p.Reorder == 0 && p.Hold == 0, percent(p.Reorder)) }},
	{"hold", "reorder", setDuration("hold", func(p *Profile) *time.Duration { return &p.Hold }),
		func(p Profile) string { return unless(p.Hold == 0, p.Hold.String()) }},
	{"duplicate", "", setRatio("duplicate", func(p *Profile) *float64 { return &p.Duplicate }),
		func(p Profile) string { return unless(p.Duplicate == 0, percent(p.Duplicate)) }},
	{"outage", "", setOutage,
		func(p Profile) string { return unless(p.Outage == Outage{}, outage(p.Outage)) }},
	{"rate", "", setRate,
		func(p Profile) string { return unless(p.Rate == 0 && p.Queue == 0, rate(p.Rate)) }},
	{"queue", "rate", setDuration("queue", func(p *Profile) *time.Duration { return &p.Queue }),
		func(p Profile) string { return unless(p.Queue == 0, p.Queue.String()) }},
	{"seed", "", setSeed,
		func(p Profile) string { return unless(p.Seed == 0, strconv.FormatUint(p.Seed, 10)) }},
}

// Parse reads the text form of a profile: keys and values in any order, each
// key once, or "clean" (or nothing) for none.
//
//	loss=3%             share of packets lost at random
//	burst=4             mean number of packets lost in a row (1: independent)
//	delay=80ms          what every packet takes at least
//	jitter=20ms         standard deviation of what comes on top
//	dist=uniform        its distribution: exponential (default), uniform, normal, pareto
//	overtake            jitter may reorder packets
//	reorder=2%          share of packets held back while others pass
//	hold=50ms           for how long
//	duplicate=1%        share of packets that arrive twice
//	outage=2s+500ms/10s everything lost from 2 s on for 500 ms, and again every 10 s
//	rate=64kbit         bottleneck, per second (bit, kbit, Mbit, Gbit)
//	queue=200ms         the longest wait before it; beyond, packets are dropped
//	seed=7              selects the random numbers
//
// An error names the key and the value and says what to write instead.
func Parse(text string) (Profile, error) {
	var p Profile
	text = strings.TrimSpace(text)
	if text == "" || text == clean {
		return p, nil
	}
	given := make(map[string]bool)
	for _, part := range strings.Split(text, ",") {
		name, value, hasValue := strings.Cut(strings.TrimSpace(part), "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if given[name] {
			return Profile{}, fmt.Errorf("impairment %s is given twice; hint: keep one of them", name)
		}
		given[name] = true
		if err := set(&p, name, value, hasValue); err != nil {
			return Profile{}, err
		}
	}
	for _, k := range keys {
		if given[k.name] && k.needs != "" && !given[k.needs] {
			return Profile{}, fmt.Errorf("impairment %s does nothing without %s; hint: add %s=…", k.name, k.needs, k.needs)
		}
	}
	if err := p.Validate(); err != nil {
		return Profile{}, err
	}
	return p, nil
}

func set(p *Profile, name, value string, hasValue bool) error {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
		switch {
		case k.name != name:
		case k.set == nil && hasValue:
			return problem(name, value, "takes no value", name)
		case k.set == nil:
			p.Overtake = true
			return nil
		case value == "":
			return fmt.Errorf("impairment %s has no value; hint: the form is loss=3%%,delay=80ms", name)
		default:
			return k.set(p, value)
		}
	}
	return fmt.Errorf("impairment %q is not known; hint: use %s", name, strings.Join(names, ", "))
}

// String is the text form that [Parse] reads back to the same profile.
func (p Profile) String() string {
	var parts []string
	for _, k := range keys {
		switch value := k.get(p); {
		case value == "":
		case k.set == nil:
			parts = append(parts, k.name)
		default:
			parts = append(parts, k.name+"="+value)
		}
	}
	if parts == nil {
		return clean
	}
	return strings.Join(parts, ",")
}

// MarshalText writes the text form, for JSON, YAML and flags.
func (p Profile) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the text form.
func (p *Profile) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err == nil {
		*p = parsed
	}
	return err
}

func setRatio(key string, field func(*Profile) *float64) func(*Profile, string) error {
	return func(p *Profile, value string) error {
		digits, isPercent := strings.CutSuffix(value, "%")
		if !isPercent || !plain(digits) {
			return problem(key, value, "is not a percentage", key+"=3%")
		}
		// Shifting the exponent in the text keeps 0.1 % the number nearest to
		// 0.001, which a division by 100 does not.
		v, err := strconv.ParseFloat(digits+"e-2", 64)
		if err != nil || v > 1 {
			return problem(key, value, "is not between 0 and 100 %", key+"=3%")
		}
		if v > 0 && v < 1e-9 {
			return problem(key, value, "is too small to ever happen", key+"=0.01%")
		}
		*field(p) = v
		return nil
	}
}

func setDuration(key string, field func(*Profile) *time.Duration) func(*Profile, string) error {
	return func(p *Profile, value string) error {
		d, err := time.ParseDuration(value)
		if err != nil {
			return problem(key, value, "is not a duration", key+"=80ms")
		}
		*field(p) = d
		return nil
	}
}

func setBurst(p *Profile, value string) error {
	v, err := strconv.ParseFloat(value, 64)
	if err != nil || !plain(value) || v == 0 {
		return problem("burst", value, "is not a number of packets", "burst=4")
	}
	p.Burst = v
	return nil
}

func setDist(p *Profile, value string) error {
	for d := Exponential; d <= Pareto; d++ {
		if d.String() == value {
			p.Dist = d
			return nil
		}
	}
	return problem("dist", value, "is not known", "dist="+distNames())
}

func setOutage(p *Profile, value string) error {
	from, rest, ok := strings.Cut(value, "+")
	length, every, repeats := strings.Cut(rest, "/")
	var o Outage
	var errs [3]error
	o.From, errs[0] = time.ParseDuration(from)
	o.For, errs[1] = time.ParseDuration(length)
	if repeats {
		o.Every, errs[2] = time.ParseDuration(every)
	}
	if !ok || errors.Join(errs[:]...) != nil || o.For == 0 || repeats && o.Every == 0 {
		return problem("outage", value, "is not a start, a length and perhaps a period", "outage=2s+500ms or outage=2s+500ms/10s")
	}
	p.Outage = o
	return nil
}

// units of rates, the largest first. Each is a power of ten.
var units = []struct {
	name  string
	zeros int
}{{"Gbit", 9}, {"Mbit", 6}, {"kbit", 3}, {"bit", 0}}

func setRate(p *Profile, value string) error {
	for _, u := range units {
		digits, ok := strings.CutSuffix(value, u.name)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(digits+"e"+strconv.Itoa(u.zeros), 64)
		if err != nil || !plain(digits) || v != math.Trunc(v) || v > maxRate {
			break
		}
		p.Rate = int64(v)
		return nil
	}
	return problem("rate", value, "is not a number of bits per second", "rate=64kbit")
}

func setSeed(p *Profile, value string) error {
	v, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		return problem("seed", value, "is not a whole number of at most 64 bits", "seed=7")
	}
	p.Seed = v
	return nil
}

// plain says whether s is a decimal number without sign, exponent or words.
func plain(s string) bool {
	return s != "" && strings.Trim(s, "0123456789.") == "" && len(s) <= 40
}

func unless(absent bool, text string) string {
	if absent {
		return ""
	}
	return text
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// percent writes a ratio so that setRatio reads the same number back: the
// shortest digits of the ratio with the point moved by two places.
func percent(ratio float64) string {
	if ratio == 0 {
		return "0%"
	}
	mantissa, exponent, ok := strings.Cut(strconv.FormatFloat(ratio, 'e', -1, 64), "e")
	if !ok { // infinite or not a number
		return mantissa + "%"
	}
	sign := ""
	if mantissa[0] == '-' {
		sign, mantissa = "-", mantissa[1:]
	}
	e, _ := strconv.Atoi(exponent)
	digits := strings.Replace(mantissa, ".", "", 1)
	point := 1 + e + 2
	if point <= 0 {
		digits = strings.Repeat("0", 1-point) + digits
		point = 1
	}
	if point >= len(digits) {
		return sign + digits + strings.Repeat("0", point-len(digits)) + "%"
	}
	return sign + digits[:point] + "." + digits[point:] + "%"
}

func rate(bits int64) string {
	for _, u := range units {
		unit := int64(math.Pow10(u.zeros))
		if bits%unit == 0 && bits != 0 {
			return strconv.FormatInt(bits/unit, 10) + u.name
		}
	}
	return "0bit"
}

func outage(o Outage) string {
	s := o.From.String() + "+" + o.For.String()
	if o.Every != 0 {
		s += "/" + o.Every.String()
	}
	return s
}
