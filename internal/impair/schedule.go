package impair

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Schedule is a network that changes: each step's profile holds from its time
// on. The first step is at 0 and the times rise. A step is whole: what its
// profile does not name is clean again. All steps use the seed of the first.
type Schedule []Step

// Step is one profile of a schedule.
type Step struct {
	At      time.Duration // since the link's start
	Profile Profile
}

// ParseSchedule reads profiles separated by semicolons, each after the first
// with the time at which it begins:
//
//	seed=7;at=10s:loss=5%,burst=3;at=20s:clean
//
// The text of a single profile is a schedule too.
func ParseSchedule(text string) (Schedule, error) {
	var s Schedule
	for i, part := range strings.Split(text, ";") {
		step, err := parseStep(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		if i == 0 && step.At != 0 {
			s = append(s, Step{})
		}
		if len(s) > 0 && step.Profile.Seed != 0 {
			return nil, problem("seed", fmt.Sprint(step.Profile.Seed), "cannot change on the way", "seed=… before the first semicolon")
		}
		s = append(s, step)
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return s, nil
}

func parseStep(text string) (Step, error) {
	var step Step
	if rest, ok := strings.CutPrefix(text, "at="); ok {
		at, profile, ok := strings.Cut(rest, ":")
		d, err := time.ParseDuration(strings.TrimSpace(at))
		if !ok || err != nil || d < 0 {
			return step, problem("at", at, "is not a time before a colon", "at=10s:loss=5%")
		}
		step.At, text = d, profile
	}
	var err error
	step.Profile, err = Parse(text)
	return step, err
}

// Validate reports the first step that is out of order or has an invalid
// profile.
func (s Schedule) Validate() error {
	if len(s) == 0 {
		return errors.New("impairment schedule has no step; hint: begin with clean")
	}
	for i, step := range s {
		switch {
		case i == 0 && step.At != 0:
			return problem("at", step.At.String(), "is not 0 in the first step", "clean before the first semicolon")
		case i > 0 && step.At <= s[i-1].At:
			return problem("at", step.At.String(), "is not after the step before it", "rising times")
		}
		if err := step.Profile.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// String is the text form that [ParseSchedule] reads back.
func (s Schedule) String() string {
	var b strings.Builder
	for i, step := range s {
		p := step.Profile
		if i > 0 {
			p.Seed = 0
			fmt.Fprintf(&b, ";at=%v:", step.At)
		}
		b.WriteString(p.String())
	}
	return b.String()
}

// MarshalText writes the text form, for JSON, YAML and flags.
func (s Schedule) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the text form.
func (s *Schedule) UnmarshalText(text []byte) error {
	parsed, err := ParseSchedule(string(text))
	if err == nil {
		*s = parsed
	}
	return err
}

// Link starts a link that follows the schedule, which must be valid. Any number
// of links can follow one schedule.
func (s Schedule) Link() *Link {
	if len(s) == 0 {
		s = Schedule{{}}
	}
	first := s[0].Profile
	l := &Link{began: s, steps: s[1:], random: newRandom(first.Seed)}
	l.SetProfile(first)
	return l
}
