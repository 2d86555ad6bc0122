//go:build peers

package realpeer

import (
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// Direction is what a report says of one direction.
type Direction struct {
	Evidence string `json:"evidence"`
	Expected *int64 `json:"packets_expected"`
	Received *int64 `json:"packets_received"`
	Lost     *int64 `json:"packets_lost"`
	Score    *struct {
		MOS float64 `json:"mos"`
	} `json:"score"`
}

// MOS returns the score as text; a dash when there is none.
func (d Direction) MOS() string {
	if d.Score == nil {
		return "–"
	}
	return format(d.Score.MOS, 2)
}

// Report is what the suites read of a JSON report. It is decoded here once more,
// from the words of the contract, so that a field that changes its name shows.
type Report struct {
	Code int `json:"-"` // exit code

	Schema  string `json:"schema"`
	Verdict string `json:"verdict"`
	Summary string `json:"summary"`
	Failure *struct {
		Layer string `json:"layer"`
		Code  string `json:"code"`
		Error string `json:"error"`
	} `json:"failure"`
	Layers []struct {
		Layer   string   `json:"layer"`
		State   string   `json:"state"`
		Seconds *float64 `json:"seconds"`
		Detail  string   `json:"detail"`
	} `json:"layers"`
	Elapsed    float64  `json:"elapsed_seconds"`
	FirstMedia *float64 `json:"first_media_seconds"`
	Codec      *struct {
		Name string `json:"name"`
	} `json:"codec"`
	Route *struct {
		Relayed bool `json:"relayed"`
	} `json:"route"`
	Echo struct {
		Kind string `json:"kind"`
	} `json:"echo"`
	Deviations []string `json:"deviations"`
	Opinions   []struct {
		Source string `json:"source"`
		Text   string `json:"text"`
	} `json:"second_opinions"`
	Uplink    Direction `json:"uplink"`
	Downlink  Direction `json:"downlink"`
	RoundTrip struct {
		Sent     int64 `json:"packets_sent"`
		Returned int64 `json:"packets_returned"`
		RTT      *struct {
			P50 float64 `json:"p50"`
		} `json:"rtt_seconds"`
	} `json:"round_trip"`
	Audio struct {
		State string   `json:"state"`
		Match *float64 `json:"match_ratio"`
	} `json:"audio"`
}

// FailureCode returns the failure's code; empty when there is none.
func (r Report) FailureCode() string {
	if r.Failure == nil {
		return ""
	}
	return r.Failure.Code
}

// Layer returns the seconds that a layer took, and what it says.
func (r Report) Layer(name string) (seconds float64, detail string) {
	for _, l := range r.Layers {
		if l.Layer == name {
			if l.Seconds != nil {
				seconds = *l.Seconds
			}
			return seconds, l.Detail
		}
	}
	return 0, ""
}

// Place runs earshot call with args and returns its report.
func Place(t testing.TB, args ...string) Report {
	t.Helper()
	cmd := exec.Command(Setting(t, "EARSHOT"), callArgs(args)...)
	var out, diagnostics strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run earshot: %v", err)
	}
	r := Read(t, out.String())
	r.Code = cmd.ProcessState.ExitCode()
	if diagnostics.Len() > 0 {
		t.Logf("earshot says: %s", diagnostics.String())
	}
	return r
}

// Begin starts earshot call with args; Read takes its Log when it is over.
func Begin(t testing.TB, args ...string) *Process {
	t.Helper()
	return Start(t, Setting(t, "EARSHOT"), callArgs(args)...)
}

func callArgs(args []string) []string { return append([]string{"call", "--output", "json"}, args...) }

// Read decodes a report. What else the program wrote may stand before it.
func Read(t testing.TB, text string) Report {
	t.Helper()
	var r Report
	start := strings.Index(text, "{\n")
	if start < 0 {
		t.Fatalf("no report in %q", text)
	}
	if err := json.NewDecoder(strings.NewReader(text[start:])).Decode(&r); err != nil {
		t.Fatalf("read the report: %v\n%s", err, text)
	}
	if r.Schema != "earshot.report/v1" {
		t.Fatalf("got schema %q", r.Schema)
	}
	return r
}
