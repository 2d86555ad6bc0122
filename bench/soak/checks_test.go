package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var shape = plan{periodic: 3, lasting: 2, renewed: 1, every: time.Minute, length: 30 * time.Minute, pause: 10 * time.Second}

// course is half an hour as it should be: two samples a minute.
func course() []sample {
	var samples []sample
	for i := range 60 {
		at := time.Duration(i+1) * 30 * time.Second
		text := "go_goroutines 300\ngo_memstats_heap_inuse_bytes 3e+07\nearshot_agent_retests_total 0\nearshot_agent_panics_total 0\nearshot_agent_calls_running 3\n"
		for _, target := range []string{"periodic-000", "periodic-001", "periodic-002", "lasting-00", "lasting-01", "renewed-00"} {
			calls := 0
			if strings.HasPrefix(target, "periodic") {
				calls = int(at / time.Minute)
			}
			for name, value := range map[string]int{
				"calls_total": calls, "calls_good_total": calls, "calls_degraded_total": 0, "calls_untrusted_total": 0,
				"windows_total": int(at / time.Second), "windows_unscored_total": 0, "windows_untrusted_total": 0,
				"schedule_skipped_total": 0, "schedule_late_seconds": 0,
			} {
				text += fmt.Sprintf("earshot_%s{target=%q} %d\n", name, target, value)
			}
		}
		metrics, err := parse(strings.NewReader(text))
		if err != nil {
			panic(err)
		}
		samples = append(samples, sample{at: at, metrics: metrics, agentFiles: files{50, 40}, echoFiles: files{50, 40}})
	}
	return samples
}

// set changes a series of a sample.
func (s *sample) set(family, target string, value float64) {
	for i, one := range s.metrics[family] {
		if target == "" || strings.Contains(one.labels, target) {
			s.metrics[family][i].value = value
		}
	}
}

var well = ending{agentTook: time.Second, atEnd: "3", ledger: 92, left: "0"}

// Each check must be able to fail, and each of these failures is seen by the
// check that is meant for it and by no other.
func TestEachCheckSeesWhatItIsFor(t *testing.T) {
	tests := []struct {
		name   string
		change func(all []sample, e *ending)
		want   string // how the check begins; empty: none complains
	}{
		{"all is well", func([]sample, *ending) {}, ""},
		{"the heap grows", func(all []sample, _ *ending) {
			for i := range all {
				all[i].set("go_memstats_heap_inuse_bytes", "", 3e7+float64(i)*1e6)
			}
		}, "heap left"},
		{"the agent's memory grows", func(all []sample, _ *ending) {
			for i := range all {
				all[i].agent.Own = 1e8 + int64(i)*1e6
			}
		}, "memory of the agent"},
		{"the echo's memory grows", func(all []sample, _ *ending) {
			for i := range all {
				all[i].echo.Own = 1e8 + int64(i)*1e6
			}
		}, "memory of the echo"},
		{"goroutines are left", func(all []sample, _ *ending) {
			for i := range all {
				all[i].set("go_goroutines", "", 300+float64(i)*4)
			}
		}, "goroutines"},
		{"files are left", func(all []sample, _ *ending) {
			for i := range all {
				all[i].agentFiles.all += i
			}
		}, "open files of the agent"},
		{"sockets are left", func(all []sample, _ *ending) {
			for i := range all {
				all[i].agentFiles.sockets += i
			}
		}, "open sockets"},
		{"files of the echo are left", func(all []sample, _ *ending) {
			for i := range all {
				all[i].echoFiles.all += i
			}
		}, "open files of the echo"},
		{"a metric has another name", func(all []sample, _ *ending) { delete(all[59].metrics, startLate) }, "metrics that are not there"},
		{"a slot is skipped", func(all []sample, _ *ending) { all[59].set(skippedSlots, "periodic-001", 1) }, "slots of the schedule"},
		{"a target is called too rarely", func(all []sample, _ *ending) {
			all[59].set("earshot_calls_total", "periodic-002", 27)
			all[59].set("earshot_calls_good_total", "periodic-002", 27)
		}, "calls of a periodic target"},
		{"a call begins late", func(all []sample, _ *ending) { all[30].set(startLate, "periodic-000", 6) }, "latest start"},
		{"a call is counted twice", func(all []sample, _ *ending) { all[30].set("earshot_calls_degraded_total", "periodic-000", 1) }, "targets and samples"},
		{"the echo knows of calls that nobody counted", func(_ []sample, e *ending) { e.ledger = 110 }, "calls in the echo's books"},
		{"calls are counted that the echo does not know", func(_ []sample, e *ending) { e.ledger = 80 }, "calls in the echo's books"},
		{"a lasting call ends", func(all []sample, _ *ending) {
			all[59].set("earshot_calls_total", "lasting-01", 1)
			all[59].set("earshot_calls_good_total", "lasting-01", 1)
		}, "calls that stay up"},
		{"a lasting call stops measuring", func(all []sample, _ *ending) {
			for i := 40; i < 60; i++ {
				all[i].set("earshot_windows_total", "lasting-00", 1200)
			}
		}, "calls that stay up"},
		{"a lasting call leaves windows out", func(all []sample, _ *ending) {
			for i := range all {
				all[i].set("earshot_windows_total", "lasting-00", float64(all[i].at/(2*time.Second)))
			}
		}, "calls that stay up"},
		{"the agent ends with an error", func(_ []sample, e *ending) { e.agentErr = errors.New("exit status 2") }, "end on SIGTERM"},
		{"the agent leaves calls", func(_ []sample, e *ending) { e.left = "2" }, "calls that the echo has left"},
		{"the agent logs an error", func(_ []sample, e *ending) { e.log = "level=ERROR" }, "errors in the agent's log"},
		{"a defect is met", func(all []sample, _ *ending) { all[59].set("earshot_agent_panics_total", "", 1) }, "defects"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			samples, e := course(), well
			tt.change(samples, &e)
			var complaints []string
			for _, c := range checks(shape, samples, e) {
				if !c.ok {
					complaints = append(complaints, c.name+": "+c.value+", must be "+c.must)
				}
			}
			if tt.want == "" && len(complaints) == 0 {
				return
			}
			if len(complaints) != 1 || tt.want == "" || !strings.HasPrefix(complaints[0], tt.want) {
				t.Errorf("got %q, want one that begins with %q", complaints, tt.want)
			}
		})
	}
}

func TestMetricsAreParsed(t *testing.T) {
	got, err := parse(strings.NewReader("# HELP a b\na 1\nb{c=\"d e\"} 2.5e+01\nb{c=\"f\"} NaN\n\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got["a"]) != 1 || len(got["b"]) != 2 || !slices.Equal(got["b"][:1], []series{{`c="d e"}`, 25}}) {
		t.Errorf("got %v", got)
	}
	for _, text := range []string{"lonely", "a b"} {
		if _, err := parse(strings.NewReader(text)); err == nil {
			t.Errorf("%q was parsed", text)
		}
	}
}
