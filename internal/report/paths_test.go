package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/earshot-voip/earshot/probe"
)

// officeWithoutUDP is a comparison in which only TLS carries a good call.
func officeWithoutUDP() *probe.Comparison {
	const udp, tcp, tls = "turn:turn.example.com:3478?transport=udp", "turn:turn.example.com:3478?transport=tcp", "turns:turn.example.com:5349?transport=tcp"
	failed := func(layer probe.Layer, code probe.Code, text string) *probe.Result {
		r := goodCall()
		return &probe.Result{Name: r.Name, Site: r.Site, Target: r.Target, Started: r.Started, Verdict: probe.Failed,
			Failure: &probe.Failure{Layer: layer, Code: code, Hint: code.Hint(), Err: errors.New(text)}}
	}
	relayed := goodCall()
	relayed.Route.Relayed, relayed.Route.Server, relayed.Route.Transport = true, tls, "tls"
	c := probe.Compare([]probe.Path{
		{Kind: probe.PathDirect, Result: failed(probe.LayerICE, probe.CodeNoPair, "connect ICE: context deadline exceeded (1 local and 1 remote candidates, 0 of 1 pairs answered)")},
		{Kind: probe.PathTURNUDP, Server: udp, Result: failed(probe.LayerGather, probe.CodeTURNNoResponse, "gather candidates: no candidate found ("+udp+" from 198.51.100.4: no answer within 2s)")},
		{Kind: probe.PathTURNTCP, Server: tcp, Result: degradedCall()},
		{Kind: probe.PathTURNTLS, Server: tls, Result: relayed},
		{Kind: probe.PathTURNTLS, Server: "turns:other.example.com:5349?transport=tcp", Skipped: "interrupted before its turn"},
	})
	return &c
}

func TestPathsTextIsAsApproved(t *testing.T) {
	for name, o := range map[string]Options{
		"paths": {}, "paths_narrow": {Width: 60}, "paths_ascii": {ASCII: true}, "paths_color": {Color: true},
	} {
		var b bytes.Buffer
		if err := PathsText(&b, officeWithoutUDP(), o); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", b.Bytes())
		for _, line := range strings.Split(b.String(), "\n") {
			if width := max(o.Width, 80*(1-min(o.Width, 1))); !o.Color && length(line) > width {
				t.Errorf("%s: a line has %d columns, %d are there: %q", name, length(line), width, line)
			}
		}
	}
}

// The JSON of a path holds the whole report of its call, as earshot call writes it.
func TestPathsJSONHoldsTheReports(t *testing.T) {
	var b, report bytes.Buffer
	c := officeWithoutUDP()
	if err := PathsJSON(&b, c); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Schema, Verdict, Summary string
		Best                     *int
		Paths                    []struct {
			Path            string
			Server, Skipped *string
			SetUp           *float64 `json:"set_up_seconds"`
			Report          json.RawMessage
		}
	}
	d := json.NewDecoder(&b)
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Schema != "earshot.paths/v1" || got.Verdict != "good" || got.Best == nil || *got.Best != 3 || got.Summary != c.Summary || len(got.Paths) != 5 {
		t.Fatalf("got %+v", got)
	}
	if got.Paths[0].Path != "direct" || got.Paths[0].Server != nil || got.Paths[0].SetUp != nil {
		t.Errorf("got %+v for the direct path", got.Paths[0])
	}
	if got.Paths[3].SetUp == nil || *got.Paths[3].SetUp != 0.112 || *got.Paths[3].Server != c.Paths[3].Server {
		t.Errorf("got %+v for TLS", got.Paths[3])
	}
	if string(got.Paths[4].Report) != "null" || got.Paths[4].Skipped == nil {
		t.Errorf("got %+v for what was not tried", got.Paths[4])
	}
	if err := JSON(&report, c.Paths[3].Result); err != nil {
		t.Fatal(err)
	}
	var one, other any
	if json.Unmarshal(report.Bytes(), &one) != nil || json.Unmarshal(got.Paths[3].Report, &other) != nil {
		t.Fatal("a report is no JSON")
	}
	equal(t, "report", compact(t, other), compact(t, one))
}

func compact(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPathsExitCode(t *testing.T) {
	for verdict, want := range map[probe.Verdict]int{probe.Good: 0, probe.Degraded: 1, probe.Failed: 2, probe.Untrusted: 3} {
		if got := PathsExitCode(&probe.Comparison{Verdict: verdict}); got != want {
			t.Errorf("%s: got %d want %d", verdict, got, want)
		}
	}
}
