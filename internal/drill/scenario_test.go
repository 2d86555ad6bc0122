package drill

import (
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/impair"
)

func TestBuiltinScenariosAreValid(t *testing.T) {
	names := Names()
	if len(names) < 8 {
		t.Fatalf("got %v", names)
	}
	for _, name := range names {
		s, err := Builtin(name)
		if err != nil {
			t.Error(err)
		}
		for _, c := range s.changes() {
			if err := c.conditions.Validate(); err != nil {
				t.Errorf("%s at %v: %v", name, c.at, err)
			}
		}
	}
}

func TestParseReadsWhatIsWritten(t *testing.T) {
	got, err := Parse("mine", []byte(`
description: what it is
steps:
  - {at: 0s}
  - {at: 1m, up: "loss=1%", up_to: "loss=5%", say: it gets worse}
  - {at: 2m, fault: silent}
  - {at: 3m, stopped: true}
lasts: 4m
expect:
  - {alert: EarshotX, labels: {direction: uplink}, from: 1m, within: 30s, gone: 3m}
`))
	if err != nil {
		t.Fatal(err)
	}
	changes := got.changes()
	for _, row := range []struct {
		index int
		want  change
	}{
		{0, change{say: "all is well"}},
		{1, change{at: time.Minute, say: "it gets worse", conditions: echo.Conditions{Up: impair.Profile{Loss: 0.01}}}},
		{7, change{at: 90 * time.Second, conditions: echo.Conditions{Up: impair.Profile{Loss: 0.03}}}},
		{len(changes) - 2, change{at: 2 * time.Minute, say: "fault silent", conditions: echo.Conditions{Fault: echo.Silent}}},
		{len(changes) - 1, change{at: 3 * time.Minute, say: "the echo is killed", stopped: true}},
	} {
		if changes[row.index] != row.want {
			t.Errorf("change %d: got %+v, want %+v", row.index, changes[row.index], row.want)
		}
	}
	want := Expectation{Alert: "EarshotX", From: time.Minute, Within: 30 * time.Second, Gone: 3 * time.Minute}
	e := got.Expect[0]
	if e.String() != `EarshotX{direction="uplink"}` || e.From != want.From || e.Within != want.Within || e.Gone != want.Gone {
		t.Errorf("got %+v", e)
	}
}

func TestParseSaysEverythingThatIsWrong(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"an empty file", "", "is empty"},
		{"an unknown key is named with its line", "steps:\n  - {at: 0s, upp: loss=1%}\nlasts: 1m", "line 2: field upp not found"},
		{"a bad impairment", "steps: [{at: 0s, up: loss=300%}]\nlasts: 1m", "loss=300% is not between 0 and 100 %"},
		{"an unknown fault", "steps: [{at: 0s, fault: sulky}]\nlasts: 1m", `steps[0].fault: "sulky" is not known`},
		{"a late start", "steps: [{at: 3s}]\nlasts: 1m", "steps[0].at: the first step begins at 0s"},
		{"steps out of order", "steps: [{at: 0s}, {at: 5s}, {at: 5s}]\nlasts: 1m", "steps[2].at: 5s is not after"},
		{"no end", "steps: [{at: 0s}]", "lasts: 0s is not after the last step"},
		{"an alert that is due after the end", "steps: [{at: 0s}]\nlasts: 1m\nexpect: [{alert: A, from: 50s, within: 20s}]", "expect[0].within: the drill is over"},
		{"an alert without a name", "steps: [{at: 0s}]\nlasts: 1m\nexpect: [{within: 20s}]", "expect[0].alert"},
		{"an alert that ends before its cause", "steps: [{at: 0s}]\nlasts: 1m\nexpect: [{alert: A, from: 20s, within: 20s, gone: 10s}]", "expect[0].gone"},
		{"two problems at once, the second", "steps: [{at: 3s}]\nlasts: 1s", "lasts: 1s"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := Parse("mine", []byte(row.text))
			if err == nil || !strings.Contains(err.Error(), row.want) || !strings.HasPrefix(err.Error(), "scenario mine") {
				t.Errorf("got %v, want something with %q", err, row.want)
			}
		})
	}
	if _, err := Builtin("nonsense"); err == nil || !strings.Contains(err.Error(), "collapse") {
		t.Errorf("got %v, want the names that there are", err)
	}
}
