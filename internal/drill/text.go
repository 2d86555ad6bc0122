package drill

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// words of the states, for a reader.
var words = map[State]string{
	InTime: "in time", Early: "before its cause", Late: "too late", Missing: "did not fire",
	Lasting: "did not end in time", NotWatched: "not watched", Interrupted: "not known: the drill was interrupted",
}

// Text writes the outcome for a person: a line for each alert, and a verdict.
func (o *Outcome) Text(w io.Writer) error {
	var b strings.Builder
	for _, f := range o.Findings {
		fmt.Fprintf(&b, "%s  expected by %s, %s", f.Expectation, clock(f.From+f.Within), words[f.State])
		if f.Fired != nil {
			fmt.Fprintf(&b, ": fired at %s, %v after its cause", clock(*f.Fired), (*f.Fired - f.From).Round(time.Second))
		}
		if f.Resolved != nil {
			fmt.Fprintf(&b, ", ended at %s", clock(*f.Resolved))
		}
		b.WriteString("\n")
	}
	for _, name := range o.Unexpected {
		fmt.Fprintf(&b, "%s  paged, and nothing in the script is a reason to\n", name)
	}
	switch {
	case o.Cut:
		fmt.Fprintf(&b, "The drill %s was interrupted; the echo is well again.\n", o.Scenario)
	case !o.Watched:
		fmt.Fprintf(&b, "The drill %s is over. Nobody watched the alerts; --prometheus or --alertmanager would.\n", o.Scenario)
	case o.Passed():
		fmt.Fprintf(&b, "The drill %s is over: every alert did what was expected of it.\n", o.Scenario)
	default:
		fmt.Fprintf(&b, "The drill %s is over: the alerts did not do what was expected of them.\n", o.Scenario)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// MarshalJSON writes times as seconds since the drill began; null is what did
// not happen.
func (o *Outcome) MarshalJSON() ([]byte, error) {
	type alert struct {
		Expectation
		From     float64  `json:"from_seconds"`
		Within   float64  `json:"within_seconds"`
		State    State    `json:"state"`
		Fired    *float64 `json:"fired_seconds"`
		Resolved *float64 `json:"resolved_seconds"`
	}
	alerts := []alert{}
	for _, f := range o.Findings {
		alerts = append(alerts, alert{f.Expectation, f.From.Seconds(), f.Within.Seconds(), f.State, seconds(f.Fired), seconds(f.Resolved)})
	}
	return json.Marshal(struct {
		Schema     string    `json:"schema"`
		Scenario   string    `json:"scenario"`
		Began      time.Time `json:"began"`
		Watched    bool      `json:"watched"`
		Passed     bool      `json:"passed"`
		Alerts     []alert   `json:"alerts"`
		Unexpected []string  `json:"unexpected"`
	}{"earshot.drill/v1", o.Scenario, o.Began.UTC(), o.Watched, o.Passed(), alerts, append([]string{}, o.Unexpected...)})
}

func seconds(d *time.Duration) *float64 {
	if d == nil {
		return nil
	}
	s := d.Seconds()
	return &s
}
