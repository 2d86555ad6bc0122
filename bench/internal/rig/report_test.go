package rig

import (
	"strings"
	"testing"
	"time"
)

func TestReportIsMarkdown(t *testing.T) {
	r := NewReport("Title", "go run ./bench/x")
	r.Section("Part")
	r.Table([]string{"what", "µs"}, [][]string{{"one", "1.0"}, {"a hundred", "100"}})
	r.Complain("%d is wrong", 3)
	text := r.String()
	want := `
## Part

| what      |  µs |
|-----------|----:|
| one       | 1.0 |
| a hundred | 100 |

**Not as it must be:**

- 3 is wrong
`
	if !strings.HasSuffix(text, want) {
		t.Errorf("got:\n%s\nwant at its end:\n%s", text, want)
	}
	if err := r.Complaint(); err == nil || err.Error() != "3 is wrong" {
		t.Errorf("complaint %v", err)
	}
	if NewReport("", "").Complaint() != nil {
		t.Error("a report without complaints complains")
	}
}

func TestLoad(t *testing.T) {
	from := Usage{At: time.Unix(100, 0), CPU: time.Second}
	to := Usage{At: time.Unix(104, 0), CPU: 2 * time.Second}
	if share, span := Load(from, to); share != 0.25 || span != 4*time.Second {
		t.Errorf("got %v over %v, want a quarter of a core over 4 s", share, span)
	}
	if share, _ := Load(to, to); share != 0 {
		t.Errorf("got %v of no time", share)
	}
}

func TestDurationsAreRendered(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0.0", 1500: "1.5", 25 * time.Microsecond: "25", -3 * time.Millisecond: "-3000"} {
		if got := Micros(d); got != want {
			t.Errorf("%v: got %q want %q", d, got, want)
		}
	}
}
