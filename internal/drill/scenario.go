package drill

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/impair"
)

//go:embed scenarios/*.yaml
var builtin embed.FS

// Scenario is the script of a drill. Its YAML form has the field names in lower
// case with underscores; see the files in scenarios.
type Scenario struct {
	Name        string        `yaml:"-"`
	Description string        `yaml:"description"`
	Steps       []Step        `yaml:"steps"`
	Lasts       time.Duration `yaml:"lasts"`
	Expect      []Expectation `yaml:"expect"`
}

// Step is what holds from its time on. A step is whole: what it does not name is
// well again.
type Step struct {
	At   time.Duration  `yaml:"at"`
	Say  string         `yaml:"say"` // for whoever watches
	Up   impair.Profile `yaml:"up"`
	Down impair.Profile `yaml:"down"`
	// UpTo and DownTo make the step a ramp: conditions move from Up and Down
	// to these until the next step.
	UpTo    *impair.Profile `yaml:"up_to"`
	DownTo  *impair.Profile `yaml:"down_to"`
	Fault   echo.Fault      `yaml:"fault"`
	Stopped bool            `yaml:"stopped"` // the echo's process is killed
}

// Expectation is an alert that has to fire, and until when it has to be gone.
type Expectation struct {
	Alert  string            `yaml:"alert" json:"alert"`
	Labels map[string]string `yaml:"labels" json:"labels,omitempty"` // that it must have, among others
	// From is when the cause begins. The alert may not fire before it, and
	// has to within Within after it.
	From   time.Duration `yaml:"from" json:"-"`
	Within time.Duration `yaml:"within" json:"-"`
	// Gone is when it must have stopped firing; 0: nobody looks.
	Gone time.Duration `yaml:"gone" json:"-"`
}

// Names lists the built-in scenarios.
func Names() []string {
	entries, err := builtin.ReadDir("scenarios")
	if err != nil {
		panic(err) // it is embedded
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// Builtin returns a scenario by its name; the error names those there are.
func Builtin(name string) (Scenario, error) {
	text, err := builtin.ReadFile(path.Join("scenarios", name+".yaml"))
	if err != nil {
		return Scenario{}, fmt.Errorf("no scenario %q; hint: use %s, or a file", name, strings.Join(Names(), ", "))
	}
	return Parse(name, text)
}

// Parse reads a scenario from YAML. The error has everything that is wrong with
// it, each with its place.
func Parse(name string, text []byte) (Scenario, error) {
	var s Scenario
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	err := d.Decode(&s)
	switch {
	case errors.Is(err, io.EOF):
		return Scenario{}, fmt.Errorf("scenario %s is empty; hint: it needs steps", name)
	case err != nil:
		return Scenario{}, fmt.Errorf("scenario %s: %w", name, err)
	}
	s.Name = name
	if err := s.Validate(); err != nil {
		return Scenario{}, fmt.Errorf("scenario %s: %w", name, err)
	}
	return s, nil
}

// Validate reports everything that is wrong, joined; each error names its place.
func (s Scenario) Validate() error {
	var wrong []error
	problem := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if len(s.Steps) == 0 {
		problem("steps: there is none")
	}
	for i, step := range s.Steps {
		switch {
		case i == 0 && step.At != 0:
			problem("steps[0].at: the first step begins at 0s, not at %v", step.At)
		case i > 0 && step.At <= s.Steps[i-1].At:
			problem("steps[%d].at: %v is not after the step before it", i, step.At)
		}
		if err := (echo.Conditions{Up: step.Up, Down: step.Down, Fault: step.Fault}).Validate(); err != nil {
			problem("steps[%d].%w", i, err)
		}
		for name, to := range map[string]*impair.Profile{"up_to": step.UpTo, "down_to": step.DownTo} {
			if to == nil {
				continue
			}
			if err := to.Validate(); err != nil {
				problem("steps[%d].%s: %w", i, name, err)
			}
		}
	}
	if last := len(s.Steps) - 1; last >= 0 && s.Lasts <= s.Steps[last].At {
		problem("lasts: %v is not after the last step, at %v", s.Lasts, s.Steps[last].At)
	}
	for i, e := range s.Expect {
		switch {
		case e.Alert == "":
			problem("expect[%d].alert: it has no name", i)
		case e.Within <= 0:
			problem("expect[%d].within: must be more than 0s, is %v", i, e.Within)
		case e.From+e.Within > s.Lasts:
			problem("expect[%d].within: the drill is over, after %v, before the alert is due, at %v", i, s.Lasts, e.From+e.Within)
		case e.Gone != 0 && (e.Gone <= e.From || e.Gone > s.Lasts):
			problem("expect[%d].gone: %v is not between the alert's cause, at %v, and the end, at %v", i, e.Gone, e.From, s.Lasts)
		}
	}
	return errors.Join(wrong...)
}

// rampStep is how often the conditions change on a ramp.
const rampStep = 5 * time.Second

// change is a moment at which an endpoint gets other conditions.
type change struct {
	at         time.Duration
	conditions echo.Conditions
	stopped    bool
	say        string // empty between the ends of a ramp
}

// changes is the whole script in order.
func (s Scenario) changes() []change {
	var list []change
	for i, step := range s.Steps {
		until := s.Lasts
		if i+1 < len(s.Steps) {
			until = s.Steps[i+1].At
		}
		say := step.Say
		if say == "" {
			say = step.describe()
		}
		list = append(list, change{step.At, step.at(0), step.Stopped, say})
		if step.UpTo == nil && step.DownTo == nil {
			continue
		}
		for at := step.At + rampStep; at < until; at += rampStep {
			list = append(list, change{at, step.at(float64(at-step.At) / float64(until-step.At)), step.Stopped, ""})
		}
	}
	return list
}

// at is the conditions at a share 0..1 of the step's length.
func (s Step) at(share float64) echo.Conditions {
	return echo.Conditions{Up: ramp(s.Up, s.UpTo, share), Down: ramp(s.Down, s.DownTo, share), Fault: s.Fault}
}

func ramp(from impair.Profile, to *impair.Profile, share float64) impair.Profile {
	if to == nil {
		return from
	}
	return impair.Between(from, *to, share)
}

// describe says what a step does, for one that does not say it itself.
func (s Step) describe() string {
	if s.Stopped {
		return "the echo is killed"
	}
	var parts []string
	for _, d := range []struct {
		name string
		from impair.Profile
		to   *impair.Profile
	}{{"uplink", s.Up, s.UpTo}, {"downlink", s.Down, s.DownTo}} {
		switch {
		case d.to != nil:
			parts = append(parts, fmt.Sprintf("%s %v rising to %v", d.name, d.from, *d.to))
		case d.from != impair.Profile{}:
			parts = append(parts, fmt.Sprintf("%s %v", d.name, d.from))
		}
	}
	if s.Fault != echo.NoFault {
		parts = append(parts, "fault "+string(s.Fault))
	}
	if parts == nil {
		return "all is well"
	}
	return strings.Join(parts, ", ")
}

// Stops reports whether the script kills the echo, so that it must be one of
// the drill's own.
func (s Scenario) Stops() bool {
	return slices.ContainsFunc(s.Steps, func(step Step) bool { return step.Stopped })
}
